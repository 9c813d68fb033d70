//! Every fault of the contract that decoding finds, by name.

use super::{KAFKA_TIME_MS, NESTED, land, landed_at, nested_sensors, nested_with};
use crate::batch::RejectReason;

fn refused(message: impl AsRef<[u8]>, reason: RejectReason) {
    let landed = land(message.as_ref());
    assert_eq!(landed.reason(), reason, "{landed:?} of {}", String::from_utf8_lossy(message.as_ref()));
}

#[test]
fn a_tombstone_is_refused() {
    assert_eq!(landed_at(&[None], KAFKA_TIME_MS)[0].reason(), RejectReason::Tombstone);
}

#[test]
fn no_bytes_and_white_space_are_empty() {
    refused("", RejectReason::Empty);
    refused(" \t\r\n", RejectReason::Empty);
}

#[test]
fn invalid_utf8_is_found_everywhere() {
    for at in 0..NESTED.len() {
        let mut message = NESTED.to_vec();
        message[at] = 0xff;
        refused(&message, RejectReason::InvalidUtf8);
    }
}

#[test]
fn invalid_json_is_found_in_what_we_read_and_in_what_we_skip() {
    for message in [
        "{",
        "nul",
        "'a'",
        "\u{feff}{}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{,}",
        "{a:1}",
        "[1 2]",
        "\"",
        "{\"a\":1]",
        "01",
        "+1",
        ".5",
        "1e",
    ] {
        refused(message, RejectReason::InvalidJson);
    }
    for value in [
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x10",
        "tru",
        "nan",
        "undefined",
        "'x'",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"tab\there\"",
        "\"nul\0\"",
        "[1,]",
        "[,1]",
        "{\"b\":1,}",
        "{\"b\"}",
        "{1:2}",
        "// no\n1",
        "-",
        "{\"\\ud800\":1}",
        "1 2",
        "\"\\u\"",
        "-Inf",
        "NaNa",
        "--1",
    ] {
        refused(nested_with(&format!("\"a\":{value}")), RejectReason::InvalidJson);
        refused(nested_with(&format!("\"a\":{{\"deep\":[{{\"deeper\":{value}}}]}}")), RejectReason::InvalidJson);
    }
}

#[test]
fn every_truncation_is_invalid_json() {
    let text = std::str::from_utf8(NESTED).unwrap().trim_end();
    for end in (1..text.len()).filter(|&end| text.is_char_boundary(end)) {
        refused(&text[..end], RejectReason::InvalidJson);
    }
}

