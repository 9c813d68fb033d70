//! What devices measure: a mean-reverting process a sensor (Ornstein and Uhlenbeck, in its exact discrete form), a trend of the day,
//! an offset a device, normal noise; and the anomalies that a device can fall into.

// Measurements are small: single precision is kept, and integers of a sensor's resolution are far below the limits of their types.
#![allow(clippy::cast_possible_truncation)]

use rand::Rng;
use rand_distr::StandardNormal;

use super::random::{Random, split_mix};
use super::reading::Reading;
use super::sensors::{NUMBER_COUNT, SENSOR_COUNT, SENSORS, SWITCH};

/// What a device does that no process would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Anomaly {
    #[default]
    None,
    /// One value far off, still physically possible.
    Spike,
    /// A slope over 20 to 100 messages.
    Drift,
    /// The same value over 10 to 50 messages.
    Stuck,
    /// One value outside of the physical range.
    OutOfRange,
    /// Silence for 3 to 20 intervals; the first message after it bears the name.
    DropOut,
}

impl Anomaly {
    pub const ALL: [Anomaly; 6] =
        [Anomaly::None, Anomaly::Spike, Anomaly::Drift, Anomaly::Stuck, Anomaly::OutOfRange, Anomaly::DropOut];

    /// The name in labels; empty for none.
    pub fn name(self) -> &'static str {
        match self {
            Anomaly::None => "",
            Anomaly::Spike => "spike",
            Anomaly::Drift => "drift",
            Anomaly::Stuck => "stuck",
            Anomaly::OutOfRange => "out_of_range",
            Anomaly::DropOut => "drop_out",
        }
    }
}

/// All that is kept of a device, 56 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Device {
    /// Deviation from the mean, in units of the sensor.
    deviation: [f32; NUMBER_COUNT],
    /// The device's own offset, likewise.
    offset: [f32; NUMBER_COUNT],
    battery: f32,
    signal: f32,
    /// Stuck: the value that stays. Drift: the slope a message, in integers of the sensor's resolution.
    held: i32,
    left: u16,
    /// Messages of this anomaly so far.
    shown: u16,
    sensor: u8,
    anomaly: Anomaly,
    is_on: bool,
}

impl Device {
    pub(super) fn new(number: u32, random: &mut Random) -> Self {
        let mut hash_state = u64::from(number) ^ 0x5EED;
        let offset = std::array::from_fn(|sensor| {
            let unit = (split_mix(&mut hash_state) >> 40) as f64 / f64::from(1 << 23) - 1.0;
            (unit * SENSORS[sensor].device_offset) as f32
        });
        Self {
            deviation: std::array::from_fn(|sensor| random.sample::<f32, _>(StandardNormal) * SENSORS[sensor].deviation as f32),
            offset,
            battery: 20.0 + 80.0 * (split_mix(&mut hash_state) >> 40) as f32 / (1 << 24) as f32,
            signal: -60.0,
            held: 0,
            left: 0,
            shown: 0,
            sensor: 0,
            anomaly: Anomaly::None,
            is_on: hash_state & 1 == 0,
        }
    }

    /// Whether the device is silent at this interval.
    pub(super) fn passes_in_silence(&mut self) -> bool {
        if self.anomaly == Anomaly::DropOut && self.left > 0 {
            self.left -= 1;
            return true;
        }
        false
    }
}

/// The processes of all sensors for one interval between messages.
#[derive(Debug)]
pub(super) struct Processes {
    /// `exp(-interval / time constant)`, and the deviation of the step that keeps the variance stationary.
    keep: [f32; NUMBER_COUNT],
    kick: [f32; NUMBER_COUNT],
    trend: [f32; NUMBER_COUNT],
    trend_second: i64,
    anomaly_rate: f64,
}

impl Processes {
    /// `interval_s`: between two messages of one device. `anomaly_rate`: anomalies begun a message.
    pub(super) fn new(interval_s: f64, anomaly_rate: f64) -> Self {
        let keep = std::array::from_fn(|sensor| (-interval_s / SENSORS[sensor].reverting_s).exp() as f32);
        let kick = std::array::from_fn(|sensor: usize| {
            let kept: f32 = keep[sensor];
            SENSORS[sensor].deviation as f32 * (1.0 - kept * kept).sqrt()
        });
        Self { keep, kick, trend: [0.0; NUMBER_COUNT], trend_second: i64::MIN, anomaly_rate }
    }

