//! What a lane shows of itself: its state, its partitions, whether it stands still.

use std::time::Duration;

use super::Host;
use super::journey::{Lane, LaneEnd};
use super::settler::Settler;
use super::watchdog::Sight;
use crate::journey::consume::{Phase, Replaying};
use crate::kafka::Intake;
use crate::telemetry::{ErrorKind, LaneState, PartitionGauges};

/// A settler says nothing for up to 34 s where Kafka does not answer: the question for the topics, a settle and its abort take 8 s each, to
/// judge it 10 s more.
const SETTLER_SILENT_MAX: Duration = Duration::from_secs(40);
/// Gauges are brought up to date this often.
const SHOW_INTERVAL: Duration = Duration::from_millis(500);

impl<I, H, S> Lane<I, H, S>
where
    I: Intake,
    H: Host,
    S: Settler<I::Member>,
{
    /// What comes next is shown in this turn: other partitions make what is shown wrong, not only old.
    pub(super) fn show_at_once(&mut self) {
        self.shown_at = Duration::ZERO;
    }

    /// Brings state and gauges up to date, at most twice a second.
    pub(super) fn show(&mut self) {
        let now = self.host.now();
        if now < self.shown_at + SHOW_INTERVAL && self.shown_at != Duration::ZERO && !self.control.is_stopping() {
            return;
        }
        self.shown_at = now.max(Duration::from_nanos(1));
        let bytes = self.buffered_bytes() as u64;
        let open = bytes - self.settling.as_ref().map_or(0, |settling| settling.bytes as u64);
        self.metrics.set_open_epoch_bytes(open);
        self.metrics.set_buffer_bytes(bytes);
        self.metrics.set_window_bytes(self.measurer.bytes() as u64);
        let gauges: Vec<PartitionGauges> = self
            .assignment
            .positions()
            .filter_map(|(source, position)| {
                Some(PartitionGauges {
                    source: source.clone(),
                    position: position.reached()?,
                    high_watermark: self.intake.watermarks(source).map(|(_, high)| high),
                    clock_ms: position.clock().now_ms(),
                    replay_left: position.replaying().map_or(0, Replaying::left),
                })
            })
            .collect();
        self.metrics.set_partitions(gauges);
        if self.metrics.state() != LaneState::Stalled {
            self.show_state();
        }
    }

    /// A replay says how far it is, and logs it now and then.
    fn show_state(&mut self) {
        let state = self.state();
        let (left, partitions) = self.replay_left();
        if state != LaneState::Replaying {
            return self.metrics.set_state(state, "");
        }
        let reason = format!("{left} offsets of {partitions} partitions are still to be read again before they go on");
        if self.throttle.pass("replay").is_some() {
            tracing::info!(left, partitions, "replaying");
        }
        self.metrics.set_state(state, &reason);
    }

    fn state(&self) -> LaneState {
        if self.control.is_stopping() {
            return LaneState::Draining;
        }
        match self.assignment.phase() {
            Phase::Consuming if self.replay_left().1 > 0 => LaneState::Replaying,
            Phase::Consuming => LaneState::Consuming,
            // A spare member is ready for partitions.
            Phase::Nothing if self.assignment.is_spare() => LaneState::Consuming,
            Phase::Nothing | Phase::Finding => LaneState::Starting,
            Phase::Draining { .. } => LaneState::Draining,
        }
    }

    /// Trouble that lasts makes the lane unready, and is logged at most once in a while, however often it comes.
    pub(super) fn log_trouble(&mut self, what: &str, text: &str) {
        let busy = self.settling.as_ref().is_some_and(|settling| self.host.now() > settling.since + self.rules.drain_deadline);
        if busy {
            self.metrics.set_state(LaneState::Stalled, &format!("{what}: {text}"));
        }
        if let Some(held_back) = self.throttle.pass(what) {
            tracing::warn!(held_back, "{what}: {text}");
        }
    }

    pub(super) fn trouble_over(&mut self) {
        if self.metrics.state() == LaneState::Stalled {
            self.show_state();
        }
    }

    /// The watchdog's word: why this lane needs a new client, or must end.
    pub(super) fn stall(&mut self) -> Option<LaneEnd> {
        let now = self.host.now();
        if !self.watchdog.is_due(now) {
            return None;
        }
        if let Some(settling) = &self.settling {
            let (epoch, since, silent) = (settling.epoch, now.saturating_sub(settling.since), now.saturating_sub(self.heard_at));
            // What is told already says more than how long it lasts.
            if since > self.rules.drain_deadline && self.metrics.state() != LaneState::Stalled {
                self.metrics.set_state(LaneState::Stalled, &format!("epoch {epoch} settles for {} s", since.as_secs()));
            }
            // A settler in trouble says so again and again; one that says nothing hangs in the disk or in the client.
            if settling.again_at.is_none() && silent > self.rules.stall_timeout.max(SETTLER_SILENT_MAX) {
                self.metrics.error(ErrorKind::Stall);
                return Some(LaneEnd::Refused(format!(
                    "epoch {epoch} settles for {} s and its thread does not answer: the disk of the lake or Kafka's client hangs",
                    since.as_secs()
                )));
            }
        }
        let sights: Vec<Sight> = self
            .assignment
            .positions()
            .filter_map(|(source, position)| {
                // While it replays it stands where it reads, not where it is committed.
                let reached = position.replaying().map_or(position.reached(), |replaying| Some(replaying.next))?;
                let high = self.intake.watermarks(source).map(|(_, high)| high);
                let has_more = !position.at_end() && high.is_some_and(|high| high > reached);
                Some(Sight { source: source.clone(), position: reached, has_more })
            })
            .collect();
        let flows = self.assignment.phase() == Phase::Consuming && !self.paused && !self.control.is_stopping();
        let reason = self.watchdog.look(now, flows, &sights)?;
        self.metrics.error(ErrorKind::Stall);
        self.metrics.set_state(LaneState::Stalled, &reason);
        Some(LaneEnd::Rebuild(reason))
    }

    /// Stops and restarts the flow; the client's own queue is bounded, so nothing piles up meanwhile.
    pub(super) fn set_paused(&mut self, paused: bool) {
        if paused == self.paused {
            return;
        }
        let result = if paused { self.intake.pause() } else { self.intake.resume() };
        match result {
            Ok(()) => {
                self.paused = paused;
                self.metrics.set_paused(paused);
            }
            // Tried again in the next turn.
            Err(error) => self.log_trouble("pause", &error.to_string()),
        }
    }
}
