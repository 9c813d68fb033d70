use super::*;
use crate::batch::{EventColumns, Headers, RawHeaders, ReadingColumns, RejectReason, Span};
use arrow::array::{
    Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray, UInt8Array,
    UInt32Array,
};

struct List(Vec<(&'static str, Option<Vec<u8>>)>);

impl RawHeaders for List {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for (name, value) in &self.0 {
            visit(name, value.as_deref());
        }
    }
}

fn no_readings() -> ReadingColumns {
    let (ids, text) = (UInt32Array::new_null(0), StringArray::new_null(0));
    ReadingColumns {
        offset: Int64Array::new_null(0),
        kafka_time: TimestampMillisecondArray::new_null(0),
        event_time: TimestampMicrosecondArray::new_null(0),
        device: ids.clone(),
        device_type: ids.clone(),
        building: ids.clone(),
        floor: Int32Array::new_null(0),
        room: ids.clone(),
        zone: ids.clone(),
        model: ids.clone(),
        firmware: ids.clone(),
        battery: Float64Array::new_null(0),
        signal_strength: Float64Array::new_null(0),
        status: ids.clone(),
        message_id: text.clone(),
        source: ids,
        sensors: vec![],
        quality: vec![],
        extra: text,
        format: UInt8Array::new_null(0),
    }
}

fn no_events() -> EventColumns {
    let text = StringArray::new_null(0);
    EventColumns {
        offset: Int64Array::new_null(0),
        kafka_time: TimestampMillisecondArray::new_null(0),
        event_time: TimestampMicrosecondArray::new_null(0),
        event_type: text.clone(),
        message_id: text.clone(),
        device_id: text.clone(),
        source: text.clone(),
        alert_id: text.clone(),
        alert_type: text.clone(),
        severity: text.clone(),
        title: text.clone(),
        message: text.clone(),
        status: text.clone(),
        priority: text.clone(),
        payload: text,
    }
}

fn letters(reason: RejectReason, row: RawRow<'_>, bytes_max: usize) -> Vec<OutRecord> {
    let source = TopicPartition::new("device-data", 7);
    let batch = InspectedBatch {
        source: source.clone(),
        span: Span { start: row.offset, next: row.offset + 1 },
        ingest_time_us: 0,
        readings: no_readings(),
        events: no_events(),
        rejects: vec![RejectRow { row: 0, offset: row.offset, kafka_time_ms: 0, reason, detail: String::new() }],
    };
    let raw = RawBatch { source, rows: vec![row], ingest_time_us: 0, stamped_by_broker: false };
    let settings = PublishSettings { rejects_topic: Arc::from("corelane.rejects"), bytes_max };
    let mut out = Vec::new();
    dead_letters(&batch, &raw, &settings, &mut out);
    out
}

fn row<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a List) -> RawRow<'a> {
    RawRow { offset: 4711, kafka_time_ms: 0, key, value, headers: Headers(headers) }
}

fn shown(letter: &OutRecord) -> Vec<(&str, Option<&str>)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    letter.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref().map(text))).collect()
}

const OURS: [(&str, Option<&str>); 4] = [
    ("corelane-reason", Some("invalid_json")),
    ("corelane-topic", Some("device-data")),
    ("corelane-partition", Some("7")),
    ("corelane-offset", Some("4711")),
];

/// Bytes that the record takes on the wire at most.
fn wire_bytes(letter: &OutRecord) -> usize {
    letter.bytes() + RECORD_OVERHEAD_BYTES + letter.headers.len() * HEADER_OVERHEAD_BYTES
}

#[test]
fn a_letter_is_the_message_with_where_from_and_why() {
    let headers = List(vec![("trace", Some(b"abc".to_vec())), ("empty", None), ("corelane-reason", Some(b"older".to_vec()))]);
    let out = letters(RejectReason::InvalidJson, row(Some(b"dev-1"), Some(b"{\xff"), &headers), 1 << 20);
    assert_eq!(out.len(), 1);
    let letter = &out[0];
    assert_eq!((&*letter.topic, letter.partition), ("corelane.rejects", None));
    assert_eq!(letter.key.as_deref(), Some(b"dev-1".as_slice()));
    assert_eq!(letter.value.as_deref(), Some(b"{\xff".as_slice()));
    let own = [("trace", Some("abc")), ("empty", None), ("corelane-reason", Some("older"))];
    assert_eq!(shown(letter), own.into_iter().chain(OURS).collect::<Vec<_>>());
}

