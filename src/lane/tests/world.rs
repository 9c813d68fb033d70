//! The world of a lane in tests: a cluster and storages in memory that outlive lanes, time that moves by being asked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::canary::{Canary, CanaryIntake};
use super::step::StepSettler;
use crate::batch::{CommitNote, LedgerEntry, Table, TopicPartition};
use crate::journey::measure::Windows;
use crate::journey::persist::{PageCompression, PersistSettings};
use crate::journey::publish::{PublishSettings, WindowsEntry};
use crate::journey::settle::{Party, SettleError, SettleRules, recover};
use crate::kafka::{MemoryKafka, MemoryRecord, MemoryTransaction};
use crate::lake::MemoryStorage;
use crate::lane::{EpochIdentity, Host, Lane, LaneControl, LaneEnd, LaneParts, LaneRules};
use crate::telemetry::{LaneMetrics, LaneState};

pub(super) const EPOCHS: &str = "corelane.epochs";
/// Wall time of all tests: 2026-11-21T00:00:00Z.
pub(super) const WALL_MS: i64 = 1_795_219_200_000;

/// Time moves by 50 µs whenever somebody looks at it; waiting gives the turn away.
pub(super) struct MemoryHost {
    now_us: Cell<u64>,
}

/// Pending once, then ready: the end of a turn.
struct Turn(bool);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Host for MemoryHost {
    fn now(&self) -> Duration {
        self.now_us.set(self.now_us.get() + 50);
        Duration::from_micros(self.now_us.get())
    }

    fn wall_us(&self) -> i64 {
        WALL_MS * 1_000
    }

    async fn wait(&mut self, limit: Duration) {
        self.now_us.set(self.now_us.get() + u64::try_from(limit.as_micros()).unwrap());
        Turn(false).await;
    }

    async fn yield_now(&mut self) {
        Turn(false).await;
    }
}

/// A lane that runs, turn by turn. Dropping it is a kill.
pub(super) struct Running {
    pub(super) control: Arc<LaneControl>,
    pub(super) metrics: Arc<LaneMetrics>,
    future: Pin<Box<dyn Future<Output = LaneEnd>>>,
    end: Option<LaneEnd>,
}

impl Running {
    /// One turn. Some: the lane has ended.
    pub(super) fn turn(&mut self) -> Option<&LaneEnd> {
        if self.end.is_none()
            && let Poll::Ready(end) = self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.end = Some(end);
        }
        self.end.as_ref()
    }

    /// Turns until `done`, at most many.
    pub(super) fn turns_until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        for _ in 0..20_000 {
            if done(self) {
                return;
            }
            if let Some(end) = self.turn() {
                panic!("the lane ended while waiting for {what}: {end:?}");
            }
        }
        panic!("too many turns: {what}");
    }

    /// Turns until it ends by itself, at most many.
    pub(super) fn turns_to_its_end(&mut self) -> LaneEnd {
        for _ in 0..20_000 {
            if let Some(end) = self.turn() {
                return end.clone();
            }
        }
        panic!("the lane goes on");
    }

    /// Whether its partitions are live, as it says itself. This group says nothing to a member that it has no partitions for.
    pub(super) fn is_live(&self) -> bool {
        let partitions = self.metrics.partitions();
        match self.metrics.state() {
            LaneState::Consuming => partitions.iter().all(|gauges| gauges.replay_left == 0),
            LaneState::Starting => partitions.is_empty(),
            _ => false,
        }
    }

    /// Stops it and gives its end.
    pub(super) fn stop(&mut self) -> LaneEnd {
        self.control.stop();
        self.turns_to_its_end()
    }
}

/// A reading for the windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) device: u8,
    pub(super) step_ms: i64,
    pub(super) shift_ms: i64,
    /// 0 is out of range.
    pub(super) value: u8,
    /// The bytes of the partition's sample before, once more.
    pub(super) repeats: bool,
}

/// What outlives lanes.
pub(super) struct World {
    pub(super) kafka: MemoryKafka,
    pub(super) storages: BTreeMap<String, MemoryStorage>,
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) batch_max: usize,
    pub(super) exactly_once: bool,
    pub(super) epoch_interval: Duration,
    pub(super) epoch_bytes: usize,
    /// Virtual time.
    pub(super) drain_deadline: Duration,
    pub(super) windows: Windows,
    /// Kafka time of the last sample, and its bytes, by partition.
    stamps_ms: BTreeMap<usize, i64>,
    samples: BTreeMap<usize, Vec<u8>>,
    /// How the protocol is broken.
    pub(super) canary: Canary,
}

