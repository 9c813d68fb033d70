//! Every rule, on columns made by hand.

use std::sync::Arc;

use arrow::array::{
    BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    UInt8Array, UInt32Array,
};
use proptest::prelude::*;

use super::{InspectSettings, Inspector};
use crate::batch::{
    DecodedBatch, Dictionaries, EventColumns, Flag, Flags, InspectedBatch, ReadingColumns, SensorCatalog, SensorColumns,
    SensorValues, Span, TopicPartition,
};

const KAFKA_TIME_MS: i64 = 1_763_650_000_000;
const FUTURE_SKEW_MS: i64 = 30_000;
const AGE_MAX_MS: i64 = 7 * 86_400_000;

const TEMPERATURE: usize = 0;
const HUMIDITY: usize = 1;
const PRESSURE: usize = 2;
const CURRENT: usize = 3;
const SWITCH: usize = 4;

/// What one sensor of one row was decoded to.
#[derive(Clone, Copy, Default)]
struct Sent<'a> {
    value: Option<f64>,
    unit: Option<&'a str>,
    status: Option<&'a str>,
    quality: u16,
}

fn value(value: f64) -> Sent<'static> {
    Sent { value: Some(value), ..Sent::default() }
}

fn in_unit(number: f64, unit: &str) -> Sent<'_> {
    Sent { unit: Some(unit), ..value(number) }
}

fn texts(rows: usize) -> StringArray {
    StringArray::new_null(rows)
}

fn keys(rows: usize) -> UInt32Array {
    UInt32Array::new_null(rows)
}

fn no_events() -> EventColumns {
    EventColumns {
        offset: Int64Array::new_null(0),
        kafka_time: TimestampMillisecondArray::new_null(0),
        event_time: TimestampMicrosecondArray::new_null(0),
        event_type: texts(0),
        message_id: texts(0),
        device_id: texts(0),
        source: texts(0),
        alert_id: texts(0),
        alert_type: texts(0),
        severity: texts(0),
        title: texts(0),
        message: texts(0),
        status: texts(0),
        priority: texts(0),
        payload: texts(0),
    }
}

