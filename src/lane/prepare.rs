//! What happens once, before any lane joins: the lake is opened and bound to its topics, output topics are made, writers without a lane
//! are recovered, and the group gets its start offsets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::history::read_history;
use super::takeover::{Decision, Moved, decide, history_needed_since_ms};
use crate::batch::{CommitNote, TopicPartition};
use crate::config::{self, Config};
use crate::failpoint;
use crate::journey::settle::{Party, Recovered, SettleError, recover};
use crate::kafka::{Admin, ClientSettings, CommitOffset, Delivery, Isolation, KafkaError, LaneProducer, NewTopic, OffsetSpec};
use crate::lake::{Lake, LakeError, LocalStorage, OpenOptions};

/// How long Kafka may take to answer at the start; a cluster that just boots needs some seconds.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(30);
/// Between two questions about a topic that a broker does not know yet.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long an epochs topic of our making keeps its records; a staged epoch that is older cannot be judged.
pub(super) const EPOCHS_KEPT: Duration = Duration::from_hours(30 * 24);
/// What a dead letter adds to the message that it carries: headers and framing.
const DEAD_LETTER_EXTRA: usize = 65_536;
/// What a batch of one record takes beside key, value and headers.
const RECORD_OVERHEAD: usize = 512;
/// Kafka's default `max.message.bytes`, and the least that dead letters are made for.
const MESSAGE_BYTES_MAX: usize = 1_048_588;

/// Why a run cannot start. Nothing was changed that a later start would not do again.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("what an earlier run left staged cannot be recovered: {0}")]
    Recovery(#[from] SettleError),
    #[error("the output topic `{0}` does not exist and kafka.create_topics is off. Make it with `corelane topics create {0}`")]
    OutputMissing(String),
    #[error(transparent)]
    Moved(Box<GroupMoved>),
}

/// A group that does not stand where our last epochs ended.
#[derive(Debug, thiserror::Error)]
#[error(
    "{partition}: {what}, while our last epoch of it ended at {last}: somebody moved the group, or Kafka forgot its offsets. Remedy: \
     `corelane groups reset --brokers {brokers} --group {group} --topic {topic} --partition {number} --to {to} --reason WHY`, or another \
     offset where that is not what you want",
    topic = partition.topic, number = partition.partition
)]
pub struct GroupMoved {
    group: String,
    partition: TopicPartition,
    what: String,
    last: String,
    to: String,
    brokers: String,
}

/// What all lanes of a run share.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) lake: Lake,
    pub(super) clients: ClientSettings,
    pub(super) cluster_id: String,
    pub(super) topic_ids: BTreeMap<String, String>,
    /// Of all input topics together.
    pub(super) partitions: usize,
    /// The same with the epochs topic: these must not change while the run lasts.
    pub(super) bound_ids: Arc<BTreeMap<String, String>>,
    pub(super) epochs_topic: Arc<str>,
    pub(super) rejects_topic: Arc<str>,
    pub(super) aggregates_topic: Arc<str>,
    pub(super) dead_letter_bytes_max: usize,
}

/// The storage and the producer of one writer.
pub(super) type LaneParty = Party<LocalStorage, LaneProducer>;

/// Gives what the lanes share, and each lane's party: its predecessor's transaction is ended and its staged epochs are judged already.
pub(super) fn prepare(config: &Config) -> Result<(Prepared, Vec<LaneParty>), PrepareError> {
    let options = OpenOptions { group: config.kafka.group.clone(), instance: config.lanes.instance.clone() };
    let lake = Lake::open(&config.lake.path, options)?;
    let clients = client_settings(config, lake.instance());
    let admin = Admin::new(&clients)?;
    let deadline = Instant::now() + START_DEADLINE;

    let cluster_id = admin.cluster_id(deadline)?;
    let topics: Vec<&str> = config.kafka.topics.iter().map(|topic| &**topic).collect();
    let described = admin.describe_topics(&topics, deadline)?;
    let mut topic_ids = BTreeMap::new();
    for topic in &described {
        lake.bind_topic(&topic.name, &topic.id, &cluster_id)?;
        topic_ids.insert(topic.name.clone(), topic.id.clone());
    }
    let partitions = described.iter().map(|topic| topic.partitions.len()).max().unwrap_or(1);
    let mut message_bytes_max = MESSAGE_BYTES_MAX;
    for topic in &topics {
        let limit = admin.topic_config(topic, "max.message.bytes", deadline)?;
        message_bytes_max = message_bytes_max.max(limit.and_then(|limit| limit.parse().ok()).unwrap_or(0));
    }

    let prepared = Prepared {
        lake,
        clients,
        cluster_id,
        topic_ids,
        partitions: described.iter().map(|topic| topic.partitions.len()).sum(),
        bound_ids: Arc::default(),
        epochs_topic: format!("{}.epochs", config.kafka.prefix).into(),
        rejects_topic: format!("{}.rejects", config.kafka.prefix).into(),
        aggregates_topic: format!("{}.aggregates", config.kafka.prefix).into(),
        dead_letter_bytes_max: message_bytes_max + DEAD_LETTER_EXTRA,
    };
    make_output_topics(config, &admin, &prepared, partitions, deadline)?;
    let prepared = bind_output_topics(&admin, prepared, deadline)?;
    recover_writers_without_lane(config, &prepared)?;
    // Before the group's offsets are asked for: they are not stable while a predecessor's transaction is open.
    let parties = lane_parties(config, &prepared)?;
    set_start_offsets(config, &admin, &prepared)?;
    Ok((prepared, parties))
}

