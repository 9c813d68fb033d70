//! The loop of a lane. [`Lane::run`] reads as the journey: take, decode, inspect, measure, persist, publish; and, when it is time, close.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::epoch::{OpenEpoch, TakeError};
use super::settler::{Order, Settler};
use super::watchdog::Watchdog;
use super::windows::Stand;
use super::{Host, LaneControl};
use crate::batch::{CommitNote, Dictionaries, Hour, InspectedBatch, LedgerEntry, RawBatch, SensorCatalog, TopicPartition};
use crate::journey::consume::{Assignment, Phase};
use crate::journey::decode::Decoder;
use crate::journey::inspect::{InspectSettings, Inspector};
use crate::journey::measure::{Measurer, Windows};
use crate::journey::persist::PersistSettings;
use crate::journey::publish::{PublishSettings, dead_letters};
use crate::kafka::{CommitOffset, Intake, IntakeBatch};
use crate::telemetry::logs::Throttle;
use crate::telemetry::{ErrorKind, LaneMetrics, LaneState};

/// A lane works at most this long before it looks up: rebalances, reports and orders wait no longer.
const SLICE: Duration = Duration::from_millis(1);
/// The longest epoch with a partition that was just given.
const FIRST_EPOCH: Duration = Duration::from_secs(1);
/// A lane without messages looks up at least this often; the group expels a member that is silent for `max.poll.interval.ms`.
const IDLE: Duration = Duration::from_millis(250);
/// The shortest wait: a thing that is due and cannot be done yet is tried again after it.
const SOON: Duration = Duration::from_millis(2);
/// Dead letters and parts of windows that one transaction carries, beside those of the batch or closing that came last; even 10 Mbit/s
/// bring them through within its deadline.
const PENDING_BYTES_MAX: usize = 8 << 20;
/// The same trouble is logged once in this time.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(10);
/// When a dictionary holds more strings than this, all are emptied: bounds what bad input can make a lane remember.
const DICTIONARY_MAX: usize = 2_000_000;

/// What a lane goes by.
#[derive(Clone, Debug)]
pub struct LaneRules {
    /// For the remedies of messages.
    pub group: Arc<str>,
    pub brokers: Arc<str>,
    pub catalog: Arc<SensorCatalog>,
    pub persist: PersistSettings,
    pub publish: PublishSettings,
    pub aggregates_topic: Arc<str>,
    pub windows: Windows,
    pub epoch_interval: Duration,
    /// Encoded Parquet and pending output at which an epoch ends.
    pub epoch_bytes: usize,
    /// This lane's share of the memory budget: at 80 % an epoch ends early, at 100 % the lane pauses.
    pub budget_bytes: usize,
    /// How long a drain may take before what is open is given up.
    pub drain_deadline: Duration,
    pub stall_timeout: Duration,
}

/// Whom a lane works with.
pub struct LaneParts<I, H, S> {
    pub intake: I,
    pub host: H,
    pub settler: S,
    pub control: Arc<LaneControl>,
    pub metrics: Arc<LaneMetrics>,
    /// The sum of the ledgers of committed epochs, of all lanes together.
    pub tally: Arc<Mutex<LedgerEntry>>,
}

/// Why a lane ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneEnd {
    /// It was asked to, and everything is settled.
    Stopped,
    /// Its client is dead, or it stood still: with a new client it goes on.
    Rebuild(String),
    /// It must not go on; the reason says the remedy.
    Refused(String),
}

/// The epoch that settles.
pub(super) struct Settling<M> {
    pub(super) epoch: Uuid,
    pub(super) member: M,
    pub(super) ends: Vec<(TopicPartition, i64)>,
    pub(super) bytes: usize,
    pub(super) dead_letters: u64,
    pub(super) terms: LedgerEntry,
    pub(super) since: Duration,
    pub(super) attempts: u32,
    /// When it was aborted: the time to send it again.
    pub(super) again_at: Option<Duration>,
}

