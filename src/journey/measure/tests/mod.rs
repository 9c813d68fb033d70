//! Rows and batches for the tests; what is tested is in the modules.

mod bad_input;
mod blocks;
mod lasting;
mod property;
mod reference;
mod sketching;
mod world;

use std::sync::Arc;

use arrow::array::{
    Array, ArrowPrimitiveType, BooleanArray, Float64Array, Int32Array, Int64Array, PrimitiveArray, StringArray, StructArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, UInt8Array, UInt32Array,
};

use super::{Measurer, Windows};
use crate::batch::{
    Dictionaries, EventColumns, InspectedBatch, MeasureColumns, MeasuredParts, PartColumns, ReadingColumns, SensorCatalog,
    SensorColumns, SensorKind, SensorSpec, SensorValues, Span, TopicPartition,
};

/// One number and one boolean.
pub(super) const SENSORS: [&str; 2] = ["t", "b"];

pub(super) fn catalog() -> Arc<SensorCatalog> {
    let spec = |name: &str, kind| SensorSpec {
        name: name.into(),
        unit: String::new(),
        kind,
        range: None,
        required: false,
        aliases: Vec::new(),
    };
    Arc::new(SensorCatalog { sensors: vec![spec(SENSORS[0], SensorKind::Number), spec(SENSORS[1], SensorKind::Boolean)] })
}

/// One reading as it comes out of inspect.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) offset: i64,
    pub(super) kafka_ms: Option<i64>,
    pub(super) event_us: i64,
    pub(super) device: String,
    pub(super) building: Option<&'static str>,
    pub(super) floor: Option<i32>,
    pub(super) room: Option<&'static str>,
    /// Of the message.
    pub(super) quality: u16,
    /// Value and flags of each sensor.
    pub(super) sensors: [(Option<f64>, u16); 2],
}

pub(super) fn batch(source: &TopicPartition, readings: &[Reading], dictionaries: &mut Dictionaries) -> InspectedBatch {
    let rows = readings.len();
    let none = || UInt32Array::new_null(rows);
    let texts = || StringArray::new_null(rows);
    let sensor = |index: usize| {
        let values = readings.iter().map(|reading| reading.sensors[index].0);
        SensorColumns {
            values: if index == 1 {
                SensorValues::Boolean(values.map(|value| value.map(|value| value != 0.0)).collect::<BooleanArray>())
            } else {
                SensorValues::Number(values.collect::<Float64Array>())
            },
            unit: none(),
            status: none(),
            quality: readings.iter().map(|reading| reading.sensors[index].1).collect(),
        }
    };
    let columns = ReadingColumns {
        offset: readings.iter().map(|reading| reading.offset).collect::<Vec<i64>>().into(),
        kafka_time: readings.iter().map(|reading| reading.kafka_ms).collect::<TimestampMillisecondArray>(),
        event_time: readings.iter().map(|reading| reading.event_us).collect::<Vec<i64>>().into(),
        device: readings.iter().map(|reading| Some(dictionaries.devices.intern(&reading.device))).collect(),
        device_type: none(),
        building: readings.iter().map(|reading| reading.building.map(|text| dictionaries.buildings.intern(text))).collect(),
        floor: readings.iter().map(|reading| reading.floor).collect(),
        room: readings.iter().map(|reading| reading.room.map(|text| dictionaries.rooms.intern(text))).collect(),
        zone: none(),
        model: none(),
        firmware: none(),
        battery: Float64Array::new_null(rows),
        signal_strength: Float64Array::new_null(rows),
        status: none(),
        message_id: texts(),
        source: none(),
        sensors: (0..SENSORS.len()).map(sensor).collect(),
        quality: readings.iter().map(|reading| reading.quality).collect(),
        extra: texts(),
        format: UInt8Array::from(vec![0; rows]),
    };
    let span = match (readings.first(), readings.last()) {
        (Some(first), Some(last)) => Span::of_inclusive(first.offset, last.offset),
        _ => Span::empty_at(0),
    };
    InspectedBatch {
        source: source.clone(),
        span,
        ingest_time_us: 0,
        readings: columns,
        events: no_events(),
        rejects: Vec::new(),
    }
}

