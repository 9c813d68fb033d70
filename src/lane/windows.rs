//! What a lane does about windows: takes partitions over with what their notes list, replays, lets the clock close windows, and
//! writes what is left at the end of an epoch.
//!
//! ```text
//! take_over ──▶ replay … ──▶ go_live ──▶ count … close_windows … ──▶ end_windows: late and early parts, the note
//!    ▲                                                                                       │
//!    └── let_go: what stands at its own commit is kept, all else is forgotten ◀──────────────┘
//! ```
//!
//! The clock decides when a part is written, never what: so a closing may wait while the open epoch is full.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::Host;
use super::epoch::{OpenEpoch, TakeError};
use super::journey::Lane;
use super::settler::Settler;
use crate::batch::{CommitNote, Hour, InspectedBatch, MeasuredParts, RawBatch, TopicPartition};
use crate::journey::consume::{Found, Phase, Replaying};
use crate::journey::measure::{ClockRun, Measured, Replay};
use crate::kafka::Intake;
use crate::telemetry::Count;

/// Late and early parts are weighed at most this often.
const WEIGH_INTERVAL: Duration = Duration::from_millis(20);

/// Where a partition that was given back stood: at the end of this epoch, at this offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    epoch: Uuid,
    next: i64,
}

impl<I, H, S> Lane<I, H, S>
where
    I: Intake,
    H: Host,
    S: Settler<I::Member>,
{
    /// Begins with the partitions of an assignment; gives the offsets to read from. A partition that comes back at this lane's own
    /// commit goes on with the windows that it left, all others read again what their open windows were made of.
    pub(super) fn take_over(&mut self, found: &[Found]) -> Vec<(TopicPartition, i64)> {
        let kept = std::mem::take(&mut self.kept);
        for source in kept.keys().filter(|source| !found.iter().any(|found| found.source == **source)) {
            self.measurer.release(source);
        }
        let start = |found: &Found| {
            let stand = match &found.note {
                Some(CommitNote::Epoch { epoch, .. }) => Some(Stand { epoch: *epoch, next: found.committed }),
                _ => None,
            };
            let comes_back = stand.is_some() && kept.get(&found.source) == stand.as_ref();
            #[cfg(test)]
            let comes_back = comes_back || self.keeps_windows && self.measurer.holds(&found.source);
            let from = if comes_back { found.committed } else { self.adopt(found) };
            (found.source.clone(), from)
        };
        found.iter().map(start).collect()
    }

    /// A committed offset that retention has removed is read from all the same: Kafka refuses it, with the remedy in the lane's end.
    fn adopt(&mut self, found: &Found) -> i64 {
        self.measurer.release(&found.source);
        let first = found.first.unwrap_or(0);
        if found.note.is_none() || first > found.committed {
            return found.committed;
        }
        let note = match &found.note {
            Some(CommitNote::Epoch { replay, .. }) => replay.as_ref(),
            _ => None,
        };
        let Replay { seek_to, committed } = self.measurer.adopt(&found.source, note, found.committed, first);
        #[cfg(test)]
        if self.skips_replay {
            return committed;
        }
        if self.measurer.replaying_to(&found.source).is_some()
            && let Some(position) = self.assignment.position_mut(&found.source)
        {
            position.replay(Replaying { next: seek_to, until: committed });
            tracing::info!(partition = %found.source, from = seek_to, to = committed, "reading again what open windows were made of");
        }
        seek_to
    }

    /// The partitions go, or begin anew: what stands at its own commit may come back as it is, all else is forgotten.
    pub(super) fn let_go(&mut self) {
        let settled = self.open.is_none() && self.settling.is_none();
        for (source, position) in self.assignment.positions() {
            // Windows that were forgotten with an open epoch do not come back with the settling one.
            if let Some((epoch, next)) = position.stands_at().filter(|_| settled && self.measurer.holds(source)) {
                self.kept.insert(source.clone(), Stand { epoch, next });
            } else {
                self.kept.remove(source);
                self.measurer.release(source);
            }
        }
    }

    /// An epoch was given up, and what was counted into it is in these windows: all begin anew from what is committed.
    pub(super) fn forget_windows(&mut self) {
        #[cfg(test)]
        if self.keeps_windows {
            return;
        }
        self.kept.clear();
        let sources = self.assignment.partitions();
        self.measurer.release_all();
        for source in sources {
            if let Some(position) = self.assignment.position_mut(&source) {
                position.went_live();
            }
        }
    }

    /// The messages of a run that are read again go into the windows that their offsets are listed for, and nowhere else. What is left
    /// of the run is new.
    pub(super) fn replay(&mut self, raw: &mut RawBatch<'_>) -> Result<(), TakeError> {
        let Some(position) = self.assignment.position_mut(&raw.source) else { return Ok(()) };
        if position.replaying().is_none() {
            return Ok(());
        }
        if let Some(again) = position.admit_again(raw, self.rules.windows.future_skew_ms) {
            self.metrics.count(Count::Replayed, again.rows.len() as u64);
            let inspected = self.decode_and_inspect(&again);
            self.measurer.replay(&inspected, &self.dictionaries);
        }
        if raw.rows.is_empty() {
            return Ok(());
        }
        let source = raw.source.clone();
        self.go_live(&source)
    }

    /// Replay is done: the committed offset, or the partition's end, is reached.
    pub(super) fn go_live(&mut self, source: &TopicPartition) -> Result<(), TakeError> {
        let Some(position) = self.assignment.position_mut(source) else { return Ok(()) };
        let Some(replaying) = position.replaying() else { return Ok(()) };
        position.went_live();
        tracing::info!(partition = %source, at = replaying.until, "live");
        let parts = self.measurer.go_live(source);
        self.keep_parts(&parts)
    }

    /// Counts the readings of a batch that is new, and flags those that do not count. Windows that the clock passes within the batch
    /// are closed there, unless the open epoch is full: then they wait for the next one.
    pub(super) fn measure(&mut self, batch: &mut InspectedBatch, clock_before_ms: Option<i64>, guard_ms: i64) -> Measured {
        let clock = ClockRun { before_ms: clock_before_ms, wall_ms: guard_ms, may_close: !self.is_open_full() };
        let measured = self.measurer.measure(batch, &self.dictionaries, clock);
        let counted = measured.counted;
        for (what, count) in [
            (Count::ReadingsLate, counted.late),
            (Count::ReadingsEarly, counted.early),
            (Count::ReadingsUntrusted, counted.untrusted),
            (Count::ReadingsDuplicate, counted.duplicates),
            (Count::ReadingsOverLimit, counted.over_limit),
        ] {
            self.metrics.count(what, count);
        }
        measured
    }

    /// Closes windows that the clock has passed while no message came, or while the epoch was full; a partition at a time, so that an
    /// epoch may end between two.
    pub(super) fn close_windows(&mut self) -> Result<(), TakeError> {
        let now = self.host.now();
        let flows = self.assignment.phase() == Phase::Consuming && !self.paused;
        let mut due = Vec::new();
        for (source, position) in self.assignment.positions_mut() {
            if flows {
                position.tick(now);
            } else {
                position.hold_clock(now);
            }
            let Some(clock_ms) = position.clock().now_ms().filter(|_| flows && position.replaying().is_none()) else { continue };
            if self.measurer.next_closing_ms(source).is_some_and(|closing_ms| clock_ms >= closing_ms) {
                due.push((source.clone(), clock_ms));
            }
        }
        for (source, clock_ms) in due {
            if self.is_open_full() {
                break;
            }
            let parts = self.measurer.close_due(&source, Some(clock_ms));
            self.keep_parts(&parts)?;
        }
        Ok(())
    }

    /// Puts parts of a partition that stands still for the moment into the open epoch, which commits the partition's offset with them.
    fn keep_parts(&mut self, parts: &MeasuredParts) -> Result<(), TakeError> {
        if parts.is_empty() {
            return Ok(());
        }
        let Some(position) = self.assignment.position(&parts.source) else { return Ok(()) };
        let Some(next) = position.next() else { return Ok(()) };
        let hour = Hour::of_millis(position.clock().now_ms().unwrap_or(self.host.wall_us() / 1_000));
        self.open_epoch().ledger.entry(&parts.source, next);
        self.take_parts(parts, hour)
    }

    /// Puts parts into the open epoch, which has their partition in its ledger.
    pub(super) fn take_parts(&mut self, parts: &MeasuredParts, hour: Hour) -> Result<(), TakeError> {
        if parts.is_empty() {
            return Ok(());
        }
        let topic = Arc::clone(&self.rules.aggregates_topic);
        let (aggregates, groups) = self.open_epoch().take_parts(parts, hour, &topic)?;
        for (what, count) in [
            (Count::PartsOnTime, parts.parts_on_time),
            (Count::PartsLate, parts.parts_late),
            (Count::PartsEarly, parts.parts_early),
            (Count::AggregateRows, aggregates),
            (Count::GroupRows, groups),
        ] {
            self.metrics.count(what, count);
        }
        Ok(())
    }

    /// The open epoch; a new one where there is none.
    pub(super) fn open_epoch(&mut self) -> &mut OpenEpoch {
        let now = self.host.now();
        self.open.get_or_insert_with(|| OpenEpoch::begin(self.rules.persist.clone(), now))
    }

    /// The epoch is about to be closed: late and early parts leave with it.
    pub(super) fn end_windows(&mut self) -> Result<(), TakeError> {
        let Some(open) = &self.open else { return Ok(()) };
        let sources: Vec<TopicPartition> = open.ledger.entries.keys().cloned().collect();
        for source in sources {
            let parts = self.measurer.end_epoch(&source);
            self.keep_parts(&parts)?;
        }
        Ok(())
    }

    /// A stop that asks for it writes the windows that are open as they stand, a partition at a time while the epoch has room. A
    /// partition that still replays keeps them for the next start.
    pub(super) fn drain_windows(&mut self) -> Result<(), TakeError> {
        if !self.is_draining_windows() {
            return Ok(());
        }
        let sources = self.assignment.partitions();
        for source in sources.into_iter().filter(|source| self.measurer.has_open_windows(source)).collect::<Vec<_>>() {
            if self.is_open_full() {
                return Ok(());
            }
            let parts = self.measurer.drain(&source);
            self.keep_parts(&parts)?;
        }
        Ok(())
    }

    /// Whether a stop still has windows to write.
    pub(super) fn has_windows_to_drain(&self) -> bool {
        let mut partitions = self.assignment.positions();
        self.is_draining_windows() && partitions.any(|(source, _)| self.measurer.has_open_windows(source))
    }

    fn is_draining_windows(&self) -> bool {
        self.control.drains_windows() && self.control.is_stopping() && self.assignment.phase() == Phase::Consuming
    }

    /// Bytes that late and early parts hold until the epoch ends; weighed now and then, for there may be thousands.
    pub(super) fn weigh_pending_windows(&mut self) {
        let now = self.host.now();
        if now >= self.weighed_at + WEIGH_INTERVAL {
            self.weighed_at = now;
            self.pending_window_bytes = self.measurer.pending_bytes();
        }
    }

    /// What is still to be read again, over all partitions: offsets left, and partitions.
    pub(super) fn replay_left(&self) -> (u64, usize) {
        let left: Vec<u64> = self.assignment.positions().filter_map(|(_, position)| Some(position.replaying()?.left())).collect();
        (left.iter().sum(), left.len())
    }
}
