//! The schemas of the tables in the lake. Units stand in the field metadata under `unit`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use super::{SensorCatalog, SensorKind};

/// A table of the lake; also the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Readings,
    Events,
    Rejects,
}

impl Table {
    pub const ALL: [Table; 3] = [Table::Readings, Table::Events, Table::Rejects];

    pub fn name(self) -> &'static str {
        match self {
            Table::Readings => "readings",
            Table::Events => "events",
            Table::Rejects => "rejects",
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
