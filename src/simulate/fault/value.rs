//! A sensor's value, unit or status is not what it should be. The reading is kept, the sensor flagged.

use crate::batch::{Flag, Flags, SensorKind};

use super::super::expected::{ExpectedSensor, measured};
use super::super::sensors::{SENSORS, SWITCH, value_of};
use super::super::tree::{quoted, raw};
use super::{Class, Draft, Inject, Kind, TREES, WITH_NUMBER, WITH_UNIT};

pub(super) const KINDS: &[Kind] = &[
    Kind::read("value_string", Inject::Tree(|draft| bad(draft, "\"25.6\""))),
    Kind::read("value_word", Inject::Tree(|draft| bad(draft, "\"n/a\""))),
    Kind::read("value_empty_string", Inject::Tree(|draft| bad(draft, "\"\""))),
    Kind::read("value_null", Inject::Tree(value_null)),
    Kind::read("value_nan", Inject::Tree(|draft| bad(draft, "NaN"))),
    Kind::read("value_infinity", Inject::Tree(|draft| bad(draft, "Infinity"))),
    Kind::read("value_minus_infinity", Inject::Tree(|draft| bad(draft, "-Infinity"))),
    Kind::read("value_overflow", Inject::Tree(|draft| bad(draft, "1e999"))),
    Kind::read("value_object", Inject::Tree(|draft| bad(draft, "{\"raw\":25.6}"))),
    Kind::read("value_array", Inject::Tree(|draft| bad(draft, "[25.6]"))),
    Kind::read("value_bool", Inject::Tree(value_bool)).only(WITH_NUMBER),
    Kind::read("value_absent", Inject::Tree(value_absent)).only(TREES),
    Kind::read("value_exponent", Inject::Tree(|draft| respelled(draft, exponent))).only(WITH_NUMBER),
    Kind::read("value_many_digits", Inject::Tree(|draft| respelled(draft, many_digits))).only(WITH_NUMBER),
    Kind::read("value_below_range", Inject::Tree(|draft| impossible(draft, -1))).only(WITH_NUMBER),
    Kind::read("value_above_range", Inject::Tree(|draft| impossible(draft, 1))).only(WITH_NUMBER),
    Kind::read("switch_word", Inject::Tree(|draft| switch_bad(draft, "\"maybe\""))),
    Kind::read("switch_two", Inject::Tree(|draft| switch_bad(draft, "2"))),
    Kind::read("switch_on_off", Inject::Tree(|draft| switch_respelled(draft, "on/off", ["\"off\"", "\"on\""]))),
    Kind::read("switch_zero_one", Inject::Tree(|draft| switch_respelled(draft, "0/1", ["0", "1"]))),
    Kind::read("status_error", Inject::Tree(|draft| device_fault(draft, "error"))).only(TREES),
    Kind::read("status_fault", Inject::Tree(|draft| device_fault(draft, "fault"))).only(TREES),
    Kind::read("other_unit", Inject::Tree(other_unit)).only(WITH_UNIT).class(Class::OtherUnit),
    Kind::read("unknown_unit", Inject::Tree(unknown_unit)).only(WITH_UNIT).class(Class::OtherUnit),
];

fn bad(draft: &mut Draft<'_>, text: &str) -> bool {
    let Some(sensor) = draft.any_sensor() else { return false };
    draft.expected.bad_value(sensor);
    draft.set_value(sensor, text)
}

fn value_bool(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    draft.expected.bad_value(sensor);
    draft.set_value(sensor, "true")
}

/// A null counts as absent, as everywhere: no flag.
fn value_null(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_sensor() else { return false };
    draft.expected.sensors[sensor] = ExpectedSensor::default();
    draft.set_value(sensor, "null")
}

/// The sensor is there, its value is not: null, and no flag, since no default sensor is required.
fn value_absent(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    draft.expected.sensors[sensor] = ExpectedSensor::default();
    let path = draft.sensor_path(sensor, "value");
    draft.tree.remove(&path).is_some()
}

