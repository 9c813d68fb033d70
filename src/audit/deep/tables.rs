//! Tables read back from Parquet: some columns, as record batches, of all partitions or of one.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, BooleanArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::schema::types::SchemaDescriptor;

use crate::batch::TopicPartition;

/// Rows of a record batch.
const BATCH_ROWS: usize = 8_192;

/// A file that is open.
pub(super) struct TableFile {
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl TableFile {
    /// The error is a text: it ends in a finding that names the file.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
        Ok(Self { builder })
    }

    pub(super) fn schema(&self) -> &Schema {
        self.builder.schema()
    }

    /// The rows of these columns. `only`: of one partition.
    pub(super) fn read(self, columns: &[&str], only: Option<&TopicPartition>) -> Result<ParquetRecordBatchReader, String> {
        let schema = self.builder.parquet_schema();
        let mask = roots(schema, columns)?;
        let origin = roots(schema, &["topic", "partition"])?;
        let mut builder = self.builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        if let Some(source) = only.cloned() {
            let is_of = move |batch: RecordBatch| {
                let answer = (|| {
                    let topics = column::<StringArray>(&batch, "topic")?;
                    let partitions = column::<Int32Array>(&batch, "partition")?;
                    let is_it = |row| partitions.value(row) == source.partition && *topics.value(row) == *source.topic;
                    Ok::<_, String>((0..batch.num_rows()).map(|row| Some(is_it(row))).collect::<BooleanArray>())
                })();
                answer.map_err(arrow::error::ArrowError::SchemaError)
            };
            builder = builder.with_row_filter(RowFilter::new(vec![Box::new(ArrowPredicateFn::new(origin, is_of))]));
        }
        builder.build().map_err(|error| error.to_string())
    }
}

/// The columns by name, nested ones whole.
fn roots(schema: &SchemaDescriptor, names: &[&str]) -> Result<ProjectionMask, String> {
    let fields = schema.root_schema().get_fields();
    let find = |name: &&str| {
        let found = fields.iter().position(|field| field.name() == *name);
        found.ok_or_else(|| format!("there is no column {name}"))
    };
    let indices = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    Ok(ProjectionMask::roots(schema, indices))
}

/// A column of a batch, of the type that the table has.
pub(super) fn column<'a, T: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, String> {
    let found = batch.column_by_name(name).ok_or_else(|| format!("there is no column {name}"))?;
    found.as_any().downcast_ref().ok_or_else(|| format!("column {name} is of type {}", found.data_type()))
}
