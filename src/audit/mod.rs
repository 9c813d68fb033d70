//! The audit of a group: its epoch records, its lakes and Kafka, held against each other (`corelane verify`, `docs/verify.md`).
//!
//! ```text
//!  Kafka ── epoch records ──▶ spans join, ledgers balance ◀── the group's offsets
//!                │
//!  lakes ── visible files ──▶ each that a record names is there and whole, nothing else is
//!        └─ held back ──────▶ renames to finish, orphans, quarantine
//!
//!  deep:  rows of the lake ──▶ a bit an offset ◀── messages of Kafka
//!         readings ──▶ folded plainly ──▶ every row of aggregates and groups, bit for bit
//! ```
//!
//! It shares no code with what it audits: it reads the tables back from Parquet and names neither `inspect` nor `measure`. It changes
//! nothing; [`repair`] does, and only what is certain.
//!
//! **Memory.** The records take about half a kilobyte an epoch. `deep` takes a bit an offset of all that the group has read, and then, a
//! partition at a time, the readings of one epoch and the windows that are open there.

mod contract;
mod deep;
mod epochs;
mod finding;
mod held;
mod kafka;
mod lakes;
mod partitions;
mod repair;
mod report;
mod run;
mod segments;

use std::path::PathBuf;

pub use contract::{Cluster, TopicView, Visit};
pub use finding::{Class, Finding, FindingKind, Findings, KEPT_A_KIND, Place};
pub use kafka::KafkaCluster;
pub use repair::{RepairOptions, repair};
pub use report::{Action, LakeSeen, Looked, PartitionSeen, Repaired, Report, Verdict};
pub use run::{AuditOptions, Beginning, Progress, Step, audit};

use crate::kafka::KafkaError;
use crate::lake::LakeError;

/// An audit that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("{}: no lake is here{}. Give the folder that lake.path names", path.display(), cause(source.as_ref()))]
    NoLake { path: PathBuf, source: Option<std::io::Error> },
    #[error("{}: this is the lake of group {group:?}, not of {asked:?}. Give --group {group}, or another lake", path.display())]
    OtherGroup { path: PathBuf, group: String, asked: String },
    #[error("{} and {} are one lake, copied. Give one of them", one.display(), other.display())]
    Twins { one: PathBuf, other: PathBuf },
    #[error(
        "there is no topic {topic}: nothing attests what was committed. Is it the right cluster, and the right kafka.prefix?"
    )]
    NoEpochs { topic: String },
}

fn cause(source: Option<&std::io::Error>) -> String {
    source.map_or_else(String::new, |error| format!(" ({error})"))
}

#[cfg(test)]
mod tests;
