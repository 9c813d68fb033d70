//! The ground truth of one message.

use crate::batch::Format;

use super::expected::Expected;
use super::process::Anomaly;

/// What was sent, what was done to it, and what must become of it. Where it landed comes with the delivery report.
#[derive(Clone, Debug)]
pub struct Label {
    /// From 0, one more a message.
    pub seq: u64,
    /// Number of the device; [`Fleet::device_id`](super::Fleet::device_id) is its name.
    pub device: u32,
    /// The record's timestamp.
    pub kafka_time_ms: i64,
    /// The format that was meant, faults aside.
    pub format: Format,
    /// Name of the fault; empty for none.
    pub fault: &'static str,
    pub anomaly: Anomaly,
    pub expected: Expected,
    /// The message of which this one is a repeat.
    pub duplicate_of: Option<u64>,
}
