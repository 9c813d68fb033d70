//! What the tables of windows must say, by definition, from the rows of `readings` that readers see. Names nothing of the stages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, UInt16Type,
};

use super::world::World;
use crate::batch::Table;

/// future_time, old_time, no_kafka_time, duplicate, over_limit (bits 6 to 10) keep a message out.
const DUPLICATE: u16 = 1 << 9;
const OVER_LIMIT: u16 = 1 << 10;
const MESSAGE_OUT: u16 = (0b111 << 6) | DUPLICATE | OVER_LIMIT;
/// bad_value, missing, unknown_unit keep a value out; out_of_range and device_fault count it as bad.
const VALUE_OUT: u16 = 0b111;
const VALUE_BAD: u16 = 0b11 << 3;
const REPEATS_KNOWN: usize = 16;
const SENSORS: [&str; 2] = ["temperature", "switch_status"];

/// A row of `readings`.
#[derive(Clone, Debug)]
struct Reading {
    partition: i32,
    offset: i64,
    event_us: i64,
    device: String,
    place: (Option<String>, Option<i32>),
    quality: u16,
    /// Value and flags, a sensor each.
    values: [(Option<f64>, u16); 2],
}

/// A row of `aggregates` or `groups`. Floats as bits.
#[derive(Clone, Debug)]
struct Row {
    /// None: a row of `groups`.
    device: Option<String>,
    place: (Option<String>, Option<i32>),
    sensor: usize,
    partition: i32,
    window: (i64, i64),
    span: (i64, i64),
    on_time: bool,
    partial: bool,
    said: Said,
    rolling: Option<(Option<(u64, u64)>, i32)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    count: i64,
    count_bad: i64,
    /// mean, m2, min, max, first, last
    floats: Option<[u64; 6]>,
    times: Option<(i64, i64)>,
    time_weighted_mean: Option<u64>,
    transitions: Option<i64>,
    time_on_us: Option<i64>,
}

/// The columns of one batch by name, null where they are null.
pub(super) struct Column<'a>(pub(super) &'a RecordBatch);

impl Column<'_> {
    pub(super) fn text(&self, name: &str, row: usize) -> Option<String> {
        let column = cast(self.0.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned())
    }

    pub(super) fn long(&self, name: &str, row: usize) -> Option<i64> {
        let column = self.0.column_by_name(name).unwrap();
        if !column.is_valid(row) {
            return None;
        }
        Some(match column.data_type() {
            DataType::Int32 => i64::from(column.as_primitive::<Int32Type>().value(row)),
            DataType::UInt16 => i64::from(column.as_primitive::<UInt16Type>().value(row)),
            DataType::Timestamp(TimeUnit::Millisecond, _) => column.as_primitive::<TimestampMillisecondType>().value(row),
            DataType::Timestamp(..) => column.as_primitive::<TimestampMicrosecondType>().value(row),
            DataType::Boolean => i64::from(column.as_boolean().value(row)),
            _ => column.as_primitive::<Int64Type>().value(row),
        })
    }

    fn float(&self, name: &str, row: usize) -> Option<f64> {
        let column = self.0.column_by_name(name).unwrap();
        if *column.data_type() == DataType::Boolean {
            return self.long(name, row).map(|value| value as f64);
        }
        column.is_valid(row).then(|| column.as_primitive::<Float64Type>().value(row))
    }

    pub(super) fn small(&self, name: &str, row: usize) -> Option<i32> {
        self.long(name, row).map(|value| i32::try_from(value).unwrap())
    }

    pub(super) fn mask(&self, name: &str, row: usize) -> u16 {
        u16::try_from(self.long(name, row).unwrap_or(0)).unwrap()
    }

    fn reading(&self, row: usize) -> Reading {
        Reading {
            partition: self.small("partition", row).unwrap(),
            offset: self.long("offset", row).unwrap(),
            event_us: self.long("event_time", row).unwrap(),
            device: self.text("device_id", row).unwrap(),
            place: (self.text("building", row), self.small("floor", row)),
            quality: self.mask("quality", row),
            values: SENSORS.map(|sensor| (self.float(sensor, row), self.mask(&format!("{sensor}_quality"), row))),
        }
    }

    fn row(&self, table: Table, row: usize) -> Option<Row> {
        let sensor = self.text("sensor", row).unwrap();
        let of_device = table == Table::Aggregates;
        let bits = |name: &str| self.float(name, row).map(f64::to_bits);
        let floats = ["mean", "m2", "min", "max", "first", "last"];
        let said = Said {
            count: self.long("count", row).unwrap(),
            count_bad: self.long("count_bad", row).unwrap(),
            floats: bits("mean").map(|_| floats.map(|name| bits(name).unwrap())),
            times: self.long("first_time", row).map(|first| (first, self.long("last_time", row).unwrap())),
            time_weighted_mean: of_device.then(|| bits("time_weighted_mean")).flatten(),
            transitions: of_device.then(|| self.long("transitions", row)).flatten(),
            time_on_us: of_device.then(|| self.long("time_on_us", row)).flatten(),
        };
        Some(Row {
            device: of_device.then(|| self.text("device_id", row).unwrap()),
            place: (self.text("building", row), self.small("floor", row)),
            // Sensors that these messages do not have say nothing.
            sensor: SENSORS.iter().position(|name| *name == sensor)?,
            partition: self.small("partition", row).unwrap(),
            window: (self.long("window_start", row).unwrap(), self.long("window_end", row).unwrap()),
            span: (self.long("offset_from", row).unwrap(), self.long("offset_to", row).unwrap()),
            on_time: self.long("on_time", row) == Some(1),
            partial: self.long("partial", row) == Some(1),
            said,
            rolling: self
                .small("rolling_windows", row)
                .map(|windows| (bits("rolling_mean").map(|mean| (mean, bits("rolling_stddev").unwrap())), windows)),
        })
    }
}

