//! What a group has done before, read from the epochs topic: the last epoch of each partition.

use std::collections::BTreeMap;
use std::time::Instant;

use uuid::Uuid;

use super::prepare::{PrepareError, Prepared};
use crate::batch::{RawRow, TopicPartition};
use crate::journey::publish::EpochRecord;
use crate::kafka::{Admin, Isolation, OffsetSpec, Patience, Stretch, read_stretches};

/// The newest epoch that has rows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastEpoch {
    pub(super) epoch: Uuid,
    /// Where it ended: the NEXT offset.
    pub(super) next: i64,
}

pub(super) type History = BTreeMap<TopicPartition, LastEpoch>;

/// Reads the committed epoch records of the group, from a Kafka time on or all that are kept.
pub(super) fn read_history(
    group: &str,
    admin: &Admin,
    prepared: &Prepared,
    since_ms: Option<i64>,
    deadline: Instant,
) -> Result<History, PrepareError> {
    let stretches = stretches(admin, prepared, since_ms, deadline)?;
    let mut history = History::new();
    let reading = (stretches, Patience::Until(deadline));
    let mut see = |_: &TopicPartition, row: &RawRow<'_>| note(group, row.key, row.value, &mut history);
    read_stretches(&prepared.clients, group, reading, "reading the epochs topic", &mut see)?;
    Ok(history)
}

/// What is to be read of each partition that has something. The end is the high watermark, for the last stable offset may
/// lie before a record of ours.
fn stretches(admin: &Admin, prepared: &Prepared, since_ms: Option<i64>, deadline: Instant) -> Result<Vec<Stretch>, PrepareError> {
    let partitions = admin.partitions_of(&prepared.epochs_topic, deadline)?;
    let from = since_ms.map_or(OffsetSpec::Earliest, OffsetSpec::At);
    let starts = admin.offsets(&partitions, from, Isolation::ReadUncommitted, deadline)?;
    let ends = admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
    let both = starts.into_iter().zip(ends);
    Ok(both.filter_map(|((source, start), (_, end))| Some(Stretch { source, next: start?, end: end? })).collect())
}

/// A record that is not ours, or that a newer version wrote, says nothing of our partitions.
fn note(group: &str, key: Option<&[u8]>, value: Option<&[u8]>, history: &mut History) {
    let writer = key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
    // <group>.<instance>.<lane>: neither instance nor lane has a dot.
    if writer.rsplitn(3, '.').nth(2) != Some(group) {
        return;
    }
    let Some(record) = value.and_then(|value| EpochRecord::from_json(value).ok()) else { return };
    for partition in &record.partitions {
        let last = LastEpoch { epoch: record.epoch, next: partition.next };
        let kept = history.entry(partition.source()).or_insert(last);
        // Ids are UUIDv7: the greater one was made later.
        if last.epoch >= kept.epoch {
            *kept = last;
        }
    }
}
