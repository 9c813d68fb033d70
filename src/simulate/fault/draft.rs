//! A message under repair in reverse: its tree, and what is expected of it.

use crate::batch::{Format, SensorCatalog};

use super::super::digits::TimeText;
use super::super::expected::Expected;
use super::super::random::Random;
use super::super::reading::Reading;
use super::super::sensors::SENSORS;
use super::super::tree::{Node, raw};

/// A message whose JSON a fault may change, with the expectation that must follow.
pub(in super::super) struct Draft<'a> {
    pub(in super::super) reading: Reading,
    pub(in super::super) tree: Node,
    pub(in super::super) expected: Expected,
    pub(in super::super) random: &'a mut Random,
    pub(in super::super) catalog: &'a SensorCatalog,
    pub(in super::super) times: &'a mut TimeText,
    /// Limits of trust in event times, ms.
    pub(in super::super) skew_ms: i64,
    pub(in super::super) age_ms: i64,
}

impl Draft<'_> {
    /// The path of a member of the device's object.
    pub(super) fn device_path<'p>(&self, tail: &[&'p str]) -> Vec<&'p str> {
        let head: &[&str] = if self.reading.format == Format::Envelope { &["payload", "device"] } else { &[] };
        [head, tail].concat()
    }

    /// The path of a sensor's `value`, `unit` or `status`.
    pub(super) fn sensor_path(&self, sensor: usize, member: &'static str) -> Vec<&'static str> {
        match self.reading.format {
            Format::Flat => vec![SENSORS[sensor].name],
            Format::Single => vec![member],
            _ => self.device_path(&["sensors", SENSORS[sensor].name, member]),
        }
    }

    /// Replaces a member of the device's object, or adds it.
    pub(super) fn set(&mut self, member: &str, text: impl Into<String>) -> bool {
        let path = self.device_path(&[member]);
        self.tree.set(&path, raw(text))
    }

    pub(super) fn remove(&mut self, member: &str) -> bool {
        let path = self.device_path(&[member]);
        self.tree.remove(&path).is_some()
    }

    /// Adds a member at the top.
    pub(super) fn add_at_top(&mut self, member: &str, text: impl Into<String>) -> bool {
        self.tree.set(&[member], raw(text))
    }

    /// Writes a sensor's value as this text.
    pub(super) fn set_value(&mut self, sensor: usize, text: impl Into<String>) -> bool {
        let path = self.sensor_path(sensor, "value");
        self.tree.set(&path, raw(text))
    }

    /// Any sensor of the message.
    pub(super) fn any_sensor(&mut self) -> Option<usize> {
        let sensors: Vec<usize> = self.reading.sensors().collect();
        self.random.pick(&sensors).copied()
    }

    /// Any sensor of the message that measures a number.
    pub(super) fn any_number(&mut self) -> Option<usize> {
        let sensors: Vec<usize> = self.reading.numbers().collect();
        self.random.pick(&sensors).copied()
    }
}
