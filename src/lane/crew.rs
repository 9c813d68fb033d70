//! The crew: all lanes of a process, from preflight to the last goodbye.
//!
//! Start: lake → Kafka → recovery → start offsets → lanes. Stop, in this order: lanes settle what they have (batches, queue, consumer, then
//! producer), then the server. Whoever is late is named.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::journey::{Lane, LaneEnd, LaneParts, LaneRules};
use super::lives::{Life, Lives, Next, REBUILD_PAUSE};
use super::memory;
use super::pin::pin_to;
use super::prepare::{LaneParty, PrepareError, Prepared, party_of, prepare, recover_writer};
use super::runtime::{EpollHost, block_on};
use super::settler::{Place, ThreadSettler};
use super::{EpochIdentity, LaneControl};
use crate::batch::{LedgerEntry, TopicPartition};
use crate::config::{Compression, Config, Delivery};
use crate::journey::measure::Windows;
use crate::journey::persist::{PageCompression, PersistSettings};
use crate::journey::publish::{PublishSettings, WindowsEntry};
use crate::journey::settle::{SettleRules, same_topics};
use crate::kafka::{Admin, ClientSettings, GroupMember, Intake, Isolation, KafkaError, LaneConsumer, OffsetSpec};
use crate::telemetry::logs::Throttle;
use crate::telemetry::{EpochOutcome, LaneMetrics, LaneState, Metrics};

/// Of steps 2 and 3 of a settle; below session (10 s) and transaction time-outs (15 s).
const SETTLE_DEADLINE: Duration = Duration::from_secs(8);
/// How long a drain may take; within the rebalance time-out (`max.poll.interval.ms`, 60 s).
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// How long a consumer may take to close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// That it cannot be rebuilt is logged once in this time.
const REBUILD_TOLD_INTERVAL: Duration = Duration::from_secs(10);
/// Rows of a Parquet row group: about 16 MB of buffers with the default sensors.
const ROW_GROUP_ROWS: usize = 262_144;
/// What decides flags, by version: stands in each segment and epoch record.
const RULES_VERSION: &str = "1";

/// A crew that could not start.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error("lane {lane} cannot start: {source}. See the limits of threads and file descriptors (ulimit -u, ulimit -n)")]
    Thread { lane: usize, source: std::io::Error },
}

/// What one lane came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneReport {
    pub lane: usize,
    pub end: LaneEnd,
}

/// What a stopped crew came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrewReport {
    pub lanes: Vec<LaneReport>,
    /// Lanes that had not ended at the deadline.
    pub late: Vec<usize>,
}

impl CrewReport {
    /// Why the run was not a clean one.
    pub fn failure(&self) -> Option<String> {
        let mut reasons: Vec<String> = self
            .lanes
            .iter()
            .filter_map(|lane| match &lane.end {
                LaneEnd::Stopped => None,
                LaneEnd::Rebuild(reason) | LaneEnd::Refused(reason) => Some(format!("lane {}: {reason}", lane.lane)),
            })
            .collect();
        reasons.extend(self.late.iter().map(|lane| format!("lane {lane} did not stop in time; recovery judges its epochs")));
        if reasons.is_empty() { None } else { Some(reasons.join("; ")) }
    }
}

struct Member {
    control: Arc<LaneControl>,
    thread: Option<JoinHandle<LaneEnd>>,
    end: Option<LaneEnd>,
}

/// All lanes of this process.
pub struct Crew {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    members: Vec<Member>,
    /// When the group's committed offsets were asked for last.
    asked_at: Option<Instant>,
}

/// What the lanes' threads share, none of it on the hot path.
struct Shared {
    config: Config,
    prepared: Prepared,
    tally: Arc<Mutex<LedgerEntry>>,
}

impl Crew {
    /// Prepares, and starts a thread a lane. The lanes join the group by themselves from here.
    pub fn start(config: Config) -> Result<Crew, CrewError> {
        let (prepared, parties) = prepare(&config)?;
        memory::tell(&config, prepared.partitions);
        let shared = Arc::new(Shared { config, prepared, tally: Arc::new(Mutex::new(LedgerEntry::starting_at(0))) });
        let lanes = shared.config.lanes.cores.len();
        let metrics: Vec<Arc<LaneMetrics>> = (0..lanes).map(|lane| Arc::new(LaneMetrics::new(lane))).collect();
        let mut crew =
            Crew { shared, metrics: Arc::new(Metrics::new(metrics)), members: Vec::with_capacity(lanes), asked_at: None };
        for (lane, party) in parties.into_iter().enumerate() {
            let started = crew.start_lane(lane, party);
            if let Err(source) = started {
                crew.stop(Instant::now() + CLOSE_DEADLINE);
                return Err(CrewError::Thread { lane, source });
            }
        }
        Ok(crew)
    }

