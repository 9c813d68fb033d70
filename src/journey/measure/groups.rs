//! The places of a part: a reading counts into the group of the place that it says itself, whatever its device said before.
//!
//! Readings of a group come from many devices, so their times are out of order as often as not: nothing here asks for order.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::part::{AHEAD, Entry, Fit};
use super::rows::{BAD, COUNTED, Rows};
use super::series::{Measures, Summary, WIDTH, absolute_us, add_values, one, whole};
use super::sketch::Sketch;

/// A building and a floor, as far as readings say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupName {
    pub(super) building: Option<Arc<str>>,
    pub(super) floor: Option<i32>,
}

/// The series of the groups of a part, by group and sensor.
#[derive(Debug)]
pub(super) struct Groups {
    sensors: usize,
    pub(super) names: Vec<GroupName>,
    ids: HashMap<GroupName, u32>,
    /// As for the series of devices.
    blocks: Vec<Box<dyn Block>>,
    /// `[group][sensor]`; of more groups than there are where the memory was used before: those are empty.
    sketches: Vec<Sketch>,
}

/// Some sensors of all groups.
trait Block: fmt::Debug {
    /// For the next group.
    fn open_group(&mut self);
    fn clear(&mut self);
    fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]);
    fn get(&self, group: usize, column: usize, start_us: i64) -> Measures;
    fn bytes(&self) -> usize;
}

/// See [`Block`].
#[derive(Debug)]
struct Store<const L: usize> {
    sensor: usize,
    columns: Vec<Columns<L>>,
    first: Vec<[f64; L]>,
    bad: Vec<[u32; L]>,
}

/// What a value changes, of `L` series of a group. Times as in the series of devices.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Columns<const L: usize> {
    count: [f64; L],
    mean: [f64; L],
    m2: [f64; L],
    min: [f64; L],
    max: [f64; L],
    first_time_us: [f64; L],
    last_time_us: [f64; L],
    last: [f64; L],
}

impl<const L: usize> Columns<L> {
    const EMPTY: Self = Self {
        count: [0.0; L],
        mean: [0.0; L],
        m2: [0.0; L],
        min: [f64::INFINITY; L],
        max: [f64::NEG_INFINITY; L],
        first_time_us: [f64::INFINITY; L],
        last_time_us: [f64::NEG_INFINITY; L],
        last: [0.0; L],
    };

    #[inline]
    fn add_all(&mut self, values: &[f64; L], time_us: f64, first: &mut [f64; L]) {
        let (moments, extremes) = ((&mut self.mean, &mut self.m2), (&mut self.min, &mut self.max));
        add_values(&mut self.count, moments, extremes, values);
        add_last(&mut self.last, &mut self.last_time_us, values, time_us);
        // Seldom: the earliest values mostly come first.
        if self.first_time_us.iter().any(|first_time_us| time_us < *first_time_us) {
            (0..L).for_each(|column| self.add_first(column, values[column], time_us, first));
        }
    }

    #[inline]
    fn add(&mut self, column: usize, value: f64, time_us: f64, first: &mut [f64; L]) {
        let moments = (one(&mut self.mean, column), one(&mut self.m2, column));
        add_values(one(&mut self.count, column), moments, (one(&mut self.min, column), one(&mut self.max, column)), &[value]);
        add_last(one(&mut self.last, column), one(&mut self.last_time_us, column), &[value], time_us);
        self.add_first(column, value, time_us, first);
    }

    #[inline]
    fn add_first(&mut self, column: usize, value: f64, time_us: f64, first: &mut [f64; L]) {
        if time_us < self.first_time_us[column] {
            (self.first_time_us[column], first[column]) = (time_us, value);
        }
    }
}

/// Offsets rise: of equal times the earlier offset is first, the later one last.
#[inline]
fn add_last<const L: usize>(last: &mut [f64; L], last_time_us: &mut [f64; L], values: &[f64; L], time_us: f64) {
    for column in 0..L {
        let is_last = time_us >= last_time_us[column];
        last[column] = if is_last { values[column] } else { last[column] };
        last_time_us[column] = if is_last { time_us } else { last_time_us[column] };
    }
}

impl<const L: usize> Store<L> {
    fn boxed(sensor: usize) -> Box<dyn Block> {
        Box::new(Self { sensor, columns: Vec::new(), first: Vec::new(), bad: Vec::new() })
    }
}

impl<const L: usize> Block for Store<L> {
    fn open_group(&mut self) {
        self.columns.push(Columns::EMPTY);
        self.first.push([0.0; L]);
        self.bad.push([0; L]);
    }

    fn clear(&mut self) {
        self.columns.clear();
        self.first.clear();
        self.bad.clear();
    }

    fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]) {
        for entry in entries {
            let (row, group, time_us) = (entry.row as usize, entry.group as usize, entry.time_us);
            let Some(values) = rows.values_from::<L>(row, self.sensor) else { continue };
            let (columns, first) = (&mut self.columns[group], &mut self.first[group]);
            if entry.fit != Fit::Gaps {
                columns.add_all(values, time_us, first);
                continue;
            }
            for (column, value) in values.iter().enumerate() {
                match rows.class(row, self.sensor + column) {
                    COUNTED => columns.add(column, *value, time_us, first),
                    BAD => self.bad[group][column] += 1,
                    _ => {}
                }
            }
        }
    }

    fn get(&self, group: usize, column: usize, start_us: i64) -> Measures {
        let columns = &self.columns[group];
        Measures {
            count: whole(columns.count[column]),
            count_bad: self.bad[group][column],
            mean: columns.mean[column],
            m2: columns.m2[column],
            min: columns.min[column],
            max: columns.max[column],
            first: self.first[group][column],
            last: columns.last[column],
            first_time_us: absolute_us(start_us, columns.first_time_us[column]),
            last_time_us: absolute_us(start_us, columns.last_time_us[column]),
        }
    }

    fn bytes(&self) -> usize {
        self.columns.capacity() * (size_of::<Columns<L>>() + size_of::<[f64; L]>() + size_of::<[u32; L]>())
    }
}

impl Groups {
    pub(super) fn new(sensors: usize) -> Self {
        let block = |sensor: usize| match sensors - sensor {
            1 => Store::<1>::boxed(sensor),
            2 => Store::<2>::boxed(sensor),
            3 => Store::<3>::boxed(sensor),
            4 => Store::<4>::boxed(sensor),
            5 => Store::<5>::boxed(sensor),
            6 => Store::<6>::boxed(sensor),
            7 => Store::<7>::boxed(sensor),
            _ => Store::<WIDTH>::boxed(sensor),
        };
        let blocks = (0..sensors).step_by(WIDTH).map(block).collect();
        Self { sensors, names: Vec::new(), ids: HashMap::new(), blocks, sketches: Vec::new() }
    }

    /// Forgets the groups, but not its memory.
    pub(super) fn clear(&mut self) {
        let used = self.names.len() * self.sensors;
        self.sketches.iter_mut().take(used).for_each(Sketch::clear);
        self.names.clear();
        self.ids.clear();
        self.blocks.iter_mut().for_each(|block| block.clear());
    }

    /// None: it would be one too many.
    pub(super) fn find_or_add(&mut self, name: GroupName, groups_max: usize) -> Option<u32> {
        if let Some(group) = self.ids.get(&name) {
            return Some(*group);
        }
        if self.names.len() >= groups_max {
            return None;
        }
        let group = u32::try_from(self.names.len()).ok()?;
        self.names.push(name.clone());
        self.ids.insert(name, group);
        self.blocks.iter_mut().for_each(|block| block.open_group());
        let sketches = self.names.len() * self.sensors;
        if self.sketches.len() < sketches {
            self.sketches.resize_with(sketches, Sketch::default);
        }
        Some(group)
    }

    pub(super) fn measure(&mut self, rows: &Rows<'_>, entries: &[Entry]) {
        self.blocks.iter_mut().for_each(|block| block.measure(rows, entries));
        for (at, entry) in entries.iter().enumerate() {
            if let Some(next) = entries.get(at + AHEAD) {
                let sketches = &self.sketches[next.group as usize * self.sensors..][..self.sensors];
                sketches.iter().zip(rows.values(next.row as usize)).for_each(|(sketch, value)| sketch.fetch(*value));
            }
            let (row, group) = (entry.row as usize, entry.group as usize);
            let sketches = &mut self.sketches[group * self.sensors..][..self.sensors];
            let values = sketches.iter_mut().zip(rows.values(row));
            if entry.fit == Fit::Gaps {
                let counted = values.enumerate().filter(|(sensor, _)| rows.class(row, *sensor) == COUNTED);
                counted.for_each(|(_, (sketch, value))| sketch.add(*value));
            } else {
                values.for_each(|(sketch, value)| sketch.add(*value));
            }
        }
    }

    pub(super) fn get(&self, group: usize, sensor: usize, start_us: i64) -> (Measures, &Sketch) {
        let measures = self.blocks[sensor / WIDTH].get(group, sensor % WIDTH, start_us);
        (measures, &self.sketches[group * self.sensors + sensor])
    }

    /// By name; and by group and sensor.
    pub(super) fn summaries(&self) -> (HashMap<GroupName, u32>, Vec<Summary>) {
        let summary = |at: usize| self.get(at / self.sensors, at % self.sensors, 0).0.summary();
        (self.ids.clone(), (0..self.names.len() * self.sensors).map(summary).collect())
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.bytes()).sum::<usize>()
            + self.names.capacity() * 2 * size_of::<GroupName>()
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.sketches.iter().map(Sketch::bytes).sum::<usize>()
    }
}
