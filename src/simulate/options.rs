//! How a fleet is set up, checked before anything is made.

use crate::batch::Format;

/// When messages are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// By the schedule alone, from this time on (ms since the epoch): the same bytes at every run.
    Schedule { start_ms: i64 },
    /// By the wall clock, however fast messages go out.
    Wall,
}

/// Shares of the five formats among the devices; any positive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// In the order of [`Format::ALL`].
    pub shares: [u32; 5],
}

impl Default for Mix {
    fn default() -> Self {
        Self { shares: [40, 20, 20, 10, 10] }
    }
}

impl Mix {
    /// The format at `point` (0 ≤ point < 1) of the shares laid end to end.
    pub(super) fn at(&self, point: f64) -> Format {
        let total: u64 = self.shares.iter().map(|&share| u64::from(share)).sum();
        let mut left = point * total as f64;
        for (format, share) in Format::ALL.into_iter().zip(self.shares) {
            left -= f64::from(share);
            if left < 0.0 {
                return format;
            }
        }
        Format::Nested
    }
}

/// Shares of messages, 0 to 1 each. What one message gets injected of late … other_units is one thing at most, so their sum is at
/// most 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Anomalies begun a message; most last longer than one.
    pub anomalies: f64,
    /// Event time minutes, hours or days before the time of sending.
    pub late: f64,
    /// The device's clock is ahead by an hour to a day.
    pub future_clock: f64,
    /// The same reading once more, under a new sequence number.
    pub duplicates: f64,
    /// One of the kinds of malformed messages.
    pub malformed: f64,
    /// Almost a megabyte.
    pub oversized: f64,
    /// A sensor that nobody configured.
    pub unknown_sensors: f64,
    /// Another unit, known or unknown.
    pub other_units: f64,
    /// Envelopes that are events.
    pub events: f64,
    /// Pretty-printed.
    pub pretty: f64,
    /// Every object's members in random order.
    pub shuffled: f64,
}

impl Rates {
    /// Healthy devices, one plain format each.
    pub const NONE: Rates = Rates {
        anomalies: 0.0,
        late: 0.0,
        future_clock: 0.0,
        duplicates: 0.0,
        malformed: 0.0,
        oversized: 0.0,
        unknown_sensors: 0.0,
        other_units: 0.0,
        events: 0.0,
        pretty: 0.0,
        shuffled: 0.0,
    };

    fn named(&self) -> [(&'static str, f64); 11] {
        [
            ("anomalies", self.anomalies),
            ("late", self.late),
            ("future_clock", self.future_clock),
            ("duplicates", self.duplicates),
            ("malformed", self.malformed),
            ("oversized", self.oversized),
            ("unknown_sensors", self.unknown_sensors),
            ("other_units", self.other_units),
            ("events", self.events),
            ("pretty", self.pretty),
            ("shuffled", self.shuffled),
        ]
    }
}

impl Default for Rates {
    /// A plant as it is: a little of everything.
    fn default() -> Self {
        Self {
            anomalies: 0.0005,
            late: 0.002,
            future_clock: 0.0005,
            duplicates: 0.002,
            malformed: 0.001,
            oversized: 0.0,
            unknown_sensors: 0.002,
            other_units: 0.002,
            events: 0.01,
            pretty: 0.02,
            shuffled: 0.05,
        }
    }
}

/// A fleet of simulated devices.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetOptions {
    /// 1 … 10,000,000.
    pub devices: u32,
    /// Between two messages of one device, µs.
    pub interval_us: u64,
    pub seed: u64,
    pub clock: Clock,
    pub mix: Mix,
    pub rates: Rates,
    /// Limits of trust in event times, which the labels state: `windows.future_skew` and `windows.age_max` of who reads.
    pub future_skew_ms: i64,
    pub age_max_ms: i64,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            devices: 1_000,
            interval_us: 5_000_000,
            seed: 1,
            clock: Clock::Wall,
            mix: Mix::default(),
            rates: Rates::default(),
            future_skew_ms: 30_000,
            age_max_ms: 7 * 86_400_000,
        }
    }
}

/// Options that make no fleet.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionsError {
    #[error("{devices} devices: give 1 to {max}", max = FleetOptions::DEVICES_MAX)]
    Devices { devices: u32 },
    #[error(
        "a device would send every {interval_us} µs: devices send at most each {min} µs, so that no two of its readings have the \
         same time; take more devices or a lower rate",
        min = FleetOptions::INTERVAL_MIN_US
    )]
    Interval { interval_us: u64 },
    #[error("a device would send every {interval_us} µs: give an interval of a day at most")]
    LongInterval { interval_us: u64 },
    #[error("the rate of {name} is {rate}: give a share of messages from 0 to 1 (0.01 is one per cent)")]
    Rate { name: &'static str, rate: f64 },
    #[error(
        "the rates of late, future_clock, duplicates, malformed, oversized, unknown_sensors and other_units add up to {sum}: at most 1"
    )]
    RateSum { sum: f64 },
    #[error("the mix has no format: give at least one share above 0, such as nested=1")]
    EmptyMix,
}

impl FleetOptions {
    pub const DEVICES_MAX: u32 = 10_000_000;
    /// A device's readings must differ in time, or a plain one would look like a repeat.
    pub const INTERVAL_MIN_US: u64 = 2_000;
    /// A day.
    pub const INTERVAL_MAX_US: u64 = 86_400_000_000;

    /// Refuses what cannot be simulated.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.devices == 0 || self.devices > Self::DEVICES_MAX {
            return Err(OptionsError::Devices { devices: self.devices });
        }
        if self.interval_us < Self::INTERVAL_MIN_US {
            return Err(OptionsError::Interval { interval_us: self.interval_us });
        }
        if self.interval_us > Self::INTERVAL_MAX_US {
            return Err(OptionsError::LongInterval { interval_us: self.interval_us });
        }
        for (name, rate) in self.rates.named() {
            if !(0.0..=1.0).contains(&rate) {
                return Err(OptionsError::Rate { name, rate });
            }
        }
        let sum: f64 = self.rates.named()[1..8].iter().map(|(_, rate)| rate).sum();
        if sum > 1.0 {
            return Err(OptionsError::RateSum { sum });
        }
        if self.mix.shares.iter().all(|&share| share == 0) {
            return Err(OptionsError::EmptyMix);
        }
        Ok(())
    }

    /// Messages a second of the whole fleet at its schedule.
    pub fn messages_per_second(&self) -> f64 {
        f64::from(self.devices) * 1e6 / self.interval_us as f64
    }
}
