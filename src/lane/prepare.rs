//! What happens once, before any lane joins: the lake is opened and bound to its topics, output topics are made, writers without a lane
//! are recovered, and the group gets its start offsets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::takeover::{epochs_of_group, start_notes};
use crate::config::{self, Config};
use crate::journey::settle::{Party, Recovered, SettleError, recover};
use crate::kafka::{
    Admin, ClientSettings, CommitOffset, Committed, Delivery, Isolation, KafkaError, LaneProducer, NewTopic, OffsetSpec,
};
use crate::lake::{Lake, LakeError, OpenOptions, Storage as _};

/// How long Kafka may take to answer at the start; a cluster that just boots needs some seconds.
pub(super) const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long the epochs topic keeps its records; an older staged epoch cannot be judged.
pub(super) const EPOCHS_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// What a dead letter adds to the message that it carries: headers and framing.
const DEAD_LETTER_EXTRA: usize = 65_536;
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
    #[error(
        "{partition}: the group's committed offset {offset} was not set by Corelane, while its epochs are in `{epochs}`: somebody moved the \
         group. Remedy: `corelane groups reset --brokers {brokers} --group {group} --topic {topic} --partition {number} --to {offset} \
         --reason WHY`, or another offset where that is not what you want",
        topic = partition.topic, number = partition.partition
    )]
    Moved { partition: crate::batch::TopicPartition, offset: i64, epochs: String, brokers: String, group: String },
}

/// What all lanes of a run share.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) lake: Lake,
    pub(super) clients: ClientSettings,
    pub(super) cluster_id: String,
    pub(super) topic_ids: BTreeMap<String, String>,
    pub(super) epochs_topic: Arc<str>,
    pub(super) rejects_topic: Arc<str>,
    pub(super) dead_letter_bytes_max: usize,
}

pub(super) fn prepare(config: &Config) -> Result<Prepared, PrepareError> {
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
        epochs_topic: format!("{}.epochs", config.kafka.prefix).into(),
        rejects_topic: format!("{}.rejects", config.kafka.prefix).into(),
        dead_letter_bytes_max: message_bytes_max + DEAD_LETTER_EXTRA,
    };
    make_output_topics(config, &admin, &prepared, partitions, deadline)?;
    recover_writers(config, &prepared)?;
    set_start_offsets(config, &admin, &prepared)?;
    Ok(prepared)
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

pub(super) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
            .with("cleanup.policy", "delete"),
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
    admin.wait_for_leaders(&[&prepared.rejects_topic, &prepared.epochs_topic], deadline)?;
    Ok(())
}

/// Recovers the writers whom no lane will recover, and those that left something staged. A lane would recover its own, but later: a
/// writer that was killed inside a transaction makes Kafka keep the group's offsets back until the transaction is ended, and these are
/// asked for first. All at once: each takes up to a second.
fn recover_writers(config: &Config, prepared: &Prepared) -> Result<(), PrepareError> {
    let lanes: Vec<String> = (0..config.lanes.cores.len()).map(|lane| prepared.lake.writer(&config.kafka.group, lane)).collect();
    let mut writers = Vec::new();
    for writer in prepared.lake.writers_of_instance()? {
        if !lanes.contains(&writer) || !prepared.lake.storage(&writer)?.staged()?.is_empty() {
            writers.push(writer);
        }
    }
    let recover_one = &|writer: &str| -> Result<(), PrepareError> {
        let mut party = party_of(config, prepared, writer)?;
        recover_writer(&mut party)?;
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = writers.iter().map(|writer| scope.spawn(move || recover_one(writer))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The storage and the producer of a writer; making the producer ends what was under way under its id.
pub(super) fn party_of(
    config: &Config,
    prepared: &Prepared,
    writer: &str,
) -> Result<Party<crate::lake::LocalStorage, LaneProducer>, PrepareError> {
    let deadline = Instant::now() + START_DEADLINE;
    let transaction = LaneProducer::connect(&prepared.clients, delivery(config, writer), &config.kafka.group, deadline)?;
    Ok(Party {
        storage: prepared.lake.storage(writer)?,
        transaction,
        writer: writer.to_owned(),
        epochs_topic: prepared.epochs_topic.to_string(),
    })
}

pub(super) fn recover_writer(party: &mut Party<crate::lake::LocalStorage, LaneProducer>) -> Result<Recovered, PrepareError> {
    let recovered = recover(party, wall_ms(), EPOCHS_KEPT, Instant::now() + START_DEADLINE)?;
    if recovered != Recovered::default() {
        let Recovered { revealed, discarded, quarantined } = recovered;
        tracing::info!(writer = party.writer, revealed, discarded, quarantined, "epochs recovered");
    }
    Ok(recovered)
}

/// Gives every partition without a committed offset its start, in one go, before anyone joins. Members that exist are the ones who did
/// it: then the offsets are read again.
fn set_start_offsets(config: &Config, admin: &Admin, prepared: &Prepared) -> Result<(), PrepareError> {
    let deadline = Instant::now() + START_DEADLINE;
    let group = &config.kafka.group;
    let mut partitions = Vec::new();
    for topic in &config.kafka.topics {
        partitions.extend(admin.partitions_of(topic, deadline)?);
    }
    let committed = admin.committed(group, Some(&partitions), deadline)?;
    let has_epochs = || epochs_of_group(config, admin, prepared, deadline);
    let spec = match config.kafka.start {
        config::Start::Earliest => OffsetSpec::Earliest,
        config::Start::Latest => OffsetSpec::Latest,
        config::Start::Time { ms } => OffsetSpec::At(ms),
    };
    let fresh: Vec<_> = committed.iter().filter(|entry| entry.offset.is_none()).map(|entry| entry.source.clone()).collect();
    let starts = offsets_for(admin, &fresh, spec, deadline)?;
    let offsets: Vec<CommitOffset> = start_notes(config, &committed, &starts, has_epochs)?;
    match admin.alter_group_offsets(group, &offsets, deadline) {
        Ok(()) => {}
        Err(KafkaError::GroupHasMembers { .. }) => {
            tracing::info!(group, "the group has members already: its start offsets are theirs");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// A time after the last message means the end.
fn offsets_for(
    admin: &Admin,
    partitions: &[crate::batch::TopicPartition],
    spec: OffsetSpec,
    deadline: Instant,
) -> Result<Vec<Committed>, PrepareError> {
    let found = admin.offsets(partitions, spec, Isolation::ReadUncommitted, deadline)?;
    let ends = admin.offsets(partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
    let both = found.into_iter().zip(ends);
    Ok(both.map(|((source, offset), (_, end))| Committed { source, offset: offset.or(end), metadata: None }).collect())
}