/// The same number, written otherwise.
fn respelled(draft: &mut Draft<'_>, spelling: fn(i64, u32) -> String) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    let text = spelling(draft.reading.values[sensor], SENSORS[sensor].decimals);
    draft.set_value(sensor, text)
}

/// 22.41 as `2241E-2`.
fn exponent(scaled: i64, decimals: u32) -> String {
    format!("{scaled}E-{decimals}")
}

/// 22.41 as `22.41` and forty zeros, which changes nothing.
fn many_digits(scaled: i64, decimals: u32) -> String {
    let mut text = Vec::new();
    super::super::digits::push_fixed(&mut text, scaled, decimals);
    format!("{}{}", String::from_utf8_lossy(&text), "0".repeat(40))
}

fn impossible(draft: &mut Draft<'_>, sign: i64) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    let spec = &SENSORS[sensor];
    let bound = if sign > 0 { spec.range.1 } else { spec.range.0 };
    #[allow(clippy::cast_possible_truncation)] // ranges are small
    let scaled = (bound * spec.scale).round() as i64 + sign * draft.random.between(1, 100_000);
    draft.reading.values[sensor] = scaled;
    draft.expected.sensors[sensor] = measured(sensor, value_of(sensor, scaled));
    let text = many_digits(scaled, spec.decimals);
    draft.set_value(sensor, text)
}

fn switch_bad(draft: &mut Draft<'_>, text: &str) -> bool {
    if !draft.reading.has(SWITCH) {
        return false;
    }
    draft.expected.bad_value(SWITCH);
    draft.set_value(SWITCH, text)
}

fn switch_respelled(draft: &mut Draft<'_>, unit: &str, spellings: [&str; 2]) -> bool {
    if !draft.reading.has(SWITCH) {
        return false;
    }
    let has_unit = draft.reading.format != crate::batch::Format::Flat;
    if has_unit {
        let path = draft.sensor_path(SWITCH, "unit");
        draft.tree.set(&path, quoted(unit));
    }
    draft.set_value(SWITCH, spellings[usize::from(draft.reading.is_on())])
}

fn device_fault(draft: &mut Draft<'_>, status: &str) -> bool {
    let Some(sensor) = draft.any_sensor() else { return false };
    let expected = &mut draft.expected.sensors[sensor];
    expected.quality = expected.quality.with(Flag::DeviceFault);
    let path = draft.sensor_path(sensor, "status");
    draft.tree.set(&path, quoted(status))
}

/// One of the sensor's own aliases. What is expected is what the contract's formula makes of the text that is sent.
fn other_unit(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    let catalog = draft.catalog;
    let Some(spec) = catalog.sensors.get(sensor).filter(|spec| spec.kind == SensorKind::Number) else { return false };
    let Some(alias) = draft.random.pick(&spec.aliases) else { return false };
    let text = format!("{:.4}", (draft.reading.value(sensor) - alias.offset) / alias.factor);
    let Ok(sent) = text.parse::<f64>() else { return false };
    draft.expected.sensors[sensor] = measured(sensor, sent * alias.factor + alias.offset);
    let path = draft.sensor_path(sensor, "unit");
    draft.tree.set(&path, quoted(&alias.unit)) && draft.set_value(sensor, text)
}

/// A unit of something else: the value is kept as sent, and nobody can say whether it is in range.
fn unknown_unit(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    let value = draft.reading.value(sensor);
    draft.expected.sensors[sensor] = ExpectedSensor { value: Some(value), quality: Flags::GOOD.with(Flag::UnknownUnit) };
    let Some(unit) = draft.random.pick(&["furlong", "°R", "inHg", "ppm", "?"]).copied() else { return false };
    let path = draft.sensor_path(sensor, "unit");
    draft.tree.set(&path, raw(format!("\"{unit}\"")))
}
