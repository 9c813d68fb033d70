//! Parts of windows → rows of `aggregates` and `groups`, in the schemas of `batch`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Schema;

use super::PersistError;
use super::rows::{UTC, record_batch};
use crate::batch::{AggregateColumns, GroupColumns, MeasureColumns, PartColumns, Table, TopicPartition};

fn utc(times: &TimestampMicrosecondArray) -> ArrayRef {
    Arc::new(times.clone().with_timezone(UTC))
}

fn window(part: &PartColumns) -> [ArrayRef; 2] {
    [utc(&part.window_start), utc(&part.window_end)]
}

fn measured(measures: &MeasureColumns) -> [ArrayRef; 10] {
    [
        Arc::new(measures.count.clone()),
        Arc::new(measures.count_bad.clone()),
        Arc::new(measures.mean.clone()),
        Arc::new(measures.m2.clone()),
        Arc::new(measures.min.clone()),
        Arc::new(measures.max.clone()),
        Arc::new(measures.first.clone()),
        Arc::new(measures.last.clone()),
        utc(&measures.first_time),
        utc(&measures.last_time),
    ]
}

fn rolling_and_part(source: &TopicPartition, measures: &MeasureColumns, part: &PartColumns) -> [ArrayRef; 9] {
    let rows = part.offset_from.len();
    [
        Arc::new(measures.rolling_mean.clone()),
        Arc::new(measures.rolling_stddev.clone()),
        Arc::new(measures.rolling_windows.clone()),
        Arc::new(part.on_time.clone()),
        Arc::new(part.partial.clone()),
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&*source.topic, rows))),
        Arc::new(Int32Array::from_value(source.partition, rows)),
        Arc::new(part.offset_from.clone()),
        Arc::new(part.offset_to.clone()),
    ]
}

/// Rows of `aggregates`.
pub(super) fn aggregate_rows(
    source: &TopicPartition,
    aggregates: &AggregateColumns,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, PersistError> {
    let mut columns = Vec::from(window(&aggregates.part));
    columns.extend([
        Arc::new(aggregates.device_id.clone()) as ArrayRef,
        Arc::new(aggregates.building.clone()),
        Arc::new(aggregates.floor.clone()),
        Arc::new(aggregates.room.clone()),
        Arc::new(aggregates.sensor.clone()),
    ]);
    columns.extend(measured(&aggregates.measures));
    columns.extend([
        Arc::new(aggregates.time_weighted_mean.clone()) as ArrayRef,
        Arc::new(aggregates.transitions.clone()),
        Arc::new(aggregates.time_on_us.clone()),
    ]);
    columns.extend(rolling_and_part(source, &aggregates.measures, &aggregates.part));
    record_batch(Table::Aggregates, schema, columns)
}

/// Rows of `groups`.
pub(super) fn group_rows(
    source: &TopicPartition,
    groups: &GroupColumns,
    schema: &Arc<Schema>,
) -> Result<RecordBatch, PersistError> {
    let mut columns = Vec::from(window(&groups.part));
    columns.extend([
        Arc::new(groups.sensor.clone()) as ArrayRef,
        Arc::new(groups.building.clone()),
        Arc::new(groups.floor.clone()),
    ]);
    columns.extend(measured(&groups.measures));
    columns.extend(rolling_and_part(source, &groups.measures, &groups.part));
    columns.push(Arc::new(groups.buckets.clone()));
    record_batch(Table::Groups, schema, columns)
}

#[cfg(test)]
mod tests;
