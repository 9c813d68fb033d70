//! A histogram of durations that one thread fills and another reads, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds, seconds, of the time that a batch takes: those of the user's earlier system.
pub const BATCH_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];

/// Upper bounds, seconds, of the time that a settle takes, up to its deadline of 8 s.
pub const SETTLE_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 8.0];

/// The longest list of bounds, and one for what is above them all.
const SLOTS: usize = 12;

pub(super) struct Histogram {
    bounds: &'static [f64],
    /// Not cumulative: the durations between the bound before and this one.
    counts: [AtomicU64; SLOTS],
    sum_ns: AtomicU64,
}

impl Histogram {
    pub(super) const fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.len() < SLOTS);
        Self { bounds, counts: [const { AtomicU64::new(0) }; SLOTS], sum_ns: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let slot = self.bounds.iter().position(|&bound| seconds <= bound).unwrap_or(self.bounds.len());
        self.counts[slot].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn values(&self) -> HistogramValues {
        let counts = self.counts[..=self.bounds.len()].iter().map(|count| count.load(Relaxed)).collect();
        HistogramValues { bounds: self.bounds, counts, sum: Duration::from_nanos(self.sum_ns.load(Relaxed)) }
    }
}

/// What a histogram held when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramValues {
    /// Upper bounds, seconds, inclusive.
    pub bounds: &'static [f64],
    /// How many fell between the bound before and this one; one more than `bounds`, the last for what is above them all.
    pub counts: Vec<u64>,
    pub sum: Duration,
}

impl HistogramValues {
    pub fn empty(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: Duration::ZERO }
    }

    /// Adds another one of the same bounds.
    pub fn merge(&mut self, other: &HistogramValues) {
        debug_assert_eq!(self.bounds, other.bounds);
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// `(upper bound, how many were at most that)` for each bound.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().zip(&self.counts).scan(0, |below, (&bound, &count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// None without observations.
    pub fn mean(&self) -> Option<Duration> {
        let count = self.count();
        (count > 0).then(|| Duration::from_secs_f64(self.sum.as_secs_f64() / count as f64))
    }
}
