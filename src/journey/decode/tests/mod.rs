//! Tests of decoding, by what they show. Here: a view of decoded rows that is easy to compare.

mod envelopes;
mod extras;
mod faults;
mod properties;
mod samples;
mod tables;
mod times;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, UInt8Type};

use super::Decoder;
use crate::batch::{
    DecodedBatch, Dictionaries, Dictionary, Flags, Format, Headers, KeyColumn, RawBatch, RawRow, RejectReason, SensorCatalog,
    SensorValues, TopicPartition,
};

pub(super) const NESTED: &[u8] = include_bytes!("../fixtures/nested.json");
pub(super) const DEVICE: &[u8] = include_bytes!("../fixtures/device.json");
pub(super) const ENVELOPE: &[u8] = include_bytes!("../fixtures/envelope.json");
pub(super) const ENVELOPE_ALERT: &[u8] = include_bytes!("../fixtures/envelope_alert.json");
pub(super) const FLAT: &[u8] = include_bytes!("../fixtures/flat.json");
pub(super) const SINGLE: &[u8] = include_bytes!("../fixtures/single.json");

pub(super) const KAFKA_TIME_MS: i64 = 1_763_650_000_500;

/// The columns of a row that are not null, as text.
pub(super) type Row = BTreeMap<String, String>;

/// Where a row landed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Landed {
    Reading(Row),
    Event(Row),
    Reject(RejectReason, String),
}

impl Landed {
    /// A column of a reading or an event; panics with the whole row where it is null.
    pub(super) fn column(&self, name: &str) -> &str {
        self.maybe(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(super) fn maybe(&self, name: &str) -> Option<&str> {
        match self {
            Landed::Reading(row) | Landed::Event(row) => row.get(name).map(String::as_str),
            Landed::Reject(..) => panic!("{self:?}"),
        }
    }

    pub(super) fn reason(&self) -> RejectReason {
        match self {
            Landed::Reject(reason, _) => *reason,
            _ => panic!("not refused: {self:?}"),
        }
    }
}

pub(super) fn raw_batch<'a>(values: &[Option<&'a [u8]>], kafka_time_ms: i64) -> RawBatch<'a> {
    let row =
        |(offset, value): (i64, Option<&'a [u8]>)| RawRow { offset, kafka_time_ms, key: None, value, headers: Headers::NONE };
    RawBatch {
        source: TopicPartition::new("t", 0),
        rows: (100..).zip(values.iter().copied()).map(row).collect(),
        ingest_time_us: 7,
        stamped_by_broker: false,
    }
}

/// Decodes messages as one batch and says where each landed.
pub(super) fn landed_at(values: &[Option<&[u8]>], kafka_time_ms: i64) -> Vec<Landed> {
    let mut dictionaries = Dictionaries::default();
    let raw = raw_batch(values, kafka_time_ms);
    let batch = Decoder::new(Arc::new(SensorCatalog::default())).decode(&raw, &mut dictionaries);
    landed(&batch, &dictionaries, values.len())
}

/// Decodes one message.
pub(super) fn land(message: impl AsRef<[u8]>) -> Landed {
    landed_at(&[Some(message.as_ref())], KAFKA_TIME_MS).remove(0)
}

/// Where each row landed; fails where a row landed twice or nowhere.
pub(super) fn landed(batch: &DecodedBatch, dictionaries: &Dictionaries, rows: usize) -> Vec<Landed> {
    let mut all: Vec<Option<Landed>> = vec![None; rows];
    let mut put = |offset: i64, row: Landed| {
        let place = &mut all[usize::try_from(offset - 100).unwrap()];
        assert!(place.is_none(), "offset {offset} landed twice: {place:?} and {row:?}");
        *place = Some(row);
    };
    for i in 0..batch.readings.len() {
        put(batch.readings.offset.value(i), Landed::Reading(reading_row(batch, dictionaries, i)));
    }
    for i in 0..batch.events.len() {
        put(batch.events.offset.value(i), Landed::Event(event_row(batch, i)));
    }
    for reject in &batch.rejects {
        assert_eq!(usize::try_from(reject.offset - 100).unwrap(), reject.row);
        assert!(!reject.detail.is_empty());
        put(reject.offset, Landed::Reject(reject.reason, reject.detail.clone()));
    }
    let nowhere = |row: Option<Landed>| row.expect("a row landed nowhere");
    all.into_iter().map(nowhere).collect()
}

fn keyed(row: &mut Row, name: &str, column: &KeyColumn, dictionary: &Dictionary, i: usize) {
    if column.is_valid(i) {
        row.insert(name.to_owned(), dictionary.get(column.value(i)).to_owned());
    }
}

