//! From where each partition goes on when nobody is a member of the group: from what is committed, if that is the end of our last epoch.

use uuid::Uuid;

use super::history::History;
use crate::batch::{CommitNote, TopicPartition};
use crate::kafka::Committed;

/// Epochs of two hosts that were made within this time have no order that clocks could tell.
const CLOCKS_DIFFER_SECONDS: u64 = 600;

/// What is to be done about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The committed offset is ours.
    Keep,
    /// The group never had it: where `kafka.start` says.
    Start,
    /// It was added to a topic that the group has: its first offset.
    StartAtFirst,
    /// Another program left the offset, in a group that never ran here: from there, with our note on it.
    TakeOver(i64),
}

/// Somebody moved the group, or Kafka forgot its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) partition: TopicPartition,
    /// None: nothing is committed any more.
    pub(super) committed: Option<i64>,
    /// Where our last epoch of the partition ended, if the epochs topic still has it.
    pub(super) last: Option<i64>,
}

/// The notes say whose the offsets are; `history` (all records, or at least those since the oldest epoch that a note names) says whether
/// they are the end of our last epoch.
pub(super) fn decide(committed: &[Committed], history: &History) -> Result<Vec<Decision>, Moved> {
    let has_topic =
        |source: &TopicPartition| committed.iter().any(|entry| entry.source.topic == source.topic && entry.offset.is_some());
    committed
        .iter()
        .map(|entry| {
            let last = history.get(&entry.source);
            let moved = |last| Moved { partition: entry.source.clone(), committed: entry.offset, last };
            let note = entry.metadata.as_deref().and_then(CommitNote::parse);
            match (entry.offset, note, last) {
                (None, _, Some(last)) => Err(moved(Some(last.next))),
                (None, _, None) if has_topic(&entry.source) => Ok(Decision::StartAtFirst),
                (None, _, None) => Ok(Decision::Start),
                // A later epoch that ended before the offset is no later one: the host's clock was set back since.
                (Some(offset), Some(CommitNote::Epoch { epoch, .. }), Some(last))
                    if last.next != offset && last.epoch == epoch || last.next > offset && is_later(last.epoch, epoch) =>
                {
                    Err(moved(Some(last.next)))
                }
                (Some(_), Some(_), _) => Ok(Decision::Keep),
                (Some(_), None, last) if last.is_some() || !history.is_empty() => Err(moved(last.map(|last| last.next))),
                (Some(offset), None, _) => Ok(Decision::TakeOver(offset)),
            }
        })
        .collect()
}

/// Whether an epoch was made later than another, beyond what the clocks of two hosts differ by.
fn is_later(epoch: Uuid, than: Uuid) -> bool {
    let seconds = |id: Uuid| id.get_timestamp().map_or(0, |timestamp| timestamp.to_unix().0);
    seconds(epoch) > seconds(than).saturating_add(CLOCKS_DIFFER_SECONDS)
}

/// From when on the epochs topic must be read to judge these offsets; None: all of it.
pub(super) fn history_needed_since_ms(committed: &[Committed]) -> Option<i64> {
    let mut oldest = i64::MAX;
    for entry in committed {
        let note = entry.metadata.as_deref().and_then(CommitNote::parse);
        match (entry.offset, note) {
            (Some(_), Some(CommitNote::Epoch { epoch, .. })) => {
                let (seconds, _) = epoch.get_timestamp()?.to_unix();
                oldest = oldest.min(i64::try_from(seconds).ok()?.saturating_mul(1_000));
            }
            (Some(_), Some(CommitNote::Start { .. } | CommitNote::Reset { .. })) => {}
            _ => return None,
        }
    }
    // An hour for clocks that were set back since.
    Some(oldest.saturating_sub(3_600_000).max(0))
}

#[cfg(test)]
#[path = "takeover_tests.rs"]
mod tests;
