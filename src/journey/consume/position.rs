//! How far one partition has been read.

use crate::batch::{CommitNote, LedgerEntry, RawBatch};

use super::Clock;

/// The state of one partition while a lane has it.
#[derive(Clone, Debug)]
pub struct Position {
    /// The next offset to handle; None until the first message, where a partition begins without a committed offset.
    next: Option<i64>,
    /// What is durable in the group: the end of the last committed epoch.
    committed: Option<i64>,
    /// The partition's end, while nothing has come after it.
    end: Option<i64>,
    clock: Clock,
}

/// What [`Position::admit`] found: to be added to the ledger entry of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Where the partition stood before the batch.
    pub start: i64,
    /// The next offset after the batch.
    pub next: i64,
    /// Messages.
    pub consumed: u64,
    /// Offsets jumped over.
    pub gaps: u64,
}

impl Admitted {
    /// Adds itself to the entry of its partition, which must end where this begins.
    pub fn add_to(&self, entry: &mut LedgerEntry) {
        debug_assert_eq!(entry.span.next, self.start);
        entry.span.next = self.next;
        entry.consumed += self.consumed;
        entry.gaps += self.gaps;
    }
}

impl Position {
    pub(super) fn unknown() -> Self {
        Self { next: None, committed: None, end: None, clock: Clock::default() }
    }

    pub(super) fn committed(offset: i64, note: &CommitNote) -> Self {
        let clock = match note {
            CommitNote::Epoch { clock_ms, .. } => Clock::at(*clock_ms),
            CommitNote::Start { .. } | CommitNote::Reset { .. } => Clock::default(),
        };
        Self { next: Some(offset), committed: Some(offset), end: None, clock }
    }

    pub fn next(&self) -> Option<i64> {
        self.next
    }

    pub fn committed_offset(&self) -> Option<i64> {
        self.committed
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether the last that was heard of the partition was its end.
    pub fn at_end(&self) -> bool {
        self.end.is_some()
    }

    /// Where reading stands: the end, when it was reached (transaction markers lie between the last message and the end).
    pub fn reached(&self) -> Option<i64> {
        match (self.next, self.end) {
            (Some(next), Some(end)) => Some(next.max(end)),
            (next, end) => next.or(end),
        }
    }

    /// The client says, after all messages before it, that the partition ends at `next`.
    pub fn saw_end(&mut self, next: i64) {
        self.end = Some(next);
    }

    /// The group has committed up to `next`.
    pub fn was_committed(&mut self, next: i64) {
        self.committed = Some(next);
    }

    /// Takes the messages of a batch: drops those that were handled before (a rewind may bring them again), counts messages and
    /// gaps, and moves the clock. None when nothing of the batch is new.
    pub fn admit(&mut self, raw: &mut RawBatch<'_>, future_skew_ms: i64) -> Option<Admitted> {
        if let Some(next) = self.next
            && raw.rows.first().is_some_and(|row| row.offset < next)
        {
            raw.rows.retain(|row| row.offset >= next);
        }
        let span = raw.span();
        if raw.rows.is_empty() {
            return None;
        }
        let start = self.next.unwrap_or(span.start);
        let consumed = raw.rows.len() as u64;
        let gaps = count_gaps(start, raw);
        let wall_ms = raw.ingest_time_us / 1_000;
        for row in &raw.rows {
            self.clock.observe(row.kafka_time_ms, wall_ms, future_skew_ms);
        }
        self.next = Some(span.next);
        self.end = None;
        Some(Admitted { start, next: span.next, consumed, gaps })
    }
}

/// Counts the offsets that are jumped over, one jump at a time: counted where it happens, not solved from the span.
fn count_gaps(start: i64, raw: &RawBatch<'_>) -> u64 {
    let mut expected = start;
    let mut gaps = 0;
    for row in &raw.rows {
        gaps += u64::try_from(row.offset - expected).unwrap_or(0);
        expected = row.offset + 1;
    }
    gaps
}
