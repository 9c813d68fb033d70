//! What files and writers are called. A name is read back only if writing it again gives the same text.

use std::path::Path;

use uuid::Uuid;

use super::SegmentName;
use crate::batch::{Hour, Table};

/// Kafka would take 249 characters, but a visible file is called `<epoch>-<writer>.parquet` and a file name has 255 bytes at most.
pub const WRITER_LENGTH_MAX: usize = 200;

pub(super) const STAGING: &str = "_staging";
pub(super) const QUARANTINE: &str = "_quarantine";
pub(super) const OWN: &str = "_corelane";

pub(super) const DRAFT_SUFFIX: &str = ".tmp";
/// Beside a segment in quarantine: why it is there.
pub(super) const WHY_SUFFIX: &str = ".why.txt";
const SEGMENT_SUFFIX: &str = ".parquet";

/// `<epoch>.<table>.<YYYY-MM-DDTHH>.parquet`, the name in a staging folder.
pub(super) fn staged_file(name: &SegmentName) -> String {
    format!("{}.{}.{}{SEGMENT_SUFFIX}", name.epoch, name.table.name(), name.hour)
}

/// Reads a name that [`staged_file`] made; None for any other.
pub(super) fn parse_staged_file(file: &str) -> Option<SegmentName> {
    let mut parts = file.strip_suffix(SEGMENT_SUFFIX)?.splitn(3, '.');
    let epoch = Uuid::parse_str(parts.next()?).ok()?;
    let table = Table::from_name(parts.next()?)?;
    let (date, hour) = parts.next()?.rsplit_once('T')?;
    let name = SegmentName { epoch, table, hour: parse_hour(date, hour)? };
    (staged_file(&name) == file).then_some(name)
}

/// The folder of a table's hour, relative to the lake: `readings/date=2026-11-21/hour=07`.
pub(super) fn visible_dir(table: Table, hour: Hour) -> String {
    format!("{}/date={}/hour={}", table.name(), hour.date(), hour.hour())
}

fn visible_file(epoch: Uuid, writer: &str) -> String {
    format!("{epoch}-{writer}{SEGMENT_SUFFIX}")
}

/// The path of a revealed segment, relative to the lake: `readings/date=2026-11-21/hour=07/<epoch>-<writer>.parquet`.
pub fn visible_path(name: &SegmentName, writer: &str) -> String {
    format!("{}/{}", visible_dir(name.table, name.hour), visible_file(name.epoch, writer))
}

/// Reads a path that [`visible_path`] made into the segment's name and its writer; None for any other.
pub fn parse_visible_path(relative: &str) -> Option<(SegmentName, String)> {
    let mut parts = relative.splitn(4, '/');
    let table = Table::from_name(parts.next()?)?;
    let date = parts.next()?.strip_prefix("date=")?;
    let hour = parts.next()?.strip_prefix("hour=")?;
    let file = parts.next()?.strip_suffix(SEGMENT_SUFFIX)?;
    let (epoch, writer) = file.split_at_checked(36)?;
    let epoch = Uuid::parse_str(epoch).ok()?;
    let writer = writer.strip_prefix('-').filter(|writer| is_plain(writer))?;
    let name = SegmentName { epoch, table, hour: parse_hour(date, hour)? };
    (visible_path(&name, writer) == relative).then(|| (name, writer.to_owned()))
}

pub(super) fn is_segment(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(SEGMENT_SUFFIX))
}

/// Readers of a folder pass over such names.
pub(super) fn is_hidden(path: &Path) -> bool {
    path.file_name().and_then(|file| file.to_str()).is_some_and(|file| file.starts_with(['.', '_']))
}

/// A writer's name in its parts: `<group>.<instance>.<lane>`. Neither instance nor lane has a dot, so a group may. None for a name that
/// no Corelane gives.
pub fn writer_parts(writer: &str) -> Option<(&str, &str, usize)> {
    let mut parts = writer.rsplitn(3, '.');
    let (lane, instance, group) = (parts.next()?, parts.next()?, parts.next()?);
    let number: usize = lane.parse().ok()?;
    let is_plain = is_plain(group) && is_plain(instance) && number.to_string() == lane;
    is_plain.then_some((group, instance, number))
}

/// `[A-Za-z0-9._-]`, and not empty.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The inverse of [`Hour::date`] and [`Hour::hour`] (days from civil after Hinnant, as there).
fn parse_hour(date: &str, hour: &str) -> Option<Hour> {
    let (rest, day) = date.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let (year, month, day): (i64, i64, i64) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year.abs() > 300_000_000 {
        return None;
    }
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let parsed = Hour(days * 24 + hour.parse::<i64>().ok()?);
    (parsed.date() == date && parsed.hour() == hour).then_some(parsed)
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
