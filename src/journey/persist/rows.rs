//! Batches → rows of the tables of messages, in the schemas of `batch`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int64Array, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt16Array,
};
use arrow::datatypes::Schema;

use super::PersistError;
use crate::batch::{
    Dictionaries, Dictionary, Format, InspectedBatch, KeyColumn, RawBatch, ReadingColumns, RejectRow, SensorValues, Table,
    TopicPartition,
};

pub(super) const UTC: &str = "UTC";

/// Text of each id; null where the id is.
fn text_of(keys: &KeyColumn, dictionary: &Dictionary) -> ArrayRef {
    let mut texts = StringBuilder::with_capacity(keys.len(), keys.len() * 12);
    for key in keys {
        texts.append_option(key.map(|id| dictionary.get(id)));
    }
    Arc::new(texts.finish())
}

fn masks(quality: &[u16]) -> ArrayRef {
    Arc::new(UInt16Array::from(quality.to_vec()))
}

fn format_names(readings: &ReadingColumns) -> Result<ArrayRef, PersistError> {
    let mut names = StringBuilder::with_capacity(readings.len(), readings.len() * 8);
    for (row, &code) in readings.format.values().iter().enumerate() {
        let format = Format::ALL.get(usize::from(code)).ok_or(PersistError::Format { code, row })?;
        names.append_value(format.name());
    }
    Ok(Arc::new(names.finish()))
}

/// topic, partition, offset, kafka_time, ingest_time.
fn origin(
    source: &TopicPartition,
    offset: Int64Array,
    kafka_time: &TimestampMillisecondArray,
    ingest_time_us: i64,
) -> [ArrayRef; 5] {
    let rows = offset.len();
    [
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&*source.topic, rows))),
        Arc::new(Int32Array::from_value(source.partition, rows)),
        Arc::new(offset),
        Arc::new(kafka_time.clone().with_timezone(UTC)),
        Arc::new(TimestampMicrosecondArray::from_value(ingest_time_us, rows).with_timezone(UTC)),
    ]
}

pub(super) fn record_batch(table: Table, schema: &Arc<Schema>, columns: Vec<ArrayRef>) -> Result<RecordBatch, PersistError> {
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|source| PersistError::Columns { table, source })
}

/// The readings of a batch as rows of `readings`.
pub(super) fn reading_rows(
    batch: &InspectedBatch,
    dictionaries: &Dictionaries,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, PersistError> {
    let readings = &batch.readings;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(readings.event_time.clone().with_timezone(UTC)),
        text_of(&readings.device, &dictionaries.devices),
        text_of(&readings.device_type, &dictionaries.device_types),
        text_of(&readings.building, &dictionaries.buildings),
        Arc::new(readings.floor.clone()),
        text_of(&readings.room, &dictionaries.rooms),
        text_of(&readings.zone, &dictionaries.zones),
        text_of(&readings.model, &dictionaries.models),
        text_of(&readings.firmware, &dictionaries.firmwares),
        Arc::new(readings.battery.clone()),
        Arc::new(readings.signal_strength.clone()),
        text_of(&readings.status, &dictionaries.statuses),
        Arc::new(readings.message_id.clone()),
        text_of(&readings.source, &dictionaries.sources),
    ];
    for sensor in &readings.sensors {
        columns.push(match &sensor.values {
            SensorValues::Number(values) => Arc::new(values.clone()),
            SensorValues::Boolean(values) => Arc::new(values.clone()),
        });
        columns.push(text_of(&sensor.status, &dictionaries.sensor_statuses));
        columns.push(masks(&sensor.quality));
    }
    columns.push(masks(&readings.quality));
    columns.push(Arc::new(readings.extra.clone()));
    columns.push(format_names(readings)?);
    columns.extend(origin(&batch.source, readings.offset.clone(), &readings.kafka_time, batch.ingest_time_us));
    record_batch(Table::Readings, schema, columns)
}

/// The events of a batch as rows of `events`.
pub(super) fn event_rows(batch: &InspectedBatch, schema: &Arc<Schema>) -> Result<RecordBatch, PersistError> {
    let events = &batch.events;
    let mut columns: Vec<ArrayRef> = vec![Arc::new(events.event_time.clone().with_timezone(UTC))];
    let texts = [
        &events.event_type,
        &events.message_id,
        &events.device_id,
        &events.source,
        &events.alert_id,
        &events.alert_type,
        &events.severity,
        &events.title,
        &events.message,
        &events.status,
        &events.priority,
        &events.payload,
    ];
    columns.extend(texts.map(|text| Arc::new(text.clone()) as ArrayRef));
    columns.extend(origin(&batch.source, events.offset.clone(), &events.kafka_time, batch.ingest_time_us));
    record_batch(Table::Events, schema, columns)
}

/// Some rejects of a batch as rows of `rejects`; the raw bytes come from the rows of `raw`.
pub(super) fn reject_rows(
    batch: &InspectedBatch,
    rejects: &[RejectRow],
    raw: &RawBatch<'_>,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, PersistError> {
    let mut bytes = BinaryBuilder::new();
    for reject in rejects {
        bytes.append_option(raw_value(reject, raw)?);
    }
    let kafka_time: TimestampMillisecondArray =
        rejects.iter().map(|reject| (reject.kafka_time_ms >= 0).then_some(reject.kafka_time_ms)).collect();
    let offset = Int64Array::from_iter_values(rejects.iter().map(|reject| reject.offset));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.reason.name()))),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| &reject.detail))),
    ];
    columns.extend(origin(&batch.source, offset, &kafka_time, batch.ingest_time_us));
    columns.push(Arc::new(bytes.finish()));
    record_batch(Table::Rejects, schema, columns)
}

/// The bytes that the table keeps of a refused message: None for a tombstone, and where the reason keeps none.
pub(super) fn raw_value<'a>(reject: &RejectRow, raw: &RawBatch<'a>) -> Result<Option<&'a [u8]>, PersistError> {
    let row = raw.rows.get(reject.row).ok_or(PersistError::RejectRow { row: reject.row, rows: raw.rows.len() })?;
    Ok(row.value.filter(|_| reject.reason.keeps_bytes()))
}
