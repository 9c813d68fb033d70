//! An epoch: what a lane commits as one. Open while it fills, closed when it goes to the settler, sealed when its bytes are final.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::batch::{Hour, Imbalance, Ledger, MeasuredParts, OutRecord, TopicPartition};
use crate::journey::persist::{Footer, OpenSegments, PersistError, PersistSettings};
use crate::journey::publish::{EpochRecord, EpochRecordError, PartitionEntry, SegmentEntry, WindowsEntry, aggregate_records};
use crate::journey::settle::Sealed;
use crate::kafka::CommitOffset;
use crate::lake::{SegmentName, Storage};

/// What every epoch of a lane says of its origin.
#[derive(Clone, Debug)]
pub struct EpochIdentity {
    pub lake: String,
    pub writer: String,
    pub cluster_id: String,
    pub topic_ids: BTreeMap<String, String>,
    pub epochs_topic: Arc<str>,
    pub windows: WindowsEntry,
    pub rules_version: String,
}

/// The epoch that fills.
pub(super) struct OpenEpoch {
    pub(super) id: Uuid,
    pub(super) opened_at: Duration,
    pub(super) ledger: Ledger,
    pub(super) segments: OpenSegments,
    /// Dead letters and parts of windows, in the order of sending.
    pub(super) records: Vec<OutRecord>,
    pub(super) dead_letters: u64,
    record_bytes: usize,
    records_counted: usize,
    /// Partitions with windows that could not be rebuilt whole.
    partial: BTreeSet<TopicPartition>,
}

/// Rows that cannot be taken: a defect of this program, or memory that is out. The epoch must be given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    #[error(transparent)]
    Persist(#[from] PersistError),
    #[error("a part of a window cannot be written as JSON: {0}; please report this")]
    Json(#[from] serde_json::Error),
}

impl OpenEpoch {
    pub(super) fn begin(settings: PersistSettings, now: Duration) -> Self {
        Self {
            id: Uuid::now_v7(),
            opened_at: now,
            ledger: Ledger::default(),
            segments: OpenSegments::new(settings),
            records: Vec::new(),
            dead_letters: 0,
            record_bytes: 0,
            records_counted: 0,
            partial: BTreeSet::new(),
        }
    }

    /// Takes parts of windows of a partition that is in the ledger; gives the rows of `aggregates` and of `groups`.
    pub(super) fn take_parts(&mut self, parts: &MeasuredParts, hour: Hour, topic: &Arc<str>) -> Result<(u64, u64), TakeError> {
        if !parts.partial.is_empty() {
            self.partial.insert(parts.source.clone());
        }
        let rows = self.segments.append_parts(parts, hour)?;
        aggregate_records(parts, topic, &mut self.records)?;
        Ok(rows)
    }

    /// Encoded Parquet and pending output.
    pub(super) fn bytes(&mut self) -> usize {
        self.segments.encoded_bytes() + self.pending_bytes()
    }

    /// What waits to be sent to Kafka.
    pub(super) fn pending_bytes(&mut self) -> usize {
        self.record_bytes += self.records[self.records_counted..].iter().map(OutRecord::bytes).sum::<usize>();
        self.records_counted = self.records.len();
        self.record_bytes
    }

    pub(super) fn close<M>(self, offsets: Vec<CommitOffset>, member: M, closed_at_ms: i64) -> ClosedEpoch<M> {
        ClosedEpoch {
            id: self.id,
            ledger: self.ledger,
            segments: self.segments,
            records: self.records,
            dead_letters: self.dead_letters,
            partial: self.partial,
            offsets,
            member,
            closed_at_ms,
        }
    }
}

/// An epoch on its way to the settler: nothing is added any more, its Parquet footers are not written yet.
pub struct ClosedEpoch<M> {
    pub id: Uuid,
    ledger: Ledger,
    segments: OpenSegments,
    records: Vec<OutRecord>,
    dead_letters: u64,
    partial: BTreeSet<TopicPartition>,
    offsets: Vec<CommitOffset>,
    member: M,
    closed_at_ms: i64,
}

/// An epoch that cannot be sealed: a defect of this program. Nothing of it is committed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("{source_partition}: {imbalance}. Nothing of the epoch is committed; please report this")]
    Ledger { source_partition: TopicPartition, imbalance: Imbalance },
    #[error(transparent)]
    Persist(#[from] PersistError),
    #[error(transparent)]
    Record(#[from] EpochRecordError),
}

impl<M> ClosedEpoch<M> {
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub fn dead_letters(&self) -> u64 {
        self.dead_letters
    }

    /// Step 1, first half: checks the ledger, writes the footers, and makes the epoch record.
    pub(super) fn seal(self, identity: &EpochIdentity, storage: &impl Storage) -> Result<Sealed<M>, SealError> {
        let check = self.ledger.check();
        check.map_err(|(source_partition, imbalance)| SealError::Ledger { source_partition, imbalance })?;
        let spans = self.ledger.entries.iter().map(|(source, entry)| (source.clone(), entry.span)).collect();
        let footer = Footer {
            lake: identity.lake.clone(),
            writer: identity.writer.clone(),
            epoch: self.id,
            spans,
            rules_version: identity.rules_version.clone(),
        };
        let segments = self.segments.close(&footer)?;
        let entries = segments.iter().map(|segment| {
            let name = SegmentName { epoch: self.id, table: segment.table, hour: segment.hour };
            SegmentEntry::new(storage.visible_path(&name), segment)
        });
        let partitions = self.ledger.entries.iter();
        let partitions = partitions.map(|(source, entry)| PartitionEntry::new(source, entry, self.partial.contains(source)));
        let record = EpochRecord {
            version: EpochRecord::VERSION,
            lake: identity.lake.clone(),
            writer: identity.writer.clone(),
            epoch: self.id,
            cluster_id: identity.cluster_id.clone(),
            topic_ids: identity.topic_ids.clone(),
            closed_at_ms: self.closed_at_ms,
            partitions: partitions.collect(),
            segments: entries.collect(),
            windows: Some(identity.windows.clone()),
            rules_version: identity.rules_version.clone(),
        };
        let record = record.to_record(Arc::clone(&identity.epochs_topic))?;
        let mut records = self.records;
        records.push(record);
        Ok(Sealed { epoch: self.id, segments, records, offsets: self.offsets, member: self.member })
    }
}
