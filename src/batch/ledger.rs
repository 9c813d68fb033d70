//! The ledger: for every partition and epoch, `consumed = readings + events + rejects` and `span length = consumed + gaps`.
//!
//! Each term is counted where it happens (consumed where messages are taken, gaps where offsets jump, rows where Parquet takes them)
//! and the equations are checked, never solved for a missing term.

use std::collections::BTreeMap;
use std::fmt;

use super::{Span, TopicPartition};

/// The terms of one partition in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub span: Span,
    /// Messages taken from Kafka.
    pub consumed: u64,
    /// Offsets that hold no message for us: transaction markers, aborted or compacted records.
    pub gaps: u64,
    /// Rows that the `readings` writer took.
    pub readings: u64,
    /// Rows that the `events` writer took.
    pub events: u64,
    /// Rows that the `rejects` writer took.
    pub rejects: u64,
}

impl LedgerEntry {
    pub fn starting_at(offset: i64) -> Self {
        Self { span: Span::empty_at(offset), consumed: 0, gaps: 0, readings: 0, events: 0, rejects: 0 }
    }

    /// Adds the terms of another entry; the span grows by the other's length, so both equations hold for the sum as for its parts.
    pub fn add_terms(&mut self, other: &LedgerEntry) {
        self.span.next += other.span.next - other.span.start;
        self.consumed += other.consumed;
        self.gaps += other.gaps;
        self.readings += other.readings;
        self.events += other.events;
        self.rejects += other.rejects;
    }

    /// Checks both equations.
    pub fn check(&self) -> Result<(), Imbalance> {
        let stored = self.readings + self.events + self.rejects;
        if self.consumed != stored || self.span.len() != self.consumed + self.gaps {
            return Err(Imbalance { entry: *self });
        }
        Ok(())
    }
}

/// A ledger that does not balance: a defect of this program, never of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance {
    pub entry: LedgerEntry,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LedgerEntry { span, consumed, gaps, readings, events, rejects } = self.entry;
        write!(
            f,
            "the ledger does not balance: span {span} has {} offsets, {consumed} consumed + {gaps} gaps; \
             {readings} readings + {events} events + {rejects} rejects were stored",
            span.len()
        )
    }
}

impl std::error::Error for Imbalance {}

/// The entries of one epoch (or of a whole run), by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub entries: BTreeMap<TopicPartition, LedgerEntry>,
}

impl Ledger {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a partition; a new one begins at `start`.
    pub fn entry(&mut self, source: &TopicPartition, start: i64) -> &mut LedgerEntry {
        self.entries.entry(source.clone()).or_insert_with(|| LedgerEntry::starting_at(start))
    }

    /// The first partition whose entry does not balance.
    pub fn check(&self) -> Result<(), (TopicPartition, Imbalance)> {
        for (source, entry) in &self.entries {
            entry.check().map_err(|imbalance| (source.clone(), imbalance))?;
        }
        Ok(())
    }

    /// The sum of all entries, as if of one partition that starts at 0.
    pub fn totals(&self) -> LedgerEntry {
        let mut sum = LedgerEntry::starting_at(0);
        for entry in self.entries.values() {
            sum.add_terms(entry);
        }
        sum
    }
}