/// One core's work. All state of its partitions is here, and goes with it.
pub struct Lane<I: Intake, H, S> {
    pub(super) rules: LaneRules,
    pub(super) intake: I,
    pub(super) host: H,
    pub(super) settler: S,
    pub(super) control: Arc<LaneControl>,
    pub(super) metrics: Arc<LaneMetrics>,
    pub(super) tally: Arc<Mutex<LedgerEntry>>,
    pub(super) assignment: Assignment,
    pub(super) open: Option<OpenEpoch>,
    pub(super) settling: Option<Settling<I::Member>>,
    pub(super) drain_until: Option<Duration>,
    /// Number of the last question for committed offsets.
    pub(super) request: u64,
    /// When the settler was heard last, or got its last order.
    pub(super) heard_at: Duration,
    /// Something was given up during the stop: its messages are read again at the next start.
    pub(super) unfinished: bool,
    pub(super) paused: bool,
    pub(super) watchdog: Watchdog,
    pub(super) shown_at: Duration,
    pub(super) throttle: Throttle,
    /// A test breaks the protocol here on purpose, and must find out.
    #[cfg(test)]
    pub(super) keeps_open: bool,
    #[cfg(test)]
    pub(super) skips_replay: bool,
    #[cfg(test)]
    pub(super) keeps_windows: bool,
    decoder: Decoder,
    inspector: Inspector,
    pub(super) measurer: Measurer,
    pub(super) dictionaries: Dictionaries,
    /// Partitions that were given back and whose windows are still here.
    pub(super) kept: BTreeMap<TopicPartition, Stand>,
    /// What late and early parts held when they were weighed last.
    pub(super) pending_window_bytes: usize,
    pub(super) weighed_at: Duration,
}