fn no_events() -> EventColumns {
    let texts = || StringArray::new_null(0);
    EventColumns {
        offset: Int64Array::new_null(0),
        kafka_time: TimestampMillisecondArray::new_null(0),
        event_time: TimestampMicrosecondArray::new_null(0),
        event_type: texts(),
        message_id: texts(),
        device_id: texts(),
        source: texts(),
        alert_id: texts(),
        alert_type: texts(),
        severity: texts(),
        title: texts(),
        message: texts(),
        status: texts(),
        priority: texts(),
        payload: texts(),
    }
}

/// What a row is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Subject {
    Device(String),
    Group(Option<String>, Option<i32>),
}

/// A row of `aggregates` or `groups`; floats as bits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) sensor: usize,
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) on_time: bool,
    pub(super) partial: bool,
    pub(super) values: Values,
    /// Mean and standard deviation, and how many windows.
    pub(super) rolling: Option<(Option<(u64, u64)>, i32)>,
}

/// What a row has measured; everything that follows from the readings that it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Values {
    pub(super) count: i64,
    pub(super) count_bad: i64,
    /// mean, m2, min, max, first, last
    pub(super) floats: Option<[u64; 6]>,
    /// first_time, last_time
    pub(super) times: Option<(i64, i64)>,
    pub(super) time_weighted_mean: Option<u64>,
    pub(super) transitions_and_time_on: Option<(i64, i64)>,
    pub(super) buckets: Vec<(i32, i64)>,
    /// Of a device.
    pub(super) place: Option<(Option<String>, Option<i32>, Option<String>)>,
}

fn get<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

fn text(column: &StringArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn row(subject: Subject, sensor: &str, part: &PartColumns, measures: &MeasureColumns, row: usize) -> Row {
    let floats = [&measures.mean, &measures.m2, &measures.min, &measures.max, &measures.first, &measures.last];
    let bits = |column: &Float64Array| get(column, row).map(f64::to_bits);
    let values = Values {
        count: measures.count.value(row),
        count_bad: measures.count_bad.value(row),
        floats: bits(floats[0]).map(|_| floats.map(|column| bits(column).unwrap())),
        times: get(&measures.first_time, row).map(|first| (first, measures.last_time.value(row))),
        ..Values::default()
    };
    let rolling = get(&measures.rolling_windows, row)
        .map(|windows| (bits(&measures.rolling_mean).map(|mean| (mean, bits(&measures.rolling_stddev).unwrap())), windows));
    Row {
        subject,
        sensor: SENSORS.iter().position(|name| *name == sensor).unwrap(),
        start_us: part.window_start.value(row),
        end_us: part.window_end.value(row),
        from: part.offset_from.value(row),
        to: part.offset_to.value(row),
        on_time: part.on_time.value(row),
        partial: part.partial.value(row),
        values,
        rolling,
    }
}

/// All rows of some parts: those of devices, then those of groups.
pub(super) fn rows(parts: &MeasuredParts) -> Vec<Row> {
    let mut found = Vec::new();
    for columns in &parts.aggregates {
        for at in 0..columns.len() {
            let subject = Subject::Device(columns.device_id.value(at).to_owned());
            let mut row = row(subject, columns.sensor.value(at), &columns.part, &columns.measures, at);
            row.values.time_weighted_mean = get(&columns.time_weighted_mean, at).map(f64::to_bits);
            row.values.transitions_and_time_on =
                get(&columns.transitions, at).map(|transitions| (transitions, columns.time_on_us.value(at)));
            row.values.place = Some((text(&columns.building, at), get(&columns.floor, at), text(&columns.room, at)));
            found.push(row);
        }
    }
    for columns in &parts.groups {
        for at in 0..columns.len() {
            let subject = Subject::Group(text(&columns.building, at), get(&columns.floor, at));
            let mut row = row(subject, columns.sensor.value(at), &columns.part, &columns.measures, at);
            let items = columns.buckets.value(at);
            let items = items.as_any().downcast_ref::<StructArray>().unwrap();
            let buckets = items.column(0).as_any().downcast_ref::<Int32Array>().unwrap();
            let counts = items.column(1).as_any().downcast_ref::<Int64Array>().unwrap();
            row.values.buckets = buckets.values().iter().copied().zip(counts.values().iter().copied()).collect();
            found.push(row);
        }
    }
    found
}
