//! What a lane does when the group or its settler says something.

use std::sync::PoisonError;
use std::time::Duration;

use super::Host;
use super::journey::{Lane, LaneEnd};
use super::settler::{Order, Report, Settler};
use crate::batch::TopicPartition;
use crate::journey::consume::{Found, Phase, Position};
use crate::kafka::{Intake, IntakeEvent, PartitionFault};
use crate::telemetry::{EpochOutcome, ErrorKind, LaneState};

/// An aborted epoch is sent again after this, and after twice as long each time,
const AGAIN_FIRST: Duration = Duration::from_millis(50);
/// up to this,
const AGAIN_LAST: Duration = Duration::from_secs(5);
/// and so often, two minutes in all: Kafka that answers and still refuses will go on doing so (a limit of the topic, an ACL).
const ATTEMPTS_MAX: u32 = 30;

impl<I, H, S> Lane<I, H, S>
where
    I: Intake,
    H: Host,
    S: Settler<I::Member>,
{
    /// The group's word: assignments, revocations, ends of partitions, errors.
    pub(super) fn follow_group(&mut self) -> Result<(), LaneEnd> {
        for event in self.intake.events() {
            match event {
                IntakeEvent::Assigned(partitions) => {
                    self.metrics.rebalanced();
                    tracing::info!(partitions = partitions.len(), "partitions assigned");
                    #[cfg(test)]
                    let spared = if self.keeps_open { self.open.take() } else { None };
                    self.forget_open("the assignment changed");
                    #[cfg(test)]
                    if spared.is_some() {
                        self.open = spared;
                    }
                    // A drain that this ends without an unassign (lost and given again at once) must not lend its deadline to the next.
                    self.drain_until = None;
                    self.let_go();
                    self.assignment.given(&partitions);
                    if partitions.is_empty() {
                        self.intake.assign(&[]).map_err(rebuild)?;
                    }
                    self.find_offsets();
                    self.show_at_once();
                }
                IntakeEvent::Revoked { partitions, lost } => {
                    self.metrics.rebalanced();
                    tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
                    self.assignment.revoked(lost);
                    self.drain_until.get_or_insert(self.host.now() + self.rules.drain_deadline);
                }
                // An earlier answer may be older than what another lane has committed since.
                IntakeEvent::Committed { request, .. } if request != self.request => {}
                IntakeEvent::Committed { committed, .. } => match self.assignment.found(&committed) {
                    Ok(None) => {}
                    Ok(Some(found)) => self.begin_at(&found)?,
                    Err(foreign) => return Err(LaneEnd::Refused(foreign.to_string())),
                },
                IntakeEvent::CommittedFailed(reason) => {
                    self.metrics.error(ErrorKind::Consume);
                    return Err(LaneEnd::Rebuild(format!("the group's committed offsets cannot be read: {reason}")));
                }
                IntakeEvent::End { source, next } => self.reached_end(&source, next)?,
                IntakeEvent::PartitionFailed { source, fault, reason } => {
                    self.metrics.error(ErrorKind::Consume);
                    return Err(self.unreadable(&source, fault, &reason));
                }
                IntakeEvent::Trouble(text) => {
                    self.metrics.error(ErrorKind::Consume);
                    self.log_trouble("kafka", &text);
                }
                IntakeEvent::Fatal(reason) => {
                    self.metrics.error(ErrorKind::Consume);
                    return Err(LaneEnd::Rebuild(reason));
                }
            }
        }
        self.drain()
    }

    /// The committed offsets are known: partitions are read from there, or from what their windows need.
    fn begin_at(&mut self, found: &[Found]) -> Result<(), LaneEnd> {
        let starts = self.take_over(found);
        self.show_at_once();
        self.intake.assign(&starts).map_err(rebuild)
    }

    /// What becomes of a lane with a partition that cannot be read on.
    fn unreadable(&mut self, source: &TopicPartition, fault: PartitionFault, reason: &str) -> LaneEnd {
        let position = self.assignment.position(source);
        let is_replaying = position.is_some_and(|position| position.replaying().is_some());
        let has_moved = position.is_some_and(Position::has_moved);
        let next = position.and_then(Position::next).unwrap_or_default();
        match fault {
            // With a new client the lane asks what is left; whether it is the same topic, each settle asks.
            PartitionFault::OutOfRange if is_replaying => LaneEnd::Rebuild(format!("{source} cannot be read again: {reason}")),
            // Whoever was away for long has not heard yet that others have read on, and what it wanted has expired: the group knows better.
            PartitionFault::OutOfRange if has_moved => {
                LaneEnd::Rebuild(format!("{source} cannot be read on from offset {next}: {reason}"))
            }
            PartitionFault::Truncated => LaneEnd::Rebuild(format!("{source} seems to end before offset {next}: {reason}")),
            PartitionFault::Unknown => LaneEnd::Rebuild(format!("{source} is not known to the broker: {reason}")),
            PartitionFault::OutOfRange => LaneEnd::Refused(format!(
                "{source} cannot be read on from offset {next}: {reason}. Where retention was faster than we were, that span is lost to us. \
                 Remedy: `corelane groups reset --brokers {} --group {} --topic {} --partition {} --to earliest --reason WHY` goes on from \
                 what is still there, once this process has ended and its session has passed",
                self.rules.brokers, self.rules.group, source.topic, source.partition,
            )),
            PartitionFault::Other => LaneEnd::Refused(format!(
                "{source} cannot be read on from offset {next}: {reason}. Nothing is lost: once the cause is mended, the next start goes on \
                 from what is committed"
            )),
        }
    }

    /// A partition's end. While nothing comes its clock goes on at the wall's pace; and where the last offsets before the committed one
    /// hold no message, it ends the replay.
    fn reached_end(&mut self, source: &TopicPartition, next: i64) -> Result<(), LaneEnd> {
        let now = self.host.now();
        let Some(position) = self.assignment.position_mut(source) else { return Ok(()) };
        position.saw_end(next, now);
        self.go_live(source).map_err(|error| LaneEnd::Refused(error.to_string()))
    }

    /// Asks for the committed offsets, once nothing settles any more: an epoch under way could still move them.
    fn find_offsets(&mut self) {
        if self.assignment.phase() == Phase::Finding && self.settling.is_none() {
            self.request += 1;
            self.intake.request_committed(self.request, &self.assignment.partitions());
        }
    }

    /// A revocation: what settles is brought to an end, what is open is settled if there is time, and then all is given back.
    fn drain(&mut self) -> Result<(), LaneEnd> {
        let Phase::Draining { lost } = self.assignment.phase() else { return Ok(()) };
        let late = self.drain_until.is_some_and(|until| self.host.now() >= until);
        if lost || late {
            self.forget_open(if lost { "the partitions were lost" } else { "the drain took too long" });
        }
        // Past the deadline the partitions go although an epoch is in doubt: whoever gets them asks for stable offsets, and those are known
        // only when its transaction has ended.
        if self.open.is_none() && (self.settling.is_none() || late) {
            // A pause would stick to the partitions when they come back.
            self.set_paused(false);
            self.let_go();
            self.assignment.dropped();
            self.drain_until = None;
            self.intake.unassign().map_err(rebuild)?;
            self.show_at_once();
        }
        Ok(())
    }

    /// The settler's word.
    pub(super) fn follow_settler(&mut self) -> Result<(), LaneEnd> {
        while let Some(report) = self.settler.report() {
            self.heard_at = self.host.now();
            match report {
                Report::Committed { epoch, judged, took } => self.committed(epoch, judged, took),
                Report::Aborted { epoch, judged, reason } => {
                    self.metrics.error(ErrorKind::Transaction);
                    self.metrics.epoch(if judged { EpochOutcome::JudgedLost } else { EpochOutcome::Aborted });
                    self.log_trouble("epoch aborted", &format!("{epoch}: {reason}"));
                    self.aborted(&reason)?;
                }
                Report::GivenUp { epoch } => {
                    tracing::info!(%epoch, "epoch given up; its messages are read again");
                    self.settling = None;
                    self.trouble_over();
                    self.find_offsets();
                }
                Report::Trouble { storage, text } => {
                    self.metrics.error(if storage { ErrorKind::Storage } else { ErrorKind::Transaction });
                    if storage {
                        // A disk does not come back by itself within a moment, as a broker does: whoever watches is told at once.
                        self.metrics.set_state(LaneState::Stalled, &format!("lake: {text}"));
                    }
                    self.log_trouble(if storage { "lake" } else { "kafka" }, &text);
                }
                Report::Broken(reason) => {
                    self.metrics.error(ErrorKind::Refused);
                    return Err(LaneEnd::Refused(reason));
                }
            }
        }
        let due = |at: Duration| at <= self.host.now();
        if self.settling.as_ref().is_some_and(|settling| settling.again_at.is_some_and(due)) {
            self.settle_again_or_rewind();
        }
        self.drain()
    }

    fn committed(&mut self, epoch: uuid::Uuid, judged: bool, took: Duration) {
        self.metrics.epoch(if judged { EpochOutcome::JudgedCommitted } else { EpochOutcome::Committed });
        self.metrics.settle_took(took);
        if let Some(settling) = self.settling.take() {
            self.metrics.dead_letters_published(settling.dead_letters);
            self.tally.lock().unwrap_or_else(PoisonError::into_inner).add_terms(&settling.terms);
            for (source, next) in settling.ends {
                if let Some(position) = self.assignment.position_mut(&source) {
                    position.was_committed(next, epoch);
                }
            }
        }
        tracing::debug!(%epoch, judged, took_ms = took.as_millis(), "epoch committed");
        self.trouble_over();
        self.find_offsets();
    }

    /// A certain abort: again after a pause, or at once given up where it cannot pass any more.
    fn aborted(&mut self, reason: &str) -> Result<(), LaneEnd> {
        let now = self.host.now();
        if let Some(settling) = &mut self.settling {
            if settling.attempts >= ATTEMPTS_MAX {
                return Err(LaneEnd::Refused(format!("epoch {} was refused {ATTEMPTS_MAX} times: {reason}", settling.epoch)));
            }
            let pause = AGAIN_FIRST.saturating_mul(2_u32.saturating_pow(settling.attempts - 1)).min(AGAIN_LAST);
            settling.attempts += 1;
            settling.again_at = Some(now + pause);
        }
        self.settle_again_or_rewind();
        Ok(())
    }

    /// While member and generation hold the same epoch is sent again, with the same segments. Else it is given up, and with it the open
    /// epoch and the state of all partitions: they begin anew at their committed offsets.
    fn settle_again_or_rewind(&mut self) {
        let holds = {
            let Some(settling) = &self.settling else { return };
            self.intake.member().is_ok_and(|member| member == settling.member)
        };
        let abandoned = self.control.is_abandoned();
        if holds && !abandoned && self.assignment.phase() != (Phase::Draining { lost: true }) {
            let now = self.host.now();
            let Some(settling) = &mut self.settling else { return };
            if settling.again_at.is_some_and(|at| at <= now) {
                settling.again_at = None;
                self.settler.order(Order::Again);
            }
            return;
        }
        if let Some(settling) = &mut self.settling {
            settling.again_at = None;
        }
        self.unfinished |= self.control.is_stopping();
        self.forget_open("the epoch before it was not committed");
        self.forget_windows();
        if matches!(self.assignment.phase(), Phase::Consuming | Phase::Finding) {
            self.assignment.begin_anew();
        }
        self.settler.order(Order::GiveUp);
    }

    /// Gives up the open epoch: nothing of it was sent anywhere, and its messages are read again by whoever has the partition then.
    pub(super) fn forget_open(&mut self, why: &str) {
        if let Some(open) = self.open.take() {
            let messages = open.ledger.totals().consumed;
            tracing::info!(epoch = %open.id, messages, why, "open epoch discarded");
            self.unfinished |= self.control.is_stopping();
            self.metrics.epoch(EpochOutcome::Discarded);
            self.forget_windows();
        }
    }
}

fn rebuild(error: crate::kafka::TxError) -> LaneEnd {
    LaneEnd::Rebuild(error.to_string())
}
