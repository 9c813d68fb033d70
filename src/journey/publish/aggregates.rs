//! Parts of windows as records: one message a device and part, with all its sensors. Its schema is `docs/schemas/aggregate.v1.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray, StringArray};
use serde::Serialize;

use crate::batch::{AggregateColumns, MeasuredParts, OutRecord};

/// The version of the schema.
const VERSION: u32 = 1;

/// One part of one window of one device. Times in ms or µs since 1970, as their names say.
#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    device_id: &'a str,
    window_start_ms: i64,
    window_end_ms: i64,
    building: Option<&'a str>,
    floor: Option<i32>,
    room: Option<&'a str>,
    on_time: bool,
    partial: bool,
    topic: &'a str,
    partition: i32,
    offset_from: i64,
    offset_to: i64,
    sensors: BTreeMap<&'a str, Sensor>,
}

/// A number that is not finite (sums of squares can overflow) is null in JSON.
#[derive(Serialize)]
struct Sensor {
    count: i64,
    count_bad: i64,
    mean: Option<f64>,
    m2: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
    first_time_us: Option<i64>,
    last_time_us: Option<i64>,
    time_weighted_mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transitions: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_on_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolling_mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolling_stddev: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolling_windows: Option<i32>,
}

/// Appends the records of parts: key the device id, value JSON; a part of a device is one record.
pub fn aggregate_records(parts: &MeasuredParts, topic: &Arc<str>, out: &mut Vec<OutRecord>) -> Result<(), serde_json::Error> {
    for columns in &parts.aggregates {
        let mut begin = 0;
        while begin < columns.len() {
            let end = (begin + 1..columns.len()).find(|row| !same_message(columns, begin, *row)).unwrap_or(columns.len());
            let message = message(parts, columns, begin..end);
            out.push(OutRecord {
                topic: Arc::clone(topic),
                partition: None,
                key: Some(message.device_id.as_bytes().to_vec()),
                value: Some(serde_json::to_vec(&message)?),
                headers: Vec::new(),
            });
            begin = end;
        }
    }
    Ok(())
}

/// The rows of one device and part stand together.
fn same_message(columns: &AggregateColumns, a: usize, b: usize) -> bool {
    let AggregateColumns { part, device_id, .. } = columns;
    part.window_start.value(a) == part.window_start.value(b)
        && part.offset_from.value(a) == part.offset_from.value(b)
        && device_id.value(a) == device_id.value(b)
}

fn message<'a>(parts: &'a MeasuredParts, columns: &'a AggregateColumns, rows: std::ops::Range<usize>) -> Message<'a> {
    let AggregateColumns { part, device_id, building, floor, room, sensor, .. } = columns;
    let row = rows.start;
    Message {
        version: VERSION,
        device_id: device_id.value(row),
        window_start_ms: part.window_start.value(row) / 1_000,
        window_end_ms: part.window_end.value(row) / 1_000,
        building: text(building, row),
        floor: number(floor, row),
        room: text(room, row),
        on_time: part.on_time.value(row),
        partial: part.partial.value(row),
        topic: &parts.source.topic,
        partition: parts.source.partition,
        offset_from: part.offset_from.value(row),
        offset_to: part.offset_to.value(row),
        sensors: rows.map(|row| (sensor.value(row), of_sensor(columns, row))).collect(),
    }
}

fn of_sensor(columns: &AggregateColumns, row: usize) -> Sensor {
    let AggregateColumns { measures, time_weighted_mean, transitions, time_on_us, .. } = columns;
    Sensor {
        count: measures.count.value(row),
        count_bad: measures.count_bad.value(row),
        mean: number(&measures.mean, row),
        m2: number(&measures.m2, row),
        min: number(&measures.min, row),
        max: number(&measures.max, row),
        first: number(&measures.first, row),
        last: number(&measures.last, row),
        first_time_us: number(&measures.first_time, row),
        last_time_us: number(&measures.last_time, row),
        time_weighted_mean: number(time_weighted_mean, row),
        transitions: number(transitions, row),
        time_on_us: number(time_on_us, row),
        rolling_mean: number(&measures.rolling_mean, row),
        rolling_stddev: number(&measures.rolling_stddev, row),
        rolling_windows: number(&measures.rolling_windows, row),
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn number<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests;