impl Reading {
    fn counts(&self) -> bool {
        self.quality & MESSAGE_OUT == 0
    }

    fn good(&self, sensor: usize) -> Option<f64> {
        let (value, flags) = self.values[sensor];
        value.filter(|_| flags & (VALUE_OUT | VALUE_BAD) == 0)
    }

    fn says_anything(&self, sensor: usize) -> bool {
        self.good(sensor).is_some() || self.values[sensor].1 & VALUE_BAD != 0
    }

    fn is_of(&self, row: &Row) -> bool {
        match &row.device {
            Some(device) => self.device == *device,
            None => self.place == row.place,
        }
    }

    fn lies_in(&self, row: &Row) -> bool {
        let within = |(from, to): (i64, i64), at: i64| from <= at && at < to;
        self.partition == row.partition && within(row.window, self.event_us) && within(row.span, self.offset)
    }

    fn equals(&self, other: &Reading) -> bool {
        let bits = |reading: &Reading| reading.values.map(|(value, _)| value.map(f64::to_bits));
        self.device == other.device && self.event_us == other.event_us && bits(self) == bits(other)
    }
}

/// All rows that readers see.
struct Tables {
    /// By partition and offset.
    readings: Vec<Reading>,
    rows: Vec<Row>,
}

impl Tables {
    fn of(world: &World) -> Self {
        let (mut readings, mut rows) = (Vec::new(), Vec::new());
        world.for_each_batch(|table, batch| {
            let column = Column(batch);
            match table {
                Table::Readings => readings.extend((0..batch.num_rows()).map(|row| column.reading(row))),
                Table::Aggregates | Table::Groups => {
                    rows.extend((0..batch.num_rows()).filter_map(|row| column.row(table, row)));
                }
                Table::Events | Table::Rejects => {}
            }
        });
        readings.sort_by_key(|reading: &Reading| (reading.partition, reading.offset));
        Self { readings, rows }
    }
}

/// What was found, so that a test can tell that it met something.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) on_time: usize,
    pub(super) late_or_early: usize,
    pub(super) partial: usize,
    pub(super) rolled: usize,
    pub(super) flagged: usize,
}

/// Every row is the fold of the readings that it names, parts are disjoint and leave nothing out, rolling values and flags follow.
/// `rolling`: N; None where settings were changed, and with them the grid that rolling values belong to.
pub(super) fn check(world: &World, rolling: Option<i64>, devices_max: usize) -> Result<Seen, String> {
    let Tables { readings, rows } = Tables::of(world);
    let mut seen = Seen::default();
    for row in &rows {
        let expected = fold(&readings, row);
        if !row.partial && row.said != expected {
            return Err(format!("{row:?}\n   by definition {expected:?}"));
        }
        seen.on_time += usize::from(row.on_time);
        seen.late_or_early += usize::from(!row.on_time);
        seen.partial += usize::from(row.partial);
        seen.rolled += usize::from(row.rolling.is_some_and(|(_, windows)| windows > 1));
    }
    seen.flagged = readings.iter().filter(|reading| reading.quality & (DUPLICATE | OVER_LIMIT) != 0).count();
    disjoint(&rows)?;
    complete(world, &readings, &rows)?;
    rolled(&rows, rolling)?;
    let is_gone =
        |reading: &Reading| reading.offset < world.kafka.first(&world.partitions[usize::try_from(reading.partition).unwrap()]);
    flags(&readings, &rows, devices_max, is_gone)?;
    Ok(seen)
}