    fn start_lane(&mut self, lane: usize, party: LaneParty) -> std::io::Result<()> {
        let control = Arc::new(LaneControl::new()?);
        let (shared, metrics) = (Arc::clone(&self.shared), Arc::clone(&self.metrics.lanes()[lane]));
        let lane_control = Arc::clone(&control);
        let thread = std::thread::Builder::new().name(format!("lane-{lane}")).spawn(move || {
            let core = shared.config.lanes.cores[lane];
            if !pin_to(core) {
                tracing::warn!(lane, core, "cannot pin the lane to its core; it runs all the same");
            }
            keep_running(&shared, lane, party, &lane_control, &metrics)
        })?;
        self.members.push(Member { control, thread: Some(thread), end: None });
        Ok(())
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub fn lake_id(&self) -> String {
        self.shared.prepared.lake.id().to_string()
    }

    pub fn instance(&self) -> &str {
        self.shared.prepared.lake.instance()
    }

    /// The sum of the ledgers of all epochs that this process committed.
    pub fn committed(&self) -> LedgerEntry {
        *self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a lane has ended by itself, if one has: the process should then stop.
    pub fn failure(&mut self) -> Option<String> {
        self.collect();
        let report = self.report();
        let ended = |member: &Member| member.end.as_ref().is_some_and(|end| *end != LaneEnd::Stopped);
        if self.members.iter().any(ended) { report.failure() } else { None }
    }

    /// Where every input partition ends at this moment.
    pub fn ends(&self, deadline: Instant) -> Result<Vec<(TopicPartition, i64)>, KafkaError> {
        let admin = Admin::new(&self.shared.prepared.clients)?;
        let mut ends = Vec::new();
        for topic in &self.shared.config.kafka.topics {
            let partitions = admin.partitions_of(topic, deadline)?;
            for (source, end) in admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)? {
                ends.push((source, end.unwrap_or(0)));
            }
        }
        Ok(ends)
    }

    /// Whether every partition has been read up to these ends: by the lanes of this process, or, where another process of the group has
    /// the partition, as far as the group has committed.
    pub fn has_reached(&mut self, ends: &[(TopicPartition, i64)]) -> bool {
        let positions: Vec<_> = self.metrics.lanes().iter().flat_map(|lane| lane.partitions()).collect();
        let mut elsewhere = Vec::new();
        for (source, end) in ends.iter().filter(|(_, end)| *end > 0) {
            match positions.iter().find(|gauges| gauges.source == *source) {
                Some(gauges) if gauges.position < *end || gauges.replay_left > 0 => return false,
                Some(_) => {}
                None => elsewhere.push((source.clone(), *end)),
            }
        }
        elsewhere.is_empty() || self.has_group_committed(&elsewhere)
    }

    /// Asks at most once a second; no answer is a no.
    fn has_group_committed(&mut self, ends: &[(TopicPartition, i64)]) -> bool {
        if self.asked_at.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
            return false;
        }
        self.asked_at = Some(Instant::now());
        let sources: Vec<_> = ends.iter().map(|(source, _)| source.clone()).collect();
        let Ok(admin) = Admin::new(&self.shared.prepared.clients) else { return false };
        let committed = admin.committed(&self.shared.config.kafka.group, Some(&sources), Instant::now() + CLOSE_DEADLINE);
        let committed = committed.unwrap_or_default();
        ends.iter().all(|(source, end)| {
            committed.iter().any(|entry| entry.source == *source && entry.offset.is_some_and(|offset| offset >= *end))
        })
    }

    /// Whether every lane has what the group gives it, and its windows as they were: what a drain must wait for. A partition that no
    /// lane has yet would look as if another process had it.
    pub fn is_live(&self) -> bool {
        self.metrics.lanes().iter().all(|lane| lane.state() == LaneState::Consuming)
    }

    /// A stop from now on also writes the windows that are open, as they stand.
    pub fn drain_windows(&self) {
        for member in &self.members {
            member.control.drain_windows();
        }
    }

