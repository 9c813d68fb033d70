//! Rows of `aggregates` and `groups` of one partition and epoch, read back from Parquet.

use std::path::Path;

use arrow::array::{
    Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};

use super::fold::Values;
use super::parts::{PART, PartColumns, PartKey};
use super::places::Names;
use super::readings::text_at;
use super::tables::{TableFile, column};
use crate::batch::{Table, TopicPartition};

/// Whose window a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    Device(u32),
    Group(u32),
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredRow {
    pub(super) part: PartKey,
    pub(super) partial: bool,
    pub(super) subject: Subject,
    pub(super) sensor: u32,
    pub(super) values: Values,
    pub(super) rolling_mean: Option<u64>,
    pub(super) rolling_stddev: Option<u64>,
    pub(super) rolling_windows: Option<i32>,
}

const MEASURES: [&str; 13] = [
    "count",
    "count_bad",
    "mean",
    "m2",
    "min",
    "max",
    "first",
    "last",
    "first_time",
    "last_time",
    "rolling_mean",
    "rolling_stddev",
    "rolling_windows",
];
const OF_DEVICES: [&str; 8] =
    ["sensor", "device_id", "building", "floor", "room", "time_weighted_mean", "transitions", "time_on_us"];
const OF_GROUPS: [&str; 4] = ["sensor", "building", "floor", "buckets"];

/// The rows of one file that are of `source`.
pub(super) fn rows_of(path: &Path, table: Table, source: &TopicPartition, names: &mut Names) -> Result<Vec<StoredRow>, String> {
    let own: &[&str] = if table == Table::Aggregates { &OF_DEVICES } else { &OF_GROUPS };
    let columns: Vec<&str> = PART.iter().chain(&MEASURES).chain(own).copied().collect();
    let mut rows = Vec::new();
    for batch in TableFile::open(path)?.read(&columns, Some(source))? {
        let batch = batch.map_err(|error| error.to_string())?;
        let parts = PartColumns::of(&batch)?;
        let measures = MeasureColumns::of(&batch)?;
        let begin = rows.len();
        for row in 0..batch.num_rows() {
            let (part, partial) = parts.get(row);
            rows.push(measures.row(row, (part, partial), names));
        }
        if table == Table::Aggregates {
            fill_devices(&batch, &mut rows[begin..], names)?;
        } else {
            fill_groups(&batch, &mut rows[begin..], names)?;
        }
    }
    Ok(rows)
}

/// What both tables have.
struct MeasureColumns<'a> {
    sensor: &'a StringArray,
    count: &'a Int64Array,
    count_bad: &'a Int64Array,
    /// mean, m2, min, max, first, last, rolling_mean, rolling_stddev.
    floats: [&'a Float64Array; 8],
    times: [&'a TimestampMicrosecondArray; 2],
    rolling_windows: &'a Int32Array,
}

impl<'a> MeasureColumns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        let float = |name| column::<Float64Array>(batch, name);
        Ok(Self {
            sensor: column(batch, "sensor")?,
            count: column(batch, "count")?,
            count_bad: column(batch, "count_bad")?,
            floats: [
                float("mean")?,
                float("m2")?,
                float("min")?,
                float("max")?,
                float("first")?,
                float("last")?,
                float("rolling_mean")?,
                float("rolling_stddev")?,
            ],
            times: [column(batch, "first_time")?, column(batch, "last_time")?],
            rolling_windows: column(batch, "rolling_windows")?,
        })
    }

    fn row(&self, row: usize, (part, partial): (PartKey, bool), names: &mut Names) -> StoredRow {
        let [mean, m2, min, max, first, last, rolling_mean, rolling_stddev] = self.floats.map(|floats| bits_at(floats, row));
        let [first_time_us, last_time_us] = self.times.map(|times| times.is_valid(row).then(|| times.value(row)));
        let values = Values {
            count: self.count.value(row),
            count_bad: self.count_bad.value(row),
            mean,
            m2,
            min,
            max,
            first,
            last,
            first_time_us,
            last_time_us,
            ..Values::default()
        };
        StoredRow {
            part,
            partial,
            subject: Subject::Device(u32::MAX),
            sensor: names.sensors.text(self.sensor.value(row)),
            values,
            rolling_mean,
            rolling_stddev,
            rolling_windows: self.rolling_windows.is_valid(row).then(|| self.rolling_windows.value(row)),
        }
    }
}

fn bits_at(floats: &Float64Array, row: usize) -> Option<u64> {
    floats.is_valid(row).then(|| floats.value(row).to_bits())
}

fn fill_devices(batch: &RecordBatch, rows: &mut [StoredRow], names: &mut Names) -> Result<(), String> {
    let devices = column::<StringArray>(batch, "device_id")?;
    let buildings = column::<StringArray>(batch, "building")?;
    let floors = column::<Int32Array>(batch, "floor")?;
    let rooms = column::<StringArray>(batch, "room")?;
    let means = column::<Float64Array>(batch, "time_weighted_mean")?;
    let transitions = column::<Int64Array>(batch, "transitions")?;
    let times_on = column::<Int64Array>(batch, "time_on_us")?;
    for (row, stored) in rows.iter_mut().enumerate() {
        stored.subject = Subject::Device(names.devices.text(devices.value(row)));
        stored.values.building = text_at(buildings, row).and_then(|building| names.shared(building));
        stored.values.floor = floors.is_valid(row).then(|| floors.value(row));
        stored.values.room = text_at(rooms, row).and_then(|room| names.shared(room));
        stored.values.time_weighted_mean = bits_at(means, row);
        stored.values.transitions = transitions.is_valid(row).then(|| transitions.value(row));
        stored.values.time_on_us = times_on.is_valid(row).then(|| times_on.value(row));
    }
    Ok(())
}

fn fill_groups(batch: &RecordBatch, rows: &mut [StoredRow], names: &mut Names) -> Result<(), String> {
    let buildings = column::<StringArray>(batch, "building")?;
    let floors = column::<Int32Array>(batch, "floor")?;
    let lists = column::<ListArray>(batch, "buckets")?;
    for (row, stored) in rows.iter_mut().enumerate() {
        let floor = floors.is_valid(row).then(|| floors.value(row));
        stored.subject = Subject::Group(names.group(text_at(buildings, row), floor));
        let items = lists.value(row);
        let items = items.as_any().downcast_ref::<StructArray>().ok_or("column buckets is no list of structs")?;
        let buckets = items.column_by_name("bucket").and_then(|column| column.as_any().downcast_ref::<Int32Array>());
        let counts = items.column_by_name("count").and_then(|column| column.as_any().downcast_ref::<Int64Array>());
        let (Some(buckets), Some(counts)) = (buckets, counts) else {
            return Err("the items of buckets have no bucket and count".to_owned());
        };
        stored.values.buckets = buckets.values().iter().copied().zip(counts.values().iter().copied()).collect();
    }
    Ok(())
}
