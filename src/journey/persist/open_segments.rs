//! The segments that an epoch fills: one a (table, hour), made when its first row comes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;

use super::parts::{aggregate_rows, group_rows};
use super::properties::writer_properties;
use super::rows::{event_rows, raw_value, reading_rows, reject_rows};
use super::{Footer, PageCompression, PersistError};
use crate::batch::{
    Dictionaries, EncodedSegment, Hour, InspectedBatch, MeasuredParts, RawBatch, SensorCatalog, Table, aggregates_schema,
    events_schema, groups_schema, readings_schema, rejects_schema,
};
use crate::failpoint;

/// Raw bytes of rejects that are copied at once; also keeps their array below the 2 GiB that its offsets can count.
const RAW_BYTES_AT_ONCE: usize = 16 << 20;

/// What the files look like.
#[derive(Clone, Debug)]
pub struct PersistSettings {
    pub catalog: Arc<SensorCatalog>,
    pub compression: PageCompression,
    /// A row group is encoded and its buffers are given up after so many rows.
    pub row_group_rows: usize,
}

/// Rows of one batch, counted where the writers took them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsTaken {
    pub readings: u64,
    pub events: u64,
    pub rejects: u64,
}

/// The Parquet files of one epoch while they are written, in memory. It may be closed on another thread.
pub struct OpenSegments {
    settings: PersistSettings,
    readings: Arc<Schema>,
    events: Arc<Schema>,
    rejects: Arc<Schema>,
    aggregates: Arc<Schema>,
    groups: Arc<Schema>,
    open: BTreeMap<(Table, Hour), OpenSegment>,
}

struct OpenSegment {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
}

impl OpenSegments {
    pub fn new(settings: PersistSettings) -> Self {
        Self {
            readings: readings_schema(&settings.catalog),
            events: events_schema(),
            rejects: rejects_schema(),
            aggregates: aggregates_schema(),
            groups: groups_schema(),
            settings,
            open: BTreeMap::new(),
        }
    }

    /// Adds all rows of a batch to the segments of `hour`. `raw` is the batch that `batch` was decoded from.
    ///
    /// After an error the segments hold an unknown part of the batch and must be dropped.
    pub fn append(
        &mut self,
        batch: &InspectedBatch,
        raw: &RawBatch<'_>,
        dictionaries: &Dictionaries,
        hour: Hour,
    ) -> Result<RowsTaken, PersistError> {
        let mut taken = RowsTaken::default();
        if !batch.readings.is_empty() {
            let rows = reading_rows(batch, dictionaries, &self.readings)?;
            taken.readings = self.write(Table::Readings, hour, &rows)?;
        }
        if !batch.events.is_empty() {
            let rows = event_rows(batch, &self.events)?;
            taken.events = self.write(Table::Events, hour, &rows)?;
        }
        let mut rest = batch.rejects.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let mut count = 0;
            while count < rest.len() && bytes < RAW_BYTES_AT_ONCE {
                bytes += raw_value(&rest[count], raw)?.map_or(0, <[u8]>::len);
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            let forgotten = now.first().filter(|reject| reject.offset % 8 == 0 && failpoint::broken("forget_a_reject"));
            let kept = &now[usize::from(forgotten.is_some())..];
            let rows = reject_rows(batch, kept, raw, &self.rejects)?;
            taken.rejects += self.write(Table::Rejects, hour, &rows)? + u64::from(forgotten.is_some());
            rest = later;
        }
        Ok(taken)
    }

    /// Adds all rows of parts to the segments of `hour` and gives the rows taken, of `aggregates` and of `groups`. After an error as
    /// [`OpenSegments::append`].
    pub fn append_parts(&mut self, parts: &MeasuredParts, hour: Hour) -> Result<(u64, u64), PersistError> {
        let (mut aggregates, mut groups) = (0, 0);
        for columns in &parts.aggregates {
            let rows = aggregate_rows(&parts.source, columns, &self.aggregates)?;
            aggregates += self.write(Table::Aggregates, hour, &rows)?;
        }
        for columns in &parts.groups {
            let rows = group_rows(&parts.source, columns, &self.groups)?;
            groups += self.write(Table::Groups, hour, &rows)?;
        }
        Ok((aggregates, groups))
    }

    /// Bytes of memory that the segments hold: what is encoded, and the buffers of what is being encoded; cheap enough to ask after each
    /// batch. A segment of readings begins with about 1 MiB of buffers and has at most some 10 MiB of them: small files are much
    /// smaller than this says, large ones about as large. The end of a row group gives the buffers up, so it may shrink.
    pub fn encoded_bytes(&self) -> usize {
        self.open.values().map(|segment| segment.writer.bytes_written() + segment.writer.memory_size()).sum()
    }

    /// True when no row was taken.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Writes the footers. In order of table and hour; none of the segments is empty.
    pub fn close(self, footer: &Footer) -> Result<Vec<EncodedSegment>, PersistError> {
        self.open.into_iter().map(|((table, hour), segment)| segment.close(table, hour, footer)).collect()
    }

    /// Gives rows to the writer of their table and hour and says how many it took.
    fn write(&mut self, table: Table, hour: Hour, rows: &RecordBatch) -> Result<u64, PersistError> {
        let encode = |source| PersistError::Encode { table, hour, source };
        let segment = match self.open.entry((table, hour)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let properties = writer_properties(table, &self.settings)?;
                let writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).map_err(encode)?;
                entry.insert(OpenSegment { writer, rows: 0 })
            }
        };
        segment.writer.write(rows).map_err(encode)?;
        let count = rows.num_rows() as u64;
        segment.rows += count;
        Ok(count)
    }
}

impl OpenSegment {
    fn close(mut self, table: Table, hour: Hour, footer: &Footer) -> Result<EncodedSegment, PersistError> {
        for pair in footer.key_values(self.rows)? {
            self.writer.append_key_value_metadata(pair);
        }
        let metadata = self.writer.finish().map_err(|source| PersistError::Encode { table, hour, source })?;
        let written = metadata.file_metadata().num_rows();
        if u64::try_from(written) != Ok(self.rows) {
            return Err(PersistError::RowsDiffer { table, hour, taken: self.rows, written });
        }
        // Not `into_inner`, which would write a second footer.
        let bytes = std::mem::take(self.writer.inner_mut());
        Ok(EncodedSegment { table, hour, rows: self.rows, crc32c: crc32c::crc32c(&bytes), bytes })
    }
}

#[cfg(test)]
mod tests;
