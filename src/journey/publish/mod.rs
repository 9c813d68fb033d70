//! Columns → Kafka records, as plain values: dead letters of a batch, parts of windows, and the one record of an epoch.
//!
//! What each looks like is in `docs/records.md`, with JSON Schemas beside it.

mod aggregates;
mod dead_letter;
mod epoch_record;

pub use aggregates::aggregate_records;
pub use dead_letter::{PublishSettings, dead_letters};
pub use epoch_record::{EpochRecord, EpochRecordError, PartitionEntry, SegmentEntry, WindowsEntry};
