//! What the contract (formats/README.md) makes of a message, stated by who made it. Nothing here decodes anything.

use crate::batch::{Flag, Flags, Format, RejectReason, Table};

use super::reading::{Content, Reading};
use super::sensors::{SENSOR_COUNT, SENSORS, SWITCH};

/// What one sensor's columns must hold. The switch's value is 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExpectedSensor {
    /// In the unit of the column; None: null.
    pub value: Option<f64>,
    pub quality: Flags,
}

/// The row that a message must become.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub table: Table,
    /// Of a reject.
    pub reason: Option<RejectReason>,
    /// As the contract reads it, µs UTC; None for a reject.
    pub event_time_us: Option<i64>,
    /// As the contract finds it from the message; for a reject, the format that was meant.
    pub format: Format,
    /// Flags of the message, without `duplicate`: a repeat is known only where windows are.
    pub quality: Flags,
    /// In the order of the default catalogue.
    pub sensors: [ExpectedSensor; SENSOR_COUNT],
}

impl Expected {
    /// Of a message without faults. `skew_ms` and `age_ms` are the limits of trust.
    pub(super) fn of(reading: &Reading, skew_ms: i64, age_ms: i64) -> Self {
        let is_reading = reading.content == Content::Reading;
        let mut expected = Expected {
            table: if is_reading { Table::Readings } else { Table::Events },
            reason: None,
            event_time_us: Some(reading.event_ms * 1_000),
            format: if is_reading { reading.format } else { Format::Envelope },
            quality: Flags::GOOD,
            sensors: [ExpectedSensor::default(); SENSOR_COUNT],
        };
        if is_reading {
            expected.trust(reading, skew_ms, age_ms);
            for sensor in reading.sensors() {
                expected.sensors[sensor] = measured(sensor, reading.value(sensor));
            }
        }
        expected
    }

    /// Flags an event time that is too far from the Kafka time.
    pub(super) fn trust(&mut self, reading: &Reading, skew_ms: i64, age_ms: i64) {
        let Some(event_time_us) = self.event_time_us else { return };
        let ahead_ms = event_time_us.div_euclid(1_000).saturating_sub(reading.sent_ms);
        if ahead_ms > skew_ms {
            self.quality = self.quality.with(Flag::FutureTime);
        } else if ahead_ms < -age_ms {
            self.quality = self.quality.with(Flag::OldTime);
        }
    }

    /// Turns the expectation into that of a reject.
    pub(super) fn reject(&mut self, reason: RejectReason) {
        self.table = Table::Rejects;
        self.reason = Some(reason);
        self.event_time_us = None;
        self.quality = Flags::GOOD;
        self.sensors = [ExpectedSensor::default(); SENSOR_COUNT];
    }

    /// The value cannot be read: null and `bad_value`.
    pub(super) fn bad_value(&mut self, sensor: usize) {
        self.sensors[sensor] = ExpectedSensor { value: None, quality: Flags::GOOD.with(Flag::BadValue) };
    }
}

/// A readable value in the column's unit: kept, and flagged where it is physically impossible.
pub(super) fn measured(sensor: usize, value: f64) -> ExpectedSensor {
    let (low, high) = SENSORS[sensor].range;
    let impossible = sensor != SWITCH && !(low..=high).contains(&value);
    let quality = if impossible { Flags::GOOD.with(Flag::OutOfRange) } else { Flags::GOOD };
    ExpectedSensor { value: Some(value), quality }
}
