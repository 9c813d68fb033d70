//! Numbers and times as text, appended to a buffer without formatting machinery: a message holds about thirty of them.

// Digits: all numbers that are cut here are below a hundred.
#![allow(clippy::cast_possible_truncation)]

use crate::batch::Hour;

/// `00` to `99`, so that two digits cost one division.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut n = 0;
    while n < 100 {
        pairs[2 * n] = b'0' + (n / 10) as u8;
        pairs[2 * n + 1] = b'0' + (n % 10) as u8;
        n += 1;
    }
    pairs
};

/// The digits of `n` at the end of `digits`, which holds zeros before: the place of the first one that is needed.
#[inline]
fn write_digits(digits: &mut [u8; 20], n: u64) -> usize {
    let mut at = digits.len();
    let mut rest = n;
    while rest >= 10 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if rest > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    at
}

/// Appends `n` in decimal.
#[inline]
pub(super) fn push_unsigned(out: &mut Vec<u8>, n: u64) {
    push_padded(out, n, 1);
}

/// Appends `n` in decimal, with zeros in front up to `width` (at most 20).
#[inline]
pub(super) fn push_padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let at = write_digits(&mut digits, n).min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

/// Appends `n` below a hundred as two digits.
#[inline]
fn push_two(out: &mut Vec<u8>, n: u64) {
    let pair = (n % 100) as usize * 2;
    out.extend_from_slice(&PAIRS[pair..pair + 2]);
}

/// Appends `n` in decimal.
#[inline]
pub(super) fn push_signed(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    push_unsigned(out, n.unsigned_abs());
}

/// Appends `scaled / 10^decimals` with exactly that many decimals. Dividing `scaled` as a float by that power of ten gives the very
/// float that a correct parser reads from this text, which is what the labels hold.
pub(super) fn push_fixed(out: &mut Vec<u8>, scaled: i64, decimals: u32) {
    if decimals == 0 {
        return push_signed(out, scaled);
    }
    if scaled < 0 {
        out.push(b'-');
    }
    let n = scaled.unsigned_abs();
    // The sensors have one or two: a division by a number that is known is a multiplication.
    let (whole, rest) = match decimals {
        1 => (n / 10, n % 10),
        2 => (n / 100, n % 100),
        _ => (n / 10_u64.pow(decimals), n % 10_u64.pow(decimals)),
    };
    push_unsigned(out, whole);
    out.push(b'.');
    push_padded(out, rest, decimals as usize);
}

/// Writes RFC 3339 times; the date is made once an hour and kept.
#[derive(Debug)]
pub(super) struct TimeText {
    hour: Hour,
    /// `2026-11-21T07:`
    prefix: String,
}

impl TimeText {
    pub(super) fn new() -> Self {
        Self { hour: Hour(i64::MIN), prefix: String::new() }
    }

    /// Appends `time_ms` with milliseconds, in the zone `zone_hours` (0..=14) east of Greenwich.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, time_ms: i64, zone_hours: i64) {
        let local_ms = time_ms + zone_hours * 3_600_000;
        let hour = Hour::of_millis(local_ms);
        if hour != self.hour {
            self.hour = hour;
            self.prefix = format!("{}T{}:", hour.date(), hour.hour());
        }
        out.extend_from_slice(self.prefix.as_bytes());
        let ms = local_ms.rem_euclid(3_600_000).unsigned_abs();
        push_two(out, ms / 60_000);
        out.push(b':');
        push_two(out, ms / 1_000 % 60);
        out.push(b'.');
        push_padded(out, ms % 1_000, 3);
        if zone_hours == 0 {
            out.push(b'Z');
        } else {
            out.push(b'+');
            push_two(out, zone_hours.unsigned_abs());
            out.extend_from_slice(b":00");
        }
    }

    /// The same as a string of its own.
    pub(super) fn text(&mut self, time_ms: i64, zone_hours: i64) -> String {
        let mut out = Vec::with_capacity(32);
        self.push(&mut out, time_ms, zone_hours);
        String::from_utf8(out).unwrap_or_default()
    }
}
