//! Quality flags: bits of the `quality` columns. A bit's number and meaning never change; 0 is good.
//!
//! The same numbers serve the mask of a message (`quality`) and the masks of its sensors (`<sensor>_quality`); the table in
//! `docs/formats.md` is made from [`Flag::ALL`] and a test keeps the two alike.

use std::fmt;

/// One quality flag; the discriminant is its bit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Flag {
    /// Sensor: the value was not a number (or boolean), NaN, infinite or overflowing. The column holds null.
    BadValue = 0,
    /// Sensor: configured as `required`, and not in the message.
    Missing = 1,
    /// Sensor: the unit is neither the sensor's nor one of its aliases. The value is kept as sent.
    UnknownUnit = 2,
    /// Sensor: outside the physical range. The value is kept.
    OutOfRange = 3,
    /// Sensor: the device's own status of the sensor is `error` or `fault`. The value is kept.
    DeviceFault = 4,
    /// Message: a key stood twice in one object; the last one won.
    DuplicateKey = 5,
    /// Message: event time more than `future_skew` after the Kafka time.
    FutureTime = 6,
    /// Message: event time more than `age_max` before the Kafka time.
    OldTime = 7,
    /// Message: the record carries no Kafka time, so the event time cannot be trusted.
    NoKafkaTime = 8,
    /// Message: a repeat of an earlier reading (same device, event time and sensor values).
    Duplicate = 9,
    /// Message: the device is beyond `windows.devices_max` of its window.
    OverLimit = 10,
}

impl Flag {
    pub const ALL: [Flag; 11] = [
        Flag::BadValue,
        Flag::Missing,
        Flag::UnknownUnit,
        Flag::OutOfRange,
        Flag::DeviceFault,
        Flag::DuplicateKey,
        Flag::FutureTime,
        Flag::OldTime,
        Flag::NoKafkaTime,
        Flag::Duplicate,
        Flag::OverLimit,
    ];

    /// The name in configuration, logs, metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            Flag::BadValue => "bad_value",
            Flag::Missing => "missing",
            Flag::UnknownUnit => "unknown_unit",
            Flag::OutOfRange => "out_of_range",
            Flag::DeviceFault => "device_fault",
            Flag::DuplicateKey => "duplicate_key",
            Flag::FutureTime => "future_time",
            Flag::OldTime => "old_time",
            Flag::NoKafkaTime => "no_kafka_time",
            Flag::Duplicate => "duplicate",
            Flag::OverLimit => "over_limit",
        }
    }

    pub const fn mask(self) -> u16 {
        1 << (self as u8)
    }
}

/// A set of flags, as stored in a UInt16 quality column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    pub const GOOD: Flags = Flags(0);

    pub fn with(self, flag: Flag) -> Self {
        Flags(self.0 | flag.mask())
    }

    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag.mask() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL.into_iter().filter(move |flag| self.has(*flag))
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("good");
        }
        for (i, flag) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("|")?;
            }
            f.write_str(flag.name())?;
        }
        Ok(())
    }
}
