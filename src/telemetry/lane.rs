//! The counters of one lane. The lane's thread and its delivery thread add to them with relaxed atomics; nobody waits for anybody.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::histogram::{BATCH_SECONDS, Histogram, HistogramValues, SETTLE_SECONDS};
use super::{Count, EpochOutcome, ErrorKind, LaneState};
use crate::batch::{RejectReason, TopicPartition};

/// Where a lane stands in one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionGauges {
    pub source: TopicPartition,
    /// The NEXT offset that the lane will handle.
    pub position: i64,
    /// The end of the partition as the client last heard it. None: not heard yet.
    pub high_watermark: Option<i64>,
    /// The partition's clock: the highest Kafka time seen, ms since the epoch. None: nothing seen yet.
    pub clock_ms: Option<i64>,
    /// Offsets that are still to be read again before the partition goes on; 0: it is live.
    pub replay_left: u64,
}

impl PartitionGauges {
    /// Offsets between the position and the end. Transaction markers count, so it may stay above zero in a partition that is read
    /// to its end.
    pub fn lag(&self) -> Option<u64> {
        self.high_watermark.map(|end| u64::try_from(end - self.position).unwrap_or(0))
    }
}

/// What the lane's own thread writes, many times a second.
#[repr(align(128))]
struct Flow {
    messages: AtomicU64,
    bytes: AtomicU64,
    readings: AtomicU64,
    events: AtomicU64,
    rejects: [AtomicU64; RejectReason::ALL.len()],
    windows: [AtomicU64; Count::ALL.len()],
    batch_time: Histogram,
    open_epoch_bytes: AtomicU64,
    buffer_bytes: AtomicU64,
    window_bytes: AtomicU64,
    paused: AtomicBool,
}

/// What is written by both threads, seldom: apart from `Flow`, so that a settle does not take the cache line of a batch.
#[repr(align(128))]
struct Course {
    errors: [AtomicU64; ErrorKind::ALL.len()],
    epochs: [AtomicU64; EpochOutcome::ALL.len()],
    settle_time: Histogram,
    dead_letters: AtomicU64,
    rebalances: AtomicU64,
    partitions: AtomicU64,
    state: AtomicU8,
}

/// The metrics of one lane; share it as an `Arc`.
pub struct LaneMetrics {
    lane: usize,
    flow: Flow,
    course: Course,
    reason: Mutex<String>,
    partitions: Mutex<BTreeMap<TopicPartition, PartitionGauges>>,
    runtime: OnceLock<&'static str>,
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}

