//! Envelopes: readings and events.

use super::{ENVELOPE, Landed, land};

#[test]
fn a_heartbeat_is_an_event_with_its_members_in_the_payload_or_in_an_object_of_its_name() {
    let flat = land(
        r#"{"message_id":"m","message_type":"heartbeat","timestamp":1763650000,"source":"gw",
            "payload":{"device_id":"d","status":"alive","timestamp":1763650001,"uptime_s": 5}, "priority":"low"}"#,
    );
    assert!(matches!(flat, Landed::Event(_)));
    assert_eq!(flat.column("event_type"), "heartbeat");
    assert_eq!(flat.column("event_time"), "1763650001000000");
    assert_eq!((flat.column("device_id"), flat.column("status")), ("d", "alive"));
    assert_eq!((flat.column("source"), flat.column("priority")), ("gw", "low"));
    assert_eq!(flat.column("payload"), r#"{"device_id":"d","status":"alive","timestamp":1763650001,"uptime_s":5}"#);

    let inner = land(
        r#"{"message_id":"m","message_type":"heartbeat","timestamp":1763650000,
            "payload":{"heartbeat":{"device_id":"inner","timestamp":1763650002},"device_id":"outer","status":"alive"}}"#,
    );
    assert_eq!((inner.column("device_id"), inner.column("status")), ("inner", "alive"));
    assert_eq!(inner.column("event_time"), "1763650002000000");
}

#[test]
fn an_event_takes_the_time_of_the_envelope_where_it_has_none_and_null_where_neither_can_be_read() {
    let outer =
        land(r#"{"message_id":"m","message_type":"system_status","timestamp":1763650000,"payload":{"timestamp":"soon"}}"#);
    assert_eq!((outer.column("event_type"), outer.column("event_time")), ("system_status", "1763650000000000"));
    let none = land(r#"{"message_id":"m","message_type":"system_status"}"#);
    assert_eq!((none.maybe("event_time"), none.maybe("payload"), none.maybe("device_id")), (None, None, None));
}

#[test]
fn an_event_takes_numbers_as_text() {
    let event = land(r#"{"message_id":7,"message_type":"heartbeat","priority":3,"payload":{"device_id":42,"status":[]}}"#);
    assert_eq!((event.column("message_id"), event.column("priority"), event.column("device_id")), ("7", "3", "42"));
    assert_eq!(event.maybe("status"), None);
}

#[test]
fn the_payload_is_compact_has_each_key_once_and_bare_numbers_as_strings() {
    let event =
        land("{\"message_id\":\"m\",\"message_type\":\"heartbeat\",\"payload\": {\n \"a\" : [ 1 , NaN ],\t\"b\":1, \"b\":2}}");
    assert_eq!(event.column("payload"), r#"{"a":[1,"NaN"],"b":2}"#);
}

#[test]
fn an_envelope_is_one_whatever_else_stands_at_the_top() {
    let landed = land(
        r#"{"sensors":{},"value":1,"device_id":"top","timestamp":1,"message_id":null,"message_type":"device_data",
            "payload":{"device":{"device_id":"d","timestamp":1763650000}}}"#,
    );
    assert_eq!((landed.column("format"), landed.column("device_id")), ("envelope", "d"));
    assert_eq!(landed.maybe("message_id"), None);
    assert_eq!(landed.column("extra"), r#"{"sensors":{},"value":1,"device_id":"top","timestamp":1}"#);
}

#[test]
fn a_member_that_both_envelope_and_device_have_keeps_its_whole_path_in_the_device() {
    let text =
        std::str::from_utf8(ENVELOPE).unwrap().replace(r#""status":"online""#, r#""status":"online","priority":5,"lot":"x""#);
    let landed = land(text);
    let extra: serde_json::Value = serde_json::from_str(landed.column("extra")).unwrap();
    assert_eq!((&extra["priority"], &extra["payload.device.priority"], &extra["lot"]), (&"high".into(), &5.into(), &"x".into()));
}
