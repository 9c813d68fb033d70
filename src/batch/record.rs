//! Records on their way to Kafka, and segments on their way to the lake, as plain values.

use std::fmt;
use std::sync::Arc;

use super::Table;

/// One record to produce. The record's timestamp is left to the broker or the client: always the time of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRecord {
    pub topic: Arc<str>,
    /// None: by the key, Java-compatible murmur2.
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// A header's value may be null.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl OutRecord {
    /// Bytes that it holds on to while it waits.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        headers + self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// An hour (UTC), the partitioning of the lake: whole hours since 1970-01-01T00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hour(pub i64);

impl Hour {
    pub fn of_millis(time_ms: i64) -> Self {
        Hour(time_ms.div_euclid(3_600_000))
    }

    /// `YYYY-MM-DD` and `HH`, proleptic Gregorian (days to civil after Hinnant, "chrono-compatible low-level date algorithms").
    fn civil(self) -> (i64, i64, i64, i64) {
        let days = self.0.div_euclid(24) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day, self.0.rem_euclid(24))
    }

    /// `2026-11-21`.
    pub fn date(self) -> String {
        let (year, month, day, _) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// `07`.
    pub fn hour(self) -> String {
        format!("{:02}", self.civil().3)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{}", self.date(), self.hour())
    }
}

/// A closed Parquet file in memory, ready to be staged.
#[derive(Clone, Debug)]
pub struct EncodedSegment {
    pub table: Table,
    pub hour: Hour,
    pub rows: u64,
    pub bytes: Vec<u8>,
    /// CRC-32C of `bytes`.
    pub crc32c: u32,
}
