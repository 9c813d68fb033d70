//! Event times: wrong ones, and right ones in every spelling that the contract takes.

use crate::batch::RejectReason::{BadTime, MissingTime, TimeWithoutZone};

use super::super::random::Random;
use super::super::reading::Reading;
use super::{Class, Draft, Inject, Kind};

pub(super) const KINDS: &[Kind] = &[
    Kind::rejected("time_missing", MissingTime, Inject::Tree(|draft| draft.remove("timestamp"))),
    Kind::rejected("time_null", MissingTime, Inject::Tree(|draft| draft.set("timestamp", "null"))),
    Kind::rejected("time_word", BadTime, Inject::Tree(|draft| draft.set("timestamp", "\"yesterday\""))),
    Kind::rejected("time_empty", BadTime, Inject::Tree(|draft| draft.set("timestamp", "\"\""))),
    Kind::rejected("time_bool", BadTime, Inject::Tree(|draft| draft.set("timestamp", "true"))),
    Kind::rejected("time_object", BadTime, Inject::Tree(|draft| draft.set("timestamp", "{\"seconds\":1763650000}"))),
    Kind::rejected("time_array", BadTime, Inject::Tree(|draft| draft.set("timestamp", "[2025,11,20]"))),
    Kind::rejected("time_month_13", BadTime, Inject::Tree(|draft| draft.set("timestamp", "\"2025-13-01T10:00:00Z\""))),
    Kind::rejected("time_hour_25", BadTime, Inject::Tree(|draft| draft.set("timestamp", "\"2025-11-20T25:00:00Z\""))),
    Kind::rejected("time_overflow", BadTime, Inject::Tree(|draft| draft.set("timestamp", "1e30"))),
    Kind::rejected("time_many_digits", BadTime, Inject::Tree(|draft| draft.set("timestamp", format!("\"{}\"", "9".repeat(40))))),
    Kind::rejected("time_without_zone", TimeWithoutZone, Inject::Tree(|draft| without_zone(draft, "T"))),
    Kind::rejected("time_without_zone_space", TimeWithoutZone, Inject::Tree(|draft| without_zone(draft, " "))),
    Kind::read("time_seconds", Inject::Tree(seconds)),
    Kind::read("time_seconds_fraction", Inject::Tree(seconds_fraction)),
    Kind::read("time_millis", Inject::Tree(|draft| spell(draft, |ms| (ms.to_string(), ms * 1_000)))),
    Kind::read("time_micros", Inject::Tree(|draft| spell(draft, |ms| (format!("{ms}057"), ms * 1_000 + 57)))),
    Kind::read("time_nanos", Inject::Tree(|draft| spell(draft, |ms| (format!("{ms}057123"), ms * 1_000 + 57)))),
    Kind::read("time_numeric_string", Inject::Tree(|draft| spell(draft, |ms| (format!("\"{ms}\""), ms * 1_000)))),
    Kind::read("time_seconds_string", Inject::Tree(seconds_string)),
    Kind::read("time_zone_west", Inject::Tree(|draft| in_zone(draft, -8 * 60, "-08:00"))),
    Kind::read("time_zone_half_hour", Inject::Tree(|draft| in_zone(draft, 330, "+05:30"))),
    Kind::read("time_nine_decimals", Inject::Tree(nine_decimals)),
    Kind::read("time_year_1", Inject::Tree(|draft| fixed(draft, "\"0001-01-01T00:00:00Z\"", -62_135_596_800))),
    Kind::read("time_1970", Inject::Tree(|draft| fixed(draft, "\"1970-01-01T00:00:00Z\"", 0))),
    Kind::read("time_zero", Inject::Tree(|draft| fixed(draft, "0", 0))),
    Kind::read("time_negative", Inject::Tree(|draft| fixed(draft, "-1", -1))),
    Kind::read("time_2000", Inject::Tree(|draft| fixed(draft, "\"2000-02-29T12:00:00+00:00\"", 951_825_600))),
    Kind::read("time_9999", Inject::Tree(|draft| fixed(draft, "\"9999-12-31T23:59:59Z\"", 253_402_300_799))),
    Kind::read("late_minutes", Inject::Reading(|reading, random| late(reading, random, 60_000, 1_800_000))).class(Class::Late),
    Kind::read("late_hours", Inject::Reading(|reading, random| late(reading, random, 1_800_000, 12 * HOUR_MS)))
        .class(Class::Late),
    Kind::read("old_clock", Inject::Reading(|reading, random| late(reading, random, 8 * 24 * HOUR_MS, 30 * 24 * HOUR_MS)))
        .class(Class::Late),
    Kind::read("future_minutes", Inject::Reading(|reading, random| ahead(reading, random, 60_000, HOUR_MS)))
        .class(Class::FutureClock),
    Kind::read("future_clock", Inject::Reading(|reading, random| ahead(reading, random, HOUR_MS, 24 * HOUR_MS)))
        .class(Class::FutureClock),
];

