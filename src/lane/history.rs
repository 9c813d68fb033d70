//! What a group has done before, read from the epochs topic: the last epoch of each partition.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::prepare::{PrepareError, Prepared, START_DEADLINE};
use crate::batch::TopicPartition;
use crate::journey::publish::EpochRecord;
use crate::kafka::{Admin, Intake, IntakeBatch, IntakeEvent, Isolation, KafkaError, LaneConsumer, OffsetSpec, time_left};

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
    let mut left = stretches(admin, prepared, since_ms, deadline)?;
    let mut history = History::new();
    if left.is_empty() {
        return Ok(history);
    }
    let unanswered = || KafkaError::NoAnswer {
        call: "reading the epochs topic",
        brokers: prepared.clients.brokers_text(),
        waited: START_DEADLINE,
    };
    let mut reader = LaneConsumer::reader(&prepared.clients, group)?;
    let starts: Vec<_> = left.iter().map(|(source, (next, _))| (source.clone(), *next)).collect();
    reader.assign(&starts).map_err(|_| unanswered())?;
    while !left.is_empty() {
        if time_left(deadline).is_zero() {
            return Err(unanswered().into());
        }
        while let Some(batch) = reader.take() {
            for run in batch.runs(0) {
                for row in &run.rows {
                    note(group, row.key, row.value, &mut history);
                }
                advance(&mut left, &run.source, run.span().next);
            }
        }
        for event in reader.events() {
            if let IntakeEvent::End { source, next } = event {
                advance(&mut left, &source, next);
            }
        }
        left.retain(|_, (next, end)| next < end);
        if !left.is_empty() {
            reader.wait(time_left(deadline).min(Duration::from_millis(100)));
            reader.clear_wake();
        }
    }
    Ok(history)
}

/// What is to be read: `(next, end)` of each partition that has something. The end is the high watermark, for the last stable offset may
/// lie before a record of ours.
fn stretches(
    admin: &Admin,
    prepared: &Prepared,
    since_ms: Option<i64>,
    deadline: Instant,
) -> Result<BTreeMap<TopicPartition, (i64, i64)>, PrepareError> {
    let partitions = admin.partitions_of(&prepared.epochs_topic, deadline)?;
    let from = since_ms.map_or(OffsetSpec::Earliest, OffsetSpec::At);
    let starts = admin.offsets(&partitions, from, Isolation::ReadUncommitted, deadline)?;
    let ends = admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
    let both = starts.into_iter().zip(ends);
    let some = both.filter_map(|((source, start), (_, end))| Some((source, (start?, end?))));
    Ok(some.filter(|(_, (start, end))| start < end).collect())
}

fn advance(left: &mut BTreeMap<TopicPartition, (i64, i64)>, source: &TopicPartition, to: i64) {
    if let Some((next, _)) = left.get_mut(source) {
        *next = (*next).max(to);
    }
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
