use arrow::array::{BooleanArray, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray};
use serde_json::{Value, json};

use super::*;
use crate::batch::{MeasureColumns, PartColumns, TopicPartition};

/// Two sensors of `d1`, one of `d2`, and `d1` again in another part.
fn columns() -> AggregateColumns {
    let number = |value: f64| Float64Array::from(vec![Some(value), None, Some(f64::INFINITY), Some(value)]);
    let time = |value: i64| TimestampMicrosecondArray::from(vec![Some(value), None, Some(value), Some(value)]);
    AggregateColumns {
        part: PartColumns {
            window_start: TimestampMicrosecondArray::from_value(60_000_000, 4),
            window_end: TimestampMicrosecondArray::from_value(120_000_000, 4),
            on_time: BooleanArray::from(vec![true, true, true, false]),
            partial: BooleanArray::from(vec![false; 4]),
            offset_from: Int64Array::from(vec![7, 7, 7, 90]),
            offset_to: Int64Array::from(vec![90, 90, 90, 95]),
        },
        device_id: StringArray::from(vec!["d1", "d1", "d2", "d1"]),
        building: StringArray::from(vec![Some("A"), Some("A"), None, None]),
        floor: Int32Array::from(vec![Some(2), Some(2), None, None]),
        room: StringArray::from(vec![None::<&str>; 4]),
        sensor: StringArray::from(vec!["temperature", "switch_status", "temperature", "temperature"]),
        measures: MeasureColumns {
            count: Int64Array::from(vec![3, 0, 1, 1]),
            count_bad: Int64Array::from(vec![0, 2, 0, 0]),
            mean: number(1.5),
            m2: number(0.25),
            min: number(-1.0),
            max: number(4.0),
            first: number(0.1),
            last: number(0.2),
            first_time: time(60_000_001),
            last_time: time(119_999_999),
            rolling_mean: Float64Array::from(vec![Some(1.25), None, Some(1.0), None]),
            rolling_stddev: Float64Array::from(vec![Some(0.5), None, Some(0.0), None]),
            rolling_windows: Int32Array::from(vec![Some(2), Some(0), Some(1), None]),
        },
        time_weighted_mean: Float64Array::from(vec![Some(1.75), None, None, None]),
        transitions: Int64Array::from(vec![None, Some(4), None, None]),
        time_on_us: Int64Array::from(vec![None, Some(500), None, None]),
    }
}

fn records() -> Vec<OutRecord> {
    let mut parts = MeasuredParts::none(TopicPartition::new("device-data", 3));
    parts.aggregates.push(columns());
    let mut out = Vec::new();
    aggregate_records(&parts, &Arc::from("corelane.aggregates"), &mut out).unwrap();
    out
}

fn value(record: &OutRecord) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

#[test]
fn a_part_of_a_device_is_one_record_with_all_its_sensors() {
    let records = records();
    let keys: Vec<_> = records.iter().map(|record| record.key.as_deref().unwrap()).collect();
    assert_eq!(keys, [b"d1", b"d2", b"d1"]);
    assert!(records.iter().all(|record| &*record.topic == "corelane.aggregates" && record.partition.is_none()));
    let expected = json!({
        "version": 1, "device_id": "d1", "window_start_ms": 60_000, "window_end_ms": 120_000,
        "building": "A", "floor": 2, "room": null, "on_time": true, "partial": false,
        "topic": "device-data", "partition": 3, "offset_from": 7, "offset_to": 90,
        "sensors": {
            "temperature": {
                "count": 3, "count_bad": 0, "mean": 1.5, "m2": 0.25, "min": -1.0, "max": 4.0, "first": 0.1, "last": 0.2,
                "first_time_us": 60_000_001, "last_time_us": 119_999_999, "time_weighted_mean": 1.75,
                "rolling_mean": 1.25, "rolling_stddev": 0.5, "rolling_windows": 2
            },
            "switch_status": {
                "count": 0, "count_bad": 2, "mean": null, "m2": null, "min": null, "max": null, "first": null, "last": null,
                "first_time_us": null, "last_time_us": null, "time_weighted_mean": null,
                "transitions": 4, "time_on_us": 500, "rolling_windows": 0
            }
        }
    });
    assert_eq!(value(&records[0]), expected);
}

#[test]
fn a_number_that_is_not_finite_is_null() {
    assert_eq!(value(&records()[1])["sensors"]["temperature"]["mean"], Value::Null);
}

#[test]
fn a_late_part_has_no_rolling_values() {
    let late = value(&records()[2]);
    assert_eq!((&late["on_time"], &late["offset_from"]), (&json!(false), &json!(90)));
    assert!(late["sensors"]["temperature"].get("rolling_windows").is_none());
}

#[test]
fn the_schema_names_every_member_and_asks_for_what_is_always_there() {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/schemas/aggregate.v1.json")).unwrap();
    let agree = |schema: &Value, objects: &[&Value]| {
        let known: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        for object in objects {
            let object = object.as_object().unwrap();
            assert!(object.keys().all(|name| known.contains(&name)), "{object:?}");
            assert!(required.iter().all(|name| object.contains_key(*name)), "{object:?}");
        }
        let used = |name: &&&String| objects.iter().any(|object| object.get(name.as_str()).is_some());
        assert_eq!(known.iter().filter(used).count(), known.len(), "a member of the schema that nobody writes");
    };
    let values: Vec<Value> = records().iter().map(value).collect();
    agree(&schema, &values.iter().collect::<Vec<_>>());
    let sensors: Vec<&Value> = values.iter().flat_map(|value| value["sensors"].as_object().unwrap().values()).collect();
    agree(&schema["properties"]["sensors"]["additionalProperties"], &sensors);
}
