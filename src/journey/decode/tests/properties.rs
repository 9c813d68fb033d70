//! Properties that hold for any input.

use std::sync::Arc;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value as Json;

use super::super::Decoder;
use super::super::document::Document;
use super::super::extra::push_json;
use super::super::scan;
use super::{DEVICE, ENVELOPE, ENVELOPE_ALERT, FLAT, KAFKA_TIME_MS, Landed, NESTED, SINGLE, land, landed, landed_at, raw_batch};
use crate::batch::{Dictionaries, RejectReason, SensorCatalog};

const SAMPLES: [&[u8]; 6] = [NESTED, DEVICE, ENVELOPE, ENVELOPE_ALERT, FLAT, SINGLE];

/// Parts that matter to a parser of JSON, for messages of more interest than random bytes.
const PARTS: [&str; 32] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "\\ude00",
    " ",
    "\n",
    "null",
    "true",
    "1",
    "-0.0",
    "1e999",
    "NaN",
    "-Infinity",
    "\"device_id\"",
    "\"timestamp\":",
    "\"sensors\":{",
    "\"value\":",
    "\"message_id\":\"m\",",
    "\"a\":",
    "é",
    "\u{0}",
    "01",
    "\"temperature\"",
    "1763650000",
    "\"x\"",
];

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let splice = (any::<prop::sample::Index>(), 0_usize..8, prop::sample::select(&PARTS[..]));
    (prop::sample::select(&SAMPLES[..]), prop::collection::vec(splice, 0..4)).prop_map(|(sample, splices)| {
        let mut message = sample.to_vec();
        for (at, cut, part) in splices {
            let at = at.index(message.len());
            let end = (at + cut).min(message.len());
            message.splice(at..end, part.bytes());
            if message.is_empty() {
                break;
            }
        }
        message
    })
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..64),
        2 => prop::collection::vec(prop::sample::select(&PARTS[..]), 0..24).prop_map(|parts| parts.concat().into_bytes()),
        4 => mutated(),
    ]
}

/// Writes a value with its keys in random order and random white space.
fn shuffled(json: &Json, random: &mut SmallRng, out: &mut String) {
    let space = |random: &mut SmallRng, out: &mut String| {
        for _ in 0..random.random_range(0..3) {
            out.push([' ', '\t', '\n', '\r'][random.random_range(0..4)]);
        }
    };
    space(random, out);
    match json {
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.shuffle(random);
            out.push('{');
            for (i, (key, value)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                space(random, out);
                out.push_str(&Json::from(key.as_str()).to_string());
                space(random, out);
                out.push(':');
                shuffled(value, random, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    space(random, out);
}

/// The order of `extra` and `payload` is that of the message: compared without it.
fn without_order(mut landed: Landed) -> Landed {
    if let Landed::Reading(row) | Landed::Event(row) = &mut landed {
        for column in ["extra", "payload"] {
            if let Some(text) = row.get_mut(column) {
                *text = serde_json::from_str::<Json>(text).unwrap().to_string();
            }
        }
    }
    landed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_land_exactly_once(batch in prop::collection::vec(prop::option::weighted(0.95, messages()), 1..6)) {
        // `landed` fails where a row landed twice or nowhere.
        let values: Vec<Option<&[u8]>> = batch.iter().map(Option::as_deref).collect();
        for row in landed_at(&values, KAFKA_TIME_MS) {
            if let Landed::Reading(row) = row && let Some(text) = row.get("extra") {
                let json: Json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
                prop_assert!(json.is_object());
            }
        }
    }

    #[test]
    fn one_by_one_is_the_same_as_one_batch(batch in prop::collection::vec(messages(), 1..8)) {
        let values: Vec<Option<&[u8]>> = batch.iter().map(|message| Some(message.as_slice())).collect();
        let mut decoder = Decoder::new(Arc::new(SensorCatalog::default()));
        let mut dictionaries = Dictionaries::default();
        let alone: Vec<Landed> = values
            .iter()
            .map(|value| landed(&decoder.decode(&raw_batch(&[*value], KAFKA_TIME_MS), &mut dictionaries), &dictionaries, 1).remove(0))
            .collect();
        prop_assert_eq!(alone, landed_at(&values, KAFKA_TIME_MS));
    }

    #[test]
    fn order_of_keys_and_white_space_change_nothing(sample in prop::sample::select(&SAMPLES[..]), seed in any::<u64>()) {
        let json: Json = serde_json::from_slice(sample).unwrap();
        let mut message = String::new();
        shuffled(&json, &mut SmallRng::seed_from_u64(seed), &mut message);
        prop_assert_eq!(without_order(land(&message)), without_order(land(sample)), "{}", message);
    }

    #[test]
    fn numbers_are_bit_exact(bits in any::<u64>(), digits in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        let float = f64::from_bits(bits);
        let mut texts = vec![digits];
        if float.is_finite() {
            texts.extend([format!("{float:?}"), format!("{float:e}")]);
        }
        for text in texts {
            let landed = land(super::nested_sensors(&format!("\"temperature\":{{\"value\":{text}}}")));
            let expected: f64 = text.parse().unwrap();
            if expected.is_finite() {
                let value: f64 = landed.column("temperature").parse().unwrap();
                prop_assert_eq!(value.to_bits(), expected.to_bits(), "{}", text);
            } else {
                prop_assert_eq!(landed.column("temperature_quality"), "bad_value");
            }
        }
    }

    /// serde_json, another parser by other people, agrees on what is JSON and on what it says.
    #[test]
    fn serde_json_agrees(message in messages()) {
        let Ok(text) = scan::text(&message) else { return Ok(()) };
        let ours = scan::first_value(text).and_then(|value| Document::parse(text, value, &[]));
        match (serde_json::from_str::<Json>(text), ours) {
            (Ok(theirs), Ok(document)) => {
                let Ok(root) = document.root() else { return Ok(()) };
                let mut json = String::new();
                push_json(&document, &super::super::Value::Object(root), &mut json);
                prop_assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), theirs);
            }
            (Ok(_), Err(refusal)) => prop_assert_eq!(refusal.reason, RejectReason::TooDeep),
            // serde_json refuses numbers that no float can hold; here they are values out of range.
            (Err(error), Ok(_)) => prop_assert!(error.to_string().starts_with("number out of range"), "{}", error),
            (Err(_), Err(_)) => {}
        }
    }
}