impl World {
    pub(super) fn new(partitions: i32) -> Self {
        let partitions: Vec<_> = (0..partitions).map(|partition| TopicPartition::new("device-data", partition)).collect();
        let kafka = MemoryKafka::default();
        for source in &partitions {
            kafka.set_committed(source, 0, &CommitNote::Start { from: "earliest".into() }.to_metadata());
        }
        Self {
            kafka,
            storages: BTreeMap::new(),
            partitions,
            batch_max: 7,
            exactly_once: true,
            epoch_interval: Duration::from_millis(5),
            epoch_bytes: 1 << 26,
            drain_deadline: Duration::from_secs(20),
            windows: Windows {
                size_ms: 60_000,
                rolling: 5,
                grace_ms: 30_000,
                future_skew_ms: 30_000,
                age_max_ms: 7 * 86_400_000,
                devices_max: 100_000,
            },
            stamps_ms: BTreeMap::new(),
            samples: BTreeMap::new(),
            canary: Canary::None,
        }
    }

    pub(super) fn storage(&mut self, writer: &str) -> MemoryStorage {
        self.storages.entry(writer.to_owned()).or_insert_with(|| MemoryStorage::new(writer)).clone()
    }

    pub(super) fn append(&self, partition: usize, value: Option<&[u8]>) {
        let offset = self.kafka.end(&self.partitions[partition]);
        let record = MemoryRecord { kafka_time_ms: WALL_MS - 60_000 + offset, key: None, value: value.map(<[u8]>::to_vec) };
        self.kafka.append(&self.partitions[partition], Some(record));
    }

    /// A message whose Kafka time the test says; -1: it has none.
    pub(super) fn append_at(&self, partition: usize, kafka_time_ms: i64, value: &[u8]) {
        let record = MemoryRecord { kafka_time_ms, key: None, value: Some(value.to_vec()) };
        self.kafka.append(&self.partitions[partition], Some(record));
    }

