//! The deep part: every row against every message, and every row of windows against the readings that it names.

mod eras;
mod fold;
mod marks;
mod messages;
mod open_parts;
mod parts;
mod places;
mod readings;
mod rolling;
mod stored;
mod tables;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::AuditError;
use super::contract::{Cluster, TopicView};
use super::epochs::{Epoch, EpochLog, Segment};
use super::finding::Findings;
use super::lakes::LakeDir;
use super::partitions::History;
use super::report::Looked;
use super::run::{Beginning, Progress};
use super::segments::{SegmentState, SegmentStates};
use crate::batch::{CommitNote, Table, TopicPartition};

/// Offsets with the notes that they carry.
pub(super) type Notes = BTreeMap<TopicPartition, (i64, Option<CommitNote>)>;

/// What is looked at.
pub(super) struct Matter<'a> {
    pub(super) log: &'a EpochLog,
    pub(super) lakes: &'a [LakeDir],
    pub(super) states: &'a SegmentStates,
    pub(super) histories: &'a [History<'a>],
    /// The group's offsets, asked after the records were read, and before.
    pub(super) notes: [Notes; 2],
    pub(super) topics: &'a [(String, Option<TopicView>)],
    pub(super) beginning: Beginning,
    /// The epochs topic has never lost a record, so that histories begin where the group began.
    pub(super) is_complete: bool,
}

/// Where results go.
pub(super) struct Outcome<'a> {
    pub(super) findings: &'a mut Findings,
    pub(super) looked: &'a mut Looked,
    pub(super) notes: &'a mut Vec<String>,
}

impl Matter<'_> {
    /// The files of an epoch that hold a table and can be read.
    fn files<'e>(&'e self, index: usize, epoch: &'e Epoch, table: Table) -> impl Iterator<Item = PathBuf> + 'e {
        let lake = self.lakes.iter().find(|lake| *lake.id == *epoch.lake);
        let is_good =
            move |(at, segment): &(usize, &Segment)| segment.table == table && self.states.get(index, *at) == SegmentState::Good;
        let segments = epoch.segments.iter().enumerate().filter(is_good);
        segments.filter_map(move |(_, segment)| Some(lake?.root.join(epoch.path_of(segment))))
    }
}

pub(super) fn check(
    cluster: &mut dyn Cluster,
    matter: &Matter<'_>,
    outcome: &mut Outcome<'_>,
    progress: &mut Progress<'_>,
) -> Result<(), AuditError> {
    messages::check(cluster, matter, outcome, progress)?;
    windows::check(matter, outcome, progress);
    Ok(())
}