#[test]
fn a_tombstone_stays_one_and_an_expired_message_has_no_letter() {
    let headers = List(vec![]);
    let out = letters(RejectReason::Tombstone, row(None, None, &headers), 1 << 20);
    assert_eq!((&out[0].key, &out[0].value), (&None, &None));
    assert_eq!(shown(&out[0])[0], ("corelane-reason", Some("tombstone")));
    assert_eq!(letters(RejectReason::Expired, row(None, Some(b"{}"), &headers), 1 << 20), []);
}

#[test]
fn a_value_that_does_not_fit_is_cut_to_the_last_byte_that_does() {
    let headers = List(vec![("trace", Some(b"abc".to_vec()))]);
    let value = vec![b'x'; 5_000];
    let whole = letters(RejectReason::InvalidJson, row(Some(b"k"), Some(&value), &headers), 1 << 20);
    let fits = wire_bytes(&whole[0]);
    assert_eq!(letters(RejectReason::InvalidJson, row(Some(b"k"), Some(&value), &headers), fits), whole);
    for bytes_max in [fits - 1, 1_000] {
        let cut = &letters(RejectReason::InvalidJson, row(Some(b"k"), Some(&value), &headers), bytes_max)[0];
        assert_eq!(wire_bytes(cut), bytes_max);
        let kept = cut.value.as_deref().unwrap();
        assert_eq!(kept, &value[..kept.len()]);
        assert_eq!(cut.headers[0].0, "trace", "the message's own headers stay");
        assert_eq!(shown(cut).last(), Some(&("corelane-cut", Some("5000"))));
    }
}

#[test]
fn headers_go_before_a_small_value_does() {
    let headers = List(vec![("large", Some(vec![b'h'; 3_000])), ("other", None)]);
    let letter = &letters(RejectReason::InvalidJson, row(Some(b"k"), Some(b"{"), &headers), 1_000)[0];
    assert_eq!(letter.value.as_deref(), Some(b"{".as_slice()));
    assert_eq!(shown(letter), OURS.into_iter().chain([("corelane-cut-headers", Some("2"))]).collect::<Vec<_>>());
}

#[test]
fn a_key_is_cut_last_and_every_letter_fits() {
    let key = vec![b'k'; 4_000];
    let headers = List(vec![("large", Some(vec![b'h'; 3_000]))]);
    let letter = &letters(RejectReason::InvalidJson, row(Some(&key), Some(&key), &headers), 1_000)[0];
    assert_eq!(wire_bytes(letter), 1_000);
    assert_eq!(letter.value.as_deref(), Some(b"".as_slice()));
    let cuts = [("corelane-cut", Some("4000")), ("corelane-cut-headers", Some("1")), ("corelane-cut-key", Some("4000"))];
    assert_eq!(shown(letter), OURS.into_iter().chain(cuts).collect::<Vec<_>>());
    let tombstone = &letters(RejectReason::Tombstone, row(Some(&key), None, &headers), 1_000)[0];
    assert_eq!(tombstone.value, None);
    assert!(wire_bytes(tombstone) <= 1_000);
    assert!(!tombstone.headers.iter().any(|(name, _)| name == CUT));
}

#[test]
fn the_schema_names_the_headers_that_letters_have() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../../docs/schemas/dead_letter.v1.json")).unwrap();
    let required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(required, OURS.map(|(name, _)| name));
    let reasons: Vec<_> =
        schema["properties"]["corelane-reason"]["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let ours: Vec<_> = RejectReason::ALL.iter().filter(|reason| reason.keeps_bytes()).map(|reason| reason.name()).collect();
    assert_eq!(reasons, ours);
    let mut optional: Vec<_> =
        schema["properties"].as_object().unwrap().keys().filter(|name| !required.contains(&name.as_str())).collect();
    optional.sort();
    assert_eq!(optional, ["corelane-cut", "corelane-cut-headers", "corelane-cut-key"]);
}
