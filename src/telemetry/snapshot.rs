//! Totals of all lanes at one moment, as plain values: for the live line of the terminal and for what is said at the end.

use std::sync::Arc;
use std::time::Instant;

use super::process::ProcessValues;
use super::{Count, EpochOutcome, ErrorKind, LaneMetrics, LaneState};
use crate::batch::RejectReason;

/// Totals since the start of the program. The terms are read one after the other while lanes go on: sums may differ by a batch.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub at: Instant,
    pub messages: u64,
    pub bytes: u64,
    pub readings: u64,
    pub events: u64,
    /// By `RejectReason as usize`.
    pub rejects: [u64; RejectReason::ALL.len()],
    /// By `ErrorKind as usize`.
    pub errors: [u64; ErrorKind::ALL.len()],
    /// By `EpochOutcome as usize`.
    pub epochs: [u64; EpochOutcome::ALL.len()],
    /// By `Count as usize`.
    pub counts: [u64; Count::ALL.len()],
    /// Offsets that are still to be read again.
    pub replay_left: u64,
    pub window_bytes: u64,
    pub dead_letters: u64,
    pub rebalances: u64,
    /// Summed over the partitions; None while the end of none of them is known.
    pub lag: Option<u64>,
    pub partitions: u64,
    pub open_epoch_bytes: u64,
    pub buffer_bytes: u64,
    pub lanes_paused: usize,
    /// A lane each, in their order.
    pub states: Vec<LaneState>,
    pub process: ProcessValues,
}

impl Snapshot {
    pub(super) fn take(lanes: &[Arc<LaneMetrics>], process: ProcessValues) -> Self {
        let sum = |term: fn(&LaneMetrics) -> u64| lanes.iter().map(|lane| term(lane)).sum::<u64>();
        let lags: Vec<u64> = lanes.iter().flat_map(|lane| lane.partitions()).filter_map(|gauges| gauges.lag()).collect();
        Self {
            at: Instant::now(),
            messages: sum(LaneMetrics::messages),
            bytes: sum(LaneMetrics::bytes),
            readings: sum(LaneMetrics::readings),
            events: sum(LaneMetrics::events),
            rejects: RejectReason::ALL.map(|reason| lanes.iter().map(|lane| lane.rejects(reason)).sum()),
            errors: ErrorKind::ALL.map(|kind| lanes.iter().map(|lane| lane.errors(kind)).sum()),
            epochs: EpochOutcome::ALL.map(|outcome| lanes.iter().map(|lane| lane.epochs(outcome)).sum()),
            counts: Count::ALL.map(|what| lanes.iter().map(|lane| lane.counted(what)).sum()),
            replay_left: lanes.iter().flat_map(|lane| lane.partitions()).map(|gauges| gauges.replay_left).sum(),
            window_bytes: sum(LaneMetrics::window_bytes),
            dead_letters: sum(LaneMetrics::dead_letters),
            rebalances: sum(LaneMetrics::rebalances),
            lag: (!lags.is_empty()).then(|| lags.iter().sum()),
            partitions: sum(LaneMetrics::active_partitions),
            open_epoch_bytes: sum(LaneMetrics::open_epoch_bytes),
            buffer_bytes: sum(LaneMetrics::buffer_bytes),
            lanes_paused: lanes.iter().filter(|lane| lane.is_paused()).count(),
            states: lanes.iter().map(|lane| lane.state()).collect(),
            process,
        }
    }

    /// Messages a second between an earlier snapshot and this one; 0 when no time has passed.
    pub fn messages_per_second(&self, earlier: &Snapshot) -> f64 {
        let seconds = self.at.saturating_duration_since(earlier.at).as_secs_f64();
        if seconds > 0.0 { self.messages.saturating_sub(earlier.messages) as f64 / seconds } else { 0.0 }
    }

    pub fn rejects_total(&self) -> u64 {
        self.rejects.iter().sum()
    }

    /// The reasons that occurred, the most frequent first.
    pub fn rejects_by_reason(&self) -> Vec<(RejectReason, u64)> {
        let mut found: Vec<_> = RejectReason::ALL.into_iter().zip(self.rejects).filter(|&(_, count)| count > 0).collect();
        found.sort_by_key(|&(reason, count)| (std::cmp::Reverse(count), reason));
        found
    }

    pub fn counted(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    pub fn errors_total(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// Epochs whose rows are in the lake for good.
    pub fn epochs_committed(&self) -> u64 {
        EpochOutcome::ALL.into_iter().zip(self.epochs).filter(|(outcome, _)| outcome.is_committed()).map(|(_, count)| count).sum()
    }

    /// CPU seconds of the process for a million messages, between an earlier snapshot and this one; None without messages.
    pub fn cpu_seconds_per_million(&self, earlier: &Snapshot) -> Option<f64> {
        let messages = self.messages.checked_sub(earlier.messages).filter(|&messages| messages > 0)?;
        Some((self.process.cpu_seconds() - earlier.process.cpu_seconds()) / (messages as f64 / 1e6))
    }
}
