//! What the series of one part have measured: one value at a time, in offset order.
//!
//! A reading touches what a value changes ([`Columns`]: a cache line a series) and seldom the rest ([`Rare`]). The sensors of a device stand
//! side by side, so that the same instructions measure several of them. Times are µs from the start of the window, and counts are floats:
//! both exact, for they stay below 2^53 (no window is 285 years long).

use std::fmt;

use super::memory::{empty, fetch};
use super::part::{AHEAD, Entry, Fit};
use super::rows::{BAD, COUNTED, Rows};
use crate::batch::{SensorCatalog, SensorKind, SensorSpec};

/// Sensors that are measured by one loop at most.
pub(super) const WIDTH: usize = 8;

/// What was measured of a series. Times in µs since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measures {
    pub(super) count: u64,
    pub(super) count_bad: u32,
    pub(super) mean: f64,
    pub(super) m2: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) first_time_us: i64,
    pub(super) last_time_us: i64,
}

impl Measures {
    pub(super) fn has_any(&self) -> bool {
        self.count > 0 || self.count_bad > 0
    }

    pub(super) fn summary(&self) -> Summary {
        Summary { count: self.count as f64, mean: self.mean, m2: self.m2 }
    }
}

/// Of a device's sensor, beside its [`Measures`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// None: no time passed between the values.
    pub(super) time_weighted_mean: Option<f64>,
    /// None: not a boolean, or without values.
    pub(super) boolean: Option<BooleanHeld>,
}

/// Changes of a boolean, and how long it was true. Both are exact: sums of whole µs stay far below 2^53.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BooleanHeld {
    pub(super) transitions: u32,
    pub(super) time_on_us: i64,
}

/// The series of the devices of a part, by device slot and sensor.
#[derive(Debug)]
pub(super) struct SeriesTable {
    sensors: usize,
    /// Of [`WIDTH`] sensors each, but for the last one.
    blocks: Vec<Box<dyn Block>>,
}

/// Some sensors of all devices. How many is known where the code is made, so that the loops over them are unrolled and vectorised.
trait Block: fmt::Debug {
    /// For the next device slot.
    fn open_slot(&mut self);
    fn clear(&mut self);
    fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]);
    fn get(&self, slot: usize, column: usize, start_us: i64) -> (Measures, Held);
    /// Of a device, one a sensor.
    fn summarize(&self, slot: usize, summaries: &mut Vec<Summary>);
    fn bytes(&self) -> usize;
}

/// See [`Block`].
#[derive(Debug)]
struct Store<const L: usize> {
    sensor: usize,
    /// Which columns are booleans.
    booleans: Vec<usize>,
    columns: Vec<Columns<L>>,
    rare: Vec<[Rare; L]>,
    /// `[device slot][boolean]`: changes from a value to the next later one.
    transitions: Vec<u32>,
    /// By device slot, or empty: nothing was bad yet.
    bad: Vec<[u32; L]>,
}

/// What a value changes, of `L` series of a device.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Columns<const L: usize> {
    count: [f64; L],
    mean: [f64; L],
    m2: [f64; L],
    min: [f64; L],
    max: [f64; L],
    last: [f64; L],
    last_time_us: [f64; L],
    /// Sum of value × µs until the next later value. A value that comes out of order holds for no time.
    held: [f64; L],
}

/// What only a first value changes, or one out of order.
#[derive(Clone, Copy, Debug, Default)]
struct Rare {
    first: f64,
    first_time_us: f64,
    /// Event time of the first value in offset order, where holding begins.
    held_since_us: f64,
}

impl<const L: usize> Columns<L> {
    const EMPTY: Self = Self {
        count: [0.0; L],
        mean: [0.0; L],
        m2: [0.0; L],
        min: [f64::INFINITY; L],
        max: [f64::NEG_INFINITY; L],
        last: [0.0; L],
        last_time_us: [f64::NEG_INFINITY; L],
        held: [0.0; L],
    };

    /// Values that are no earlier than the last ones, which there are.
    #[inline]
    fn add_later(&mut self, values: &[f64; L], time_us: f64) {
        for column in 0..L {
            self.held[column] += self.last[column] * (time_us - self.last_time_us[column]);
        }
        self.last = *values;
        self.last_time_us = [time_us; L];
        add_values(&mut self.count, (&mut self.mean, &mut self.m2), (&mut self.min, &mut self.max), values);
    }

    /// Any value of one series. Says whether it is a change: later than another one, and not the same.
    #[inline]
    fn add(&mut self, column: usize, value: f64, time_us: f64, rare: &mut Rare) -> bool {
        let (last, last_time_us) = (self.last[column], self.last_time_us[column]);
        let is_later = time_us >= last_time_us;
        let mut is_change = false;
        if self.count[column] == 0.0 {
            *rare = Rare { first: value, first_time_us: time_us, held_since_us: time_us };
        } else if is_later {
            self.held[column] += last * (time_us - last_time_us);
            is_change = is_other(last, value);
        } else if time_us < rare.first_time_us {
            (rare.first, rare.first_time_us) = (value, time_us);
        }
        // Offsets rise: of equal times the earlier offset is first, the later one last.
        if is_later {
            (self.last[column], self.last_time_us[column]) = (value, time_us);
        }
        let moments = (one(&mut self.mean, column), one(&mut self.m2, column));
        add_values(one(&mut self.count, column), moments, (one(&mut self.min, column), one(&mut self.max, column)), &[value]);
        is_change
    }
}

