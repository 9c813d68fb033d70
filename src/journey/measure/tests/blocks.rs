//! As many sensors as one likes: each is measured as if there were no other.

use std::sync::Arc;

use arrow::array::{BooleanArray, Float64Array, UInt32Array};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{Measurer, Reading, Windows, batch, catalog};
use crate::batch::{
    Dictionaries, MeasuredParts, SensorCatalog, SensorColumns, SensorKind, SensorSpec, SensorValues, TopicPartition,
};

const WINDOWS: Windows =
    Windows { size_ms: 1_000, rolling: 2, grace_ms: 0, future_skew_ms: 10, age_max_ms: 10_000, devices_max: 100 };

/// Value and flags of a sensor.
type Value = (Option<f64>, u16);

fn is_boolean(sensor: usize) -> bool {
    sensor % 3 == 2
}

fn columns(values: &[Value], is_boolean: bool) -> SensorColumns {
    let none = || UInt32Array::new_null(values.len());
    let only = values.iter().map(|(value, _)| *value);
    let bits = || only.clone().map(|value| value.map(|value| value != 0.0));
    let values_of = if is_boolean {
        SensorValues::Boolean(bits().collect::<BooleanArray>())
    } else {
        SensorValues::Number(only.clone().collect::<Float64Array>())
    };
    SensorColumns { values: values_of, unit: none(), status: none(), quality: values.iter().map(|value| value.1).collect() }
}

/// Three windows of readings, some of them out of order.
fn readings(rng: &mut StdRng) -> Vec<Reading> {
    let reading = |offset: i64, rng: &mut StdRng| Reading {
        offset,
        kafka_ms: Some(offset * 10),
        // No two are alike, so that none is a repeat.
        event_us: (offset * 10 - rng.random_range(0..9) * 10).max(0) * 1_000 + offset,
        device: format!("d{}", rng.random_range(0..4)),
        building: Some(["A", "B"][rng.random_range(0..2)]),
        ..Reading::default()
    };
    (0..300).map(|offset| reading(offset, rng)).collect()
}

/// Everything that is said of the sensor `name`, as text, by subject.
fn said(parts: &MeasuredParts, name: &str) -> Vec<String> {
    let mut said = Vec::new();
    for columns in &parts.aggregates {
        for row in (0..columns.len()).filter(|row| columns.sensor.value(*row) == name) {
            let one = |text: String| said_of(&columns.measures, row, text);
            said.push(one(format!(
                "{} {:?} {:?} {:?} {:?}",
                columns.device_id.value(row),
                columns.part.window_start.value(row),
                columns.time_weighted_mean.slice(row, 1),
                columns.transitions.slice(row, 1),
                columns.time_on_us.slice(row, 1)
            )));
        }
    }
    for columns in &parts.groups {
        for row in (0..columns.len()).filter(|row| columns.sensor.value(*row) == name) {
            let text = format!("{} {:?}", columns.building.value(row), columns.buckets.value(row));
            said.push(said_of(&columns.measures, row, text));
        }
    }
    said.sort();
    said
}

fn said_of(measures: &crate::batch::MeasureColumns, row: usize, text: String) -> String {
    let floats = [&measures.mean, &measures.m2, &measures.min, &measures.max, &measures.first, &measures.last];
    let bits: Vec<String> = floats.map(|column| format!("{:?}", column.slice(row, 1))).into();
    format!(
        "{text} {:?} {:?} {:?} {:?} {:?} {:?} {bits:?}",
        measures.count.value(row),
        measures.count_bad.value(row),
        measures.first_time.slice(row, 1),
        measures.last_time.slice(row, 1),
        measures.rolling_mean.slice(row, 1),
        measures.rolling_stddev.slice(row, 1),
    )
}

fn measured(catalog: Arc<SensorCatalog>, readings: &[Reading], sensors: Vec<SensorColumns>) -> MeasuredParts {
    let source = TopicPartition::new("t", 0);
    let mut dictionaries = Dictionaries::default();
    let mut measurer = Measurer::new(WINDOWS, catalog);
    let mut batch = batch(&source, readings, &mut dictionaries);
    batch.readings.sensors = sensors;
    let mut parts = MeasuredParts::none(source.clone());
    for (row, reading) in readings.iter().enumerate() {
        parts.append(measurer.measure_rows(&mut batch, row..row + 1, &dictionaries, reading.kafka_ms).parts);
    }
    assert!(batch.readings.quality.iter().all(|quality| *quality == 0));
    parts.append(measurer.drain(&source));
    parts
}

#[test]
fn each_of_many_sensors_is_measured_as_if_it_were_alone() {
    let mut rng = StdRng::seed_from_u64(9);
    for count in (1..=9).chain([11, 16, 19]) {
        let readings = readings(&mut rng);
        let mut value = |is_boolean: bool| {
            let value = if is_boolean { f64::from(rng.random_range(0..2)) } else { f64::from(rng.random_range(-50..50)) / 7.0 };
            let flags = if rng.random_bool(0.05) { 1 << rng.random_range(0..5) } else { 0 };
            (rng.random_bool(0.97).then_some(value), flags)
        };
        let values: Vec<Vec<Value>> =
            (0..count).map(|sensor| readings.iter().map(|_| value(is_boolean(sensor))).collect()).collect();
        let spec = |sensor: usize| SensorSpec {
            name: format!("s{sensor}"),
            unit: String::new(),
            kind: if is_boolean(sensor) { SensorKind::Boolean } else { SensorKind::Number },
            range: None,
            required: false,
            aliases: Vec::new(),
        };
        let catalog_of_all = Arc::new(SensorCatalog { sensors: (0..count).map(spec).collect() });
        let of_all = values.iter().enumerate().map(|(sensor, values)| columns(values, is_boolean(sensor))).collect();
        let all = measured(catalog_of_all, &readings, of_all);
        for (sensor, values) in values.iter().enumerate() {
            // Beside it a sensor that says nothing.
            let nothing: Vec<Value> = values.iter().map(|_| (None, 0)).collect();
            let pair = [(values, false), (&nothing, true)];
            let pair = if is_boolean(sensor) { [(&nothing, false), (values, true)] } else { pair };
            let alone = measured(catalog(), &readings, pair.map(|(values, is_boolean)| columns(values, is_boolean)).into());
            let expected = said(&alone, super::SENSORS[usize::from(is_boolean(sensor))]);
            assert!(expected.len() > 10);
            assert_eq!(said(&all, &format!("s{sensor}")), expected, "sensor {sensor} of {count}");
        }
    }
}
