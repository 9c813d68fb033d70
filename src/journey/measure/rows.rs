//! The readings of a run as measure wants them: values by row, booleans as numbers, per value whether it counts, a hash a reading.

use std::ops::Range;

use arrow::array::{Array, Int32Array};
use arrow::buffer::NullBuffer;

use crate::batch::{Flag, KeyColumn, ReadingColumns, SensorColumns, SensorValues};

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
const ABSENT_BITS: u64 = 0x7ff8_dead_0000_0001;

/// Buffers that are filled again for each run.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// `[row][sensor]`: all values of a reading stand together, as the series of its device do.
    values: Vec<f64>,
    /// `[sensor][row]`
    classes: Vec<u8>,
    /// Of a reading: 0 where every sensor counts.
    gaps: Vec<u8>,
    hashes: Vec<u64>,
    places: Vec<PlaceKey>,
}

/// A run of readings, all slices of the same length.
pub(super) struct Rows<'a> {
    pub(super) offsets: &'a [i64],
    pub(super) event_times_us: &'a [i64],
    pub(super) devices: &'a [u32],
    pub(super) quality: &'a [u16],
    pub(super) hashes: &'a [u64],
    pub(super) places: &'a [PlaceKey],
    sensors: usize,
    values: &'a [f64],
    classes: &'a [u8],
    gaps: &'a [u8],
}

/// Where a reading says that it is, in ids of the lane's dictionaries; [`NO_TEXT`] where it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaceKey {
    pub(super) building: u32,
    pub(super) room: u32,
    floor: i32,
    /// 1: a floor is said. 2: [`PlaceKey::FORGOTTEN`].
    kind: u32,
}

pub(super) const NO_TEXT: u32 = u32::MAX;

impl PlaceKey {
    /// Where no reading is.
    pub(super) const FORGOTTEN: Self = Self { building: NO_TEXT, room: NO_TEXT, floor: 0, kind: 2 };
    const NOWHERE: Self = Self { building: NO_TEXT, room: NO_TEXT, floor: 0, kind: 0 };

    pub(super) fn floor(self) -> Option<i32> {
        (self.kind == 1).then_some(self.floor)
    }
}