const HOUR_MS: i64 = 3_600_000;

/// The device buffered: its message comes minutes, hours or weeks after it measured. An envelope lives for ever then.
fn late(reading: &mut Reading, random: &mut Random, low_ms: i64, high_ms: i64) {
    reading.event_ms = reading.sent_ms - random.between(low_ms, high_ms);
    reading.ttl_s = 0;
}

/// The device's clock is ahead. The Kafka timestamp stays: Kafka refuses records from more than an hour ahead.
fn ahead(reading: &mut Reading, random: &mut Random, low_ms: i64, high_ms: i64) {
    reading.event_ms = reading.sent_ms + random.between(low_ms, high_ms);
}

/// Writes the event time as the text that `spelling` makes of the milliseconds, which stands for the microseconds that it gives.
fn spell(draft: &mut Draft<'_>, spelling: impl FnOnce(i64) -> (String, i64)) -> bool {
    let (text, event_time_us) = spelling(draft.reading.event_ms);
    draft.expected.event_time_us = Some(event_time_us);
    draft.set("timestamp", text)
}

/// A time far away from the Kafka time, in seconds.
fn fixed(draft: &mut Draft<'_>, text: &str, event_s: i64) -> bool {
    draft.expected.event_time_us = Some(event_s * 1_000_000);
    draft.expected.trust(&draft.reading, draft.skew_ms, draft.age_ms);
    draft.set("timestamp", text)
}

fn seconds(draft: &mut Draft<'_>) -> bool {
    spell(draft, |ms| (ms.div_euclid(1_000).to_string(), ms.div_euclid(1_000) * 1_000_000))
}

fn seconds_string(draft: &mut Draft<'_>) -> bool {
    spell(draft, |ms| (format!("\"{}\"", ms.div_euclid(1_000)), ms.div_euclid(1_000) * 1_000_000))
}

/// Half a second, which a float holds exactly.
fn seconds_fraction(draft: &mut Draft<'_>) -> bool {
    spell(draft, |ms| (format!("{}.5", ms.div_euclid(1_000)), ms.div_euclid(1_000) * 1_000_000 + 500_000))
}

fn in_zone(draft: &mut Draft<'_>, zone_minutes: i64, zone: &str) -> bool {
    let local = draft.times.text(draft.reading.event_ms + zone_minutes * 60_000, 0);
    let text = format!("\"{}{zone}\"", local.trim_end_matches('Z'));
    spell(draft, |ms| (text, ms * 1_000))
}

fn nine_decimals(draft: &mut Draft<'_>) -> bool {
    let text = draft.times.text(draft.reading.event_ms, 0);
    let text = format!("\"{}456789Z\"", text.trim_end_matches('Z'));
    spell(draft, |ms| (text, ms * 1_000 + 456))
}

fn without_zone(draft: &mut Draft<'_>, separator: &str) -> bool {
    let text = draft.times.text(draft.reading.event_ms, 0);
    draft.set("timestamp", format!("\"{}\"", text.trim_end_matches('Z').replace('T', separator)))
}