#[test]
fn the_detail_of_invalid_json_says_where() {
    let landed = land(r#"{"device_id":"d","x":tru}"#);
    let super::Landed::Reject(_, detail) = landed else { panic!("{landed:?}") };
    assert!(detail.contains("at byte 2"), "{detail}");
    assert!(!detail.contains('\n'), "{detail}");
}

#[test]
fn bytes_after_the_value_are_refused() {
    for more in ["x", "{}", "}", "\0", "null", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["] {
        refused([NESTED, b" ", more.as_bytes()].concat(), RejectReason::TrailingBytes);
    }
    assert_eq!(land([NESTED, b" \r\n\t "].concat()).column("quality"), "good");
}

#[test]
fn deeper_than_32_is_refused() {
    let nested = |depth: usize| nested_with(&format!("\"a\":{}{}", "[".repeat(depth - 1), "]".repeat(depth - 1)));
    assert_eq!(land(nested(32)).column("quality"), "good");
    refused(nested(33), RejectReason::TooDeep);
    let objects = |depth: usize| nested_with(&format!("\"a\":{}1{}", "{\"a\":".repeat(depth - 1), "}".repeat(depth - 1)));
    assert_eq!(land(objects(32)).column("quality"), "good");
    refused(objects(33), RejectReason::TooDeep);
    // Brackets in strings are no nesting.
    assert_eq!(land(nested_with(&format!("\"a\":\"{}\\\"[[\"", "[".repeat(99)))).column("quality"), "good");
}

#[test]
fn a_nesting_bomb_of_a_megabyte_is_refused_quickly() {
    let started = std::time::Instant::now();
    for bomb in ["[".repeat(1 << 20), "{\"a\":".repeat(1 << 18), format!("{}{}", "[".repeat(1 << 19), "]".repeat(1 << 19))] {
        refused(&bomb, RejectReason::TooDeep);
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_megabyte_of_keys_is_read_in_linear_time() {
    let started = std::time::Instant::now();
    let keys = |name: &str| (0..60_000).map(|i| format!(",\"{name}{i}\":{{}}")).collect::<Vec<_>>().concat();
    let landed = land(nested_with(&format!("\"a\":1{}{}", keys("k"), keys("k"))));
    assert_eq!(landed.column("quality"), "duplicate_key");
    let envelope = format!(
        r#"{{"message_id":"m","message_type":"device_data","payload":{{"device":{{"device_id":"d","timestamp":1{}}}}}{}}}"#,
        keys("x"),
        keys("x")
    );
    assert!(land(envelope).column("extra").contains("\"payload.device.x7\":{}"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn what_is_no_object_is_refused() {
    for message in ["null", "true", "1", "-1.5e3", "\"text\"", "\"\\u00e9\"", "[]", "[{\"device_id\":\"d\"}]", "NaN"] {
        refused(message, RejectReason::NotAnObject);
    }
}

#[test]
fn a_missing_device_id_is_refused() {
    refused(r#"{"timestamp":1763650000,"sensors":{}}"#, RejectReason::MissingDeviceId);
    refused(r#"{"device_id":null,"timestamp":1763650000,"sensors":{}}"#, RejectReason::MissingDeviceId);
    refused("{}", RejectReason::MissingDeviceId);
}

#[test]
fn a_device_id_of_a_wrong_type_is_refused() {
    for id in ["\"\"", "17", "true", "[]", "{}", "NaN"] {
        refused(format!(r#"{{"device_id":{id},"timestamp":1763650000,"sensors":{{}}}}"#), RejectReason::BadDeviceId);
    }
}

#[test]
fn a_missing_time_is_refused() {
    refused(r#"{"device_id":"d","sensors":{}}"#, RejectReason::MissingTime);
    refused(r#"{"device_id":"d","timestamp":null,"sensors":{}}"#, RejectReason::MissingTime);
}

#[test]
fn a_time_of_a_wrong_type_is_refused() {
    for time in [
        "true",
        "[]",
        "{}",
        "\"soon\"",
        "\"\"",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "\"inf\"",
        "1e30",
        "\"2025-11-20\"",
        "\"2025-13-01T10:00:00Z\"",
        "\"2025-11-20T25:00:00Z\"",
        "\"2025-02-30T10:00:00\"",
        "\"10:00:00Z\"",
        "\"9999999999999999999999999999999999999999\"",
    ] {
        refused(format!(r#"{{"device_id":"d","timestamp":{time}}}"#), RejectReason::BadTime);
    }
}

#[test]
fn a_time_without_a_zone_is_refused() {
    for time in ["2025-11-20T14:46:40", "2025-11-20 14:46:40", "2025-11-20T14:46:40.123456"] {
        refused(format!(r#"{{"device_id":"d","timestamp":"{time}"}}"#), RejectReason::TimeWithoutZone);
    }
}

#[test]
fn a_broken_zone_is_refused() {
    for zone in ["+25:00", "-24:00", "+24:00", "+08:", "+8", "CET", " CET", "Z+01", "+08:60", "+08:00:60", "+"] {
        refused(format!(r#"{{"device_id":"d","timestamp":"2025-11-20T14:46:40{zone}"}}"#), RejectReason::BadTime);
    }
    refused(r#"{"device_id":"d","timestamp":"2025-11-20T14:46:40[Nowhere]"}"#, RejectReason::TimeWithoutZone);
    refused(r#"{"device_id":"d","timestamp":"2025-11-20T14:46:40[Europe/Berlin]"}"#, RejectReason::TimeWithoutZone);
}

#[test]
fn an_unknown_message_type_is_refused() {
    refused(r#"{"message_id":"m","message_type":"command","payload":{}}"#, RejectReason::UnknownMessageType);
    refused(r#"{"message_id":"m","message_type":7,"payload":{}}"#, RejectReason::UnknownMessageType);
    refused(r#"{"message_id":"m","payload":{}}"#, RejectReason::UnknownMessageType);
}

#[test]
fn a_missing_payload_is_refused() {
    for message in [
        r#"{"message_id":"m","message_type":"device_data"}"#,
        r#"{"message_id":"m","message_type":"device_data","payload":[]}"#,
        r#"{"message_id":"m","message_type":"device_data","payload":{}}"#,
        r#"{"message_id":"m","message_type":"device_data","payload":{"device":"d"}}"#,
        r#"{"message_id":"m","message_type":"alert","payload":{"alert":null}}"#,
        r#"{"message_id":"m","message_type":"alert"}"#,
    ] {
        refused(message, RejectReason::MissingPayload);
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_reasons_wins() {
    refused(b"\xff".repeat(40), RejectReason::InvalidUtf8);
    refused(format!("{}x", "[".repeat(40)), RejectReason::TooDeep);
    refused("{\"a\":tru} x", RejectReason::InvalidJson);
    refused("[] []", RejectReason::TrailingBytes);
    refused(r#"{"device_id":7}"#, RejectReason::BadDeviceId);
    refused(r#"{"message_id":"m","message_type":"x","ttl":1,"timestamp":1}"#, RejectReason::UnknownMessageType);
    refused(
        r#"{"message_id":"m","message_type":"device_data","ttl":1,"timestamp":1,"payload":{"device":{"device_id":"d"}}}"#,
        RejectReason::MissingTime,
    );
}

#[test]
fn a_value_that_is_no_number_is_flagged_bad_value() {
    for value in ["\"25.6\"", "\"NaN\"", "\"\"", "true", "[]", "{}", "NaN", "Infinity", "-Infinity", "1e999", "-1e999"] {
        let landed = land(nested_sensors(&format!(r#""temperature":{{"value":{value}}},"humidity":{{"value":50}}"#)));
        assert_eq!(landed.maybe("temperature"), None, "{value}");
        assert_eq!(landed.column("temperature_quality"), "bad_value", "{value}");
        assert_eq!((landed.column("humidity"), landed.maybe("humidity_quality")), ("50.0", None), "{value}");
        assert_eq!(landed.column("quality"), "good", "{value}");
    }
    for value in ["\"yes\"", "2", "-1", "0.5", "[]", "NaN", "1e999"] {
        let landed = land(nested_sensors(&format!(r#""switch_status":{{"value":{value}}}"#)));
        assert_eq!((landed.maybe("switch_status"), landed.column("switch_status_quality")), (None, "bad_value"), "{value}");
    }
}

#[test]
fn a_null_value_is_an_absent_one() {
    let landed = land(nested_sensors(r#""temperature":{"value":null,"unit":"°C"},"humidity":null,"pressure":{}"#));
    for sensor in ["temperature", "humidity", "pressure"] {
        assert_eq!((landed.maybe(sensor), landed.maybe(&format!("{sensor}_quality"))), (None, None));
    }
    assert_eq!(landed.column("temperature_unit"), "°C");
    assert_eq!(landed.maybe("extra"), None);
}

#[test]
fn a_key_twice_is_flagged_and_the_last_one_wins() {
    let messages = [
        r#"{"device_id":"a","device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":2}}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":1,"value":2}}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":1},"temperature":{"value":2}}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":{}},"t\u0065mperature":{"value":2}}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"humidity":{}},"sensors":{"temperature":{"value":2}}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":2}},"location":{"floor":1,"floor":2}}"#,
        r#"{"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":2}},"x":[{"y":{"z":1,"z":1}}]}"#,
        r#"{"message_id":"m","message_type":"device_data","ttl":1,"ttl":0,"payload":{"device":
           {"device_id":"d","timestamp":1763650000,"sensors":{"temperature":{"value":2}}}}}"#,
    ];
    for message in messages {
        let landed = land(message);
        assert_eq!(landed.column("quality"), "duplicate_key", "{message}");
        assert_eq!((landed.column("device_id"), landed.column("temperature")), ("d", "2.0"), "{message}");
    }
    assert_eq!(land(nested_with(r#""a":{"k":1},"b":{"k":1}"#)).column("quality"), "good");
}

#[test]
fn an_envelope_past_its_ttl_is_expired() {
    let device = r#""payload":{"device":{"device_id":"d","timestamp":1763650000000}}"#;
    let envelope = |timestamp: &str, ttl: &str| {
        format!(r#"{{"message_id":"m","message_type":"device_data","timestamp":{timestamp},"ttl":{ttl},{device}}}"#)
    };
    // The Kafka time is 500 ms after 1763650000.
    for (timestamp, ttl) in [("1763649990", "10"), ("1763649990", "\"10\""), ("\"2025-11-20T14:46:30Z\"", "10.4"), ("1", "1")] {
        refused(envelope(timestamp, ttl), RejectReason::Expired);
    }
    for (timestamp, ttl) in [
        ("1763649990", "10.5"), // ends exactly at the Kafka time
        ("1763649990", "11"),
        ("1763649990", "0"),
        ("1763649990", "-5"),
        ("1763649990", "null"),
        ("1763649990", "\"soon\""),
        ("1763649990", "1e999"),
        ("\"2025-11-20T14:46:30\"", "1"), // unreadable: no expiry
        ("null", "1"),
    ] {
        assert_eq!(land(envelope(timestamp, ttl)).column("format"), "envelope", "{timestamp} {ttl}");
    }
    let expired = envelope("1763649990", "10");
    assert_eq!(landed_at(&[Some(expired.as_bytes())], -1)[0].column("format"), "envelope");
    refused(
        r#"{"message_id":"m","message_type":"heartbeat","timestamp":1763649990,"ttl":10,"payload":{}}"#,
        RejectReason::Expired,
    );
}