impl<'a> Rows<'a> {
    pub(super) fn new(readings: &'a ReadingColumns, run: Range<usize>, scratch: &'a mut Scratch) -> Self {
        scratch.fill(readings, &run);
        let Scratch { values, classes, gaps, hashes, places } = &*scratch;
        Self {
            sensors: readings.sensors.len(),
            values,
            classes,
            gaps,
            hashes,
            places,
            offsets: &readings.offset.values()[run.clone()],
            event_times_us: &readings.event_time.values()[run.clone()],
            devices: &readings.device.values()[run.clone()],
            quality: &readings.quality[run],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// A value a sensor; what it is to its series, [`Rows::class`] says.
    #[inline]
    pub(super) fn values(&self, row: usize) -> &[f64] {
        &self.values[row * self.sensors..][..self.sensors]
    }

    /// The same of `L` sensors, from one on.
    #[inline]
    pub(super) fn values_from<const L: usize>(&self, row: usize, sensor: usize) -> Option<&[f64; L]> {
        self.values.get(row * self.sensors + sensor..)?.first_chunk()
    }

    /// Whether all values of a reading count.
    #[inline]
    pub(super) fn is_whole(&self, row: usize) -> bool {
        self.gaps[row] == 0
    }

    #[inline]
    pub(super) fn class(&self, row: usize, sensor: usize) -> u8 {
        self.classes[sensor * self.len() + row]
    }
}

impl Scratch {
    fn fill(&mut self, readings: &ReadingColumns, run: &Range<usize>) {
        let (rows, sensors) = (run.len(), readings.sensors.len());
        self.values.resize(rows * sensors, 0.0);
        self.classes.resize(rows * sensors, COUNTED);
        self.gaps.clear();
        self.gaps.resize(rows, 0);
        for (at, sensor) in readings.sensors.iter().enumerate() {
            let classes = &mut self.classes[at * rows..][..rows];
            classify(sensor, run, classes, &mut self.gaps);
            by_row(&sensor.values, run, self.values.iter_mut().skip(at).step_by(sensors));
        }
        self.hashes.clear();
        let times = readings.event_time.values()[run.clone()].iter();
        if sensors == 0 {
            self.hashes.extend(times.map(|time| fold(HASH_START, time.cast_unsigned())));
        } else {
            let hash = |(time, values): (&i64, &[f64])| {
                values.iter().fold(fold(HASH_START, time.cast_unsigned()), |hash, value| fold(hash, value.to_bits()))
            };
            self.hashes.extend(times.zip(self.values.chunks_exact(sensors)).map(hash));
        }
        self.places.clear();
        self.places.resize(rows, PlaceKey::NOWHERE);
        fill_texts(&readings.building, run, &mut self.places, |place| &mut place.building);
        fill_texts(&readings.room, run, &mut self.places, |place| &mut place.room);
        fill_floors(&readings.floor, run, &mut self.places);
    }

    pub(super) fn bytes(&self) -> usize {
        (self.values.capacity() + self.hashes.capacity()) * 8
            + self.classes.capacity()
            + self.gaps.capacity()
            + self.places.capacity() * size_of::<PlaceKey>()
    }
}

/// What lies in the slot of a null is no value; a fault that the device tells of stays one.
fn classify(sensor: &SensorColumns, run: &Range<usize>, classes: &mut [u8], gaps: &mut [u8]) {
    let quality = &sensor.quality[run.clone()];
    let nulls = nulls_of(&sensor.values);
    if nulls.is_none() && quality.iter().fold(0, |all, quality| all | quality) & (LEFT_OUT | COUNTED_BAD) == 0 {
        classes.fill(COUNTED);
        return;
    }
    for (class, quality) in classes.iter_mut().zip(quality) {
        *class = class_of(*quality);
    }
    if let Some(nulls) = nulls {
        for (row, class) in run.clone().zip(classes.iter_mut()) {
            if nulls.is_null(row) && *class == COUNTED {
                *class = ABSENT;
            }
        }
    }
    for (gap, class) in gaps.iter_mut().zip(classes) {
        *gap |= *class ^ COUNTED;
    }
}

fn class_of(quality: u16) -> u8 {
    let counted = u8::from(quality & (LEFT_OUT | COUNTED_BAD) == 0);
    let bad = u8::from(quality & COUNTED_BAD != 0);
    (counted * COUNTED) | (bad * BAD)
}

fn nulls_of(values: &SensorValues) -> Option<&NullBuffer> {
    let nulls = match values {
        SensorValues::Number(values) => values.nulls(),
        SensorValues::Boolean(values) => values.nulls(),
    };
    nulls.filter(|nulls| nulls.null_count() > 0)
}

/// The values of a sensor to their places between those of the others.
fn by_row<'a>(values: &SensorValues, run: &Range<usize>, places: impl Iterator<Item = &'a mut f64>) {
    let absent = f64::from_bits(ABSENT_BITS);
    match (values, nulls_of(values)) {
        (SensorValues::Number(values), None) => {
            places.zip(&values.values()[run.clone()]).for_each(|(place, value)| *place = *value);
        }
        (SensorValues::Number(values), Some(nulls)) => {
            for ((place, value), row) in places.zip(&values.values()[run.clone()]).zip(run.clone()) {
                *place = if nulls.is_null(row) { absent } else { *value };
            }
        }
        (SensorValues::Boolean(values), nulls) => {
            let bits = values.values();
            for (place, row) in places.zip(run.clone()) {
                let bit = f64::from(u8::from(bits.value(row)));
                *place = if nulls.is_some_and(|nulls| nulls.is_null(row)) { absent } else { bit };
            }
        }
    }
}

fn fill_texts(keys: &KeyColumn, run: &Range<usize>, places: &mut [PlaceKey], part: impl Fn(&mut PlaceKey) -> &mut u32) {
    let values = &keys.values()[run.clone()];
    match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => places.iter_mut().zip(values).for_each(|(place, key)| *part(place) = *key),
        Some(nulls) if nulls.null_count() == nulls.len() => {}
        Some(nulls) => {
            for ((place, key), row) in places.iter_mut().zip(values).zip(run.clone()) {
                *part(place) = if nulls.is_null(row) { NO_TEXT } else { *key };
            }
        }
    }
}

fn fill_floors(floors: &Int32Array, run: &Range<usize>, places: &mut [PlaceKey]) {
    let nulls = floors.nulls().filter(|nulls| nulls.null_count() > 0);
    if nulls.is_some_and(|nulls| nulls.null_count() == nulls.len()) {
        return;
    }
    for ((place, floor), row) in places.iter_mut().zip(&floors.values()[run.clone()]).zip(run.clone()) {
        let is_said = nulls.is_none_or(|nulls| nulls.is_valid(row));
        (place.floor, place.kind) = if is_said { (*floor, 1) } else { (0, 0) };
    }
}

/// Both halves of a wide product (the mixing step of wyhash): the low bits of decimal numbers are zero, a plain product would keep them so.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves are what is wanted")]
fn fold(hash: u64, bits: u64) -> u64 {
    let product = u128::from(hash ^ bits) * u128::from(HASH_FACTOR);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(HASH_START)
}
