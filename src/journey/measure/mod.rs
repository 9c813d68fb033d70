//! Windows and rolling values per (device, sensor) and per (sensor, place), in parts that merge (DESIGN section 6, `docs/windows.md`).
//!
//! ```text
//! adopt ──▶ replay … ──▶ go_live ──▶ measure … ──▶ end_epoch, replay_state ──▶ the epoch's note
//!   ▲       counts what is listed,   │  closes what the clock has passed,                │
//!   │       gives nothing out        ▼  flags repeats and what is over the limit         │
//!   └──────────────────────────── MeasuredParts ◀── late and early parts ────────────────┘
//! ```
//!
//! The caller gives the clock of a partition at each call. It decides when a part is written, never what: a part is the counted readings of
//! one window with offsets in `[from, to)`, and whether a reading counts follows from the reading and the earlier ones of its part.

mod columns;
mod devices;
mod groups;
mod memory;
mod part;
mod partition;
mod past;
mod recent;
mod rows;
mod series;
mod settings;
mod sketch;
mod slots;

#[cfg(test)]
mod tests;

pub use partition::Counted;
pub use settings::Windows;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::Array;

use self::columns::Writer;
use self::devices::DeviceCache;
use self::partition::Partition;
use self::rows::{Rows, Scratch};
use crate::batch::{
    Dictionaries, InspectedBatch, MeasuredParts, ReadingColumns, ReplayState, SensorCatalog, TopicPartition, trusted_stamp_ms,
};

/// Where a partition is to be read from after it was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// At most the committed offset, and never before the partition's first one.
    pub seek_to: i64,
    /// What lies before is replayed: [`Measurer::replay`] until here or the partition's end, then [`Measurer::go_live`]. Where
    /// `seek_to` is this offset, at once.
    pub committed: i64,
}

/// How the clock of a partition moves through a batch: the highest Kafka time so far, stamps far ahead of the wall counting as the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRun {
    /// Before the batch; None: no record had a Kafka time yet.
    pub before_ms: Option<i64>,
    /// [`RawBatch::guard_ms`](crate::batch::RawBatch::guard_ms) of the batch.
    pub wall_ms: i64,
    /// False: there is no room for parts right now. The clock stands still before the next closing, which comes with a later call.
    pub may_close: bool,
}

/// What a batch did to the windows.
#[derive(Clone, Debug)]
pub struct Measured {
    pub counted: Counted,
    /// On-time parts that the batch closed.
    pub parts: MeasuredParts,
}

/// The windows of one lane's partitions.
#[derive(Debug)]
pub struct Measurer {
    windows: Windows,
    catalog: Arc<SensorCatalog>,
    flags_hash: u64,
    partitions: HashMap<TopicPartition, Partition>,
    cache: DeviceCache,
    scratch: Scratch,
    tokens: u32,
    /// The canary of the tests.
    #[cfg(test)]
    ignores_from: bool,
}

impl Measurer {
    pub fn new(windows: Windows, catalog: Arc<SensorCatalog>) -> Self {
        let windows = windows.at_least_one();
        Self {
            flags_hash: windows.flags_hash(&catalog),
            windows,
            catalog,
            partitions: HashMap::new(),
            cache: DeviceCache::default(),
            scratch: Scratch::default(),
            tokens: 0,
            #[cfg(test)]
            ignores_from: false,
        }
    }

    /// Takes a partition over at its committed offset, with what the commit note lists. `log_start`: the partition's first offset; what
    /// retention has removed of a listed window makes it partial.
    pub fn adopt(&mut self, source: &TopicPartition, note: Option<&ReplayState>, committed: i64, log_start: i64) -> Replay {
        self.tokens += 1;
        let mut partition = Partition::new(self.windows, self.flags_hash, Arc::clone(&self.catalog), self.tokens);
        #[cfg(test)]
        {
            partition.ignores_from = self.ignores_from;
        }
        let seek_to = partition.adopt(note, committed, log_start);
        self.partitions.insert(source.clone(), partition);
        Replay { seek_to, committed }
    }

    /// Forgets a partition with all its state: it went to another lane, or its open epoch was given up.
    pub fn release(&mut self, source: &TopicPartition) {
        self.partitions.remove(source);
    }

