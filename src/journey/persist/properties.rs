//! How each column is encoded. Version 1 pages: pyarrow, Polars and DuckDB read them all, delta-packed integers included.

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::schema::types::ColumnPath;

use super::{PersistError, PersistSettings};
use crate::batch::Table;

/// Compression of Parquet pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageCompression {
    /// The level, 1 to 22.
    Zstd(i32),
    Snappy,
    None,
}

impl Default for PageCompression {
    fn default() -> Self {
        PageCompression::Zstd(1)
    }
}

/// Times and offsets rise or stand still: differences are a few bits, a dictionary would be as long as the column.
const DELTA: [&str; 6] = ["event_time", "kafka_time", "ingest_time", "offset", "first_time", "last_time"];

/// Text and bytes that do not repeat, or are long: a dictionary would fill up and be given up, smallest and largest say nothing.
const UNIQUE: [&str; 6] = ["message_id", "extra", "payload", "message", "detail", "raw"];

/// Rows of `rejects` between two looks at a page's size: a value may be megabytes, so a page must be closed after a few.
const REJECTS_A_LOOK: usize = 16;

pub(super) fn writer_properties(table: Table, settings: &PersistSettings) -> Result<WriterProperties, PersistError> {
    let compression = match settings.compression {
        PageCompression::Zstd(level) => {
            Compression::ZSTD(ZstdLevel::try_new(level).map_err(|source| PersistError::Level { level, source })?)
        }
        PageCompression::Snappy => Compression::SNAPPY,
        PageCompression::None => Compression::UNCOMPRESSED,
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("corelane ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(settings.row_group_rows.max(1)));
    if table == Table::Rejects {
        builder = builder.set_write_batch_size(REJECTS_A_LOOK);
    }
    for column in DELTA {
        builder = delta(builder, column);
    }
    for column in UNIQUE {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    // Late rows are few in an hour; statistics a page let a query by event time skip the pages that have none.
    Ok(builder.set_column_statistics_enabled(ColumnPath::from("event_time"), EnabledStatistics::Page).build())
}

fn delta(builder: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    builder
        .set_column_dictionary_enabled(ColumnPath::from(column), false)
        .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED)
}