    /// Lets the device measure at `reading.sent_ms`: fills in values, battery and signal. The sensors must be set.
    pub(super) fn measure(&mut self, device: &mut Device, reading: &mut Reading, random: &mut Random) -> Anomaly {
        self.follow_the_day(reading.sent_ms);
        let mut values = [0_i64; SENSOR_COUNT];
        for sensor in reading.numbers() {
            let step: f32 = random.sample(StandardNormal);
            let noise: f32 = random.sample(StandardNormal);
            let deviation = device.deviation[sensor] * self.keep[sensor] + step * self.kick[sensor];
            device.deviation[sensor] = deviation;
            let spec = &SENSORS[sensor];
            let sum = self.trend[sensor] + device.offset[sensor] + deviation + noise * spec.noise as f32;
            let value = (spec.mean + f64::from(sum)).clamp(spec.low, spec.high);
            values[sensor] = (value * spec.scale).round() as i64;
        }
        if random.below(100) == 0 {
            device.is_on = !device.is_on;
        }
        values[SWITCH] = i64::from(device.is_on);
        reading.values = values;
        wear(device, random);
        reading.battery = device.battery as i64;
        reading.signal = device.signal as i64;
        self.disturb(device, reading, random)
    }

    /// The trend of the day, reckoned once a second of simulated time: highest at 15 h UTC.
    fn follow_the_day(&mut self, sent_ms: i64) {
        let second = sent_ms.div_euclid(1_000);
        if second == self.trend_second {
            return;
        }
        self.trend_second = second;
        let of_day = second.rem_euclid(86_400) as f64 / 86_400.0;
        let swing = (std::f64::consts::TAU * (of_day - 0.375)).sin();
        self.trend = std::array::from_fn(|sensor| (SENSORS[sensor].daily_swing * swing) as f32);
    }

    /// Begins or goes on with an anomaly, and says which one this message shows.
    fn disturb(&self, device: &mut Device, reading: &mut Reading, random: &mut Random) -> Anomaly {
        if device.anomaly == Anomaly::None {
            if self.anomaly_rate <= 0.0 || !random.chance(self.anomaly_rate) {
                return Anomaly::None;
            }
            begin(device, reading, random);
            if device.anomaly == Anomaly::DropOut {
                // The silence is still to come; this message is the last one before it.
                return Anomaly::None;
            }
        }
        let shown = device.anomaly;
        let sensor = usize::from(device.sensor);
        let value = &mut reading.values[sensor];
        match shown {
            Anomaly::None | Anomaly::DropOut => device.left = 0,
            Anomaly::Spike => {
                let spec = &SENSORS[sensor];
                let (low, high) = ((spec.range.0 * spec.scale) as i64, (spec.range.1 * spec.scale) as i64);
                *value = (*value + i64::from(device.held)).clamp(low, high);
            }
            Anomaly::OutOfRange | Anomaly::Stuck => *value = i64::from(device.held),
            Anomaly::Drift => {
                let spec = &SENSORS[sensor];
                let drifted = *value + i64::from(device.held) * i64::from(device.shown + 1);
                *value = drifted.clamp((spec.low * spec.scale) as i64, (spec.high * spec.scale) as i64);
            }
        }
        device.left = device.left.saturating_sub(1);
        device.shown += 1;
        if device.left == 0 {
            device.anomaly = Anomaly::None;
        }
        shown
    }
}

/// Picks an anomaly that the device's sensors can show, and its sensor.
fn begin(device: &mut Device, reading: &Reading, random: &mut Random) {
    let numbers = u32::try_from(reading.numbers().count()).unwrap_or(0);
    let any = if numbers > 0 { Anomaly::ALL[1 + random.below(5) as usize] } else { Anomaly::DropOut };
    let sensor = reading.numbers().nth(random.below(numbers) as usize).unwrap_or(0);
    let spec = &SENSORS[sensor];
    let scaled = |value: f64| (value * spec.scale).round() as i32;
    let sign = if random.below(2) == 0 { 1 } else { -1 };
    device.anomaly = any;
    device.shown = 0;
    device.sensor = u8::try_from(sensor).unwrap_or(0);
    (device.held, device.left) = match any {
        Anomaly::Spike => (sign * scaled(spec.deviation * 10.0), 1),
        Anomaly::OutOfRange => {
            let (low, high) = spec.range;
            (scaled(if sign > 0 { high + high.abs() * 0.2 + 1.0 } else { low - low.abs() * 0.2 - 1.0 }), 1)
        }
        Anomaly::Drift => (sign * scaled(spec.deviation / 10.0).max(1), 20 + random.below(81) as u16),
        Anomaly::Stuck => (reading.values[sensor] as i32, 10 + random.below(41) as u16),
        Anomaly::None | Anomaly::DropOut => (0, 3 + random.below(18) as u16),
    };
}

/// Batteries run down and are changed; the signal wanders around -60 dBm.
fn wear(device: &mut Device, random: &mut Random) {
    let unit = (random.below(1 << 16)) as f32 / 65_536.0;
    device.battery -= 0.002 * unit;
    if device.battery < 5.0 {
        device.battery = 100.0;
    }
    device.signal = (device.signal + (unit - 0.5) * 2.0 - (device.signal + 60.0) * 0.02).clamp(-95.0, -30.0);
}
