//! A message as it is printed: an object for machines, a line for people. Both are made from the same values.

use std::fmt::{self, Display, Formatter};

use arrow::array::{Array, PrimitiveArray, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, UInt32Type};
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::batch::{
    Dictionaries, Dictionary, Flags, Format, InspectedBatch, RawBatch, RejectReason, SensorCatalog, SensorValues, TopicPartition,
};

/// Bytes of a refused message that are shown.
const RAW_BYTES_MAX: usize = 400;

/// One message.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    topic: &'a str,
    partition: i32,
    pub(super) offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka_time: Option<String>,
    #[serde(flatten)]
    pub(super) content: Content<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Content<'a> {
    Reading(Box<Reading<'a>>),
    Event(Event<'a>),
    Reject(Reject<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct Reading<'a> {
    format: &'static str,
    event_time: Option<String>,
    device_id: Option<&'a str>,
    /// The other columns that have a value, in the order of the table.
    #[serde(flatten, serialize_with = "as_map")]
    columns: Vec<(&'static str, Value)>,
    #[serde(serialize_with = "as_map")]
    sensors: Vec<(&'a str, Sensor<'a>)>,
    flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<Value>,
}

#[derive(Debug, Serialize)]
struct Sensor<'a> {
    value: Option<Value>,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "event_type")]
    name: &'a str,
    #[serde(rename = "event_time", skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(flatten, serialize_with = "as_map")]
    columns: Vec<(&'static str, &'a str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reject<'a> {
    reason: &'static str,
    detail: &'a str,
    /// Null for a tombstone.
    bytes: Option<usize>,
    /// The first bytes, what is not UTF-8 replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

fn as_map<S: Serializer, V: Serialize>(pairs: &[(&str, V)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// The rows of one batch in the order of their offsets. `raw` is what `batch` was decoded from, with `dictionaries`.
pub(super) fn rows<'a>(
    batch: &'a InspectedBatch,
    raw: &RawBatch<'_>,
    dictionaries: &'a Dictionaries,
    catalog: &'a SensorCatalog,
) -> Vec<Row<'a>> {
    let view = View { batch, dictionaries, catalog };
    let readings = (0..batch.readings.len()).map(|index| view.reading(index));
    let events = (0..batch.events.len()).map(|index| view.event(index));
    let rejects = batch.rejects.iter().map(|reject| {
        let bytes = raw.rows.get(reject.row).and_then(|row| row.value);
        let content = Reject::new(reject.reason, &reject.detail, bytes);
        row(&batch.source, reject.offset, Some(reject.kafka_time_ms), Content::Reject(content))
    });
    let mut rows: Vec<Row> = readings.chain(events).chain(rejects).collect();
    rows.sort_by_key(|row| row.offset);
    rows
}

fn row<'a>(source: &'a TopicPartition, offset: i64, kafka_time_ms: Option<i64>, content: Content<'a>) -> Row<'a> {
    let kafka_time = kafka_time_ms.filter(|&ms| ms >= 0).map(|ms| time_text(Timestamp::from_millisecond(ms), ms));
    Row { topic: &source.topic, partition: source.partition, offset, kafka_time, content }
}

/// RFC 3339; the bare number where the calendar ends.
fn time_text(time: Result<Timestamp, jiff::Error>, number: i64) -> String {
    time.map_or_else(|_| number.to_string(), |time| time.to_string())
}

struct View<'a> {
    batch: &'a InspectedBatch,
    dictionaries: &'a Dictionaries,
    catalog: &'a SensorCatalog,
}

impl<'a> View<'a> {
    fn reading(&self, index: usize) -> Row<'a> {
        let (columns, words) = (&self.batch.readings, self.dictionaries);
        let word = |dictionary: &'a Dictionary, column| key(dictionary, column, index).map(Value::from);
        let others = [
            ("device_type", word(&words.device_types, &columns.device_type)),
            ("building", word(&words.buildings, &columns.building)),
            ("floor", primitive(&columns.floor, index).map(Value::from)),
            ("room", word(&words.rooms, &columns.room)),
            ("zone", word(&words.zones, &columns.zone)),
            ("model", word(&words.models, &columns.model)),
            ("firmware", word(&words.firmwares, &columns.firmware)),
            ("battery", primitive(&columns.battery, index).map(Value::from)),
            ("signal_strength", primitive(&columns.signal_strength, index).map(Value::from)),
            ("status", word(&words.statuses, &columns.status)),
            ("message_id", text(&columns.message_id, index).map(Value::from)),
            ("source", word(&words.sources, &columns.source)),
        ];
        let reading = Reading {
            format: format_name(columns.format.value(index)),
            event_time: primitive(&columns.event_time, index).map(|us| time_text(Timestamp::from_microsecond(us), us)),
            device_id: key(&words.devices, &columns.device, index),
            columns: others.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            sensors: self.sensors(index),
            flags: names(columns.quality[index]),
            extra: text(&columns.extra, index).map(json),
        };
        let kafka_time = primitive(&columns.kafka_time, index);
        row(&self.batch.source, columns.offset.value(index), kafka_time, Content::Reading(Box::new(reading)))
    }

    /// Those that the message has, or that have a flag.
    fn sensors(&self, index: usize) -> Vec<(&'a str, Sensor<'a>)> {
        let of = |(spec, columns): (&'a crate::batch::SensorSpec, &'a crate::batch::SensorColumns)| {
            let value = match &columns.values {
                SensorValues::Number(values) => primitive(values, index).map(Value::from),
                SensorValues::Boolean(values) => values.is_valid(index).then(|| Value::from(values.value(index))),
            };
            let flags = names(columns.quality[index]);
            if value.is_none() && flags.is_empty() {
                return None;
            }
            // An unknown unit stands as it was sent, and so does the value.
            let unknown = Flags(columns.quality[index]).has(crate::batch::Flag::UnknownUnit);
            let sent = key(&self.dictionaries.units, &columns.unit, index).filter(|_| unknown);
            let status = key(&self.dictionaries.sensor_statuses, &columns.status, index);
            Some((spec.name.as_str(), Sensor { value, unit: sent.unwrap_or(&spec.unit), status, flags }))
        };
        self.catalog.sensors.iter().zip(&self.batch.readings.sensors).filter_map(of).collect()
    }

    fn event(&self, index: usize) -> Row<'a> {
        let columns = &self.batch.events;
        let others = [
            ("message_id", &columns.message_id),
            ("device_id", &columns.device_id),
            ("source", &columns.source),
            ("alert_id", &columns.alert_id),
            ("alert_type", &columns.alert_type),
            ("severity", &columns.severity),
            ("title", &columns.title),
            ("message", &columns.message),
            ("status", &columns.status),
            ("priority", &columns.priority),
        ];
        let event = Event {
            name: text(&columns.event_type, index).unwrap_or_default(),
            time: primitive(&columns.event_time, index).map(|us| time_text(Timestamp::from_microsecond(us), us)),
            columns: others.into_iter().filter_map(|(name, column)| Some((name, text(column, index)?))).collect(),
            payload: text(&columns.payload, index).map(json),
        };
        row(&self.batch.source, columns.offset.value(index), primitive(&columns.kafka_time, index), Content::Event(event))
    }
}

