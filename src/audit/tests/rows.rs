//! Rows of a segment, read, changed by as little as can be, and left out.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;

use super::world::World;
use crate::batch::Table;

pub(super) fn offset_of(world: &World, number: usize, row: usize) -> i64 {
    whole_at(&world.rows(number, Table::Readings), "offset", row)
}

pub(super) fn whole_at(rows: &RecordBatch, column: &str, row: usize) -> i64 {
    rows.column_by_name(column).unwrap().as_any().downcast_ref::<Int64Array>().unwrap().value(row)
}

pub(super) fn float_at(rows: &RecordBatch, column: &str, row: usize) -> f64 {
    rows.column_by_name(column).unwrap().as_any().downcast_ref::<Float64Array>().unwrap().value(row)
}

pub(super) fn text_at(rows: &RecordBatch, column: &str, row: usize) -> String {
    rows.column_by_name(column).unwrap().as_any().downcast_ref::<StringArray>().unwrap().value(row).to_owned()
}

pub(super) fn with(rows: &RecordBatch, column: &str, values: ArrayRef) -> RecordBatch {
    let at = rows.schema().index_of(column).unwrap();
    let mut columns = rows.columns().to_vec();
    columns[at] = values;
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

pub(super) fn with_whole(rows: &RecordBatch, column: &str, row: usize, value: i64) -> RecordBatch {
    let mut values: Vec<i64> = (0..rows.num_rows()).map(|row| whole_at(rows, column, row)).collect();
    values[row] = value;
    with(rows, column, Arc::new(Int64Array::from(values)))
}

/// The least change that a float can have.
pub(super) fn with_last_bit(rows: &RecordBatch, column: &str, row: usize) -> RecordBatch {
    let array = rows.column_by_name(column).unwrap().as_any().downcast_ref::<Float64Array>().unwrap();
    let mut values: Vec<Option<f64>> = array.iter().collect();
    values[row] = values[row].map(|value| f64::from_bits(value.to_bits() ^ 1));
    assert!(values[row].is_some());
    with(rows, column, Arc::new(Float64Array::from(values)))
}

pub(super) fn keep(rows: &RecordBatch, wanted: impl Fn(usize) -> bool) -> RecordBatch {
    let mask: BooleanArray = (0..rows.num_rows()).map(|row| Some(wanted(row))).collect();
    assert!(mask.true_count() < rows.num_rows());
    filter_record_batch(rows, &mask).unwrap()
}

/// A column with one value changed.
pub(super) fn changed_at(rows: &RecordBatch, at: usize, row: usize) -> ArrayRef {
    let column = rows.column(at);
    let one = |array: ArrayRef| -> ArrayRef {
        let parts = [column.slice(0, row), array, column.slice(row + 1, column.len() - row - 1)];
        arrow::compute::concat(&parts.each_ref().map(|part| &**part)).unwrap()
    };
    let any = column.slice(row, 1);
    match column.data_type() {
        DataType::Float64 => {
            let value = any.as_any().downcast_ref::<Float64Array>().unwrap().value(0);
            one(Arc::new(Float64Array::from(vec![f64::from_bits(value.to_bits() ^ 1)])))
        }
        DataType::Int64 => {
            let value = any.as_any().downcast_ref::<Int64Array>().unwrap().value(0);
            one(Arc::new(Int64Array::from(vec![value + 1])))
        }
        DataType::Int32 => {
            let value = any.as_any().downcast_ref::<Int32Array>().unwrap().value(0);
            one(Arc::new(Int32Array::from(vec![value + 1])))
        }
        DataType::Utf8 => one(Arc::new(StringArray::from(vec!["another"]))),
        DataType::Boolean => {
            let value = any.as_any().downcast_ref::<BooleanArray>().unwrap().value(0);
            one(Arc::new(BooleanArray::from(vec![!value])))
        }
        DataType::Timestamp(..) => {
            let value = any.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap().value(0);
            one(Arc::new(TimestampMicrosecondArray::from(vec![value + 1]).with_timezone("UTC")))
        }
        // Buckets: those of another row.
        DataType::List(_) => {
            let other = (0..column.len()).find(|other| column.slice(*other, 1).to_data() != any.to_data()).unwrap();
            one(column.slice(other, 1))
        }
        other => panic!("{other}"),
    }
}
