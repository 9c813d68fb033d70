//! What the broker knows, behind one lock, and what passing time does to it.

use std::collections::BinaryHeap;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::groups::Group;
use super::log::Incoming;
use super::topics::Topics;
use super::transactions::{Outcome, Transactions};
use super::{BrokerOptions, Fault};

/// How often sessions and time-outs are looked at when nothing is due earlier.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// Producers that were silent for a day are forgotten (Kafka's `producer.id.expiration.ms`).
const PRODUCER_EXPIRY_MS: i64 = 86_400_000;
/// Over its limit the memory is brought down to so many hundredths of it, that not every append has to look for room.
const MEMORY_TARGET_PERCENT: usize = 95;

/// What all threads share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the sweeper: something is due earlier than it thinks.
    due: Condvar,
    cluster_id: String,
    pub(super) options: BrokerOptions,
}

/// Everything that the lock guards.
#[derive(Debug)]
pub(super) struct State {
    pub(super) topics: Topics,
    pub(super) groups: HashMap<String, Group>,
    pub(super) transactions: Transactions,
    /// The broker ends: whoever waits is to give up.
    pub(super) stopping: bool,
    /// Bytes that all logs hold.
    held_bytes: usize,
    memory_bytes_max: usize,
    retention_due: Instant,
}

impl Shared {
    pub(super) fn new(options: BrokerOptions) -> Self {
        let state = State {
            topics: Topics::default(),
            groups: HashMap::new(),
            transactions: Transactions::new(options.marker_delay),
            stopping: false,
            held_bytes: 0,
            memory_bytes_max: options.memory_bytes_max,
            retention_due: Instant::now() + options.retention_interval,
        };
        // Kafka writes the id in base64; any 22 characters of its alphabet will do.
        let cluster_id = Uuid::new_v4().simple().to_string()[..22].to_owned();
        Self { state: Mutex::new(state), due: Condvar::new(), cluster_id, options }
    }

    pub(super) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// A connection that panicked left the state as it was between two calls of it at worst: the others go on.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sweeper that something may be due soon.
    pub(super) fn nudge(&self) {
        self.due.notify_one();
    }

    /// Begins the end: every waiting call gives up.
    pub(super) fn begin_stop(&self) {
        let mut state = self.lock();
        state.stopping = true;
        for group in state.groups.values() {
            group.changed.notify_all();
        }
        for (_, topic) in state.topics.iter_mut() {
            topic.partitions.iter_mut().for_each(super::log::Partition::wake);
        }
        drop(state);
        self.due.notify_all();
    }

    /// The sweeper's life: does what is due, sleeps until something is.
    pub(super) fn sweep_until_stopped(&self) {
        let mut state = self.lock();
        while !state.stopping {
            let now = Instant::now();
            state.sweep(now, self.options.retention_interval);
            let next = state.next_due().map_or(SWEEP_INTERVAL, |due| due.saturating_duration_since(now));
            state = wait(&self.due, state, next.clamp(Duration::from_micros(100), SWEEP_INTERVAL));
        }
    }
}

/// Waits on a condition, at most for a time.
pub(super) fn wait<'a>(condition: &Condvar, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
    condition.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
}

