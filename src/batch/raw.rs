//! What comes out of Kafka: rows that borrow from whoever owns the fetched bytes. Nothing is copied.

use std::fmt;

use super::{Span, TopicPartition};

/// The headers of a record, read only when somebody asks (a dead letter, `tap`).
pub trait RawHeaders {
    /// Calls `visit` for each header, in order; a value may be null.
    fn for_each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>));
}

/// A record without headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl RawHeaders for NoHeaders {
    fn for_each(&self, _visit: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// Borrowed headers of one record.
#[derive(Clone, Copy)]
pub struct Headers<'a>(pub &'a dyn RawHeaders);

impl Headers<'static> {
    pub const NONE: Headers<'static> = Headers(&NoHeaders);
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_map();
        self.0.for_each(&mut |key, value| {
            list.entry(&key, &value.map(String::from_utf8_lossy));
        });
        list.finish()
    }
}

/// One Kafka record, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RawRow<'a> {
    pub offset: i64,
    /// Kafka time, ms since the epoch; -1 when the record carries none.
    pub kafka_time_ms: i64,
    pub key: Option<&'a [u8]>,
    /// None: a tombstone.
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// Consecutive messages of one partition, in offset order (offsets may jump). `'a` is the life of the opaque owner of the bytes,
/// a batch of librdkafka messages or a test's vector.
#[derive(Debug)]
pub struct RawBatch<'a> {
    pub source: TopicPartition,
    /// Never empty.
    pub rows: Vec<RawRow<'a>>,
    /// Wall time when the batch was taken, µs since the epoch: the `ingest_time` of all its rows.
    pub ingest_time_us: i64,
    /// All Kafka times are the broker's own (LogAppendTime); else some are what producers say (CreateTime).
    pub stamped_by_broker: bool,
}

/// A Kafka time as a partition's clock takes it: one that is further ahead of the guard than the skew counts as the guard. All in ms.
#[inline]
pub fn trusted_stamp_ms(stamp_ms: i64, guard_ms: i64, future_skew_ms: i64) -> i64 {
    if stamp_ms > guard_ms.saturating_add(future_skew_ms) { guard_ms } else { stamp_ms }
}

impl RawBatch<'_> {
    /// The wall, ms since the epoch, that Kafka times are held against ([`trusted_stamp_ms`]). The broker's clock is trusted whatever it
    /// says.
    pub fn guard_ms(&self) -> i64 {
        if self.stamped_by_broker { i64::MAX } else { self.ingest_time_us / 1_000 }
    }

    /// From the first row to the offset after the last one.
    pub fn span(&self) -> Span {
        match (self.rows.first(), self.rows.last()) {
            (Some(first), Some(last)) => Span::of_inclusive(first.offset, last.offset),
            _ => Span::empty_at(0),
        }
    }

    /// Bytes of all values and keys.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|row| row.value.map_or(0, <[u8]>::len) + row.key.map_or(0, <[u8]>::len)).sum()
    }
}
