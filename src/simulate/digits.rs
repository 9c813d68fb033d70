//! Numbers and times as text, appended to a buffer without formatting machinery: a message holds about thirty of them.

use crate::batch::Hour;

/// Appends `n` in decimal.
pub(super) fn push_unsigned(out: &mut Vec<u8>, n: u64) {
    push_padded(out, n, 1);
}

/// Appends `n` in decimal, with zeros in front up to `width` (at most 20).
pub(super) fn push_padded(out: &mut Vec<u8>, n: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = n;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let at = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[at..]);
}

/// Appends `n` in decimal.
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
    let unit = 10_u64.pow(decimals);
    let n = scaled.unsigned_abs();
    push_unsigned(out, n / unit);
    out.push(b'.');
    push_padded(out, n % unit, decimals as usize);
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
        push_padded(out, ms / 60_000, 2);
        out.push(b':');
        push_padded(out, ms / 1_000 % 60, 2);
        out.push(b'.');
        push_padded(out, ms % 1_000, 3);
        if zone_hours == 0 {
            out.push(b'Z');
        } else {
            out.push(b'+');
            push_padded(out, zone_hours.unsigned_abs(), 2);
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