fn plain(row: &mut Row, name: &str, column: &dyn Array, i: usize) {
    use arrow::datatypes::{DataType, TimeUnit};
    if column.is_null(i) {
        return;
    }
    let text = match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().value(i).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(i).to_string(),
        // With this form a float comes back bit by bit.
        DataType::Float64 => format!("{:?}", column.as_primitive::<Float64Type>().value(i)),
        DataType::Boolean => column.as_boolean().value(i).to_string(),
        DataType::Utf8 => column.as_string::<i32>().value(i).to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => column.as_primitive::<TimestampMicrosecondType>().value(i).to_string(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => column.as_primitive::<TimestampMillisecondType>().value(i).to_string(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(i).to_string(),
        other => panic!("{other}"),
    };
    row.insert(name.to_owned(), text);
}

fn reading_row(batch: &DecodedBatch, dictionaries: &Dictionaries, i: usize) -> Row {
    let (readings, d) = (&batch.readings, dictionaries);
    let mut row = Row::new();
    plain(&mut row, "kafka_time", &readings.kafka_time, i);
    plain(&mut row, "event_time", &readings.event_time, i);
    keyed(&mut row, "device_id", &readings.device, &d.devices, i);
    keyed(&mut row, "device_type", &readings.device_type, &d.device_types, i);
    keyed(&mut row, "building", &readings.building, &d.buildings, i);
    plain(&mut row, "floor", &readings.floor, i);
    keyed(&mut row, "room", &readings.room, &d.rooms, i);
    keyed(&mut row, "zone", &readings.zone, &d.zones, i);
    keyed(&mut row, "model", &readings.model, &d.models, i);
    keyed(&mut row, "firmware", &readings.firmware, &d.firmwares, i);
    plain(&mut row, "battery", &readings.battery, i);
    plain(&mut row, "signal_strength", &readings.signal_strength, i);
    keyed(&mut row, "status", &readings.status, &d.statuses, i);
    plain(&mut row, "message_id", &readings.message_id, i);
    keyed(&mut row, "source", &readings.source, &d.sources, i);
    plain(&mut row, "extra", &readings.extra, i);
    row.insert("format".to_owned(), Format::ALL[usize::from(readings.format.value(i))].name().to_owned());
    row.insert("quality".to_owned(), Flags(readings.quality[i]).to_string());
    for (spec, sensor) in SensorCatalog::default().sensors.iter().zip(&readings.sensors) {
        match &sensor.values {
            SensorValues::Number(values) => plain(&mut row, &spec.name, values, i),
            SensorValues::Boolean(values) => plain(&mut row, &spec.name, values, i),
        }
        keyed(&mut row, &format!("{}_unit", spec.name), &sensor.unit, &d.units, i);
        keyed(&mut row, &format!("{}_status", spec.name), &sensor.status, &d.sensor_statuses, i);
        if sensor.quality[i] != 0 {
            row.insert(format!("{}_quality", spec.name), Flags(sensor.quality[i]).to_string());
        }
    }
    row
}

fn event_row(batch: &DecodedBatch, i: usize) -> Row {
    let events = &batch.events;
    let mut row = Row::new();
    let columns: [(&str, ArrayRef); 14] = [
        ("kafka_time", Arc::new(events.kafka_time.clone())),
        ("event_time", Arc::new(events.event_time.clone())),
        ("event_type", Arc::new(events.event_type.clone())),
        ("message_id", Arc::new(events.message_id.clone())),
        ("device_id", Arc::new(events.device_id.clone())),
        ("source", Arc::new(events.source.clone())),
        ("alert_id", Arc::new(events.alert_id.clone())),
        ("alert_type", Arc::new(events.alert_type.clone())),
        ("severity", Arc::new(events.severity.clone())),
        ("title", Arc::new(events.title.clone())),
        ("message", Arc::new(events.message.clone())),
        ("status", Arc::new(events.status.clone())),
        ("priority", Arc::new(events.priority.clone())),
        ("payload", Arc::new(events.payload.clone())),
    ];
    for (name, column) in &columns {
        plain(&mut row, name, column, i);
    }
    row
}

/// A nested message with these members before its closing brace.
pub(super) fn nested_with(members: &str) -> String {
    format!(r#"{{"device_id":"d","timestamp":1763650000000,"sensors":{{}},{members}}}"#)
}

/// A nested message with these members in its sensors.
pub(super) fn nested_sensors(sensors: &str) -> String {
    format!(r#"{{"device_id":"d","timestamp":1763650000000,"sensors":{{{sensors}}}}}"#)
}
