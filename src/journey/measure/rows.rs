//! The readings of a run as measure wants them: per value whether it counts, booleans as numbers, a hash a reading.

use std::ops::Range;

use arrow::array::{Array, BooleanArray, Int32Array};

use crate::batch::{Flag, KeyColumn, ReadingColumns, SensorValues};

/// What a value is to its series.
pub(super) const ABSENT: u8 = 0;
pub(super) const COUNTED: u8 = 1;
pub(super) const BAD: u8 = 2;

/// Flags of a message that keep it out of the windows.
pub(super) const UNTRUSTED: u16 = Flag::FutureTime.mask() | Flag::OldTime.mask() | Flag::NoKafkaTime.mask();
/// Flags of a sensor that keep its value out, and count it as bad.
const COUNTED_BAD: u16 = Flag::OutOfRange.mask() | Flag::DeviceFault.mask();
/// Flags of a sensor that keep its value out.
const LEFT_OUT: u16 = Flag::BadValue.mask() | Flag::Missing.mask() | Flag::UnknownUnit.mask();

const HASH_START: u64 = 0x9e37_79b9_7f4a_7c15;
const HASH_FACTOR: u64 = 0xe703_7ed1_a0b4_28db;
/// Stands for a value that is not there: a NaN that no value has.
const HASH_ABSENT: u64 = 0x7ff8_dead_0000_0001;

/// Buffers that are filled again for each run.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    classes: Vec<u8>,
    booleans: Vec<f64>,
    hashes: Vec<u64>,
}

/// One sensor of a run.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) values: &'a [f64],
    pub(super) classes: &'a [u8],
}

/// A run of readings, all slices of the same length.
pub(super) struct Rows<'a> {
    pub(super) offsets: &'a [i64],
    pub(super) event_times_us: &'a [i64],
    pub(super) devices: &'a [u32],
    pub(super) quality: &'a [u16],
    pub(super) hashes: &'a [u64],
    pub(super) sensors: Vec<Column<'a>>,
    building: &'a KeyColumn,
    floor: &'a Int32Array,
    room: &'a KeyColumn,
    start: usize,
}

/// Where a reading says that it is, in ids of the lane's dictionaries; [`NO_TEXT`] and None where it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceKey {
    pub(super) building: u32,
    pub(super) floor: Option<i32>,
    pub(super) room: u32,
}

pub(super) const NO_TEXT: u32 = u32::MAX;

impl<'a> Rows<'a> {
    pub(super) fn new(readings: &'a ReadingColumns, run: Range<usize>, scratch: &'a mut Scratch) -> Self {
        let rows = run.len();
        scratch.fill(readings, &run);
        let Scratch { classes, booleans, hashes } = &*scratch;
        let mut left = booleans.as_slice();
        let sensors = readings.sensors.iter().zip(classes.chunks(rows.max(1))).map(|(sensor, classes)| {
            let values = match &sensor.values {
                SensorValues::Number(values) => &values.values()[run.clone()],
                SensorValues::Boolean(_) => {
                    let (values, rest) = left.split_at(rows);
                    left = rest;
                    values
                }
            };
            Column { values, classes }
        });
        Self {
            sensors: sensors.collect(),
            hashes,
            offsets: &readings.offset.values()[run.clone()],
            event_times_us: &readings.event_time.values()[run.clone()],
            devices: &readings.device.values()[run.clone()],
            quality: &readings.quality[run.clone()],
            building: &readings.building,
            floor: &readings.floor,
            room: &readings.room,
            start: run.start,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    #[inline]
    pub(super) fn place(&self, row: usize) -> PlaceKey {
        let at = self.start + row;
        let key = |column: &KeyColumn| if column.is_valid(at) { column.value(at) } else { NO_TEXT };
        PlaceKey {
            building: key(self.building),
            floor: self.floor.is_valid(at).then(|| self.floor.value(at)),
            room: key(self.room),
        }
    }
}

impl Scratch {
    fn fill(&mut self, readings: &ReadingColumns, run: &Range<usize>) {
        let rows = run.len();
        self.classes.clear();
        self.booleans.clear();
        self.hashes.clear();
        self.hashes.extend(readings.event_time.values()[run.clone()].iter().map(|time| fold(HASH_START, time.cast_unsigned())));
        for sensor in &readings.sensors {
            let begin = self.classes.len();
            self.classes.extend(sensor.quality[run.clone()].iter().map(|quality| class_of(*quality)));
            let classes = &mut self.classes[begin..];
            match &sensor.values {
                SensorValues::Number(values) => {
                    take_out_nulls(values, run, classes);
                    hash(&mut self.hashes, &values.values()[run.clone()], values, run.start);
                }
                SensorValues::Boolean(values) => {
                    take_out_nulls(values, run, classes);
                    let begin = self.booleans.len();
                    self.booleans.extend(run.clone().map(|row| bit(values, row)));
                    hash(&mut self.hashes, &self.booleans[begin..], values, run.start);
                }
            }
        }
        debug_assert_eq!(self.hashes.len(), rows);
    }

    pub(super) fn bytes(&self) -> usize {
        self.classes.capacity() + (self.booleans.capacity() + self.hashes.capacity()) * 8
    }
}

fn class_of(quality: u16) -> u8 {
    let counted = u8::from(quality & (LEFT_OUT | COUNTED_BAD) == 0);
    let bad = u8::from(quality & COUNTED_BAD != 0);
    (counted * COUNTED) | (bad * BAD)
}

fn bit(values: &BooleanArray, row: usize) -> f64 {
    f64::from(u8::from(values.is_valid(row) && values.value(row)))
}

/// What lies in the slot of a null is no value; a fault that the device tells of stays one.
fn take_out_nulls(values: &dyn Array, run: &Range<usize>, classes: &mut [u8]) {
    let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) else { return };
    for (row, class) in run.clone().zip(classes) {
        if nulls.is_null(row) && *class == COUNTED {
            *class = ABSENT;
        }
    }
}

fn hash(hashes: &mut [u64], values: &[f64], array: &dyn Array, start: usize) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (hash, value) in hashes.iter_mut().zip(values) {
                *hash = fold(*hash, value.to_bits());
            }
        }
        Some(nulls) => {
            for (row, (hash, value)) in hashes.iter_mut().zip(values).enumerate() {
                *hash = fold(*hash, if nulls.is_null(start + row) { HASH_ABSENT } else { value.to_bits() });
            }
        }
    }
}

/// Both halves of a wide product (the mixing step of wyhash): the low bits of decimal numbers are zero, a plain product would keep them so.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
fn fold(hash: u64, bits: u64) -> u64 {
    let product = u128::from(hash ^ bits) * u128::from(HASH_FACTOR);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(HASH_START)
}