    /// Asks all lanes to settle and end, waits until the deadline, and says what came of it.
    pub fn stop(&mut self, deadline: Instant) -> CrewReport {
        for member in &self.members {
            member.control.stop();
        }
        while self.members.iter().any(|member| member.thread.is_some()) && Instant::now() < deadline {
            self.collect();
            std::thread::sleep(Duration::from_millis(5));
        }
        for member in self.members.iter().filter(|member| member.thread.is_some()) {
            member.control.abandon();
        }
        self.report()
    }

    fn collect(&mut self) {
        for member in &mut self.members {
            if member.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                let Some(thread) = member.thread.take() else { continue };
                let end = thread.join().unwrap_or_else(|_| LaneEnd::Refused("the lane panicked; please report this".into()));
                member.end = Some(end);
            }
        }
    }

    fn report(&self) -> CrewReport {
        let ended = |(lane, member): (usize, &Member)| Some(LaneReport { lane, end: member.end.clone()? });
        let late = |(lane, member): (usize, &Member)| member.thread.is_some().then_some(lane);
        CrewReport {
            lanes: self.members.iter().enumerate().filter_map(ended).collect(),
            late: self.members.iter().enumerate().filter_map(late).collect(),
        }
    }
}

/// Runs a lane, with a new client where the old one is dead, until it is stopped or must not go on.
fn keep_running(
    shared: &Shared,
    lane: usize,
    party: LaneParty,
    control: &Arc<LaneControl>,
    metrics: &Arc<LaneMetrics>,
) -> LaneEnd {
    let mut lives = Lives::new(shared.config.lanes.stall_timeout);
    let mut party = Some(party);
    let throttle = Throttle::new(REBUILD_TOLD_INTERVAL);
    loop {
        let (began, before) = (Instant::now(), committed_epochs(metrics));
        let end = match party.take().map_or_else(|| party_again(shared, lane), Ok) {
            Ok(party) => run_once(shared, lane, party, control, metrics),
            // In a later life Kafka or a disk that does not answer is waited for, as it would be within a life.
            Err(error) if !control.is_stopping() => {
                if let Some(held_back) = throttle.pass("rebuild") {
                    tracing::warn!(lane, %error, held_back, "the lane cannot be rebuilt yet");
                }
                metrics.set_state(LaneState::Stalled, &error.to_string());
                pause(control, REBUILD_PAUSE);
                continue;
            }
            Err(error) => LaneEnd::Refused(error.to_string()),
        };
        let life = Life { lasted: began.elapsed(), committed: committed_epochs(metrics) > before };
        match lives.after(end, life, control.is_stopping()) {
            Next::Again { reason, rebuilds, pause: length } => {
                tracing::warn!(lane, rebuilds, reason, "the lane gets a new client");
                if !length.is_zero() {
                    metrics.set_state(LaneState::Stalled, &reason);
                    pause(control, length);
                }
            }
            Next::Over(LaneEnd::Refused(reason)) if !control.is_stopping() => {
                return LaneEnd::Refused(remade(shared).unwrap_or(reason));
            }
            Next::Over(end) => return end,
        }
    }
}

fn committed_epochs(metrics: &LaneMetrics) -> u64 {
    EpochOutcome::ALL.into_iter().filter(|outcome| outcome.is_committed()).map(|outcome| metrics.epochs(outcome)).sum()
}

/// What a lane met may have a cause that its client does not tell: offsets that are out of range in a topic that was made anew.
fn remade(shared: &Shared) -> Option<String> {
    let before = &shared.prepared.bound_ids;
    let names: Vec<&str> = before.keys().map(String::as_str).collect();
    let now = Admin::new(&shared.prepared.clients).ok()?.topic_ids(&names, Instant::now() + CLOSE_DEADLINE).ok()?;
    same_topics(before, &now).err().map(|error| error.to_string())
}

