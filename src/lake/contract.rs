//! What settle needs of a place that keeps segments: put → token, reveal(token), discard(token).

use std::path::PathBuf;

use uuid::Uuid;

use crate::batch::{EncodedSegment, Hour, Table};

/// What a segment is called, staged and revealed: the epoch's id (UUIDv7) stands in both names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName {
    pub epoch: Uuid,
    pub table: Table,
    pub hour: Hour,
}

/// The token of a staged segment: durable, and not yet visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    pub name: SegmentName,
    /// For messages only.
    pub place: PathBuf,
}

/// A failure of the place that keeps the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    #[error("{action} {}: {source}. {remedy}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error, remedy: &'static str },
    #[error("{}: {what}. {remedy}", path.display())]
    Refused { path: PathBuf, what: String, remedy: &'static str },
}

/// A place that keeps the segments of one writer.
pub trait Storage: Send {
    /// Writes segments of an epoch where nobody looks, and returns when they are durable: files and directory are fsynced.
    fn put(&mut self, epoch: Uuid, segments: &[EncodedSegment]) -> Result<Vec<Staged>, LakeError>;

    /// Gives staged segments their visible names and returns when that is durable. Idempotent; never replaces a file.
    fn reveal(&mut self, staged: &[Staged]) -> Result<(), LakeError>;

    /// Deletes staged segments. Idempotent.
    fn discard(&mut self, staged: &[Staged]) -> Result<(), LakeError>;

    /// What lies in this writer's staging folder: what an earlier life left.
    fn staged(&mut self) -> Result<Vec<Staged>, LakeError>;

    /// Moves staged segments that cannot be judged out of the way, and keeps them.
    fn quarantine(&mut self, staged: &[Staged], why: &str) -> Result<(), LakeError>;

    /// Whether a segment is visible under this path (of [`Storage::visible_path`]).
    fn is_visible(&self, path: &str) -> bool;

    /// The path under the lake that a revealed segment has, for the epoch record: `readings/date=…/hour=…/….parquet`.
    fn visible_path(&self, name: &SegmentName) -> String;
}
