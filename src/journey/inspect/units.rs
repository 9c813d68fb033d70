//! Rule: a value in another unit of its quantity is turned into the sensor's own; an unknown unit is flagged, the value kept as sent.

use arrow::array::Float64Array;

use crate::batch::{Dictionary, Flag, KeyColumn, SensorCatalog, SensorSpec};

/// What a unit means to a sensor: `value_in_unit = value * factor + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Conversion {
    /// The sensor's own unit. No arithmetic, so that every bit of the value stays.
    Own,
    Linear {
        factor: f64,
        offset: f64,
    },
    Unknown,
}

impl Conversion {
    fn of(spec: &SensorSpec, unit: &str) -> Self {
        // An empty unit says as much as none.
        if unit.is_empty() || unit == spec.unit {
            return Conversion::Own;
        }
        match spec.aliases.iter().find(|alias| alias.unit == unit) {
            Some(alias) => Conversion::Linear { factor: alias.factor, offset: alias.offset },
            None => Conversion::Unknown,
        }
    }
}

/// The conversions of each sensor by unit id.
#[derive(Debug)]
pub(super) struct Units {
    conversions: Vec<Vec<Conversion>>,
}

impl Units {
    pub(super) fn new(sensors: usize) -> Self {
        Self { conversions: vec![Vec::new(); sensors] }
    }

    pub(super) fn forget(&mut self) {
        self.conversions.iter_mut().for_each(Vec::clear);
    }

    /// Looks up the units that came since the last time.
    pub(super) fn learn(&mut self, catalog: &SensorCatalog, units: &Dictionary) {
        for (spec, known) in catalog.sensors.iter().zip(&mut self.conversions) {
            for id in known.len()..units.len() {
                let unit = u32::try_from(id).map_or("", |id| units.get(id));
                known.push(Conversion::of(spec, unit));
            }
        }
    }

    pub(super) fn of_sensor(&self, index: usize) -> &[Conversion] {
        &self.conversions[index]
    }
}

/// The conversion of each row; no unit means the sensor's own.
fn by_row<'a>(conversions: &'a [Conversion], unit: &'a KeyColumn) -> impl Iterator<Item = Conversion> + 'a {
    unit.iter().map(|id| match id {
        None => Conversion::Own,
        Some(id) => conversions.get(id as usize).copied().unwrap_or(Conversion::Unknown),
    })
}

pub(super) fn flag_unknown(conversions: &[Conversion], unit: &KeyColumn, quality: &mut [u16]) {
    for (conversion, quality) in by_row(conversions, unit).zip(quality) {
        *quality |= u16::from(conversion == Conversion::Unknown) << Flag::UnknownUnit as u8;
    }
}

/// Converts in place. A value that overflows on the way is no value: null, and flagged.
pub(super) fn normalise(conversions: &[Conversion], unit: &KeyColumn, values: &mut Float64Array, quality: &mut [u16]) {
    if !by_row(conversions, unit).any(|conversion| matches!(conversion, Conversion::Linear { .. })) {
        return;
    }
    let mut convert = |((value, conversion), quality): ((Option<f64>, Conversion), &mut u16)| {
        let Conversion::Linear { factor, offset } = conversion else {
            return value;
        };
        let converted = value? * factor + offset;
        if converted.is_finite() {
            return Some(converted);
        }
        *quality |= Flag::BadValue.mask();
        None
    };
    *values = values.iter().zip(by_row(conversions, unit)).zip(quality).map(&mut convert).collect();
}