fn fold(readings: &[Reading], row: &Row) -> Said {
    let mine = readings.iter().filter(|reading| reading.counts() && reading.is_of(row) && reading.lies_in(row));
    let mine: Vec<&Reading> = mine.collect();
    let bad = mine.iter().filter(|reading| reading.values[row.sensor].1 & VALUE_BAD != 0).count();
    let good: Vec<(i64, f64)> = mine.iter().filter_map(|reading| Some((reading.event_us, reading.good(row.sensor)?))).collect();
    let number = |count: usize| i64::try_from(count).unwrap();
    let mut said = Said { count: number(good.len()), count_bad: number(bad), ..Said::default() };
    let Some((first_time, first)) = good.iter().copied().min_by_key(|(time, _)| *time) else { return said };
    let (last_time, last) = good.iter().copied().max_by_key(|(time, _)| *time).unwrap();
    let (mut mean, mut m2) = (0.0, 0.0);
    for (n, (_, value)) in good.iter().enumerate() {
        let delta = value - mean;
        mean += delta / (n + 1) as f64;
        m2 += delta * (value - mean);
    }
    let min = good.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let max = good.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    said.floats = Some([mean, m2, min, max, first, last].map(f64::to_bits));
    said.times = Some((first_time, last_time));
    if row.device.is_some() {
        hold(&good, row.sensor == 1, &mut said);
    }
    said
}

/// Each value holds until the next later one; one that comes out of order holds for no time.
fn hold(good: &[(i64, f64)], is_boolean: bool, said: &mut Said) {
    let (mut held, mut changes) = (0.0, 0);
    let (mut latest, begin) = (good[0], good[0].0);
    for (time, value) in &good[1..] {
        if *time >= latest.0 {
            held += latest.1 * (time - latest.0) as f64;
            changes += i64::from(latest.1.to_bits() != value.to_bits());
            latest = (*time, *value);
        }
    }
    if latest.0 > begin {
        said.time_weighted_mean = Some((held / (latest.0 - begin) as f64).to_bits());
    }
    if is_boolean {
        said.transitions = Some(changes);
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of µs")]
        let time_on_us = held as i64;
        said.time_on_us = Some(time_on_us);
    }
}

fn disjoint(rows: &[Row]) -> Result<(), String> {
    let mut windows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for row in rows {
        if row.span.0 >= row.span.1 {
            return Err(format!("an empty interval: {row:?}"));
        }
        if !found.insert((row.device.clone(), row.place.clone(), row.sensor, row.partition, row.window, row.span.0)) {
            return Err(format!("twice the same row: {row:?}"));
        }
        windows.entry((row.partition, row.window)).or_default().insert(row.span);
    }
    for (window, parts) in windows {
        let parts: Vec<_> = parts.into_iter().collect();
        if parts.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(format!("parts of window {window:?} overlap: {parts:?}"));
        }
    }
    Ok(())
}

/// What retention has removed before it was written may be in no row: it says nothing then of what is older.
fn complete(world: &World, readings: &[Reading], rows: &[Row]) -> Result<(), String> {
    let firsts: BTreeMap<i32, i64> =
        world.partitions.iter().map(|source| (source.partition, world.kafka.first(source))).collect();
    let kept = |reading: &&Reading| reading.counts() && reading.offset >= firsts[&reading.partition];
    for reading in readings.iter().filter(kept) {
        for sensor in (0..SENSORS.len()).filter(|sensor| reading.says_anything(*sensor)) {
            for of_device in [true, false] {
                let covers = |row: &&Row| {
                    row.device.is_some() == of_device && row.sensor == sensor && reading.is_of(row) && reading.lies_in(row)
                };
                let found = rows.iter().filter(covers).count();
                // A part that lost its beginning may meet the limit of devices with others than before.
                let is_excused = found == 0 && rows.iter().any(|row| row.partial && reading.lies_in(row));
                if found != 1 && !is_excused {
                    return Err(format!("{reading:?} is in {found} rows (of devices: {of_device}), sensor {sensor}"));
                }
            }
        }
    }
    Ok(())
}