impl<const L: usize> Store<L> {
    fn boxed(sensor: usize, booleans: Vec<usize>) -> Box<dyn Block> {
        let (columns, rare, transitions, bad) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Box::new(Self { sensor, booleans, columns, rare, transitions, bad })
    }

    #[inline]
    fn add(&mut self, slot: usize, column: usize, value: f64, time_us: f64) {
        let is_change = self.columns[slot].add(column, value, time_us, &mut self.rare[slot][column]);
        if let Some(at) = self.booleans.iter().position(|boolean| *boolean == column) {
            self.transitions[slot * self.booleans.len() + at] += u32::from(is_change);
        }
    }

    #[cold]
    fn add_bad(&mut self, slot: usize, column: usize) {
        self.bad.resize(self.columns.len(), [0; L]);
        self.bad[slot][column] += 1;
    }
}

impl<const L: usize> Block for Store<L> {
    fn open_slot(&mut self) {
        self.columns.push(Columns::EMPTY);
        self.rare.push([Rare::default(); L]);
        self.transitions.resize(self.transitions.len() + self.booleans.len(), 0);
        if !self.bad.is_empty() {
            self.bad.push([0; L]);
        }
    }

    fn clear(&mut self) {
        empty(&mut self.columns);
        empty(&mut self.rare);
        empty(&mut self.transitions);
        empty(&mut self.bad);
    }

    fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]) {
        for (at, entry) in entries.iter().enumerate() {
            if let Some(next) = entries.get(at + AHEAD).and_then(|next| self.columns.get(next.slot as usize)) {
                fetch(next);
            }
            let (row, slot, time_us) = (entry.row as usize, entry.slot as usize, entry.time_us);
            let Some(values) = rows.values_from::<L>(row, self.sensor) else { continue };
            match entry.fit {
                Fit::Later => {
                    let columns = &mut self.columns[slot];
                    for (at, column) in self.booleans.iter().enumerate() {
                        let is_change = is_other(columns.last[*column], values[*column]);
                        self.transitions[slot * self.booleans.len() + at] += u32::from(is_change);
                    }
                    columns.add_later(values, time_us);
                }
                Fit::Whole => {
                    for (column, value) in values.iter().enumerate() {
                        self.add(slot, column, *value, time_us);
                    }
                }
                Fit::Gaps => {
                    for (column, value) in values.iter().enumerate() {
                        match rows.class(row, self.sensor + column) {
                            COUNTED => self.add(slot, column, *value, time_us),
                            BAD => self.add_bad(slot, column),
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    fn get(&self, slot: usize, column: usize, start_us: i64) -> (Measures, Held) {
        let (columns, rare) = (&self.columns[slot], self.rare[slot][column]);
        let measures = Measures {
            count: whole(columns.count[column]),
            count_bad: self.bad.get(slot).map_or(0, |bad| bad[column]),
            mean: columns.mean[column],
            m2: columns.m2[column],
            min: columns.min[column],
            max: columns.max[column],
            first: rare.first,
            last: columns.last[column],
            first_time_us: absolute_us(start_us, rare.first_time_us),
            last_time_us: absolute_us(start_us, columns.last_time_us[column]),
        };
        let span_us = columns.last_time_us[column] - rare.held_since_us;
        let boolean = self.booleans.iter().position(|boolean| *boolean == column).filter(|_| measures.count > 0);
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let time_on_us = columns.held[column] as i64;
        let held = Held {
            time_weighted_mean: (measures.count > 1 && span_us > 0.0).then(|| columns.held[column] / span_us),
            boolean: boolean.map(|at| BooleanHeld { transitions: self.transitions[slot * self.booleans.len() + at], time_on_us }),
        };
        (measures, held)
    }

    fn summarize(&self, slot: usize, summaries: &mut Vec<Summary>) {
        let columns = &self.columns[slot];
        let summary =
            |column: usize| Summary { count: columns.count[column], mean: columns.mean[column], m2: columns.m2[column] };
        summaries.extend((0..L).map(summary));
    }

    fn bytes(&self) -> usize {
        self.columns.capacity() * size_of::<Columns<L>>()
            + self.rare.capacity() * size_of::<[Rare; L]>()
            + self.transitions.capacity() * size_of::<u32>()
            + self.bad.capacity() * size_of::<[u32; L]>()
    }
}

impl SeriesTable {
    pub(super) fn new(catalog: &SensorCatalog) -> Self {
        let block = |(at, specs): (usize, &[SensorSpec])| {
            let columns = specs.iter().enumerate().filter(|(_, spec)| spec.kind == SensorKind::Boolean);
            let (sensor, booleans) = (at * WIDTH, columns.map(|(column, _)| column).collect());
            match specs.len() {
                1 => Store::<1>::boxed(sensor, booleans),
                2 => Store::<2>::boxed(sensor, booleans),
                3 => Store::<3>::boxed(sensor, booleans),
                4 => Store::<4>::boxed(sensor, booleans),
                5 => Store::<5>::boxed(sensor, booleans),
                6 => Store::<6>::boxed(sensor, booleans),
                7 => Store::<7>::boxed(sensor, booleans),
                _ => Store::<WIDTH>::boxed(sensor, booleans),
            }
        };
        Self { sensors: catalog.len(), blocks: catalog.sensors.chunks(WIDTH).enumerate().map(block).collect() }
    }

    /// Forgets the devices, but not its memory.
    pub(super) fn clear(&mut self) {
        self.blocks.iter_mut().for_each(|block| block.clear());
    }

    /// For the next device slot.
    pub(super) fn open_slot(&mut self) {
        self.blocks.iter_mut().for_each(|block| block.open_slot());
    }

    pub(super) fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]) {
        self.blocks.iter_mut().for_each(|block| block.measure(rows, entries));
    }

    pub(super) fn get(&self, slot: usize, sensor: usize, start_us: i64) -> (Measures, Held) {
        self.blocks[sensor / WIDTH].get(slot, sensor % WIDTH, start_us)
    }

    /// By slot and sensor.
    pub(super) fn summaries(&self, slots: usize) -> Vec<Summary> {
        let mut summaries = Vec::with_capacity(slots * self.sensors);
        for slot in 0..slots {
            self.blocks.iter().for_each(|block| block.summarize(slot, &mut summaries));
        }
        summaries
    }

    /// A cache line is the least of a block of sensors; each may be a boolean and have had a bad value.
    pub(super) fn bytes_a_device(sensors: usize) -> usize {
        let lines = |sensors: usize| (sensors * size_of::<Columns<1>>()).next_multiple_of(align_of::<Columns<1>>());
        lines(sensors) + sensors * (size_of::<Rare>() + 2 * size_of::<u32>())
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes()).sum()
    }
}

/// Of booleans, which are exactly 0 or 1.
#[inline]
fn is_other(last: f64, value: f64) -> bool {
    (last - value).abs() > 0.0
}

/// Welford, "Note on a method for calculating corrected sums of squares and products" (1962), and extremes. `moments`: mean and m2.
#[inline]
pub(super) fn add_values<const L: usize>(
    count: &mut [f64; L],
    (mean, m2): (&mut [f64; L], &mut [f64; L]),
    (min, max): (&mut [f64; L], &mut [f64; L]),
    values: &[f64; L],
) {
    for column in 0..L {
        count[column] += 1.0;
        let delta = values[column] - mean[column];
        mean[column] += delta / count[column];
        m2[column] += delta * (values[column] - mean[column]);
    }
    for column in 0..L {
        min[column] = if values[column] < min[column] { values[column] } else { min[column] };
        max[column] = if values[column] > max[column] { values[column] } else { max[column] };
    }
}

/// One of some columns, as if it were all.
#[inline]
pub(super) fn one<const L: usize>(columns: &mut [f64; L], column: usize) -> &mut [f64; 1] {
    std::array::from_mut(&mut columns[column])
}

/// A count, which is a float where it is added to: no value has to be converted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
pub(super) fn whole(count: f64) -> u64 {
    count as u64
}

/// A time since 1970 of one since the start of a window. A time that no value has (an infinity) gives any number.
pub(super) fn absolute_us(start_us: i64, time_us: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "whole µs below 2^53")]
    let since_start = time_us as i64;
    start_us.saturating_add(since_start)
}

/// What rolling values need of a written series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: f64,
    pub(super) mean: f64,
    pub(super) m2: f64,
}

/// Summaries merged from the oldest window to the newest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rolling {
    count: f64,
    pub(super) mean: f64,
    m2: f64,
    /// How many of them had a value.
    pub(super) windows: i32,
}

impl Rolling {
    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    #[inline]
    pub(super) fn merged(&self, summary: Summary) -> Self {
        let Summary { count, mean, m2 } = summary;
        if count == 0.0 {
            return *self;
        }
        let windows = self.windows + 1;
        if windows == 1 {
            return Self { count, mean, m2, windows };
        }
        let sum = self.count + count;
        let delta = mean - self.mean;
        Self {
            count: sum,
            mean: self.mean + delta * count / sum,
            m2: self.m2 + m2 + delta * delta * self.count * count / sum,
            windows,
        }
    }

    /// Of the population. Not a number without any value.
    pub(super) fn stddev(&self) -> f64 {
        (self.m2 / self.count).sqrt()
    }
}
