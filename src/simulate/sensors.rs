//! The five default sensors as the simulator makes them: text, resolution, and the process behind each.

/// How many sensors a device can have.
pub(super) const SENSOR_COUNT: usize = 5;
/// Those with a number; the last one is the switch.
pub(super) const NUMBER_COUNT: usize = 4;
/// Index of the switch.
pub(super) const SWITCH: usize = 4;

/// One simulated sensor. Its value is an integer of `10^-decimals` of the unit, so that text and label agree to the last bit.
pub(super) struct Sensor {
    pub(super) name: &'static str,
    /// The member with colon: `"temperature":`.
    pub(super) key: &'static str,
    /// Empty: no unit is sent.
    pub(super) unit: &'static str,
    pub(super) decimals: u32,
    /// `10^decimals`.
    pub(super) scale: f64,
    /// The long-term mean and, added to it for each device, at most this much.
    pub(super) mean: f64,
    pub(super) device_offset: f64,
    /// Half the swing of a day.
    pub(super) daily_swing: f64,
    /// Standard deviation of the mean-reverting part, and its time constant.
    pub(super) deviation: f64,
    pub(super) reverting_s: f64,
    /// Standard deviation of the measuring noise.
    pub(super) noise: f64,
    /// Where a good value stays, well inside of the physical range.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Physical range, as in the contract.
    pub(super) range: (f64, f64),
}

/// In the order of `SensorCatalog::default()`; a test holds the two together.
pub(super) const SENSORS: [Sensor; SENSOR_COUNT] = [
    Sensor {
        name: "temperature",
        key: "\"temperature\":",
        unit: "°C",
        decimals: 2,
        scale: 100.0,
        mean: 22.0,
        device_offset: 5.0,
        daily_swing: 4.0,
        deviation: 1.5,
        reverting_s: 600.0,
        noise: 0.05,
        low: -20.0,
        high: 80.0,
        range: (-60.0, 150.0),
    },
    Sensor {
        name: "humidity",
        key: "\"humidity\":",
        unit: "%",
        decimals: 1,
        scale: 10.0,
        mean: 50.0,
        device_offset: 8.0,
        daily_swing: 6.0,
        deviation: 4.0,
        reverting_s: 900.0,
        noise: 0.2,
        low: 5.0,
        high: 95.0,
        range: (0.0, 100.0),
    },
    Sensor {
        name: "pressure",
        key: "\"pressure\":",
        unit: "hPa",
        decimals: 2,
        scale: 100.0,
        mean: 1013.0,
        device_offset: 5.0,
        daily_swing: 1.5,
        deviation: 4.0,
        reverting_s: 3600.0,
        noise: 0.03,
        low: 900.0,
        high: 1100.0,
        range: (300.0, 1200.0),
    },
    Sensor {
        name: "current",
        key: "\"current\":",
        unit: "A",
        decimals: 2,
        scale: 100.0,
        mean: 20.0,
        device_offset: 8.0,
        daily_swing: 3.0,
        deviation: 2.0,
        reverting_s: 120.0,
        noise: 0.05,
        low: 0.5,
        high: 400.0,
        range: (0.0, 1000.0),
    },
    Sensor {
        name: "switch_status",
        key: "\"switch_status\":",
        unit: "",
        decimals: 0,
        scale: 1.0,
        mean: 0.0,
        device_offset: 0.0,
        daily_swing: 0.0,
        deviation: 0.0,
        reverting_s: 1.0,
        noise: 0.0,
        low: 0.0,
        high: 1.0,
        range: (0.0, 1.0),
    },
];

/// The value that an integer of a sensor's resolution stands for.
pub(super) fn value_of(sensor: usize, scaled: i64) -> f64 {
    scaled as f64 / SENSORS[sensor].scale
}
