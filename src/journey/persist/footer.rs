//! What each segment says of itself in the key-value metadata of its Parquet footer.

use parquet::file::metadata::KeyValue;
use serde::Serialize;
use uuid::Uuid;

use super::PersistError;
use crate::batch::{Span, TopicPartition};

/// The part of a segment's footer that all segments of an epoch share. Row counts are added to it, a file each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The lake's id.
    pub lake: String,
    pub writer: String,
    pub epoch: Uuid,
    /// All spans of the epoch, whether this segment has rows of them or not.
    pub spans: Vec<(TopicPartition, Span)>,
    pub rules_version: String,
}

#[derive(Serialize)]
struct SpanEntry<'a> {
    topic: &'a str,
    partition: i32,
    start: i64,
    next: i64,
}

impl Footer {
    /// `corelane.lake`, `.writer`, `.epoch`, `.spans` (JSON), `.rows`, `.rules`.
    pub(super) fn key_values(&self, rows: u64) -> Result<Vec<KeyValue>, PersistError> {
        let spans: Vec<SpanEntry<'_>> = self
            .spans
            .iter()
            .map(|(source, span)| SpanEntry {
                topic: &source.topic,
                partition: source.partition,
                start: span.start,
                next: span.next,
            })
            .collect();
        let spans = serde_json::to_string(&spans).map_err(|source| PersistError::Footer { source })?;
        Ok([
            ("corelane.lake", self.lake.clone()),
            ("corelane.writer", self.writer.clone()),
            ("corelane.epoch", self.epoch.to_string()),
            ("corelane.spans", spans),
            ("corelane.rows", rows.to_string()),
            ("corelane.rules", self.rules_version.clone()),
        ]
        .map(|(key, value)| KeyValue::new(key.to_owned(), value))
        .into())
    }
}
