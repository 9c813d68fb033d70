//! The report of an audit: what was looked at, what was found, and the verdict.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::SerializeStruct as _;

use super::finding::{Class, Finding, FindingKind, Findings};

/// How an audit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All holds, and all was seen.
    Holds,
    /// Nothing wrong was seen, and not all could be seen.
    Unchecked,
    /// Something does not hold.
    Found,
}

/// A lake that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LakeSeen {
    pub path: String,
    pub id: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    pub epochs: u64,
    pub segments: u64,
    pub bytes: u64,
    /// Rows of the segments, as their records say.
    pub rows: u64,
    /// Files in the staging folders of processes that are at work.
    pub in_flight: u64,
    /// With `deep`: rows of readings, events and rejects whose offset was looked at.
    pub deep_rows: u64,
    /// With `deep`: messages in Kafka that were looked for in the lake.
    pub messages: u64,
    /// With `deep`: rows that were recomputed.
    pub aggregates: u64,
    pub groups: u64,
}

/// A partition of the group, as its records tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionSeen {
    pub topic: String,
    pub partition: i32,
    /// The first span's start, and the end of the last one.
    pub start: i64,
    pub next: i64,
    /// The group's offset; null where there is none.
    pub committed: Option<i64>,
    pub epochs: u64,
    pub consumed: u64,
    pub gaps: u64,
    pub readings: u64,
    pub events: u64,
    pub rejects: u64,
}

/// What a repair did to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A committed segment got its visible name.
    Renamed,
    /// A segment of an epoch that never committed was deleted.
    Removed,
    /// It was not certain what to do.
    Left,
}

/// A file that a repair looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    pub action: Action,
    pub path: String,
    pub why: String,
}

/// What an audit came to. Its JSON is `docs/schemas/verify.v1.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub group: String,
    pub cluster_id: String,
    pub deep: bool,
    pub lakes: Vec<LakeSeen>,
    pub looked: Looked,
    pub partitions: Vec<PartitionSeen>,
    pub findings: Findings,
    /// Worth knowing, and nothing wrong.
    pub notes: Vec<String>,
    /// None: no repair was asked for.
    pub repaired: Option<Vec<Repaired>>,
}

impl Report {
    pub const VERSION: u32 = 1;

    pub fn verdict(&self) -> Verdict {
        if self.findings.total_of(Class::Found) > 0 {
            Verdict::Found
        } else if self.findings.total_of(Class::Unchecked) > 0 {
            Verdict::Unchecked
        } else {
            Verdict::Holds
        }
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let findings: &[Finding] = self.findings.kept();
        let totals: &BTreeMap<FindingKind, u64> = self.findings.totals();
        let mut report = serializer.serialize_struct("Report", 12)?;
        report.serialize_field("version", &Self::VERSION)?;
        report.serialize_field("verdict", &self.verdict())?;
        report.serialize_field("group", &self.group)?;
        report.serialize_field("cluster_id", &self.cluster_id)?;
        report.serialize_field("deep", &self.deep)?;
        report.serialize_field("lakes", &self.lakes)?;
        report.serialize_field("looked", &self.looked)?;
        report.serialize_field("partitions", &self.partitions)?;
        report.serialize_field("findings", findings)?;
        report.serialize_field("totals", totals)?;
        report.serialize_field("notes", &self.notes)?;
        report.serialize_field("repaired", &self.repaired)?;
        report.end()
    }
}