/// A panic elsewhere leaves plain values behind: they are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LaneMetrics {
    /// Of the lane with this number, in state `Starting`.
    pub fn new(lane: usize) -> Self {
        Self {
            lane,
            flow: Flow {
                messages: AtomicU64::new(0),
                bytes: AtomicU64::new(0),
                readings: AtomicU64::new(0),
                events: AtomicU64::new(0),
                rejects: zeros(),
                windows: zeros(),
                batch_time: Histogram::new(BATCH_SECONDS),
                open_epoch_bytes: AtomicU64::new(0),
                buffer_bytes: AtomicU64::new(0),
                window_bytes: AtomicU64::new(0),
                paused: AtomicBool::new(false),
            },
            course: Course {
                errors: zeros(),
                epochs: zeros(),
                settle_time: Histogram::new(SETTLE_SECONDS),
                dead_letters: AtomicU64::new(0),
                rebalances: AtomicU64::new(0),
                partitions: AtomicU64::new(0),
                state: AtomicU8::new(LaneState::Starting as u8),
            },
            reason: Mutex::new(String::new()),
            partitions: Mutex::new(BTreeMap::new()),
            runtime: OnceLock::new(),
        }
    }

    // --- what the lane says ---

    /// Messages taken from Kafka, and the bytes of their keys and values.
    pub fn consumed(&self, messages: u64, bytes: u64) {
        self.flow.messages.fetch_add(messages, Relaxed);
        self.flow.bytes.fetch_add(bytes, Relaxed);
    }

    /// Messages that became readings or events.
    pub fn accepted(&self, readings: u64, events: u64) {
        self.flow.readings.fetch_add(readings, Relaxed);
        self.flow.events.fetch_add(events, Relaxed);
    }

    /// One message refused.
    pub fn rejected(&self, reason: RejectReason) {
        self.flow.rejects[reason as usize].fetch_add(1, Relaxed);
    }

    /// What windows have counted, or left out, or written.
    pub fn count(&self, what: Count, count: u64) {
        self.flow.windows[what as usize].fetch_add(count, Relaxed);
    }

    /// The time from taking a batch to handing its columns over, for all its messages.
    pub fn batch_took(&self, took: Duration) {
        self.flow.batch_time.observe(took);
    }

    pub fn error(&self, kind: ErrorKind) {
        self.course.errors[kind as usize].fetch_add(1, Relaxed);
    }

    pub fn epoch(&self, outcome: EpochOutcome) {
        self.course.epochs[outcome as usize].fetch_add(1, Relaxed);
    }

    /// The time of one settle, from closing the segments to their reveal.
    pub fn settle_took(&self, took: Duration) {
        self.course.settle_time.observe(took);
    }

    /// Dead letters that were committed (`at_least_once`: acknowledged).
    pub fn dead_letters_published(&self, count: u64) {
        self.course.dead_letters.fetch_add(count, Relaxed);
    }

    /// The group gave or took partitions.
    pub fn rebalanced(&self) {
        self.course.rebalances.fetch_add(1, Relaxed);
    }

    /// Whether backpressure has stopped the flow.
    pub fn set_paused(&self, paused: bool) {
        self.flow.paused.store(paused, Relaxed);
    }

    /// Encoded Parquet and pending output of the open epoch.
    pub fn set_open_epoch_bytes(&self, bytes: u64) {
        self.flow.open_epoch_bytes.store(bytes, Relaxed);
    }

    /// All that counts against the memory budget: client queues, raw batches, open segments, pending output.
    pub fn set_buffer_bytes(&self, bytes: u64) {
        self.flow.buffer_bytes.store(bytes, Relaxed);
    }

    /// What open windows, and those that rolling values need, hold in memory.
    pub fn set_window_bytes(&self, bytes: u64) {
        self.flow.window_bytes.store(bytes, Relaxed);
    }

    /// A new state. `reason` is for people and stands in `/readyz`; empty where there is nothing to explain.
    pub fn set_state(&self, state: LaneState, reason: &str) {
        reason.clone_into(&mut lock(&self.reason));
        self.course.state.store(state as u8, Relaxed);
    }

    /// All partitions that the lane owns now; those not named are forgotten. Takes a lock: at most twice a second.
    pub fn set_partitions(&self, partitions: impl IntoIterator<Item = PartitionGauges>) {
        let partitions: BTreeMap<_, _> = partitions.into_iter().map(|gauges| (gauges.source.clone(), gauges)).collect();
        self.course.partitions.store(partitions.len() as u64, Relaxed);
        *lock(&self.partitions) = partitions;
    }

    /// `epoll` or `glommio`; the first call counts.
    pub fn set_runtime(&self, name: &'static str) {
        self.runtime.get_or_init(|| name);
    }

    // --- what others read ---

    pub fn lane(&self) -> usize {
        self.lane
    }

    pub fn messages(&self) -> u64 {
        self.flow.messages.load(Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.flow.bytes.load(Relaxed)
    }

    pub fn readings(&self) -> u64 {
        self.flow.readings.load(Relaxed)
    }

    pub fn events(&self) -> u64 {
        self.flow.events.load(Relaxed)
    }

    pub fn rejects(&self, reason: RejectReason) -> u64 {
        self.flow.rejects[reason as usize].load(Relaxed)
    }

    pub fn counted(&self, what: Count) -> u64 {
        self.flow.windows[what as usize].load(Relaxed)
    }

    pub fn window_bytes(&self) -> u64 {
        self.flow.window_bytes.load(Relaxed)
    }

    pub fn errors(&self, kind: ErrorKind) -> u64 {
        self.course.errors[kind as usize].load(Relaxed)
    }

    pub fn epochs(&self, outcome: EpochOutcome) -> u64 {
        self.course.epochs[outcome as usize].load(Relaxed)
    }

    pub fn batch_times(&self) -> HistogramValues {
        self.flow.batch_time.values()
    }

    pub fn settle_times(&self) -> HistogramValues {
        self.course.settle_time.values()
    }

    pub fn dead_letters(&self) -> u64 {
        self.course.dead_letters.load(Relaxed)
    }

    pub fn rebalances(&self) -> u64 {
        self.course.rebalances.load(Relaxed)
    }

    pub fn is_paused(&self) -> bool {
        self.flow.paused.load(Relaxed)
    }

    pub fn open_epoch_bytes(&self) -> u64 {
        self.flow.open_epoch_bytes.load(Relaxed)
    }

    pub fn buffer_bytes(&self) -> u64 {
        self.flow.buffer_bytes.load(Relaxed)
    }

    pub fn active_partitions(&self) -> u64 {
        self.course.partitions.load(Relaxed)
    }

    pub fn state(&self) -> LaneState {
        let number = usize::from(self.course.state.load(Relaxed));
        // `set_state` alone stores here, so the number is one of the list.
        LaneState::ALL.get(number).copied().unwrap_or(LaneState::Stopped)
    }

    /// What [`LaneMetrics::set_state`] gave as the reason.
    pub fn reason(&self) -> String {
        lock(&self.reason).clone()
    }

    /// In the order of topic and partition.
    pub fn partitions(&self) -> Vec<PartitionGauges> {
        lock(&self.partitions).values().cloned().collect()
    }

    /// `starting` until the lane has said it.
    pub fn runtime(&self) -> &'static str {
        self.runtime.get().copied().unwrap_or("starting")
    }
}
