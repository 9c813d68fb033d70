//! Durations (`10s`) and sizes (`64MiB`): whole numbers with a unit, read and written.

use std::time::Duration;

const DURATION_UNITS_MS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

pub(super) const DURATION_FORM: &str = "write a whole number and a unit: 500ms, 10s, 1m, 2h, 7d";
pub(super) const SIZE_FORM: &str = "write a whole number and a unit: 512B, 256KiB, 64MiB, 1GiB";

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The largest unit that leaves a whole number.
fn written(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| amount >= factor && amount.is_multiple_of(factor);
    let (unit, factor) = units.iter().rev().find(|(_, factor)| fits(*factor)).copied().unwrap_or(units[0]);
    format!("{}{unit}", amount / factor)
}

pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    scaled(text, &DURATION_UNITS_MS).map(Duration::from_millis)
}

pub(super) fn write_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    written(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS_MS)
}

/// A number without a unit is bytes.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().or_else(|| scaled(text, &SIZE_UNITS))
}

pub(super) fn write_size(bytes: u64) -> String {
    written(bytes, &SIZE_UNITS)
}
