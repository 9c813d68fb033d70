//! Times of every kind that devices write, as microseconds since 1970.
//!
//! A number says its unit by its size; the bounds lie where one unit's far future meets the next one's past:
//!
//! | magnitude | unit | from 1970 up to |
//! |---|---|---|
//! | below 10^11 | s | year 5138 |
//! | below 10^14 | ms | year 5138 |
//! | below 10^17 | µs | year 5138 |
//! | above | ns | year 2262 and on |

use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::Pieces;

use super::document::Value;
use super::scan::Refusal;
use crate::batch::RejectReason;

const SECONDS_BELOW: u64 = 100_000_000_000;
const MILLIS_BELOW: u64 = 100_000_000_000_000;
const MICROS_BELOW: u64 = 100_000_000_000_000_000;
/// An offset of RFC 3339 is less than this; `jiff` takes two hours more.
const OFFSET_SECONDS_BELOW: u32 = 86_400;

/// Reads a time; `path` is for the detail of the refusal.
pub(super) fn read(value: Option<&Value<'_>>, path: &str) -> Result<i64, Refusal> {
    match value {
        None | Some(Value::Null) => Err(Refusal::new(RejectReason::MissingTime, format!("no {path}"))),
        Some(Value::Number(text)) => {
            number(text).ok_or_else(|| bad(path, text, "lies outside of what microseconds in 64 bits can hold"))
        }
        Some(Value::Bare(word)) => Err(bad(path, word, "is no time")),
        Some(Value::Text(text)) => written(text.trim(), path),
        Some(other) => {
            let detail = format!("{path} is {}, neither a number nor a string", other.kind());
            Err(Refusal::new(RejectReason::BadTime, detail))
        }
    }
}

fn bad(path: &str, text: &str, what: &str) -> Refusal {
    Refusal::new(RejectReason::BadTime, format!("{path} \"{}\" {what}", shortened(text)))
}

/// So much of a text as a person needs to recognise it.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn written(text: &str, path: &str) -> Result<i64, Refusal> {
    if is_numeric(text) {
        return number(text).ok_or_else(|| bad(path, text, "lies outside of what microseconds in 64 bits can hold"));
    }
    let not_rfc_3339 = || bad(path, text, "is neither a number nor RFC 3339");
    let pieces = Pieces::parse(text).map_err(|_| not_rfc_3339())?;
    // A date alone is no time; with a time of day, only the zone is missing.
    let time = pieces.time().ok_or_else(not_rfc_3339)?;
    let Some(offset) = pieces.to_numeric_offset() else {
        let detail = format!("{path} \"{}\" has no zone; write it with Z or an offset such as +08:00", shortened(text));
        return Err(Refusal::new(RejectReason::TimeWithoutZone, detail));
    };
    if offset.seconds().unsigned_abs() >= OFFSET_SECONDS_BELOW {
        return Err(bad(path, text, "has a zone of a day or more"));
    }
    let local = DateTime::from_parts(pieces.date(), time).duration_since(date(1970, 1, 1).at(0, 0, 0, 0));
    let nanos = local.as_nanos() - i128::from(offset.seconds()) * 1_000_000_000;
    // Not through `jiff::Timestamp`, which ends a day before the year 9999 does.
    i64::try_from(nanos.div_euclid(1_000)).map_err(|_| not_rfc_3339())
}

/// A decimal number: no words (`inf`), no hexadecimal.
fn is_numeric(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.parse::<f64>().is_ok()
}

/// Microseconds of a decimal number. Whole numbers are exact and lose what is finer than a microsecond; fractions are rounded to the
/// nearest one.
fn number(text: &str) -> Option<i64> {
    if let Ok(whole) = text.parse::<i64>() {
        return match whole.unsigned_abs() {
            0..SECONDS_BELOW => whole.checked_mul(1_000_000),
            SECONDS_BELOW..MILLIS_BELOW => whole.checked_mul(1_000),
            MILLIS_BELOW..MICROS_BELOW => Some(whole),
            _ => Some(whole.div_euclid(1_000)),
        };
    }
    let fraction: f64 = text.parse().ok()?;
    let magnitude = fraction.abs();
    let micros = if magnitude < SECONDS_BELOW as f64 {
        fraction * 1e6
    } else if magnitude < MILLIS_BELOW as f64 {
        fraction * 1e3
    } else if magnitude < MICROS_BELOW as f64 {
        fraction
    } else {
        fraction / 1e3
    }
    .round();
    // 2^63 is the first float that no longer fits; NaN and infinities compare false.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation)] // checked against the limit
    (-LIMIT..LIMIT).contains(&micros).then_some(micros as i64)
}

/// Microseconds of the time at which an envelope ends, or None where it never does or its time cannot be read.
pub(super) fn expiry(timestamp: Option<&Value<'_>>, ttl: Option<&Value<'_>>) -> Option<i64> {
    let seconds: f64 = match ttl? {
        Value::Number(text) => text.parse().ok()?,
        Value::Text(text) if is_numeric(text.trim()) => text.trim().parse().ok()?,
        _ => return None,
    };
    if seconds <= 0.0 {
        return None;
    }
    let from = read(timestamp, "timestamp").ok()?;
    #[allow(clippy::cast_possible_truncation)] // a cast from float saturates: such an envelope never ends
    Some(from.saturating_add((seconds * 1e6).round() as i64))
}
