//! The record of an epoch: one in `<prefix>.epochs` for each that committed, in the same transaction as its offsets. Where it stands
//! the epoch's segments are to be revealed; where it does not they are to be deleted. Its schema is `docs/schemas/epoch.v1.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::{EncodedSegment, Ledger, LedgerEntry, OutRecord, Span, Table, TopicPartition};

/// What one committed epoch holds. Members that a later version adds are skipped when an older program reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// [`EpochRecord::VERSION`].
    pub version: u32,
    /// The lake's id.
    pub lake: String,
    pub writer: String,
    #[serde(with = "uuid_text")]
    pub epoch: Uuid,
    pub cluster_id: String,
    /// Ids of the input topics, by name.
    pub topic_ids: BTreeMap<String, String>,
    /// Wall time, ms since 1970.
    pub closed_at_ms: i64,
    /// Spans and ledger.
    pub partitions: Vec<PartitionEntry>,
    pub segments: Vec<SegmentEntry>,
    /// None in records of programs that measured no windows.
    #[serde(default)]
    pub windows: Option<WindowsEntry>,
    pub rules_version: String,
}

/// What the windows of an epoch were measured with. Where it differs from that of the epoch before, rolling values began anew: readings
/// from this epoch's spans on are measured with these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowsEntry {
    pub size_ms: i64,
    /// How many windows rolling values combine.
    pub rolling: u32,
    /// Of the settings that decide flags, and with them which readings count: the hash in the commit notes.
    pub flags: String,
}

/// One partition's span in an epoch and the terms of its ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionEntry {
    pub topic: String,
    pub partition: i32,
    /// The span `[start, next)`.
    pub start: i64,
    pub next: i64,
    pub consumed: u64,
    pub gaps: u64,
    pub readings: u64,
    pub events: u64,
    pub rejects: u64,
    /// State that rows of this epoch met was not whole: retention removed the start of a replay, or settings that decide flags
    /// changed. The terms of the ledger are exact all the same.
    pub partial: bool,
}

/// One segment of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// Relative to the lake, as readers see it.
    pub path: String,
    pub table: String,
    pub rows: u64,
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc32c: u32,
}

/// A record of the epochs topic that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EpochRecordError {
    #[error("an epoch record is not the JSON that corelane writes: {source}. Let nothing else write into the epochs topic")]
    Json { source: serde_json::Error },
    #[error(
        "an epoch record has version {version}, this program reads up to {}. Run the version of corelane that wrote it, or a later one",
        EpochRecord::VERSION
    )]
    Version { version: u32 },
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

impl EpochRecord {
    pub const VERSION: u32 = 1;

    /// The record to produce: key the writer, value JSON. The key chooses the partition, so that recovery of a writer reads one.
    pub fn to_record(&self, topic: Arc<str>) -> Result<OutRecord, EpochRecordError> {
        let value = serde_json::to_vec(self).map_err(|source| EpochRecordError::Json { source })?;
        Ok(OutRecord {
            topic,
            partition: None,
            key: Some(self.writer.clone().into_bytes()),
            value: Some(value),
            headers: Vec::new(),
        })
    }

    pub fn from_json(bytes: &[u8]) -> Result<Self, EpochRecordError> {
        let json = |source| EpochRecordError::Json { source };
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(json)?;
        if version != Self::VERSION {
            return Err(EpochRecordError::Version { version });
        }
        serde_json::from_slice(bytes).map_err(json)
    }

    /// The ledger, as it was written.
    pub fn ledger(&self) -> Ledger {
        let entries = self.partitions.iter().map(|entry| (entry.source(), entry.ledger_entry())).collect();
        Ledger { entries }
    }
}

impl WindowsEntry {
    pub fn new(size_ms: i64, rolling: u32, flags_hash: u64) -> Self {
        Self { size_ms, rolling, flags: format!("{flags_hash:016x}") }
    }
}

impl PartitionEntry {
    pub fn new(source: &TopicPartition, entry: &LedgerEntry, partial: bool) -> Self {
        let LedgerEntry { span, consumed, gaps, readings, events, rejects } = *entry;
        Self {
            topic: source.topic.to_string(),
            partition: source.partition,
            start: span.start,
            next: span.next,
            consumed,
            gaps,
            readings,
            events,
            rejects,
            partial,
        }
    }

    pub fn source(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }

    pub fn ledger_entry(&self) -> LedgerEntry {
        LedgerEntry {
            span: Span { start: self.start, next: self.next },
            consumed: self.consumed,
            gaps: self.gaps,
            readings: self.readings,
            events: self.events,
            rejects: self.rejects,
        }
    }
}

impl SegmentEntry {
    /// `path`: where the segment will be visible, relative to the lake.
    pub fn new(path: String, segment: &EncodedSegment) -> Self {
        Self {
            path,
            table: segment.table.name().to_owned(),
            rows: segment.rows,
            bytes: segment.bytes.len() as u64,
            crc32c: segment.crc32c,
        }
    }

    /// None: a table that this program does not know.
    pub fn table(&self) -> Option<Table> {
        Table::from_name(&self.table)
    }
}

mod uuid_text {
    //! An id as its hyphenated text.

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::parse_str(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
