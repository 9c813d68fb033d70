//! Bytes: reproducible, laid out once for both ways of writing, and with numbers that read back as they were meant.

use super::super::digits::{TimeText, push_fixed, push_signed};
use super::super::layout::Layout;
use super::super::members::{Bytes, TreeBuilder};
use super::super::reading::{Content, Reading, sensor_mask};
use super::super::{Mix, Rates};
use super::*;
use crate::batch::Format;

/// FNV-1a over everything that Kafka gets.
fn hash(messages: &[Sent]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for message in messages {
        eat(&message.key);
        eat(message.value.as_deref().unwrap_or(b"\0tombstone"));
        eat(&message.label.kafka_time_ms.to_le_bytes());
    }
    hash
}

#[test]
fn the_same_seed_and_start_give_the_same_bytes() {
    let first = hash(&sent(options(everything()), 20_000));
    assert_eq!(first, hash(&sent(options(everything()), 20_000)));
    assert_ne!(first, hash(&sent(FleetOptions { seed: 2, ..options(everything()) }, 20_000)));
    let later = FleetOptions { clock: Clock::Schedule { start_ms: START_MS + 1 }, ..options(everything()) };
    assert_ne!(first, hash(&sent(later, 20_000)));
}

fn reading(format: Format, device: u32) -> Reading {
    Reading {
        seq: 12_345,
        device,
        format,
        content: Content::Reading,
        sent_ms: START_MS + 5,
        event_ms: START_MS,
        mask: sensor_mask(format, device),
        values: [2_241, 510, 101_325, 250, 1],
        battery: 85,
        signal: -45,
        ttl_s: 3_600,
    }
}

#[test]
fn a_tree_and_plain_bytes_are_the_same_text() {
    for format in Format::ALL {
        for device in 0..100 {
            for content in [Content::Reading, Content::Alert, Content::Heartbeat, Content::SystemStatus] {
                let reading = Reading { content, ..reading(format, device) };
                let (mut layout, mut plain, mut from_tree) = (Layout::new(100), Vec::new(), Vec::new());
                layout.begin(device);
                let (mut bytes, mut tree) = (Bytes::begin(&mut plain), TreeBuilder::default());
                if content == Content::Reading {
                    layout.write(&mut bytes, &reading);
                    layout.write(&mut tree, &reading);
                } else {
                    layout.write_event(&mut bytes, &reading);
                    layout.write_event(&mut tree, &reading);
                }
                bytes.end();
                tree.finish().write_compact(&mut from_tree);
                assert_eq!(String::from_utf8_lossy(&plain), String::from_utf8_lossy(&from_tree));
            }
        }
    }
}

#[test]
fn pretty_and_shuffled_messages_say_the_same() {
    let message = |rates| sent(FleetOptions { seed: 7, ..options(rates) }, 200);
    let plain = message(Rates::NONE);
    let pretty = message(Rates { pretty: 1.0, ..Rates::NONE });
    let first = &pretty[0];
    assert!(first.text().contains("\n  \""), "{}", first.text());
    assert_eq!(first.json(), plain[0].json());
    let shuffled = message(Rates { shuffled: 1.0, ..Rates::NONE });
    assert_eq!(shuffled[0].json(), plain[0].json());
    assert_ne!(shuffled[0].text(), plain[0].text());
}