impl<'a> Reject<'a> {
    fn new(reason: RejectReason, detail: &'a str, bytes: Option<&[u8]>) -> Self {
        let first = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(RAW_BYTES_MAX)]).into_owned();
        Self { reason: reason.name(), detail, bytes: bytes.map(<[u8]>::len), raw: bytes.map(first) }
    }
}

fn primitive<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, index: usize) -> Option<T::Native> {
    column.is_valid(index).then(|| column.value(index))
}

fn key<'a>(dictionary: &'a Dictionary, column: &PrimitiveArray<UInt32Type>, index: usize) -> Option<&'a str> {
    primitive(column, index).map(|id| dictionary.get(id))
}

fn text(column: &StringArray, index: usize) -> Option<&str> {
    column.is_valid(index).then(|| column.value(index))
}

fn names(mask: u16) -> Vec<&'static str> {
    Flags(mask).iter().map(crate::batch::Flag::name).collect()
}

fn format_name(number: u8) -> &'static str {
    Format::ALL.into_iter().find(|format| *format as u8 == number).map_or("unknown", Format::name)
}

/// The JSON that a text column holds; the text itself should it hold none.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let place = format!("{}[{}]@{}", self.topic, self.partition, self.offset);
        write!(f, "{place:<24} ")?;
        match &self.content {
            Content::Reading(reading) => write!(f, "{reading}"),
            Content::Event(event) => write!(f, "{event}"),
            Content::Reject(reject) => write!(f, "{reject}"),
        }
    }
}

impl Display for Reading<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (device, time) = (self.device_id.unwrap_or("-"), self.event_time.as_deref().unwrap_or("-"));
        write!(f, "{:<8} {device} {time}", self.format)?;
        for (name, Sensor { value, unit, status: _, flags }) in &self.sensors {
            write!(f, " {name}={}", value.as_ref().unwrap_or(&Value::Null))?;
            if *unit != "boolean" {
                f.write_str(unit)?;
            }
            if !flags.is_empty() {
                write!(f, "({})", flags.join("|"))?;
            }
        }
        let flags = if self.flags.is_empty() { "good".to_owned() } else { self.flags.join("|") };
        write!(f, " [{flags}]")
    }
}

impl Display for Event<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}", "event", self.name)?;
        for (name, value) in &self.columns {
            write!(f, " {name}={value:?}")?;
        }
        Ok(())
    }
}

impl Display for Reject<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {}: {}", "REJECT", self.reason, self.detail)?;
        match &self.raw {
            Some(raw) => write!(f, " {raw:?}"),
            None => Ok(()),
        }
    }
}