/// The epochs topic is the witness of what is committed: one that was made anew knows nothing. And what the rejects topic takes at most
/// is the topic's to say, also where it was there before.
fn bind_output_topics(admin: &Admin, prepared: Prepared, deadline: Instant) -> Result<Prepared, PrepareError> {
    let mut bound_ids = prepared.topic_ids.clone();
    for topic in once_known(deadline, || admin.describe_topics(&[&prepared.epochs_topic], deadline))? {
        prepared.lake.bind_topic(&topic.name, &topic.id, &prepared.cluster_id)?;
        bound_ids.insert(topic.name, topic.id);
    }
    let limit = once_known(deadline, || admin.topic_config(&prepared.rejects_topic, "max.message.bytes", deadline))?;
    let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(MESSAGE_BYTES_MAX);
    Ok(Prepared { dead_letter_bytes_max: limit.saturating_sub(RECORD_OVERHEAD), bound_ids: Arc::new(bound_ids), ..prepared })
}

/// Asks until the topic is known: one of several brokers may not have heard yet of what another has just made.
fn once_known<T>(deadline: Instant, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    loop {
        match ask() {
            Err(KafkaError::TopicMissing { .. }) if Instant::now() + ASK_AGAIN < deadline => std::thread::sleep(ASK_AGAIN),
            answer => return answer,
        }
    }
}

/// All at once: each takes up to a second where it must abort what its predecessor had under way.
fn lane_parties(config: &Config, prepared: &Prepared) -> Result<Vec<LaneParty>, PrepareError> {
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..config.lanes.cores.len())
            .map(|lane| {
                scope.spawn(move || {
                    let mut party = party_of(config, prepared, &prepared.lake.writer(&config.kafka.group, lane))?;
                    recover_writer(&mut party)?;
                    Ok(party)
                })
            })
            .collect();
        let panicked = || PrepareError::Kafka(KafkaError::Create { client: "lane".into(), reason: "its maker panicked".into() });
        makers.into_iter().map(|maker| maker.join().map_err(|_| panicked())?).collect()
    })
}

pub(super) fn client_settings(config: &Config, instance: &str) -> ClientSettings {
    ClientSettings {
        brokers: config.kafka.brokers.clone(),
        client_id: format!("corelane-{instance}"),
        security: config.kafka.security.clone(),
        properties: config.kafka.properties.clone(),
        cores: config.cores.kafka.clone(),
    }
}

pub(super) fn delivery(config: &Config, writer: &str) -> Delivery {
    match config.kafka.delivery {
        config::Delivery::ExactlyOnce => Delivery::ExactlyOnce { transactional_id: writer.to_owned() },
        config::Delivery::AtLeastOnce => Delivery::AtLeastOnce,
    }
}

/// Output topics are made with the input's partitions and the broker's replication; input topics never are.
fn make_output_topics(
    config: &Config,
    admin: &Admin,
    prepared: &Prepared,
    partitions: usize,
    deadline: Instant,
) -> Result<(), PrepareError> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let wanted = [
        NewTopic::new(&*prepared.rejects_topic, partitions)
            .with("max.message.bytes", &prepared.dead_letter_bytes_max.to_string()),
        NewTopic::new(&*prepared.epochs_topic, partitions)
            .with("retention.ms", &EPOCHS_KEPT.as_millis().to_string())
            .with("cleanup.policy", "delete")
            // Epochs are looked for by the time that their writer gave them.
            .with("message.timestamp.type", "CreateTime"),
        NewTopic::new(&*prepared.aggregates_topic, partitions),
    ];
    let there: Vec<String> = admin.list_topics(deadline)?.into_iter().map(|topic| topic.name).collect();
    let missing: Vec<NewTopic> = wanted.into_iter().filter(|topic| !there.contains(&topic.name)).collect();
    match missing.first() {
        Some(first) if !config.kafka.create_topics => return Err(PrepareError::OutputMissing(first.name.clone())),
        _ => {}
    }
    for name in admin.create_missing(&missing, deadline)? {
        tracing::info!(topic = name, partitions, "output topic made");
    }
    admin.wait_for_leaders(&[&prepared.rejects_topic, &prepared.epochs_topic, &prepared.aggregates_topic], deadline)?;
    Ok(())
}

/// Lanes that are configured recover their own writer when they start; the others have nobody else.
fn recover_writers_without_lane(config: &Config, prepared: &Prepared) -> Result<(), PrepareError> {
    let lanes: Vec<String> = (0..config.lanes.cores.len()).map(|lane| prepared.lake.writer(&config.kafka.group, lane)).collect();
    for writer in prepared.lake.writers_of_instance()? {
        if !lanes.contains(&writer) {
            let mut party = party_of(config, prepared, &writer)?;
            recover_writer(&mut party)?;
        }
    }
    Ok(())
}

