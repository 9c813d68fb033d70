//! What the program knows of itself, values only: metrics a lane, merged on scrape; the process; logs.
//!
//! ```text
//! lane ──relaxed atomics──▶ LaneMetrics ─┐
//! lane ──relaxed atomics──▶ LaneMetrics ─┼─▶ Metrics ──▶ encode()    Prometheus text, for /metrics
//! /proc/self ────────────────────────────┘           └─▶ snapshot()  totals, for the terminal
//! ```
//!
//! A lane only adds to its own counters; whoever looks does the work. Nothing here opens a port: `serve` does. The table of all
//! metrics is `docs/metrics.md`; a test keeps it and [`Metrics::encode`] alike.

mod encode;
mod family;
mod histogram;
mod lane;
pub mod logs;
mod metrics;
mod outcome;
pub mod process;
mod snapshot;

#[cfg(test)]
mod tests;

pub use histogram::{BATCH_SECONDS, HistogramValues, SETTLE_SECONDS};
pub use lane::{LaneMetrics, PartitionGauges};
pub use metrics::{Build, Metrics};
pub use outcome::{Count, EpochOutcome, ErrorKind, LaneState};
pub use snapshot::Snapshot;
