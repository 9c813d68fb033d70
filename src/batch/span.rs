//! Where messages are: a partition, and a half-open run of its offsets.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic. Cheap to clone; ordered by topic, then partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Offsets `[start, next)` of one partition. `next` is always the NEXT offset, never the last one handled: this type is the one
/// place where the inclusive turns into the exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub start: i64,
    pub next: i64,
}

impl Span {
    /// The empty span that begins at `start`.
    pub fn empty_at(start: i64) -> Self {
        Self { start, next: start }
    }

    /// The span from the first message handled to the last one handled, both included.
    pub fn of_inclusive(first: i64, last: i64) -> Self {
        debug_assert!(first <= last);
        Self { start: first, next: last + 1 }
    }

    /// How many offsets it holds, messages and gaps together.
    pub fn len(&self) -> u64 {
        u64::try_from(self.next - self.start).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.next <= self.start
    }

    pub fn contains(&self, offset: i64) -> bool {
        self.start <= offset && offset < self.next
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.next)
    }
}