/// Between two tries to rebuild a lane; a stop is heard within it.
fn pause(control: &LaneControl, length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until && !control.is_stopping() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Producer and recovery of a lane that has lived before.
fn party_again(shared: &Shared, lane: usize) -> Result<LaneParty, PrepareError> {
    let Shared { config, prepared, .. } = shared;
    let mut party = party_of(config, prepared, &prepared.lake.writer(&config.kafka.group, lane))?;
    recover_writer(&mut party)?;
    Ok(party)
}

/// One life of a lane: the consumer joins, then the loop; and back in the order that lets nobody hang.
fn run_once(shared: &Shared, lane: usize, party: LaneParty, control: &Arc<LaneControl>, metrics: &Arc<LaneMetrics>) -> LaneEnd {
    let Shared { config, prepared, tally } = shared;
    let writer = party.writer.clone();
    let rules = lane_rules(config, prepared);
    let identity = EpochIdentity {
        lake: prepared.lake.id().to_string(),
        writer: writer.clone(),
        cluster_id: prepared.cluster_id.clone(),
        topic_ids: prepared.topic_ids.clone(),
        epochs_topic: Arc::clone(&prepared.epochs_topic),
        windows: WindowsEntry::new(rules.windows.size_ms, rules.windows.rolling, rules.windows.flags_hash(&rules.catalog)),
        rules_version: RULES_VERSION.to_owned(),
    };
    let settle_rules = SettleRules { deadline: SETTLE_DEADLINE, exactly_once: config.kafka.delivery == Delivery::ExactlyOnce };
    let name = format!("settle-{lane}");
    let place = Place { name: &name, cores: &config.cores.kafka };
    let refused = |source| LaneEnd::Refused(CrewError::Thread { lane, source }.to_string());
    let settler = ThreadSettler::spawn(&place, party, settle_rules, Arc::new(identity), Arc::clone(control));
    let settler = match settler {
        Ok(settler) => settler,
        Err(source) => return refused(source),
    };
    let member = GroupMember {
        group: config.kafka.group.clone(),
        instance: Some(writer),
        topics: config.kafka.topics.iter().map(ToString::to_string).collect(),
    };
    let intake = match LaneConsumer::join(&consumer_settings(config, prepared), &member) {
        Ok(intake) => intake,
        Err(error) => return LaneEnd::Refused(error.to_string()),
    };
    metrics.set_runtime("epoll");
    let ended = block_on(async {
        let wake = intake.wake_fd().unwrap_or(control.wake_fd());
        let host = EpollHost::new(wake, control.wake_fd())?;
        let parts = LaneParts {
            intake,
            host,
            settler,
            control: Arc::clone(control),
            metrics: Arc::clone(metrics),
            tally: Arc::clone(tally),
        };
        let mut lane = Lane::new(rules, parts);
        let end = lane.run().await;
        Ok((end, lane.into_hands()))
    });
    let (end, (intake, settler)) = match ended.and_then(|ended: std::io::Result<_>| ended) {
        Ok(ended) => ended,
        Err(source) => return refused(source),
    };
    if let Err(late) = intake.close(Instant::now() + CLOSE_DEADLINE) {
        tracing::warn!(lane, %late, "closing");
    }
    drop(settler);
    end
}

/// The session time-out has a key of its own and is the consumer's alone; three heartbeats fit into it.
fn consumer_settings(config: &Config, prepared: &Prepared) -> ClientSettings {
    let mut settings = prepared.clients.clone();
    let session_ms = config.kafka.session_timeout.as_millis();
    settings.properties.insert("session.timeout.ms".into(), session_ms.to_string());
    settings.properties.insert("heartbeat.interval.ms".into(), (session_ms / 3).min(3_000).to_string());
    settings
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn bytes(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// What windows are like, as configured.
pub(super) fn windows_of(config: &Config) -> Windows {
    Windows {
        size_ms: millis(config.windows.size),
        rolling: config.windows.rolling,
        grace_ms: millis(config.windows.grace),
        future_skew_ms: millis(config.windows.future_skew),
        age_max_ms: millis(config.windows.age_max),
        devices_max: bytes(config.windows.devices_max),
    }
}

fn lane_rules(config: &Config, prepared: &Prepared) -> LaneRules {
    let lanes = config.lanes.cores.len().max(1);
    let compression = match config.lake.compression {
        Compression::Zstd(level) => PageCompression::Zstd(level),
        Compression::Snappy => PageCompression::Snappy,
        Compression::None => PageCompression::None,
    };
    LaneRules {
        group: config.kafka.group.as_str().into(),
        brokers: config.kafka.brokers.join(",").into(),
        catalog: Arc::clone(&config.sensors),
        persist: PersistSettings { catalog: Arc::clone(&config.sensors), compression, row_group_rows: ROW_GROUP_ROWS },
        publish: PublishSettings {
            rejects_topic: Arc::clone(&prepared.rejects_topic),
            bytes_max: prepared.dead_letter_bytes_max,
        },
        aggregates_topic: Arc::clone(&prepared.aggregates_topic),
        windows: windows_of(config),
        epoch_interval: config.epoch.interval,
        epoch_bytes: bytes(config.epoch.bytes),
        budget_bytes: bytes(config.memory.budget_bytes) / lanes,
        drain_deadline: DRAIN_DEADLINE,
        stall_timeout: config.lanes.stall_timeout,
    }
}