impl<I, H, S> Lane<I, H, S>
where
    I: Intake,
    H: Host,
    S: Settler<I::Member>,
{
    pub fn new(rules: LaneRules, parts: LaneParts<I, H, S>) -> Self {
        let LaneParts { intake, host, settler, control, metrics, tally } = parts;
        let inspect = InspectSettings {
            catalog: Arc::clone(&rules.catalog),
            future_skew_ms: rules.windows.future_skew_ms,
            age_max_ms: rules.windows.age_max_ms,
        };
        Self {
            decoder: Decoder::new(Arc::clone(&rules.catalog)),
            inspector: Inspector::new(inspect),
            measurer: Measurer::new(rules.windows, Arc::clone(&rules.catalog)),
            dictionaries: Dictionaries::default(),
            kept: BTreeMap::new(),
            pending_window_bytes: 0,
            weighed_at: Duration::ZERO,
            assignment: Assignment::default(),
            open: None,
            settling: None,
            drain_until: None,
            request: 0,
            heard_at: Duration::ZERO,
            unfinished: false,
            paused: false,
            watchdog: Watchdog::new(rules.stall_timeout, host.now()),
            shown_at: Duration::ZERO,
            throttle: Throttle::new(TROUBLE_INTERVAL),
            #[cfg(test)]
            keeps_open: false,
            #[cfg(test)]
            skips_replay: false,
            #[cfg(test)]
            keeps_windows: false,
            rules,
            intake,
            host,
            settler,
            control,
            metrics,
            tally,
        }
    }

    /// What must be closed in order once the loop has ended: first the consumer, then the settler with its producer.
    pub fn into_hands(self) -> (I, S) {
        (self.intake, self.settler)
    }

    /// Runs until it is stopped or must end. The order within a turn: what the group and the settler say comes before new messages, for
    /// both may forbid them; an epoch is closed between batches only.
    pub async fn run(&mut self) -> LaneEnd {
        loop {
            self.intake.clear_wake();
            self.control.clear_wake();
            if let Err(end) = self.follow_group().and_then(|()| self.follow_settler()) {
                return self.ended(end);
            }
            let mut worked = false;
            let slice_end = self.host.now() + SLICE;
            self.hold_back();
            while self.may_take() && self.host.now() < slice_end {
                let Some(batch) = self.intake.take() else { break };
                worked = true;
                let began = self.host.now();
                for mut raw in batch.runs(self.host.wall_us()) {
                    if let Err(error) = self.carry(&mut raw) {
                        return self.cannot_take(&error);
                    }
                }
                self.metrics.batch_took(self.host.now().saturating_sub(began));
                drop(batch);
                self.dictionaries.trim(DICTIONARY_MAX);
            }
            if let Err(error) = self.close_windows().and_then(|()| self.drain_windows()) {
                return self.cannot_take(&error);
            }
            self.weigh_pending_windows();
            if let Err(end) = self.close_due_epoch() {
                return self.ended(end);
            }
            self.show();
            if let Some(end) = self.end() {
                return self.ended(end);
            }
            if worked {
                self.host.yield_now().await;
            } else {
                self.host.wait(self.idle_for()).await;
            }
        }
    }

    /// One run of one partition through the stages, in the order of the journey.
    fn carry(&mut self, raw: &mut RawBatch<'_>) -> Result<(), TakeError> {
        self.replay(raw)?;
        let Some(position) = self.assignment.position_mut(&raw.source) else {
            return Ok(()); // fetched before the partition was taken away
        };
        let clock_before_ms = position.clock().now_ms();
        let Some(admitted) = position.admit(raw, self.rules.windows.future_skew_ms) else {
            return Ok(()); // handled before, or read again
        };
        let hour = Hour::of_millis(position.clock().now_ms().unwrap_or(raw.ingest_time_us / 1_000));
        self.metrics.consumed(admitted.consumed, raw.bytes() as u64);

        let mut inspected = self.decode_and_inspect(raw);
        let measured = self.measure(&mut inspected, clock_before_ms, raw.guard_ms());

        let now = self.host.now();
        let epoch = self.open.get_or_insert_with(|| OpenEpoch::begin(self.rules.persist.clone(), now));
        let taken = epoch.segments.append(&inspected, raw, &self.dictionaries, hour)?;
        let sent_before = epoch.records.len();
        dead_letters(&inspected, raw, &self.rules.publish, &mut epoch.records);
        epoch.dead_letters += (epoch.records.len() - sent_before) as u64;

        let entry = epoch.ledger.entry(&raw.source, admitted.start);
        admitted.add_to(entry);
        entry.readings += taken.readings;
        entry.events += taken.events;
        entry.rejects += taken.rejects;
        self.metrics.accepted(taken.readings, taken.events);
        for reject in &inspected.rejects {
            self.metrics.rejected(reject.reason);
        }
        self.take_parts(&measured.parts, hour)
    }

    pub(super) fn decode_and_inspect(&mut self, raw: &RawBatch<'_>) -> InspectedBatch {
        let decoded = self.decoder.decode(raw, &mut self.dictionaries);
        self.inspector.inspect(decoded, &self.dictionaries)
    }

    /// Rows that cannot be taken end the lane: nothing of the open epoch is committed.
    fn cannot_take(&mut self, error: &TakeError) -> LaneEnd {
        self.metrics.error(match error {
            TakeError::Persist(_) => ErrorKind::Persist,
            TakeError::Json(_) => ErrorKind::Publish,
        });
        self.ended(LaneEnd::Refused(error.to_string()))
    }

    /// Backpressure: while one epoch settles and the other is full, or the memory budget is reached, the partitions are paused.
    fn hold_back(&mut self) {
        let full = self.is_open_full() || self.buffered_bytes() >= self.rules.budget_bytes;
        self.set_paused(self.settling.is_some() && full);
    }

    /// Whether messages may be taken: the partitions are ours, nobody asked to stop, and there is room.
    fn may_take(&mut self) -> bool {
        let room = self.settling.is_none() || !self.is_open_full();
        room && self.assignment.phase() == Phase::Consuming && !self.paused && !self.control.is_stopping()
    }

    /// By its own size, or by what must pass through one transaction within its deadline.
    pub(super) fn is_open_full(&mut self) -> bool {
        let limit = self.rules.epoch_bytes;
        self.open.as_mut().is_some_and(|open| open.bytes() >= limit || open.pending_bytes() >= PENDING_BYTES_MAX)
    }

    /// When the open epoch is due by time. Soon, where it holds a partition that this lane has committed nothing of yet: then the takeover is
    /// plain for all to see, and little of it must be done again.
    fn open_epoch_ends_at(&self) -> Option<Duration> {
        let open = self.open.as_ref()?;
        let is_new = |source| self.assignment.position(source).is_some_and(|position| !position.is_settled());
        let interval = self.rules.epoch_interval;
        Some(open.opened_at + if open.ledger.entries.keys().any(is_new) { interval.min(FIRST_EPOCH) } else { interval })
    }

    /// An epoch is due by time, by size, by memory, by a drain or by a stop; it waits while another settles.
    fn is_epoch_due(&mut self) -> bool {
        let Some(due_at) = self.open_epoch_ends_at() else { return false };
        if self.settling.is_some() {
            return false;
        }
        let by_time = self.host.now() >= due_at;
        let draining = self.assignment.phase() == Phase::Draining { lost: false };
        let short_of_memory = self.buffered_bytes() >= self.rules.budget_bytes / 5 * 4;
        by_time || draining || short_of_memory || self.control.is_stopping() || self.is_open_full()
    }

    /// Closes an epoch that is due, under the member and the positions of this moment, and hands it to the settler. The member is taken
    /// here, where every partition of the epoch is seen to be ours still, and never refreshed (KAFKA.md, surprise 2).
    fn close_due_epoch(&mut self) -> Result<(), LaneEnd> {
        if !self.is_epoch_due() {
            return Ok(());
        }
        // Not a member right now: the group will say what becomes of the partitions; until then the epoch stays open.
        let Ok(member) = self.intake.member() else { return Ok(()) };
        if let Err(error) = self.end_windows() {
            return Err(self.cannot_take(&error));
        }
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Some(source) = open.ledger.entries.keys().find(|source| self.assignment.position_mut(source).is_none()) {
            return Err(LaneEnd::Refused(format!("{source} has rows in an epoch and is not assigned; please report this")));
        }
        let bytes = open.bytes();
        let epoch = open.id;
        let ends: Vec<_> = open.ledger.entries.iter().map(|(source, entry)| (source.clone(), entry.span.next)).collect();
        let offsets = ends.iter().map(|(source, next)| {
            let clock_ms = self.assignment.position(source).and_then(|position| position.clock().now_ms());
            let replay = self.measurer.replay_state(source);
            CommitOffset {
                source: source.clone(),
                next: *next,
                metadata: CommitNote::Epoch { epoch, clock_ms, replay }.to_metadata(),
            }
        });
        let closed = open.close(offsets.collect(), member.clone(), self.host.wall_us() / 1_000);
        self.settling = Some(Settling {
            epoch,
            member,
            ends,
            bytes,
            dead_letters: closed.dead_letters(),
            terms: closed.ledger().totals(),
            since: self.host.now(),
            attempts: 1,
            again_at: None,
        });
        self.heard_at = self.host.now();
        self.settler.order(Order::Settle(Box::new(closed)));
        Ok(())
    }

    /// What is held in memory: the open and the settling epoch, late and early parts.
    pub(super) fn buffered_bytes(&mut self) -> usize {
        let open = self.open.as_mut().map_or(0, OpenEpoch::bytes) + self.pending_window_bytes;
        open + self.settling.as_ref().map_or(0, |settling| settling.bytes)
    }

    /// Whether the lane is done: stopped with everything settled, told to leave the rest to recovery, or found to stand still.
    fn end(&mut self) -> Option<LaneEnd> {
        if self.control.is_abandoned() {
            let late = self.settling.as_ref().map_or_else(String::new, |settling| settling.epoch.to_string());
            return Some(LaneEnd::Refused(format!("stopped before epoch {late} was settled; it is judged at the next start")));
        }
        if self.control.is_stopping() && self.open.is_none() && self.settling.is_none() && !self.has_windows_to_drain() {
            let text = "stopped, and an epoch could not be committed: its messages are read again at the next start";
            return Some(if self.unfinished { LaneEnd::Refused(text.into()) } else { LaneEnd::Stopped });
        }
        self.stall()
    }

    /// How long to wait when there is nothing to do.
    fn idle_for(&self) -> Duration {
        let now = self.host.now();
        let due = |at: Duration| at.saturating_sub(now).max(SOON);
        let by_time = match (self.open_epoch_ends_at(), &self.settling) {
            (Some(at), None) => due(at),
            _ => IDLE,
        };
        let again = self.settling.as_ref().and_then(|settling| settling.again_at).map_or(IDLE, due);
        IDLE.min(by_time).min(again)
    }

    fn ended(&mut self, end: LaneEnd) -> LaneEnd {
        let reason = match &end {
            LaneEnd::Stopped => "",
            LaneEnd::Rebuild(reason) | LaneEnd::Refused(reason) => reason,
        };
        self.metrics.set_state(LaneState::Stopped, reason);
        end
    }
}
