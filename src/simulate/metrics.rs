//! The simulator's own figures, as plain values that any thread may read while messages are sent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Upper bounds of the buckets of delivery latency, ms; one more bucket holds the rest.
pub const LATENCY_BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 30_000];

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// Intervals that devices passed in silence.
    silent: AtomicU64,
    devices: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS_MS.len() + 1],
}

impl Metrics {
    pub(super) fn new(devices: u32) -> Self {
        Self { devices: AtomicU64::new(u64::from(devices)), ..Self::default() }
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(1, Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn count_silent(&self) {
        self.silent.fetch_add(1, Relaxed);
    }

    pub(super) fn count_delivered(&self, latency_ms: u64) {
        self.delivered.fetch_add(1, Relaxed);
        let bucket = LATENCY_BOUNDS_MS.partition_point(|&bound| bound < latency_ms);
        self.latency[bucket].fetch_add(1, Relaxed);
    }

    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// Messages handed over for delivery.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Bytes of their keys and values.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Relaxed)
    }

    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Messages without a report so far.
    pub fn in_flight(&self) -> u64 {
        self.sent().saturating_sub(self.delivered() + self.failed())
    }

    /// Intervals that devices passed in silence (drop-outs).
    pub fn silent(&self) -> u64 {
        self.silent.load(Relaxed)
    }

    pub fn devices(&self) -> u64 {
        self.devices.load(Relaxed)
    }

    /// Deliveries a bucket of latency from handing over to the report: those up to the bound in ms, but above the one before;
    /// `u64::MAX` stands for all above.
    pub fn latency_buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let bounds = LATENCY_BOUNDS_MS.into_iter().chain([u64::MAX]);
        bounds.zip(self.latency.iter().map(|bucket| bucket.load(Relaxed)))
    }

    /// The bound of the bucket below which this share of deliveries lies, ms; None before the first one.
    pub fn latency_quantile_ms(&self, share: f64) -> Option<u64> {
        let total: u64 = self.latency_buckets().map(|(_, count)| count).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 1, and a cast from float saturates
        let wanted = (share * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.latency_buckets().find_map(|(bound_ms, count)| {
            seen += count;
            (total > 0 && seen >= wanted).then_some(bound_ms)
        })
    }
}
