//! Sensors are configured, not compiled in: what a sensor is called, measured in, and physically able to show.

/// What a sensor's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SensorKind {
    /// A float, column type Float64.
    Number,
    /// `true`/`false`, `on`/`off`, 1/0, column type Boolean.
    Boolean,
}

/// Another unit of the same quantity: `value_in_unit = value * factor + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitAlias {
    pub unit: String,
    pub factor: f64,
    pub offset: f64,
}

/// One configured sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorSpec {
    /// Name of the member in messages and of the column: `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Unit of the column; empty where there is none.
    pub unit: String,
    pub kind: SensorKind,
    /// Physical range in `unit`, both ends included. Only numbers have one.
    pub range: Option<(f64, f64)>,
    /// A message without it is flagged `missing`.
    pub required: bool,
    pub aliases: Vec<UnitAlias>,
}

/// The configured sensors in the order of the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorCatalog {
    pub sensors: Vec<SensorSpec>,
}

impl SensorCatalog {
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.sensors.iter().position(|sensor| sensor.name == name)
    }

    pub fn len(&self) -> usize {
        self.sensors.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sensors.is_empty()
    }
}

impl Default for SensorCatalog {
    /// The five default sensors; the factors are exact by definition (a psi is 6894.757293168 Pa).
    fn default() -> Self {
        let number = |name: &str, unit: &str, range: (f64, f64), aliases: &[(&str, f64, f64)]| SensorSpec {
            name: name.into(),
            unit: unit.into(),
            kind: SensorKind::Number,
            range: Some(range),
            required: false,
            aliases: aliases.iter().map(|&(unit, factor, offset)| UnitAlias { unit: unit.into(), factor, offset }).collect(),
        };
        let switch = SensorSpec {
            name: "switch_status".into(),
            unit: "boolean".into(),
            kind: SensorKind::Boolean,
            range: None,
            required: false,
            aliases: ["on/off", "0/1"].map(|unit| UnitAlias { unit: unit.into(), factor: 1.0, offset: 0.0 }).into(),
        };
        Self {
            sensors: vec![
                number("temperature", "°C", (-60.0, 150.0), &[("°F", 5.0 / 9.0, -160.0 / 9.0), ("K", 1.0, -273.15)]),
                number("humidity", "%", (0.0, 100.0), &[]),
                number(
                    "pressure",
                    "hPa",
                    (300.0, 1200.0),
                    &[
                        ("Pa", 0.01, 0.0),
                        ("kPa", 10.0, 0.0),
                        ("bar", 1000.0, 0.0),
                        ("mbar", 1.0, 0.0),
                        ("psi", 68.947_572_931_68, 0.0),
                    ],
                ),
                number("current", "A", (0.0, 1000.0), &[("mA", 0.001, 0.0), ("kA", 1000.0, 0.0)]),
                switch,
            ],
        }
    }
}
