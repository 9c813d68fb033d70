//! One message as it shall be, before it is text: what the devices measured, and when.

use crate::batch::Format;

use super::sensors::{NUMBER_COUNT, SENSOR_COUNT, SWITCH, value_of};

/// What kind of message a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Reading,
    /// An envelope that is no reading.
    Alert,
    Heartbeat,
    SystemStatus,
}

/// One message of one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) seq: u64,
    pub(super) device: u32,
    pub(super) format: Format,
    pub(super) content: Content,
    /// Simulated time of sending: the Kafka timestamp.
    pub(super) sent_ms: i64,
    /// What the device says.
    pub(super) event_ms: i64,
    /// Bit i: sensor i is in the message.
    pub(super) mask: u8,
    /// Integers of the sensors' resolution; the switch is 0 or 1.
    pub(super) values: [i64; SENSOR_COUNT],
    /// Per cent.
    pub(super) battery: i64,
    /// dBm.
    pub(super) signal: i64,
    /// Of an envelope; 0: never expires.
    pub(super) ttl_s: i64,
}

impl Reading {
    pub(super) fn has(&self, sensor: usize) -> bool {
        self.mask & (1 << sensor) != 0
    }

    /// The sensors in the message, in the order of the columns.
    pub(super) fn sensors(&self) -> impl Iterator<Item = usize> + '_ {
        (0..SENSOR_COUNT).filter(|&sensor| self.has(sensor))
    }

    /// The sensors in the message that measure a number.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..NUMBER_COUNT).filter(|&sensor| self.has(sensor))
    }

    pub(super) fn value(&self, sensor: usize) -> f64 {
        value_of(sensor, self.values[sensor])
    }

    pub(super) fn is_on(&self) -> bool {
        self.values[SWITCH] != 0
    }
}

/// Which sensors a device of this format has. Legacy and envelope producers send some, single ones exactly one.
pub(super) fn sensor_mask(format: Format, device: u32) -> u8 {
    const ALL: u8 = 0b1_1111;
    match format {
        Format::Nested => ALL,
        Format::Device => [0b0_0001, 0b0_0011, 0b0_0111, ALL][(device / 7 % 4) as usize],
        Format::Envelope => [0b0_1001, ALL][(device / 7 % 2) as usize],
        Format::Flat => [0b0_0111, ALL][(device / 7 % 2) as usize],
        Format::Single => 1 << (device / 7 % 5),
    }
}
