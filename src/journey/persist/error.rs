//! What can go wrong between columns and Parquet: defects of this program, and settings that no writer takes. Never input.

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::batch::{Hour, Table};

/// A failure to encode. The open segments are to be dropped: what of a batch they took is unknown.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    #[error("the columns of a batch do not fit table {}: {source}. This is a defect of corelane: report it", table.name())]
    Columns { table: Table, source: ArrowError },
    #[error("format {code} of row {row} has no name. This is a defect of corelane: report it")]
    Format { code: u8, row: usize },
    #[error("a reject points at row {row} of a raw batch of {rows} rows. This is a defect of corelane: report it")]
    RejectRow { row: usize, rows: usize },
    #[error("cannot encode table {} of hour {hour}: {source}. This is a defect of corelane: report it", table.name())]
    Encode { table: Table, hour: Hour, source: ParquetError },
    #[error("zstd level {level} cannot be used: {source}. Set lake.compression to a level from 1 to 22")]
    Level { level: i32, source: ParquetError },
    #[error(
        "table {} of hour {hour} took {taken} rows and its footer counts {written}. This is a defect of corelane: report it",
        table.name()
    )]
    RowsDiffer { table: Table, hour: Hour, taken: u64, written: i64 },
    #[error("cannot write the spans of an epoch as JSON: {source}. This is a defect of corelane: report it")]
    Footer { source: serde_json::Error },
}
