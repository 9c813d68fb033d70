//! Committed offsets of a group, and who may commit them.

use super::{Caller, Fault, Group, Phase};
use crate::broker::transactions::At;

/// Kafka's `offset.metadata.max.bytes`.
const METADATA_MAX: usize = 4096;

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Committed {
    pub(in crate::broker) offset: i64,
    pub(in crate::broker) leader_epoch: i32,
    pub(in crate::broker) metadata: String,
}

impl Committed {
    /// Refuses metadata that is too long.
    pub(in crate::broker) fn new(offset: i64, leader_epoch: i32, metadata: &str) -> Result<Self, Fault> {
        if metadata.len() > METADATA_MAX {
            return Err(Fault::OffsetMetadataTooLarge);
        }
        Ok(Self { offset, leader_epoch, metadata: metadata.to_owned() })
    }
}

impl Group {
    /// Whether a caller may commit offsets.
    ///
    /// A generation below 0 is that of a caller outside the protocol: the admin client, or a consumer with partitions assigned by
    /// hand. It may commit while the group has no members; in a transaction, if it names no member either, always.
    pub(in crate::broker) fn check_commit(&self, caller: Caller<'_>, transactional: bool) -> Result<(), Fault> {
        if caller.generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if caller.generation >= 0 || !caller.member.is_empty() || caller.instance.is_some() {
            self.current(caller)?;
        } else if !transactional {
            return Err(Fault::UnknownMemberId);
        }
        if !transactional && matches!(self.phase, Phase::Completing { .. }) {
            return Err(Fault::RebalanceInProgress);
        }
        Ok(())
    }

    pub(in crate::broker) fn commit(&mut self, at: At, committed: Committed) {
        self.offsets.insert(at, committed);
    }

    pub(in crate::broker) fn committed(&self, at: &At) -> Option<&Committed> {
        self.offsets.get(at)
    }

    /// Partitions with committed offsets, in order.
    pub(in crate::broker) fn committed_partitions(&self) -> impl Iterator<Item = &At> {
        self.offsets.keys()
    }

    /// Forgets an offset. Whether there was one.
    pub(in crate::broker) fn forget_offset(&mut self, at: &At) -> bool {
        self.offsets.remove(at).is_some()
    }

    pub(in crate::broker) fn forget_topic(&mut self, topic: &str) {
        self.offsets.retain(|(name, _), _| name != topic);
    }
}
