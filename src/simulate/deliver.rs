//! How messages leave the simulator, which knows no Kafka.

use std::time::Duration;

/// One message, ready to be sent; borrowed until the next one is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Comes back in the delivery report.
    pub seq: u64,
    /// The device id.
    pub key: &'a [u8],
    /// None: a tombstone.
    pub value: Option<&'a [u8]>,
    /// Timestamp of the record, ms since the epoch.
    pub kafka_time_ms: i64,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    Stored {
        partition: i32,
        offset: i64,
    },
    /// Given up; in doubt Kafka has it nevertheless (a time-out).
    Failed {
        reason: String,
    },
}

/// The report of one message; every message sent gets exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    pub seq: u64,
    pub delivery: Delivery,
}

/// Messages can no longer be sent at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message with sequence number {seq} could not be sent: {reason}")]
pub struct DeliverError {
    pub seq: u64,
    pub reason: String,
}

/// Takes messages and reports what became of them.
pub trait Deliver {
    /// Hands over one message. Waits while the queue is full: that slows the simulator and drops nothing.
    fn send(&mut self, message: &Message<'_>) -> Result<(), DeliverError>;

    /// Visits the reports that have come. Where there are none it waits for some, up to `wait`.
    fn reports(&mut self, wait: Duration, visit: &mut dyn FnMut(DeliveryReport));
}