    /// Whether it has the windows of a partition.
    pub fn holds(&self, source: &TopicPartition) -> bool {
        self.partitions.contains_key(source)
    }

    /// Forgets all partitions.
    pub fn release_all(&mut self) {
        self.partitions.clear();
    }

    /// Whether a live partition has windows that [`Measurer::drain`] would write.
    pub fn has_open_windows(&self, source: &TopicPartition) -> bool {
        self.partitions.get(source).is_some_and(|partition| partition.replaying_to().is_none() && partition.has_open())
    }

    /// The committed offset that a partition replays up to; None: it is live.
    pub fn replaying_to(&self, source: &TopicPartition) -> Option<i64> {
        self.partitions.get(source)?.replaying_to()
    }

    /// Counts a batch read again: readings before the committed offset, into listed windows only. Flags nothing, gives nothing out.
    pub fn replay(&mut self, batch: &InspectedBatch, dictionaries: &Dictionaries) {
        let Some(partition) = self.partitions.get_mut(&batch.source) else { return };
        self.cache.follow(dictionaries);
        let rows = Rows::new(&batch.readings, 0..batch.readings.len(), &mut self.scratch);
        partition.replay(&rows, &mut self.cache, dictionaries);
    }

    /// Replay is done: the committed offset or the partition's end is reached. Gives the listed windows where settings have changed.
    /// [`Measurer::measure`] does it by itself; a partition without new messages needs to be told.
    pub fn go_live(&mut self, source: &TopicPartition) -> MeasuredParts {
        self.write(source, Partition::go_live)
    }

    /// Counts all readings of a batch, cut where a closing is crossed, and flags what does not count.
    pub fn measure(&mut self, batch: &mut InspectedBatch, dictionaries: &Dictionaries, clock: ClockRun) -> Measured {
        let mut measured = Measured { counted: Counted::default(), parts: self.go_live(&batch.source) };
        let mut clock_ms = clock.before_ms.unwrap_or(i64::MIN);
        let mut row = 0;
        let hold_before_ms = self.next_closing_ms(&batch.source).filter(|closing_ms| !clock.may_close && *closing_ms > i64::MIN);
        if let Some(closing_ms) = hold_before_ms {
            let held_ms = self.clock_after(&batch.readings, clock).min(closing_ms - 1);
            let more = self.measure_rows(batch, 0..batch.readings.len(), dictionaries, Some(held_ms));
            measured.counted.add(more.counted);
            measured.parts.append(more.parts);
            return measured;
        }
        while row < batch.readings.len() {
            let (end, reached_ms) =
                self.next_cut(&batch.source, &batch.readings, row, ClockRun { before_ms: Some(clock_ms), ..clock });
            let reached = (reached_ms > i64::MIN).then_some(reached_ms);
            let more = self.measure_rows(batch, row..end, dictionaries, reached);
            measured.counted.add(more.counted);
            measured.parts.append(more.parts);
            (row, clock_ms) = (end, reached_ms);
        }
        measured
    }

    /// The clock after the last row.
    fn clock_after(&self, readings: &ReadingColumns, clock: ClockRun) -> i64 {
        let stamps = (0..readings.len()).map(|row| self.stamp(readings, row, clock.wall_ms));
        stamps.max().unwrap_or(i64::MIN).max(clock.before_ms.unwrap_or(i64::MIN))
    }

    /// The Kafka time of a row as the clock takes it; the least value where it has none.
    fn stamp(&self, readings: &ReadingColumns, row: usize, wall_ms: i64) -> i64 {
        let stamp = if readings.kafka_time.is_valid(row) { readings.kafka_time.value(row) } else { i64::MIN };
        trusted_stamp_ms(stamp, wall_ms, self.windows.future_skew_ms)
    }

    /// The first row after `row` at which the clock crosses the closing that comes after the one that `row` may cross, and the clock just
    /// before that row.
    fn next_cut(&self, source: &TopicPartition, readings: &ReadingColumns, row: usize, clock: ClockRun) -> (usize, i64) {
        let stamp = |row: usize| self.stamp(readings, row, clock.wall_ms);
        let mut reached_ms = clock.before_ms.unwrap_or(i64::MIN).max(stamp(row));
        let closing_ms = match self.partitions.get(source) {
            Some(partition) => partition.closing_after_ms(reached_ms),
            None => i64::MIN,
        };
        for next in row + 1..readings.len() {
            let stamp = stamp(next);
            if stamp >= closing_ms && stamp > reached_ms {
                return (next, reached_ms);
            }
            reached_ms = reached_ms.max(stamp);
        }
        (readings.len(), reached_ms)
    }