/// The time of day, in milliseconds.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl State {
    /// A group, made if it is not there.
    pub(super) fn group(&mut self, name: &str, initial_delay: Duration) -> &mut Group {
        self.groups.entry(name.to_owned()).or_insert_with(|| Group::new(initial_delay))
    }

    /// Appends a batch to a partition, and makes room if memory runs out. Base offset, and start of the log.
    pub(super) fn append(&mut self, topic: &str, partition: i32, incoming: Incoming, now_ms: i64) -> Result<(i64, i64), Fault> {
        let log = self.topics.partition_mut(topic, partition)?;
        let before = log.bytes();
        let base = log.append(incoming, now_ms)?;
        let (after, start) = (log.bytes(), log.start());
        self.held_bytes += after - before;
        if self.held_bytes > self.memory_bytes_max {
            self.make_room();
        }
        Ok((base, start))
    }

    /// The partition that holds most gives its oldest records first: a stream of readings makes room, the few records of a state
    /// or of an audit stay.
    fn make_room(&mut self) {
        let target = self.memory_bytes_max / 100 * MEMORY_TARGET_PERCENT;
        let sizes = |topics: &Topics| -> BinaryHeap<(usize, String, i32)> {
            let rows = topics.iter().flat_map(|(name, topic)| {
                (0..).zip(&topic.partitions).map(|(index, partition)| (partition.bytes(), name.clone(), index))
            });
            rows.collect()
        };
        let mut largest = sizes(&self.topics);
        while self.held_bytes > target {
            let Some((_, topic, index)) = largest.pop() else { return };
            let Ok(partition) = self.topics.partition_mut(&topic, index) else { return };
            let freed = partition.drop_first();
            if freed == 0 {
                return;
            }
            self.held_bytes -= freed;
            largest.push((partition.bytes(), topic, index));
        }
    }

    /// Deletes records before an offset. The new start of the log.
    pub(super) fn delete_records(&mut self, topic: &str, partition: i32, offset: i64) -> Result<i64, Fault> {
        let log = self.topics.partition_mut(topic, partition)?;
        let before = log.bytes();
        let start = log.delete_before(offset)?;
        self.held_bytes -= before - log.bytes();
        Ok(start)
    }

    /// Deletes a topic with all that refers to it. Readers that wait for it look again.
    pub(super) fn delete_topic(&mut self, name: &str) -> Result<Uuid, Fault> {
        let mut topic = self.topics.delete(name)?;
        for partition in &mut topic.partitions {
            self.held_bytes -= partition.bytes();
            partition.wake();
        }
        self.groups.values_mut().for_each(|group| group.forget_topic(name));
        self.transactions.forget_topic(name);
        Ok(topic.id)
    }

    /// Does what is due.
    pub(super) fn sweep(&mut self, now: Instant, retention_interval: Duration) {
        let now_ms = now_ms();
        for group in self.groups.values_mut() {
            group.tick(now);
        }
        self.transactions.expire(now);
        for outcome in self.transactions.take_due(now) {
            self.settle(outcome, now_ms);
        }
        if now >= self.retention_due {
            self.retention_due = now + retention_interval;
            self.retain(now_ms);
        }
    }

    /// Writes the markers of a transaction, and hands its offsets to their groups if it committed.
    fn settle(&mut self, outcome: Outcome, now_ms: i64) {
        for (topic, partition) in outcome.partitions {
            if let Ok(log) = self.topics.partition_mut(&topic, partition) {
                let before = log.bytes();
                log.mark(outcome.producer, outcome.commit, now_ms);
                self.held_bytes += log.bytes() - before;
            }
        }
        if outcome.commit {
            for (group, offsets) in outcome.offsets {
                // The group may have been deleted meanwhile; its offsets come back with it, as in Kafka.
                let group = self.group(&group, Duration::ZERO);
                for (at, committed) in offsets {
                    group.commit(at, committed);
                }
            }
        }
    }

    /// Lets go what topics do not keep any longer.
    fn retain(&mut self, now_ms: i64) {
        for (_, topic) in self.topics.iter_mut() {
            let before_ms = topic.settings.retention_ms.map(|keep_ms| now_ms.saturating_sub(keep_ms));
            for partition in &mut topic.partitions {
                let before = partition.bytes();
                partition.retain(before_ms, topic.settings.retention_bytes);
                partition.forget_producers(now_ms - PRODUCER_EXPIRY_MS);
                self.held_bytes -= before - partition.bytes();
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let groups = self.groups.values().filter_map(Group::next_due);
        groups.chain(self.transactions.next_due()).min()
    }

    /// Has the readers of some partitions woken by what comes next.
    pub(super) fn wait_for<'a>(&mut self, partitions: impl Iterator<Item = (&'a str, i32)>, condition: &Arc<Condvar>) {
        for (topic, partition) in partitions {
            if let Ok(log) = self.topics.partition_mut(topic, partition) {
                log.wait(condition);
            }
        }
    }

    /// Takes back what `wait_for` noted.
    pub(super) fn forget_waiting<'a>(&mut self, partitions: impl Iterator<Item = (&'a str, i32)>, condition: &Arc<Condvar>) {
        for (topic, partition) in partitions {
            if let Ok(log) = self.topics.partition_mut(topic, partition) {
                log.forget(condition);
            }
        }
    }
}
