//! How far one partition has been read, and what time it is there.

use std::time::Duration;

use uuid::Uuid;

use crate::batch::{CommitNote, LedgerEntry, RawBatch};

use super::Clock;

/// The state of one partition while a lane has it.
#[derive(Clone, Debug)]
pub struct Position {
    /// The next offset to handle; None until the first message, where a partition begins without a committed offset.
    next: Option<i64>,
    /// What is durable in the group: the end of the last committed epoch.
    committed: Option<i64>,
    /// The epoch that committed it. None: no epoch of ours, or one that is not known.
    epoch: Option<Uuid>,
    /// Whether it was committed since the partition was given.
    is_settled: bool,
    /// The partition's end, while nothing has come after it.
    end: Option<i64>,
    clock: Clock,
    /// Since when nothing comes, in time of the lane's host, and what the clock said then.
    silent: Option<(Duration, i64)>,
    replaying: Option<Replaying>,
}

/// What is read again before a partition goes on, so that its windows are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaying {
    /// The next offset to read again.
    pub next: i64,
    /// The committed offset: from here on messages are new.
    pub until: i64,
}

impl Replaying {
    /// Offsets that are still to be read again.
    pub fn left(self) -> u64 {
        u64::try_from(self.until - self.next).unwrap_or(0)
    }
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
        Self {
            next: None,
            committed: None,
            epoch: None,
            is_settled: false,
            end: None,
            clock: Clock::default(),
            silent: None,
            replaying: None,
        }
    }

    pub(super) fn committed(offset: i64, note: &CommitNote) -> Self {
        let (clock, epoch) = match note {
            CommitNote::Epoch { epoch, clock_ms, .. } => (Clock::at(*clock_ms), Some(*epoch)),
            CommitNote::Start { .. } | CommitNote::Reset { .. } => (Clock::default(), None),
        };
        Self { next: Some(offset), committed: Some(offset), epoch, clock, ..Self::unknown() }
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

    /// The epoch at whose end the partition stands, with nothing read since; None where that is not so.
    pub fn stands_at(&self) -> Option<(Uuid, i64)> {
        let still = self.replaying.is_none() && self.next == self.committed;
        self.epoch.filter(|_| still).zip(self.committed)
    }

    /// What is being read again. None: the partition is live.
    pub fn replaying(&self) -> Option<Replaying> {
        self.replaying
    }

    /// What lies between is to be read again before the partition goes on.
    pub fn replay(&mut self, replaying: Replaying) {
        self.replaying = Some(replaying);
    }

    /// Replay is done.
    pub fn went_live(&mut self) {
        self.replaying = None;
    }

    /// Takes what is to be read again off the front of a batch, and moves the clock by it. None: nothing of the batch is.
    pub fn admit_again<'a>(&mut self, raw: &mut RawBatch<'a>, future_skew_ms: i64) -> Option<RawBatch<'a>> {
        let replaying = self.replaying.as_mut()?;
        if raw.rows.first().is_some_and(|row| row.offset < replaying.next) {
            raw.rows.retain(|row| row.offset >= replaying.next);
        }
        let count = raw.rows.partition_point(|row| row.offset < replaying.until);
        let rows: Vec<_> = raw.rows.drain(..count).collect();
        let again = RawBatch {
            source: raw.source.clone(),
            rows,
            ingest_time_us: raw.ingest_time_us,
            stamped_by_broker: raw.stamped_by_broker,
        };
        let last = again.rows.last()?;
        replaying.next = last.offset + 1;
        let guard_ms = again.guard_ms();
        for row in &again.rows {
            self.clock.observe(row.kafka_time_ms, guard_ms, future_skew_ms);
        }
        Some(again)
    }

    /// Where reading stands: the end, when it was reached (transaction markers lie between the last message and the end).
    pub fn reached(&self) -> Option<i64> {
        match (self.next, self.end) {
            (Some(next), Some(end)) => Some(next.max(end)),
            (next, end) => next.or(end),
        }
    }

    /// The client says, after all messages before it, that the partition ends at `next`. `now` is the host's time: while nothing
    /// comes, the partition's clock goes on at its pace.
    pub fn saw_end(&mut self, next: i64, now: Duration) {
        self.end = Some(next);
        self.hold_clock(now);
    }

    /// The time until `now` does not count as silence: the lane did not look whether something comes.
    pub fn hold_clock(&mut self, now: Duration) {
        self.silent = self.end.and(self.clock.now_ms()).map(|clock_ms| (now, clock_ms));
    }

    /// Moves the clock on where the partition is silent.
    pub fn tick(&mut self, now: Duration) {
        if let Some((since, clock_ms)) = self.silent {
            let passed_ms = i64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(i64::MAX);
            self.clock.advance_to(clock_ms.saturating_add(passed_ms));
        }
    }

    /// The group has committed up to `next`, by this epoch.
    pub fn was_committed(&mut self, next: i64, epoch: Uuid) {
        self.committed = Some(next);
        self.epoch = Some(epoch);
        self.is_settled = true;
    }

    /// Whether anything was committed since the partition was given.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Whether anything was read or committed since the partition was given. Not so: it stands where the group said just now.
    pub fn has_moved(&self) -> bool {
        self.is_settled || self.next != self.committed
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
        let guard_ms = raw.guard_ms();
        for row in &raw.rows {
            self.clock.observe(row.kafka_time_ms, guard_ms, future_skew_ms);
        }
        self.next = Some(span.next);
        self.end = None;
        self.silent = None;
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
