use serde_json::Value;

use super::*;
use crate::batch::Hour;

fn record() -> EpochRecord {
    let entry = LedgerEntry { span: Span { start: 10, next: 20 }, consumed: 9, gaps: 1, readings: 5, events: 3, rejects: 1 };
    let segment = EncodedSegment { table: Table::Readings, hour: Hour(492_000), rows: 5, bytes: vec![1, 2, 3], crc32c: u32::MAX };
    EpochRecord {
        version: EpochRecord::VERSION,
        lake: "0198c0de-0000-4000-8000-000000000000".to_owned(),
        writer: "plant.a.0".to_owned(),
        epoch: Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001),
        cluster_id: "abc".to_owned(),
        topic_ids: BTreeMap::from([("device-data".to_owned(), "MkU3OEVBNTcwNTJENDM2Qg".to_owned())]),
        closed_at_ms: 1_795_230_123_000,
        partitions: vec![PartitionEntry::new(&TopicPartition::new("device-data", 3), &entry, false)],
        segments: vec![SegmentEntry::new("readings/date=2026-02-15/hour=00/x.parquet".to_owned(), &segment)],
        windows: Some(WindowsEntry::new(60_000, 5, 0xfeed)),
        rules_version: "none".to_owned(),
    }
}

#[test]
fn a_record_reads_back_as_it_was() {
    let record = record();
    let out = record.to_record(Arc::from("corelane.epochs")).unwrap();
    assert_eq!((&*out.topic, out.partition), ("corelane.epochs", None));
    assert_eq!(out.key.as_deref(), Some(b"plant.a.0".as_slice()));
    assert_eq!(EpochRecord::from_json(&out.value.unwrap()).unwrap(), record);
}

#[test]
fn the_ledger_and_the_table_come_back_typed() {
    let record = record();
    let ledger = record.ledger();
    ledger.check().unwrap();
    assert_eq!(ledger.totals().consumed, 9);
    assert_eq!(ledger.entries[&TopicPartition::new("device-data", 3)].span, Span { start: 10, next: 20 });
    assert_eq!(record.segments[0].table(), Some(Table::Readings));
}

#[test]
fn members_of_later_versions_are_skipped_and_later_versions_refused() {
    let mut json = serde_json::to_value(record()).unwrap();
    json["added_later"] = Value::Bool(true);
    assert_eq!(EpochRecord::from_json(json.to_string().as_bytes()).unwrap(), record());
    json.as_object_mut().unwrap().remove("windows");
    let older = EpochRecord { windows: None, ..record() };
    assert_eq!(EpochRecord::from_json(json.to_string().as_bytes()).unwrap(), older);
    let error = EpochRecord::from_json(br#"{"version": 2, "lake": 5}"#).unwrap_err();
    assert!(matches!(error, EpochRecordError::Version { version: 2 }), "{error}");
    for broken in ["", "[]", "{}", r#"{"version": 1}"#, "\u{0}"] {
        assert!(matches!(EpochRecord::from_json(broken.as_bytes()), Err(EpochRecordError::Json { .. })), "{broken:?}");
    }
}

/// Checks that `value` has exactly the members that the schema requires, each of the type that it states, all the way down.
fn agree(schema: &Value, value: &Value, place: &str) {
    let kind = schema["type"].as_str().unwrap_or_else(|| panic!("{place}: the schema states no type"));
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("{place}: type {other}"),
    };
    assert!(fits, "{place}: {value} is no {kind}");
    if let Some(items) = value.as_array() {
        assert!(!items.is_empty(), "{place}: nothing to check");
        for (index, item) in items.iter().enumerate() {
            agree(&schema["items"], item, &format!("{place}[{index}]"));
        }
    }
    let (Some(members), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return };
    let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut written: Vec<_> = members.keys().map(String::as_str).collect();
    required.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, required, "{place}");
    assert_eq!(properties.len(), required.len(), "{place}: a property that is not required");
    for (name, member) in members {
        agree(&properties[name], member, &format!("{place}.{name}"));
    }
}

#[test]
fn the_schema_requires_what_is_written() {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/schemas/epoch.v1.json")).unwrap();
    agree(&schema, &serde_json::to_value(record()).unwrap(), "record");
    assert_eq!(schema["properties"]["version"]["const"], EpochRecord::VERSION);
}
