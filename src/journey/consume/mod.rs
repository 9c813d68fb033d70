//! Consume: which partitions a lane has, how far it has read each, and what of a batch is really new.
//!
//! ```text
//!            Assigned                 committed offsets known
//! Nothing ─────────────▶ Finding ──────────────────────────────▶ Consuming ──Revoked──▶ Draining ──unassigned──▶ Nothing
//! ```
//!
//! An assignment is found and given back as a whole (eager protocol). The state of a partition begins with its committed offset and
//! goes with the assignment; nothing of it outlives the lane's ownership. While Consuming, each partition for itself first *replays*:
//! what its open windows were made of lies before the committed offset and is read again, without output.

mod clock;
mod position;

pub use clock::Clock;
pub use position::{Admitted, Position, Replaying};

use std::collections::BTreeMap;

use crate::batch::{CommitNote, TopicPartition};
use crate::kafka::Committed;

/// `Intake::assign` with this offset begins at the partition's first one (librdkafka's RD_KAFKA_OFFSET_BEGINNING).
pub const OFFSET_BEGINNING: i64 = -2;

/// Where a lane stands with the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No partitions.
    Nothing,
    /// Partitions given, their committed offsets not known yet; no message flows.
    Finding,
    /// Messages flow.
    Consuming,
    /// The group wants the partitions back: what is under way is settled or given up, then they are unassigned.
    Draining { lost: bool },
}

/// The partitions of one lane.
#[derive(Debug)]
pub struct Assignment {
    phase: Phase,
    /// The group has spoken since the last partitions were given back. With no partitions: this is a spare member.
    is_given: bool,
    positions: BTreeMap<TopicPartition, Position>,
}

/// Where a partition goes on, as far as the group knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub source: TopicPartition,
    /// [`OFFSET_BEGINNING`]: nothing is committed.
    pub committed: i64,
    /// None: nothing is committed.
    pub note: Option<CommitNote>,
    /// The partition's first offset. None: it was not asked for.
    pub first: Option<i64>,
}

/// A committed offset that is not ours to go on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{source_partition}: the committed offset {offset} was not set by Corelane (its metadata is {metadata:?}), and a lake can only go on \
     from the end of its own last epoch. Remedy: stop all members of the group, then \
     `corelane groups reset --group <kafka.group> --topic {topic} --partition {partition} --to {offset} --reason WHY`",
    topic = source_partition.topic,
    partition = source_partition.partition
)]
pub struct ForeignOffset {
    pub source_partition: TopicPartition,
    pub offset: i64,
    pub metadata: String,
}

impl Default for Assignment {
    fn default() -> Self {
        Self { phase: Phase::Nothing, is_given: false, positions: BTreeMap::new() }
    }
}

impl Assignment {
    /// Without partitions because the group has none for this member, not because it still has to say which.
    pub fn is_spare(&self) -> bool {
        self.phase == Phase::Nothing && self.is_given
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.positions.keys().cloned().collect()
    }

    pub fn positions(&self) -> impl Iterator<Item = (&TopicPartition, &Position)> {
        self.positions.iter()
    }

    pub fn positions_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Position)> {
        self.positions.iter_mut()
    }

    pub fn position(&self, source: &TopicPartition) -> Option<&Position> {
        self.positions.get(source)
    }

    pub fn position_mut(&mut self, source: &TopicPartition) -> Option<&mut Position> {
        self.positions.get_mut(source)
    }

    /// The group gave these partitions (the whole assignment): their offsets are to be found before anything flows.
    pub fn given(&mut self, partitions: &[TopicPartition]) {
        self.positions = partitions.iter().map(|source| (source.clone(), Position::unknown())).collect();
        self.phase = if partitions.is_empty() { Phase::Nothing } else { Phase::Finding };
        self.is_given = true;
    }

    /// All state of all partitions is given up, the partitions are kept: their committed offsets are to be found again.
    pub fn begin_anew(&mut self) {
        let partitions = self.partitions();
        self.given(&partitions);
    }

    /// The committed offsets are known: says where each partition goes on. An answer to an earlier question gives None.
    pub fn found(&mut self, committed: &[Committed]) -> Result<Option<Vec<Found>>, ForeignOffset> {
        let asked = committed.len() == self.positions.len() && committed.iter().all(|c| self.positions.contains_key(&c.source));
        if self.phase != Phase::Finding || !asked {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(committed.len());
        for Committed { source, offset, metadata, first } in committed {
            let (position, note) = match offset {
                // A partition that was added after the group started begins at its first offset.
                None => (Position::unknown(), None),
                Some(offset) => {
                    let metadata = metadata.as_deref().unwrap_or("(not UTF-8)");
                    let note = CommitNote::parse(metadata).ok_or_else(|| ForeignOffset {
                        source_partition: source.clone(),
                        offset: *offset,
                        metadata: metadata.to_owned(),
                    })?;
                    (Position::committed(*offset, &note), Some(note))
                }
            };
            let committed = offset.unwrap_or(OFFSET_BEGINNING);
            found.push(Found { source: source.clone(), committed, note, first: *first });
            self.positions.insert(source.clone(), position);
        }
        self.phase = Phase::Consuming;
        Ok(Some(found))
    }

    /// The group wants everything back.
    pub fn revoked(&mut self, lost: bool) {
        self.phase = match self.phase {
            Phase::Draining { lost: before } => Phase::Draining { lost: before || lost },
            _ => Phase::Draining { lost },
        };
    }

    /// Everything was given back.
    pub fn dropped(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