    pub(super) fn append_reading(&self, partition: usize) {
        let offset = self.kafka.end(&self.partitions[partition]);
        let time = WALL_MS - 60_000 + offset;
        let value =
            format!(r#"{{"device_id":"d{partition}","timestamp":{time},"sensors":{{"temperature":{{"value":{offset}.5}}}}}}"#);
        self.append(partition, Some(value.as_bytes()));
    }

    /// A reading for the windows: the partition's Kafka time moves on by `step_ms`, and the device says `shift_ms` later than that.
    pub(super) fn append_sample(&mut self, partition: usize, sample: &Sample) {
        let stamp_ms = self.stamps_ms.entry(partition).or_insert(WALL_MS - 600_000);
        *stamp_ms += sample.step_ms;
        let (time_ms, device) = (*stamp_ms + sample.shift_ms, sample.device);
        let temperature = match sample.value {
            0 => 999.0, // out of range
            value => f64::from(value) * 1.3,
        };
        let text = format!(
            r#"{{"device_id":"d{device}","timestamp":{time_ms},"location":{{"building":"b{}","floor":{device}}},"sensors":{{"temperature":{{"value":{temperature:.1}}},"switch_status":{{"value":{}}}}}}}"#,
            device % 2,
            sample.value.is_multiple_of(2),
        );
        let value = if sample.repeats { self.samples.get(&partition).cloned() } else { None };
        let value = value.unwrap_or_else(|| text.into_bytes());
        self.samples.insert(partition, value.clone());
        let record = MemoryRecord { kafka_time_ms: *stamp_ms, key: None, value: Some(value) };
        self.kafka.append(&self.partitions[partition], Some(record));
    }

    pub(super) fn append_event(&self, partition: usize) {
        let value = format!(
            r#"{{"message_id":"m","message_type":"heartbeat","timestamp":{WALL_MS},"payload":{{"device_id":"d{partition}"}}}}"#
        );
        self.append(partition, Some(value.as_bytes()));
    }

    /// Steps take as long as the test lets them: the deadline, in real time, never passes. That it may is told by faults.
    fn settle_rules(&self) -> SettleRules {
        SettleRules { deadline: Duration::from_mins(10), exactly_once: self.exactly_once }
    }

    fn party(&mut self, writer: &str) -> Party<MemoryStorage, MemoryTransaction> {
        Party {
            storage: self.storage(writer),
            transaction: self.kafka.transaction(writer),
            writer: writer.to_owned(),
            epochs_topic: EPOCHS.to_owned(),
            topic_ids: Arc::default(),
        }
    }

    /// Starts a lane, again where its recovery fails.
    pub(super) fn start(&mut self, writer: &str) -> Running {
        loop {
            if let Ok(running) = self.try_start(writer) {
                return running;
            }
        }
    }

    /// Starts a lane as the crew does: recovery first, then the loop. An error is a process that died during its recovery.
    pub(super) fn try_start(&mut self, writer: &str) -> Result<Running, SettleError> {
        let mut party = self.party(writer);
        recover(&mut party, Instant::now() + Duration::from_mins(10))?;
        let identity = EpochIdentity {
            lake: "lake".into(),
            writer: writer.into(),
            cluster_id: "cluster".into(),
            topic_ids: BTreeMap::new(),
            epochs_topic: EPOCHS.into(),
            windows: WindowsEntry::new(self.windows.size_ms, self.windows.rolling, 0),
            rules_version: "1".into(),
        };
        let settler = StepSettler::spawn(party, self.settle_rules(), identity, self.canary, self.kafka.clone());
        let control = Arc::new(LaneControl::new().unwrap());
        let metrics = Arc::new(LaneMetrics::new(0));
        let parts = LaneParts {
            intake: CanaryIntake { inner: self.kafka.intake(writer, self.batch_max), canary: self.canary, last_request: 0 },
            host: MemoryHost { now_us: Cell::new(0) },
            settler,
            control: Arc::clone(&control),
            metrics: Arc::clone(&metrics),
            tally: Arc::new(Mutex::new(LedgerEntry::starting_at(0))),
        };
        let rules = self.rules();
        let mut lane = Lane::new(rules, parts);
        lane.keeps_open = self.canary == Canary::OpenSurvives;
        lane.skips_replay = self.canary == Canary::ReplayIsSkipped;
        lane.keeps_windows = self.canary == Canary::WindowsSurvive;
        let future = Box::pin(async move { lane.run().await });
        Ok(Running { control, metrics, future, end: None })
    }

    fn rules(&self) -> LaneRules {
        let catalog = Arc::new(crate::batch::SensorCatalog::default());
        LaneRules {
            group: "corelane".into(),
            brokers: "memory:9092".into(),
            persist: PersistSettings {
                catalog: Arc::clone(&catalog),
                compression: PageCompression::default(),
                row_group_rows: 1_000,
            },
            publish: PublishSettings { rejects_topic: "corelane.rejects".into(), bytes_max: 1_000_000 },
            catalog,
            aggregates_topic: "corelane.aggregates".into(),
            windows: self.windows,
            epoch_interval: self.epoch_interval,
            epoch_bytes: self.epoch_bytes,
            budget_bytes: 1 << 27,
            drain_deadline: self.drain_deadline,
            stall_timeout: Duration::from_hours(1),
        }
    }

    /// Whether the group has committed everything that there is.
    pub(super) fn all_committed(&self) -> bool {
        self.partitions.iter().all(|source| {
            let last = self.kafka.last_message(source);
            last.is_none_or(|last| self.kafka.committed(source).is_some_and(|(offset, _)| offset > last))
        })
    }

    /// Visits all rows that readers see.
    pub(super) fn for_each_batch(&self, mut visit: impl FnMut(Table, &RecordBatch)) {
        for storage in self.storages.values() {
            for (name, segment) in storage.revealed_segments() {
                let bytes = bytes::Bytes::from(segment.bytes);
                let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
                reader.for_each(|batch| visit(name.table, &batch.unwrap()));
            }
        }
    }

    /// The messages that readers see: (partition, offset) and how often each table has it.
    pub(super) fn visible(&self) -> BTreeMap<(i32, i64), Vec<Table>> {
        let mut rows: BTreeMap<(i32, i64), Vec<Table>> = BTreeMap::new();
        self.for_each_batch(|table, batch| {
            if matches!(table, Table::Aggregates | Table::Groups) {
                return;
            }
            let partitions = batch.column_by_name("partition").unwrap().as_primitive::<Int32Type>();
            let offsets = batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>();
            for row in 0..partitions.len() {
                rows.entry((partitions.value(row), offsets.value(row))).or_default().push(table);
            }
        });
        rows
    }

    /// Every message of the input is in exactly one table, once; and nothing else is there. The words name the first fault.
    pub(super) fn check_exactly_once(&self) -> Result<(), String> {
        let visible = self.visible();
        let mut expected = 0;
        for source in &self.partitions {
            for (offset, record) in self.kafka.messages(source) {
                expected += 1;
                let tables = visible.get(&(source.partition, offset)).map_or(&[][..], Vec::as_slice);
                let wanted = table_of(record.value.as_deref());
                if tables != [wanted] {
                    return Err(format!("{source}@{offset}: expected once in {wanted:?}, found in {tables:?}"));
                }
            }
        }
        if visible.len() != expected {
            return Err(format!("{} rows are visible, {expected} messages were sent", visible.len()));
        }
        let staged: usize = self.storages.values().map(|storage| storage.staged_segments().len()).sum();
        if staged > 0 {
            return Err(format!("{staged} segments are still staged"));
        }
        Ok(())
    }
}

/// Where a message of these tests belongs.
fn table_of(value: Option<&[u8]>) -> Table {
    match value {
        Some(value) if value.windows(9).any(|part| part == b"heartbeat") => Table::Events,
        Some(value) if value.starts_with(b"{\"device_id\"") => Table::Readings,
        _ => Table::Rejects,
    }
}