fn rolled(rows: &[Row], rolling: Option<i64>) -> Result<(), String> {
    let mut on_time = BTreeMap::new();
    for row in rows.iter().filter(|row| row.on_time) {
        let key = (&row.device, &row.place.0, row.place.1, row.sensor, row.partition, row.window);
        // The place of a device may change; that of its window is told by the device alone.
        let key = if row.device.is_some() { (key.0, &None, None, key.3, key.4, key.5) } else { key };
        if on_time.insert(key, row).is_some() {
            return Err(format!("two on-time rows: {row:?}"));
        }
    }
    if let Some(row) = rows.iter().find(|row| !row.on_time && row.rolling.is_some()) {
        return Err(format!("a late or early row with rolling values: {row:?}"));
    }
    let Some(rolling) = rolling else { return Ok(()) };
    for (key, row) in on_time.iter().filter(|(_, row)| !row.partial) {
        let size = row.window.1 - row.window.0;
        let slot = |back: i64| {
            let window = (row.window.0 - back * size, row.window.1 - back * size);
            on_time.get(&(key.0, key.1, key.2, key.3, key.4, window)).copied()
        };
        let expected = merge(&(0..rolling).rev().filter_map(slot).collect::<Vec<_>>());
        if row.rolling != Some(expected) {
            return Err(format!("rolling of {row:?}\n   by definition {expected:?}"));
        }
    }
    Ok(())
}

/// Chan et al., the oldest window first.
fn merge(rows: &[&Row]) -> (Option<(u64, u64)>, i32) {
    let (mut n, mut mean, mut m2, mut windows) = (0.0, 0.0, 0.0, 0);
    for row in rows.iter().filter(|row| row.said.count > 0) {
        let [row_mean, row_m2, ..] = row.said.floats.unwrap().map(f64::from_bits);
        let count = row.said.count as f64;
        windows += 1;
        if windows == 1 {
            (n, mean, m2) = (count, row_mean, row_m2);
            continue;
        }
        let (sum, delta) = (n + count, row_mean - mean);
        mean += delta * count / sum;
        m2 = m2 + row_m2 + delta * delta * n * count / sum;
        n = sum;
    }
    ((windows > 0).then(|| (mean.to_bits(), f64::sqrt(m2 / n).to_bits())), windows)
}

/// Within an on-time part, repeats and the limit follow from its earlier readings; elsewhere there are none. Of a part that lost its
/// readings to retention no row may be left.
fn flags(readings: &[Reading], rows: &[Row], devices_max: usize, is_gone: impl Fn(&Reading) -> bool) -> Result<(), String> {
    let mut expected: BTreeMap<(i32, i64), u16> = BTreeMap::new();
    let mut partial = Vec::new();
    let mut done = BTreeSet::new();
    for row in rows.iter().filter(|row| row.on_time) {
        if row.partial {
            partial.push(row);
        } else if done.insert((row.partition, row.window, row.span)) {
            let trusted = |reading: &&Reading| reading.quality & (0b111 << 6) == 0 && reading.lies_in(row);
            judge(readings.iter().filter(trusted), devices_max, &mut expected);
        }
    }
    for reading in readings {
        if partial.iter().any(|row| reading.lies_in(row)) {
            continue;
        }
        let said = reading.quality & (DUPLICATE | OVER_LIMIT);
        let expected = expected.get(&(reading.partition, reading.offset)).copied();
        if said != expected.unwrap_or(0) && (expected.is_some() || !is_gone(reading)) {
            return Err(format!("{reading:?}: flags {said:#x}, by definition {expected:?}"));
        }
    }
    Ok(())
}

fn judge<'a>(readings: impl Iterator<Item = &'a Reading>, devices_max: usize, expected: &mut BTreeMap<(i32, i64), u16>) {
    let mut recent: BTreeMap<&str, VecDeque<&Reading>> = BTreeMap::new();
    let mut places = BTreeSet::new();
    for reading in readings {
        let devices = recent.len();
        let flag = match recent.get(reading.device.as_str()) {
            Some(recent) if recent.iter().any(|other| other.equals(reading)) => DUPLICATE,
            None if devices >= devices_max => OVER_LIMIT,
            _ if places.len() >= devices_max && !places.contains(&reading.place) => OVER_LIMIT,
            _ => 0,
        };
        expected.insert((reading.partition, reading.offset), flag);
        if flag == 0 {
            places.insert(&reading.place);
            let recent = recent.entry(&reading.device).or_default();
            recent.push_back(reading);
            if recent.len() > REPEATS_KNOWN {
                recent.pop_front();
            }
        }
    }
}