#[test]
fn every_format_looks_like_its_sample() {
    let mut layout = Layout::new(5_000);
    let mut text = |format| {
        let mut out = Vec::new();
        let reading = Reading { mask: if format == Format::Single { 1 } else { 0b1_1111 }, ..reading(format, 42) };
        layout.begin(42);
        let mut bytes = Bytes::begin(&mut out);
        layout.write(&mut bytes, &reading);
        bytes.end();
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()
    };
    let nested = text(Format::Nested);
    assert_eq!(nested["device_id"], "device_0042");
    assert_eq!(nested["timestamp"], START_MS);
    assert_eq!(nested["sensors"]["temperature"]["value"], 22.41);
    assert_eq!(nested["sensors"]["temperature"]["unit"], "°C");
    assert_eq!(nested["sensors"]["switch_status"]["value"], true);
    assert_eq!(nested["device_info"]["signal_strength"], -45);
    assert_eq!(nested["seq"], 12_345);
    let device = text(Format::Device);
    assert_eq!(device["created_at"], "2025-11-20T22:46:40.000+08:00");
    assert_eq!(device["sensors"]["last_update"], START_MS);
    let envelope = text(Format::Envelope);
    assert_eq!(envelope["message_type"], "device_data");
    assert_eq!(envelope["payload"]["device"]["sensors"]["pressure"]["value"], 1013.25);
    let flat = text(Format::Flat);
    assert!(flat["location"].is_string());
    assert_eq!(flat["humidity"], 51.0);
    assert_eq!(flat["timestamp"], "2025-11-20T22:46:40.000+08:00");
    let single = text(Format::Single);
    assert_eq!(single["device_type"], "temperature_sensor");
    assert_eq!(single["value"], 22.41);
    assert_eq!(single["timestamp"], "2025-11-20T14:46:40.000Z");
}

#[test]
fn numbers_are_written_as_they_are() {
    let fixed = |scaled, decimals| {
        let mut out = Vec::new();
        push_fixed(&mut out, scaled, decimals);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(fixed(2_241, 2), "22.41");
    assert_eq!(fixed(-5, 2), "-0.05");
    assert_eq!(fixed(510, 1), "51.0");
    assert_eq!(fixed(0, 2), "0.00");
    assert_eq!(fixed(7, 0), "7");
    let mut out = Vec::new();
    push_signed(&mut out, i64::MIN);
    assert_eq!(out, i64::MIN.to_string().as_bytes());
    for scaled in -30_000_i64..30_000 {
        // To the last bit.
        assert_eq!(fixed(scaled, 2).parse::<f64>().unwrap().to_bits(), (scaled as f64 / 100.0 + 0.0).to_bits());
    }
}

#[test]
fn times_are_written_in_their_zone() {
    let mut times = TimeText::new();
    assert_eq!(times.text(START_MS + 7, 0), "2025-11-20T14:46:40.007Z");
    assert_eq!(times.text(START_MS, 8), "2025-11-20T22:46:40.000+08:00");
    assert_eq!(times.text(-1, 0), "1969-12-31T23:59:59.999Z");
    assert_eq!(times.text(1_709_164_800_000, 0), "2024-02-29T00:00:00.000Z");
}

#[test]
fn the_mix_is_kept() {
    let mix = Mix { shares: [40, 20, 20, 10, 10] };
    let messages = sent(FleetOptions { devices: 100, mix, ..options(Rates::NONE) }, 100);
    let share = |format| messages.iter().filter(|message| message.label.format == format).count();
    assert!(share(Format::Nested).abs_diff(40) <= 2, "{}", share(Format::Nested));
    assert!(share(Format::Single).abs_diff(10) <= 2, "{}", share(Format::Single));
    let only = Mix { shares: [0, 0, 0, 1, 0] };
    let messages = sent(FleetOptions { mix: only, ..options(Rates::NONE) }, 1_000);
    assert!(messages.iter().all(|message| message.label.format == Format::Flat));
}

#[test]
fn buildings_and_floors_hold_rooms() {
    let messages = sent(FleetOptions { mix: Mix { shares: [1, 0, 0, 0, 0] }, ..options(Rates::NONE) }, 1_000);
    let places: BTreeSet<_> = messages.iter().map(|message| message.json()["location"].to_string()).collect();
    assert!(places.len() > 100, "{} places", places.len());
    let location = &messages[0].json()["location"];
    let room: i64 = location["room"].as_str().unwrap().parse().unwrap();
    assert_eq!(room / 100, location["floor"].as_i64().unwrap());
    let buildings: BTreeSet<_> = messages.iter().map(|message| message.json()["location"]["building"].to_string()).collect();
    assert!(buildings.contains("\"A栋\"") && buildings.contains("\"Building_1\""), "{buildings:?}");
}
