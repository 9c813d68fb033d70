//! The schemas of the tables in the lake. Units stand in the field metadata under `unit`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};

use super::{SensorCatalog, SensorKind};

/// A table of the lake; also the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Readings,
    Events,
    Rejects,
    Aggregates,
    Groups,
}

impl Table {
    pub const ALL: [Table; 5] = [Table::Readings, Table::Events, Table::Rejects, Table::Aggregates, Table::Groups];

    pub fn name(self) -> &'static str {
        match self {
            Table::Readings => "readings",
            Table::Events => "events",
            Table::Rejects => "rejects",
            Table::Aggregates => "aggregates",
            Table::Groups => "groups",
        }
    }

    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }
}

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn with_unit(field: Field, unit: &str) -> Field {
    if unit.is_empty() {
        return field;
    }
    field.with_metadata(HashMap::from([("unit".to_owned(), unit.to_owned())]))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

/// topic, partition, offset, kafka_time, ingest_time: where a row comes from.
fn origin() -> [Field; 5] {
    [
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset", DataType::Int64, false),
        Field::new("kafka_time", millis(), true),
        Field::new("ingest_time", micros(), false),
    ]
}

/// One row a device message; per sensor its value, `<sensor>_status` and `<sensor>_quality`.
pub fn readings_schema(catalog: &SensorCatalog) -> Arc<Schema> {
    let mut fields = vec![
        Field::new("event_time", micros(), false),
        Field::new("device_id", DataType::Utf8, false),
        text("device_type"),
        text("building"),
        Field::new("floor", DataType::Int32, true),
        text("room"),
        text("zone"),
        text("model"),
        text("firmware"),
        with_unit(Field::new("battery", DataType::Float64, true), "%"),
        with_unit(Field::new("signal_strength", DataType::Float64, true), "dBm"),
        text("status"),
        text("message_id"),
        text("source"),
    ];
    for sensor in &catalog.sensors {
        let values = match sensor.kind {
            SensorKind::Number => DataType::Float64,
            SensorKind::Boolean => DataType::Boolean,
        };
        fields.push(with_unit(Field::new(&sensor.name, values, true), &sensor.unit));
        fields.push(text(&format!("{}_status", sensor.name)));
        fields.push(Field::new(format!("{}_quality", sensor.name), DataType::UInt16, false));
    }
    fields.push(Field::new("quality", DataType::UInt16, false));
    fields.push(text("extra"));
    fields.push(Field::new("format", DataType::Utf8, false));
    fields.extend(origin());
    Arc::new(Schema::new(fields))
}

/// One row a message that is no reading.
pub fn events_schema() -> Arc<Schema> {
    let mut fields = vec![Field::new("event_time", micros(), true), Field::new("event_type", DataType::Utf8, false)];
    let names = [
        "message_id",
        "device_id",
        "source",
        "alert_id",
        "alert_type",
        "severity",
        "title",
        "message",
        "status",
        "priority",
        "payload",
    ];
    fields.extend(names.map(text));
    fields.extend(origin());
    Arc::new(Schema::new(fields))
}

/// One row a refused message.
pub fn rejects_schema() -> Arc<Schema> {
    let mut fields = vec![Field::new("reason", DataType::Utf8, false), Field::new("detail", DataType::Utf8, false)];
    fields.extend(origin());
    fields.push(Field::new("raw", DataType::Binary, true));
    Arc::new(Schema::new(fields))
}

/// window_start, window_end.
fn window() -> [Field; 2] {
    [Field::new("window_start", micros(), false), Field::new("window_end", micros(), false)]
}

/// What every series has; null where nothing was counted.
fn measures() -> [Field; 10] {
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    [
        Field::new("count", DataType::Int64, false),
        Field::new("count_bad", DataType::Int64, false),
        number("mean"),
        number("m2"),
        number("min"),
        number("max"),
        number("first"),
        number("last"),
        Field::new("first_time", micros(), true),
        Field::new("last_time", micros(), true),
    ]
}

/// Rolling values, and which part the row belongs to.
fn rolling_and_part() -> [Field; 9] {
    [
        Field::new("rolling_mean", DataType::Float64, true),
        Field::new("rolling_stddev", DataType::Float64, true),
        Field::new("rolling_windows", DataType::Int32, true),
        Field::new("on_time", DataType::Boolean, false),
        Field::new("partial", DataType::Boolean, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, false),
        Field::new("offset_from", DataType::Int64, false),
        Field::new("offset_to", DataType::Int64, false),
    ]
}

/// One row a part of a window of one (device, sensor).
pub fn aggregates_schema() -> Arc<Schema> {
    let mut fields = Vec::from(window());
    fields.push(Field::new("device_id", DataType::Utf8, false));
    fields.extend([text("building"), Field::new("floor", DataType::Int32, true), text("room")]);
    fields.push(Field::new("sensor", DataType::Utf8, false));
    fields.extend(measures());
    fields.push(Field::new("time_weighted_mean", DataType::Float64, true));
    fields.push(Field::new("transitions", DataType::Int64, true));
    fields.push(with_unit(Field::new("time_on_us", DataType::Int64, true), "µs"));
    fields.extend(rolling_and_part());
    Arc::new(Schema::new(fields))
}

/// One row a part of a window of one (sensor, building, floor).
pub fn groups_schema() -> Arc<Schema> {
    let mut fields = Vec::from(window());
    fields.push(Field::new("sensor", DataType::Utf8, false));
    fields.extend([text("building"), Field::new("floor", DataType::Int32, true)]);
    fields.extend(measures());
    fields.extend(rolling_and_part());
    fields.push(Field::new("buckets", DataType::List(sketch_item()), false));
    Arc::new(Schema::new(fields))
}

/// The columns of one bucket of a quantile sketch: its number and how many values it holds.
pub fn sketch_fields() -> Fields {
    Fields::from(vec![Field::new("bucket", DataType::Int32, false), Field::new("count", DataType::Int64, false)])
}

/// An item of the list `buckets`.
pub fn sketch_item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(sketch_fields()), false))
}