/// The storage and the producer of a writer; making the producer ends what was under way under its id.
pub(super) fn party_of(config: &Config, prepared: &Prepared, writer: &str) -> Result<LaneParty, PrepareError> {
    // The claim comes first: a producer that is made fences whoever still has it.
    let storage = prepared.lake.storage(writer)?;
    let deadline = Instant::now() + START_DEADLINE;
    let transaction = LaneProducer::connect(&prepared.clients, delivery(config, writer), &config.kafka.group, deadline)?;
    Ok(Party {
        storage,
        transaction,
        writer: writer.to_owned(),
        epochs_topic: prepared.epochs_topic.to_string(),
        topic_ids: Arc::clone(&prepared.bound_ids),
    })
}

pub(super) fn recover_writer(party: &mut LaneParty) -> Result<Recovered, PrepareError> {
    let recovered = recover(party, Instant::now() + START_DEADLINE)?;
    if recovered != Recovered::default() {
        let Recovered { revealed, discarded, quarantined } = recovered;
        tracing::info!(writer = party.writer, revealed, discarded, quarantined, "epochs recovered");
    }
    Ok(recovered)
}

/// Gives every partition without a committed offset its start, in one go, before anyone joins, and refuses offsets that are not the end
/// of our last epochs. While the group has members nobody else can move it, and its start offsets are theirs.
fn set_start_offsets(config: &Config, admin: &Admin, prepared: &Prepared) -> Result<(), PrepareError> {
    let deadline = Instant::now() + START_DEADLINE;
    let group = &config.kafka.group;
    if admin.group_state(group, deadline)?.members > 0 {
        return Ok(());
    }
    let mut partitions = Vec::new();
    for topic in &config.kafka.topics {
        partitions.extend(admin.partitions_of(topic, deadline)?);
    }
    let committed = admin.committed(group, Some(&partitions), deadline)?;
    let since_ms = history_needed_since_ms(&committed);
    let history = read_history(group, admin, prepared, since_ms, deadline)?;
    let decisions = decide(&committed, &history).map_err(|moved| refusal(config, moved))?;

    let (spec, from) = match config.kafka.start {
        config::Start::Earliest => (OffsetSpec::Earliest, "earliest".to_owned()),
        config::Start::Latest => (OffsetSpec::Latest, "latest".to_owned()),
        config::Start::Time { ms } => (OffsetSpec::At(ms), ms.to_string()),
    };
    let pairs = || committed.iter().zip(&decisions);
    let of = |wanted: Decision| pairs().filter(move |(_, decision)| **decision == wanted).map(|(entry, _)| entry.source.clone());
    let fresh: Vec<_> = of(Decision::Start).collect();
    let added: Vec<_> = of(Decision::StartAtFirst).collect();
    let mut offsets = start_offsets(admin, &fresh, spec, &from, deadline)?;
    offsets.extend(start_offsets(admin, &added, OffsetSpec::Earliest, "first", deadline)?);
    for (entry, decision) in pairs() {
        if let Decision::TakeOver(next) = decision {
            let metadata = CommitNote::Start { from: "committed".into() }.to_metadata();
            offsets.push(CommitOffset { source: entry.source.clone(), next: *next, metadata });
        }
    }
    failpoint::reach("start.uncommitted");
    match admin.alter_group_offsets(group, &offsets, deadline) {
        Ok(()) => {
            failpoint::reach("start.committed");
            Ok(())
        }
        Err(KafkaError::GroupHasMembers { .. }) => {
            tracing::info!(group, "another process of the group was first: its start offsets hold");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn refusal(config: &Config, moved: Moved) -> PrepareError {
    let Moved { partition, committed, last } = moved;
    PrepareError::Moved(Box::new(GroupMoved {
        group: config.kafka.group.clone(),
        partition,
        what: committed.map_or_else(
            || "the group has no committed offset any more".to_owned(),
            |offset| format!("the group's committed offset is {offset}"),
        ),
        last: last.map_or_else(|| "an offset that the epochs topic no longer has".to_owned(), |next| next.to_string()),
        to: last.or(committed).map_or_else(|| "earliest".to_owned(), |offset| offset.to_string()),
        brokers: config.kafka.brokers.join(","),
    }))
}

/// A time after the last message means the end.
fn start_offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
    from: &str,
    deadline: Instant,
) -> Result<Vec<CommitOffset>, PrepareError> {
    let found = admin.offsets(partitions, spec, Isolation::ReadUncommitted, deadline)?;
    let ends = admin.offsets(partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
    let metadata = CommitNote::Start { from: from.to_owned() }.to_metadata();
    let both = found.into_iter().zip(ends);
    let some = both.filter_map(|((source, offset), (_, end))| Some((source, offset.or(end)?)));
    Ok(some.map(|(source, next)| CommitOffset { source, next, metadata: metadata.clone() }).collect())
}
