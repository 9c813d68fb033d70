//! What travels between the stages, and nothing else: typed batches, schemas, spans, flags, reasons, the ledger.
//!
//! ```text
//! RawBatch<'_>  ──decode──▶  DecodedBatch  ──inspect──▶  InspectedBatch  ──▶ persist, publish
//! borrowed rows              columns, faults noted       columns, flags final
//!                                                              └─measure─▶  MeasuredParts  ──▶ persist, publish
//!                                                                           parts of windows as columns
//! ```
//!
//! A batch holds consecutive messages of ONE partition, in offset order. The types change as a batch passes a stage, so that what
//! was not inspected cannot be persisted. This floor needs `arrow` and nothing of ours.

mod columns;
mod dictionary;
mod flags;
mod ledger;
mod measured;
mod note;
mod raw;
mod record;
mod reject;
mod replay_state;
mod schema;
#[cfg(test)]
mod seeds;
mod sensor;
mod span;

pub use columns::{
    DecodedBatch, EventColumns, Format, InspectedBatch, KeyColumn, ReadingColumns, RejectRow, SensorColumns, SensorValues,
    TextColumn,
};
pub use dictionary::{Dictionaries, Dictionary};
pub use flags::{Flag, Flags};
pub use ledger::{Imbalance, Ledger, LedgerEntry};
pub use measured::{AggregateColumns, GroupColumns, MeasureColumns, MeasuredParts, PartColumns, PartialWindow};
pub use note::{CommitNote, NOTE_BYTES_MAX};
pub use raw::{Headers, NoHeaders, RawBatch, RawHeaders, RawRow, trusted_stamp_ms};
pub use record::{EncodedSegment, Hour, OutRecord};
pub use reject::RejectReason;
pub use replay_state::{ListedPart, OpenWindow, ReplayState};
pub use schema::{
    Table, aggregates_schema, events_schema, groups_schema, readings_schema, rejects_schema, sketch_fields, sketch_item,
};
#[cfg(test)]
pub(crate) use seeds::seeds;
pub use sensor::{SensorCatalog, SensorKind, SensorSpec, UnitAlias};
pub use span::{Span, TopicPartition};