    /// The same for some rows at one clock: closes what is due, then counts. None: no record had a Kafka time yet.
    pub fn measure_rows(
        &mut self,
        batch: &mut InspectedBatch,
        rows: Range<usize>,
        dictionaries: &Dictionaries,
        clock_ms: Option<i64>,
    ) -> Measured {
        if !self.partitions.contains_key(&batch.source) {
            let first = batch.readings.offset.values().first().copied().unwrap_or(0);
            self.adopt(&batch.source, None, first, first);
        }
        let mut parts = self.go_live(&batch.source);
        parts.append(self.close_due(&batch.source, clock_ms));
        let mut counted = Counted::default();
        if let Some(partition) = self.partitions.get_mut(&batch.source) {
            self.cache.follow(dictionaries);
            let run = Rows::new(&batch.readings, rows.clone(), &mut self.scratch);
            let mut masks = vec![0; run.len()];
            counted = partition.count(&run, (&mut self.cache, dictionaries), clock_ms.unwrap_or(i64::MIN), &mut masks);
            for (quality, mask) in batch.readings.quality[rows].iter_mut().zip(masks) {
                *quality |= mask;
            }
        }
        Measured { counted, parts }
    }

    /// The clock, ms, at which [`Measurer::close_due`] has something to do. None: not a partition of this lane.
    pub fn next_closing_ms(&self, source: &TopicPartition) -> Option<i64> {
        self.partitions.get(source).map(Partition::next_closing_ms)
    }

    /// On-time parts of the windows that the clock has passed by `grace`. Nothing while the partition replays.
    pub fn close_due(&mut self, source: &TopicPartition, clock_ms: Option<i64>) -> MeasuredParts {
        self.write(source, |partition, writer| {
            if let Some(clock_ms) = clock_ms {
                partition.close_due(clock_ms, writer);
            }
        })
    }

    /// Late and early parts of the epoch that ends. Then [`Measurer::replay_state`] is what its note says.
    pub fn end_epoch(&mut self, source: &TopicPartition) -> MeasuredParts {
        self.write(source, Partition::end_epoch)
    }

    /// Open windows as they stand, as on-time parts; for `--drain`, before [`Measurer::end_epoch`]. Nothing while the partition
    /// replays.
    pub fn drain(&mut self, source: &TopicPartition) -> MeasuredParts {
        self.write(source, |partition, writer| {
            if partition.replaying_to().is_none() {
                partition.drain(writer);
            }
        })
    }

    /// For the commit note. None: not a partition of this lane.
    pub fn replay_state(&self, source: &TopicPartition) -> Option<ReplayState> {
        self.partitions.get(source).map(Partition::replay_state)
    }

    /// Bytes held by late and early parts, which end with the epoch: a buffer, as open segments are.
    pub fn pending_bytes(&self) -> usize {
        self.partitions.values().map(|partition| partition.bytes().0).sum()
    }

    #[cfg(test)]
    fn pending_bytes_of(&self, source: &TopicPartition) -> usize {
        self.partitions.get(source).map_or(0, |partition| partition.bytes().0)
    }

    /// Bytes held by all windows, late and early parts included.
    pub fn bytes(&self) -> usize {
        let partitions = self.partitions.values().map(Partition::bytes).map(|(loose, rest)| loose + rest);
        partitions.sum::<usize>() + self.cache.bytes() + self.scratch.bytes()
    }

    fn write(&mut self, source: &TopicPartition, write: impl FnOnce(&mut Partition, &mut Writer<'_>)) -> MeasuredParts {
        let Some(partition) = self.partitions.get_mut(source) else { return MeasuredParts::none(source.clone()) };
        let mut writer = Writer::new(&self.catalog, source);
        write(partition, &mut writer);
        partition.free_devices(|| {
            self.tokens += 1;
            self.tokens
        });
        writer.finish()
    }
}
