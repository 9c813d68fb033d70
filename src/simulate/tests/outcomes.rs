//! Each kind of fault: it can be made, it is what it is called, and its label says what the contract makes of it. The messages are
//! looked at with serde_json, which shares nothing with this program's decoder.

use std::collections::BTreeMap;

use super::super::sensors::SENSORS;
use super::super::{Outcome, Rates};
use super::*;
use crate::batch::{Flag, Format, RejectReason, Table};

/// Faulty messages of every kind, several in each format.
fn faulty() -> Vec<Sent> {
    let rates =
        Rates { oversized: 0.0, malformed: 0.75, events: 0.0, anomalies: 0.0, pretty: 0.0, shuffled: 0.0, ..everything() };
    sent(options(rates), 20_000).into_iter().filter(|message| !message.label.fault.is_empty()).collect()
}

fn of_kind<'a>(messages: &'a [Sent], name: &'a str) -> impl Iterator<Item = &'a Sent> {
    let mut found = messages.iter().filter(move |message| message.label.fault == name).peekable();
    assert!(found.peek().is_some(), "no message of kind {name}");
    found
}

#[test]
fn every_kind_comes_in_every_format_that_it_fits() {
    let mut seen = BTreeSet::new();
    for message in faulty() {
        seen.insert((message.label.fault, message.label.format));
    }
    let missing: Vec<_> = kinds()
        // Oversized ones have a test of their own; a repeat takes the format of what it repeats.
        .filter(|kind| !matches!(kind.name, "oversized" | "duplicate"))
        .flat_map(|kind| Format::ALL.map(|format| (kind, format)))
        .filter(|(kind, format)| kind.fits(*format) && !seen.contains(&(kind.name, *format)))
        .map(|(kind, format)| (kind.name, format))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_reason_and_every_flag_of_decode_and_inspect_is_expected_of_some_kind() {
    let messages = faulty();
    for reason in RejectReason::ALL {
        let expected = messages.iter().any(|message| message.label.expected.reason == Some(reason));
        assert!(expected, "nothing is rejected as {}", reason.name());
    }
    let of_sensors = [Flag::BadValue, Flag::UnknownUnit, Flag::OutOfRange, Flag::DeviceFault];
    for flag in of_sensors {
        let expected =
            messages.iter().any(|message| message.label.expected.sensors.iter().any(|sensor| sensor.quality.has(flag)));
        assert!(expected, "no sensor is flagged {}", flag.name());
    }
    for flag in [Flag::DuplicateKey, Flag::FutureTime, Flag::OldTime] {
        let expected = messages.iter().any(|message| message.label.expected.quality.has(flag));
        assert!(expected, "no message is flagged {}", flag.name());
    }
}

#[test]
fn labels_follow_the_outcome_of_their_kind() {
    let outcomes: BTreeMap<_, _> = kinds().map(|kind| (kind.name, kind.outcome)).collect();
    for message in faulty() {
        let expected = &message.label.expected;
        match outcomes[message.label.fault] {
            Outcome::Reading => {
                assert_eq!((expected.table, expected.reason), (Table::Readings, None), "{}", message.label.fault);
                assert!(expected.event_time_us.is_some());
            }
            Outcome::Reject(reason) => {
                assert_eq!((expected.table, expected.reason), (Table::Rejects, Some(reason)), "{}", message.label.fault);
                assert!(expected.event_time_us.is_none());
            }
        }
    }
}

#[test]
fn what_is_no_json_does_not_parse_and_all_else_does() {
    // serde_json has no bare words for numbers and refuses what overflows a float.
    let beyond_serde = ["value_nan", "value_infinity", "value_minus_infinity", "value_overflow"];
    for message in faulty() {
        let fault = message.label.fault;
        let Some(value) = &message.value else {
            assert_eq!(fault, "tombstone");
            continue;
        };
        let is_text = std::str::from_utf8(value).is_ok();
        let parses = serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok() && is_text;
        let must_parse = !matches!(
            message.label.expected.reason,
            Some(RejectReason::Empty | RejectReason::InvalidUtf8 | RejectReason::InvalidJson | RejectReason::TrailingBytes)
        );
        let is_bomb = message.label.expected.reason == Some(RejectReason::TooDeep);
        if !is_bomb && !beyond_serde.contains(&fault) {
            assert_eq!(parses, must_parse, "{fault}: {}", message.text());
        }
        assert_eq!(is_text, message.label.expected.reason != Some(RejectReason::InvalidUtf8), "{fault}: {}", message.text());
    }
}

#[test]
fn trailing_bytes_follow_a_whole_message() {
    for message in faulty().iter().filter(|message| message.label.expected.reason == Some(RejectReason::TrailingBytes)) {
        let mut stream = serde_json::Deserializer::from_slice(message.value.as_deref().unwrap()).into_iter::<serde_json::Value>();
        assert!(stream.next().unwrap().unwrap().is_object(), "{}", message.text());
        assert!(stream.byte_offset() < message.value.as_ref().unwrap().len());
    }
}

#[test]
fn nesting_is_on_both_sides_of_the_limit() {
    let depth = |message: &Sent| {
        let (mut depth, mut deepest) = (0_i32, 0);
        for byte in message.value.as_deref().unwrap() {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest
    };
    let messages = faulty();
    assert!(of_kind(&messages, "nested_32").all(|message| depth(message) == 32));
    assert!(of_kind(&messages, "nested_33").all(|message| depth(message) == 33));
    assert!(of_kind(&messages, "nested_bomb").all(|message| depth(message) > 10_000));
}

/// A sensor's member as it was sent: value and unit.
fn sent_value(message: &Sent, sensor: usize) -> (serde_json::Value, Option<String>) {
    let json = message.json();
    let device = if message.label.format == Format::Envelope { &json["payload"]["device"] } else { &json };
    match message.label.format {
        Format::Flat => (device[SENSORS[sensor].name].clone(), None),
        Format::Single => (device["value"].clone(), device["unit"].as_str().map(str::to_owned)),
        _ => {
            let sensor = &device["sensors"][SENSORS[sensor].name];
            (sensor["value"].clone(), sensor["unit"].as_str().map(str::to_owned))
        }
    }
}

#[test]
fn plain_messages_hold_the_values_of_their_labels() {
    let rates = Rates { pretty: 0.3, shuffled: 0.3, anomalies: 0.05, ..Rates::NONE };
    for message in sent(options(rates), 5_000) {
        for (index, expected) in message.label.expected.sensors.iter().enumerate() {
            let holds = sent_value(&message, index).0;
            match (index, expected.value) {
                (4, Some(value)) => assert_eq!(holds, value > 0.5),
                (_, Some(value)) => assert_eq!(holds.as_f64(), Some(value), "{}", message.text()),
                (_, None) => assert!(holds.is_null() || message.label.format == Format::Single),
            }
        }
        assert_eq!(message.json()["seq"], message.label.seq);
    }
}

#[test]
fn values_in_other_units_convert_to_what_the_label_says() {
    let messages = faulty();
    let mut units = BTreeSet::new();
    for message in of_kind(&messages, "other_unit") {
        for (sensor, spec) in SENSORS.iter().enumerate().take(4) {
            let (value, unit) = sent_value(message, sensor);
            let (Some(value), Some(unit), Some(expected)) = (value.as_f64(), unit, message.label.expected.sensors[sensor].value)
            else {
                continue;
            };
            // Formulas from a physics book, not from the catalogue.
            let converted = match unit.as_str() {
                "°F" => (value - 32.0) / 1.8,
                "K" => value - 273.15,
                "Pa" => value / 100.0,
                "kPa" => value * 10.0,
                "bar" | "kA" => value * 1_000.0,
                "psi" => value * 68.947_572_931_68,
                "mA" => value / 1_000.0,
                _ => value,
            };
            assert!(
                (converted - expected).abs() < 1e-9 * expected.abs().max(1.0),
                "{} {unit}: {converted}, {expected}",
                spec.name
            );
            units.insert(unit);
        }
    }
    for unit in ["°F", "K", "Pa", "kPa", "bar", "mbar", "psi", "mA", "kA"] {
        assert!(units.contains(unit), "no {unit} in {units:?}");
    }
}

#[test]
fn times_are_spelled_as_they_are_called() {
    let messages = faulty();
    let time = |message: &Sent| {
        let json = message.json();
        let device = if message.label.format == Format::Envelope { &json["payload"]["device"] } else { &json };
        device["timestamp"].clone()
    };
    for message in of_kind(&messages, "time_micros") {
        assert_eq!(time(message).as_i64(), message.label.expected.event_time_us);
    }
    for message in of_kind(&messages, "time_nanos") {
        assert_eq!(time(message).as_i64().map(|nanos| nanos / 1_000), message.label.expected.event_time_us);
    }
    for message in of_kind(&messages, "time_seconds_fraction") {
        let expected = message.label.expected.event_time_us.map(|micros| micros as f64 / 1e6);
        assert_eq!(time(message).as_f64(), expected);
    }
    for name in ["time_zone_west", "time_zone_half_hour", "time_nine_decimals", "time_1970", "time_year_1", "time_2000"] {
        for message in of_kind(&messages, name) {
            let read: jiff::Timestamp = time(message).as_str().unwrap().parse().unwrap();
            assert_eq!(Some(read.as_microsecond()), message.label.expected.event_time_us, "{}", message.text());
        }
    }
    for message in of_kind(&messages, "time_without_zone") {
        let text = time(message);
        assert!(text.as_str().unwrap().parse::<jiff::Timestamp>().is_err());
        assert!(text.as_str().unwrap().parse::<jiff::civil::DateTime>().is_ok());
    }
}

#[test]
fn clocks_are_wrong_but_kafka_times_never_are() {
    for message in faulty() {
        let label = &message.label;
        let Some(event_us) = label.expected.event_time_us else { continue };
        let ahead_ms = event_us.div_euclid(1_000) - label.kafka_time_ms;
        assert_eq!(label.expected.quality.has(Flag::FutureTime), ahead_ms > 30_000, "{}", label.fault);
        assert_eq!(label.expected.quality.has(Flag::OldTime), ahead_ms < -7 * 86_400_000, "{}", label.fault);
        assert!((START_MS..START_MS + 200_000).contains(&label.kafka_time_ms), "{}", label.kafka_time_ms);
    }
}

#[test]
fn a_repeat_is_the_same_reading_under_a_number_of_its_own() {
    let rates = Rates { duplicates: 0.1, ..Rates::NONE };
    let messages = sent(options(rates), 5_000);
    let mut repeats = 0;
    for message in messages.iter().filter(|message| message.label.fault == "duplicate") {
        let earlier = &messages[usize::try_from(message.label.duplicate_of.unwrap()).unwrap()];
        assert!(earlier.label.seq < message.label.seq);
        assert_eq!(earlier.key, message.key);
        assert_eq!(earlier.label.expected, message.label.expected);
        let mut json = message.json();
        json["seq"] = earlier.label.seq.into();
        if message.label.format == Format::Envelope {
            json["message_id"] = earlier.json()["message_id"].clone();
        }
        assert_eq!(json, earlier.json());
        repeats += 1;
    }
    assert!((400..600).contains(&repeats), "{repeats}");
}

#[test]
fn no_two_readings_look_like_a_repeat_by_chance() {
    let mut seen = BTreeSet::new();
    let rates = Rates { anomalies: 0.01, ..Rates::NONE };
    for message in sent(FleetOptions { devices: 20, interval_us: 2_000, ..options(rates) }, 50_000) {
        assert!(seen.insert((message.label.device, message.label.expected.event_time_us)), "{:?}", message.label);
    }
}

#[test]
fn oversized_messages_still_fit_a_topic() {
    let messages = sent(options(Rates { oversized: 1.0, ..Rates::NONE }), 50);
    for message in messages {
        let length = message.value.as_ref().unwrap().len();
        assert_eq!(message.label.fault, "oversized");
        assert!((900_000..980_000).contains(&length), "{length}");
        message.json();
    }
}

#[test]
fn events_hold_their_number_in_the_payload() {
    let messages = sent(options(Rates { events: 1.0, malformed: 0.5, ..Rates::NONE }), 1_000);
    let mut types = BTreeSet::new();
    for message in messages {
        assert_eq!(message.label.expected.table, Table::Events);
        assert_eq!(message.label.fault, "");
        let json = message.json();
        assert_eq!(json["payload"]["seq"], message.label.seq);
        types.insert(json["message_type"].as_str().unwrap().to_owned());
    }
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["alert", "heartbeat", "system_status"]);
}