fn sensor_columns(index: usize, sent: &[Sent<'_>], dictionaries: &mut Dictionaries) -> SensorColumns {
    let values = sent.iter().map(|sent| sent.value);
    SensorColumns {
        values: if index == SWITCH {
            SensorValues::Boolean(values.map(|value| value.map(|value| value != 0.0)).collect::<BooleanArray>())
        } else {
            SensorValues::Number(values.collect::<Float64Array>())
        },
        unit: sent.iter().map(|sent| sent.unit.map(|unit| dictionaries.units.intern(unit))).collect(),
        status: sent.iter().map(|sent| sent.status.map(|word| dictionaries.sensor_statuses.intern(word))).collect(),
        quality: sent.iter().map(|sent| sent.quality).collect(),
    }
}

/// A batch whose rows differ in one sensor and in their times only.
fn batch(index: usize, sent: &[Sent<'_>], times: &[(i64, Option<i64>)], dictionaries: &mut Dictionaries) -> DecodedBatch {
    let rows = sent.len();
    let absent = vec![Sent::default(); rows];
    let sensors =
        (0..5).map(|sensor| sensor_columns(sensor, if sensor == index { sent } else { &absent }, dictionaries)).collect();
    let readings = ReadingColumns {
        offset: (0_i64..).take(rows).collect::<Int64Array>(),
        kafka_time: times.iter().map(|time| time.1).collect::<TimestampMillisecondArray>(),
        event_time: times.iter().map(|time| Some(time.0)).collect::<TimestampMicrosecondArray>(),
        device: keys(rows),
        device_type: keys(rows),
        building: keys(rows),
        floor: Int32Array::new_null(rows),
        room: keys(rows),
        zone: keys(rows),
        model: keys(rows),
        firmware: keys(rows),
        battery: Float64Array::new_null(rows),
        signal_strength: Float64Array::new_null(rows),
        status: keys(rows),
        message_id: texts(rows),
        source: keys(rows),
        sensors,
        quality: vec![0; rows],
        extra: texts(rows),
        format: UInt8Array::from(vec![0; rows]),
    };
    let source = TopicPartition::new("t", 0);
    DecodedBatch { source, span: Span::empty_at(0), ingest_time_us: 0, readings, events: no_events(), rejects: Vec::new() }
}

fn inspector(catalog: SensorCatalog) -> Inspector {
    Inspector::new(InspectSettings { catalog: Arc::new(catalog), future_skew_ms: FUTURE_SKEW_MS, age_max_ms: AGE_MAX_MS })
}

/// What the rows of one sensor become: value and flags.
fn results(batch: &InspectedBatch, index: usize) -> Vec<(Option<f64>, String)> {
    let columns = &batch.readings.sensors[index];
    let values: Vec<Option<f64>> = match &columns.values {
        SensorValues::Number(values) => values.iter().collect(),
        SensorValues::Boolean(values) => values.iter().map(|value| value.map(f64::from)).collect(),
    };
    values.into_iter().zip(columns.quality.iter().map(|&mask| Flags(mask).to_string())).collect()
}

fn inspected_by(inspector: &mut Inspector, index: usize, sent: &[Sent<'_>]) -> Vec<(Option<f64>, String)> {
    let mut dictionaries = Dictionaries::default();
    let times = vec![(KAFKA_TIME_MS * 1_000, Some(KAFKA_TIME_MS)); sent.len()];
    let decoded = batch(index, sent, &times, &mut dictionaries);
    results(&inspector.inspect(decoded, &dictionaries), index)
}

fn inspected(index: usize, sent: &[Sent<'_>]) -> Vec<(Option<f64>, String)> {
    inspected_by(&mut inspector(SensorCatalog::default()), index, sent)
}

fn good(value: f64) -> (Option<f64>, String) {
    (Some(value), "good".to_owned())
}

#[test]
fn a_value_in_another_unit_is_turned_into_the_sensors_own() {
    let close = |index, sent: &[Sent<'_>], expected: &[f64]| {
        for ((value, quality), expected) in inspected(index, sent).into_iter().zip(expected) {
            assert_eq!(quality, "good");
            assert!((value.unwrap() - expected).abs() <= expected.abs() * 1e-14 + 1e-13, "{value:?} {expected}");
        }
    };
    let degrees = [in_unit(22.5, "°C"), in_unit(-40.0, "°F"), in_unit(212.0, "°F"), in_unit(273.15, "K"), value(3.0)];
    close(TEMPERATURE, &degrees, &[22.5, -40.0, 100.0, 0.0, 3.0]);
    let pressures =
        [in_unit(101_325.0, "Pa"), in_unit(101.325, "kPa"), in_unit(1.0, "bar"), in_unit(990.0, "mbar"), in_unit(14.5, "psi")];
    close(PRESSURE, &pressures, &[1013.25, 1013.25, 1000.0, 990.0, 999.739_807_509_36]);
    close(CURRENT, &[in_unit(2500.0, "mA"), in_unit(0.5, "kA")], &[2.5, 500.0]);
}

#[test]
fn the_own_unit_and_no_unit_leave_every_bit() {
    let sent = [in_unit(-0.0, "°C"), value(-0.0), in_unit(-0.0, ""), in_unit(273.15, "K")];
    let bits: Vec<u64> = inspected(TEMPERATURE, &sent).iter().map(|row| row.0.unwrap().to_bits()).collect();
    assert_eq!(bits[..3], [(-0.0_f64).to_bits(); 3]);
}

#[test]
fn an_unknown_unit_is_flagged_and_the_value_kept_as_sent() {
    let sent = [in_unit(500.0, "furlong"), in_unit(1.0, "°c"), in_unit(5.0, "°C")];
    let unknown = |value| (Some(value), "unknown_unit".to_owned());
    assert_eq!(inspected(TEMPERATURE, &sent), [unknown(500.0), unknown(1.0), good(5.0)]);
    assert_eq!(inspected(SWITCH, &[in_unit(1.0, "V"), in_unit(0.0, "on/off")]), [unknown(1.0), good(0.0)]);
}

#[test]
fn a_value_that_overflows_in_conversion_is_a_bad_value() {
    assert_eq!(inspected(CURRENT, &[in_unit(f64::MAX, "kA")]), [(None, "bad_value".to_owned())]);
}

#[test]
fn a_value_outside_of_the_physical_range_is_flagged_and_kept() {
    let out = |value| (Some(value), "out_of_range".to_owned());
    let sent = [-60.0, 150.0, -60.000_000_000_000_01, 150.000_000_000_000_03, f64::MIN, f64::MAX].map(value);
    let expected =
        [good(-60.0), good(150.0), out(-60.000_000_000_000_01), out(150.000_000_000_000_03), out(f64::MIN), out(f64::MAX)];
    assert_eq!(inspected(TEMPERATURE, &sent), expected);
    // The range is that of the sensor's own unit.
    let degrees = inspected(TEMPERATURE, &[in_unit(200.0, "°F"), in_unit(200.0, "K"), in_unit(400.0, "°F")]);
    assert_eq!(degrees.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), ["good", "out_of_range", "out_of_range"]);
    assert_eq!(inspected(SWITCH, &[value(1.0)]), [good(1.0)]);
}

#[test]
fn the_slot_of_a_null_is_not_out_of_range() {
    // 0 is out of the range of a pressure, and it is what stands in the slot.
    assert_eq!(inspected(PRESSURE, &[Sent::default(), value(0.0)])[0], (None, "good".to_owned()));
    assert_eq!(inspected(PRESSURE, &[Sent::default(), value(0.0)])[1], (Some(0.0), "out_of_range".to_owned()));
}

#[test]
fn a_required_sensor_that_is_absent_is_flagged_missing() {
    let mut catalog = SensorCatalog::default();
    catalog.sensors[HUMIDITY].required = true;
    catalog.sensors[SWITCH].required = true;
    let bad = Sent { quality: Flag::BadValue.mask(), ..Sent::default() };
    for index in [HUMIDITY, SWITCH] {
        let rows = inspected_by(&mut inspector(catalog.clone()), index, &[value(1.0), Sent::default(), bad]);
        assert_eq!(rows, [good(1.0), (None, "missing".to_owned()), (None, "bad_value".to_owned())]);
    }
    assert_eq!(inspected(HUMIDITY, &[Sent::default()]), [(None, "good".to_owned())]);
}

#[test]
fn a_sensor_that_its_device_calls_faulty_is_flagged_and_its_value_kept() {
    let words = ["error", "fault", "ERROR", "Fault", "normal", "errors", ""];
    let sent = words.map(|word| Sent { status: Some(word), ..value(20.0) });
    let flags: Vec<String> = inspected(TEMPERATURE, &sent).into_iter().map(|row| row.1).collect();
    assert_eq!(flags, ["device_fault", "device_fault", "device_fault", "device_fault", "good", "good", "good"]);
    assert_eq!(inspected(TEMPERATURE, &sent)[0].0, Some(20.0));
    assert_eq!(inspected(SWITCH, &[Sent { status: Some("error"), ..value(1.0) }]), [(Some(1.0), "device_fault".to_owned())]);
}

#[test]
fn rules_add_up() {
    let sent = Sent { status: Some("fault"), ..in_unit(900.0, "K") };
    assert_eq!(inspected(TEMPERATURE, &[sent])[0].1, "out_of_range|device_fault");
}

/// The flags of the message for an event time beside a Kafka time.
fn trust(event_time_us: i64, kafka_time_ms: Option<i64>) -> String {
    let mut dictionaries = Dictionaries::default();
    let decoded = batch(TEMPERATURE, &[value(1.0)], &[(event_time_us, kafka_time_ms)], &mut dictionaries);
    let inspected = inspector(SensorCatalog::default()).inspect(decoded, &dictionaries);
    Flags(inspected.readings.quality[0]).to_string()
}

#[test]
fn a_time_after_the_kafka_time_is_flagged_future_time() {
    let limit = (KAFKA_TIME_MS + FUTURE_SKEW_MS) * 1_000;
    assert_eq!(trust(limit, Some(KAFKA_TIME_MS)), "good");
    assert_eq!(trust(limit + 1, Some(KAFKA_TIME_MS)), "future_time");
    assert_eq!(trust(i64::MAX, Some(KAFKA_TIME_MS)), "future_time");
}

#[test]
fn a_time_long_before_the_kafka_time_is_flagged_old_time() {
    let limit = (KAFKA_TIME_MS - AGE_MAX_MS) * 1_000;
    assert_eq!(trust(limit, Some(KAFKA_TIME_MS)), "good");
    assert_eq!(trust(limit - 1, Some(KAFKA_TIME_MS)), "old_time");
    assert_eq!(trust(i64::MIN, Some(KAFKA_TIME_MS)), "old_time");
}

#[test]
fn a_record_without_kafka_time_is_flagged() {
    assert_eq!(trust(KAFKA_TIME_MS * 1_000, None), "no_kafka_time");
}

#[test]
fn flags_of_decode_are_kept() {
    let mut dictionaries = Dictionaries::default();
    let mut decoded = batch(TEMPERATURE, &[value(1.0)], &[(KAFKA_TIME_MS * 1_000, None)], &mut dictionaries);
    decoded.readings.quality[0] = Flag::DuplicateKey.mask();
    let inspected = inspector(SensorCatalog::default()).inspect(decoded, &dictionaries);
    assert_eq!(Flags(inspected.readings.quality[0]).to_string(), "duplicate_key|no_kafka_time");
}

#[test]
fn caches_follow_the_dictionaries_when_they_grow_and_when_they_are_emptied() {
    let mut inspector = inspector(SensorCatalog::default());
    let mut dictionaries = Dictionaries::default();
    let mut flags = |dictionaries: &mut Dictionaries, unit: &str, word: &str| {
        let sent = Sent { status: Some(word), ..in_unit(100.0, unit) };
        let decoded = batch(TEMPERATURE, &[sent], &[(KAFKA_TIME_MS * 1_000, Some(KAFKA_TIME_MS))], dictionaries);
        results(&inspector.inspect(decoded, dictionaries), TEMPERATURE).remove(0).1
    };
    assert_eq!(flags(&mut dictionaries, "°C", "ok"), "good");
    assert_eq!(flags(&mut dictionaries, "smoot", "error"), "unknown_unit|device_fault");
    dictionaries.trim(0);
    assert_eq!(flags(&mut dictionaries, "smoot", "error"), "unknown_unit|device_fault");
    assert_eq!(flags(&mut dictionaries, "°C", "ok"), "good");
}

proptest! {
    /// One row at a time, by the words of the contract.
    #[test]
    fn columns_say_what_a_plain_reading_of_the_contract_says(
        rows in prop::collection::vec(
            (
                prop::option::of(prop_oneof![-1e3..1e3_f64, Just(f64::MAX), Just(-60.0)]),
                prop::option::of(prop::sample::select(vec!["°C", "°F", "K", "R", ""])),
                prop::option::of(prop::sample::select(vec!["normal", "Error", "fault"])),
            ),
            0..40,
        ),
    ) {
        let sent: Vec<Sent<'_>> = rows.iter().map(|&(value, unit, status)| Sent { value, unit, status, quality: 0 }).collect();
        let mut expected = Vec::new();
        for &(value, unit, status) in &rows {
            let mut flags = Flags::GOOD;
            let (factor, offset) = match unit {
                Some("°F") => (5.0 / 9.0, -160.0 / 9.0),
                Some("K") => (1.0, -273.15),
                _ => (1.0, 0.0),
            };
            let value = value.map(|value| value * factor + offset);
            if unit == Some("R") {
                flags = flags.with(Flag::UnknownUnit);
            } else if value.is_some_and(|value| !(-60.0..=150.0).contains(&value)) {
                flags = flags.with(Flag::OutOfRange);
            }
            if matches!(status, Some("Error" | "fault")) {
                flags = flags.with(Flag::DeviceFault);
            }
            expected.push((value, flags.to_string()));
        }
        prop_assert_eq!(inspected(TEMPERATURE, &sent), expected);
    }
}
