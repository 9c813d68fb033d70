//! Which offsets a group starts from when nobody is a member yet, and whether what it has committed is ours to go on from.

use std::time::Instant;

use super::prepare::{PrepareError, Prepared};
use crate::batch::CommitNote;
use crate::config::{Config, Start};
use crate::kafka::{
    Admin, CommitOffset, Committed, Intake, IntakeBatch, IntakeEvent, Isolation, KafkaError, LaneConsumer, OffsetSpec, time_left,
};

/// What to commit before the lanes join: the start of fresh partitions, and a note on offsets that another program left in a group
/// that never ran here.
pub(super) fn start_notes(
    config: &Config,
    committed: &[Committed],
    starts: &[Committed],
    has_epochs: impl FnOnce() -> Result<bool, PrepareError>,
) -> Result<Vec<CommitOffset>, PrepareError> {
    let from = match config.kafka.start {
        Start::Earliest => "earliest".to_owned(),
        Start::Latest => "latest".to_owned(),
        Start::Time { ms } => ms.to_string(),
    };
    let note = |from: &str| CommitNote::Start { from: from.to_owned() }.to_metadata();
    let mut offsets: Vec<CommitOffset> = starts
        .iter()
        .filter_map(|start| Some(CommitOffset { source: start.source.clone(), next: start.offset?, metadata: note(&from) }))
        .collect();
    let foreign: Vec<(&Committed, i64)> = committed
        .iter()
        .filter_map(|entry| Some((entry, entry.offset?)))
        .filter(|(entry, _)| entry.metadata.as_deref().and_then(CommitNote::parse).is_none())
        .collect();
    let Some((first, offset)) = foreign.first() else { return Ok(offsets) };
    if has_epochs()? {
        return Err(PrepareError::Moved {
            group: config.kafka.group.clone(),
            partition: first.source.clone(),
            offset: *offset,
            epochs: format!("{}.epochs", config.kafka.prefix),
            brokers: config.kafka.brokers.join(","),
        });
    }
    let taken_over = |(entry, next): &(&Committed, i64)| CommitOffset {
        source: entry.source.clone(),
        next: *next,
        metadata: note("committed"),
    };
    offsets.extend(foreign.iter().map(taken_over));
    Ok(offsets)
}

/// Whether the epochs topic has a record of any writer of this group.
pub(super) fn epochs_of_group(
    config: &Config,
    admin: &Admin,
    prepared: &Prepared,
    deadline: Instant,
) -> Result<bool, PrepareError> {
    let partitions = admin.partitions_of(&prepared.epochs_topic, deadline)?;
    let lows = admin.offsets(&partitions, OffsetSpec::Earliest, Isolation::ReadUncommitted, deadline)?;
    let highs = admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
    let mut left: Vec<(_, i64, i64)> = lows
        .into_iter()
        .zip(highs)
        .filter_map(|((source, low), (_, high))| Some((source, low?, high?)))
        .filter(|(_, low, high)| low < high)
        .collect();
    if left.is_empty() {
        return Ok(false);
    }
    let prefix = format!("{}.", config.kafka.group);
    let mut reader = LaneConsumer::reader(&prepared.clients, &config.kafka.group)?;
    let starts: Vec<_> = left.iter().map(|(source, low, _)| (source.clone(), *low)).collect();
    let unanswered = || KafkaError::NoAnswer {
        call: "reading the epochs topic",
        brokers: prepared.clients.brokers_text(),
        waited: super::prepare::START_DEADLINE,
    };
    reader.assign(&starts).map_err(|_| unanswered())?;
    while !left.is_empty() {
        if time_left(deadline).is_zero() {
            return Err(unanswered().into());
        }
        for event in reader.events() {
            if let IntakeEvent::End { source, .. } = event {
                left.retain(|(partition, _, _)| *partition != source);
            }
        }
        match reader.take() {
            None => reader.wait(time_left(deadline).min(std::time::Duration::from_millis(100))),
            Some(batch) => {
                for run in batch.runs(0) {
                    if run.rows.iter().any(|row| row.key.is_some_and(|key| key.starts_with(prefix.as_bytes()))) {
                        return Ok(true);
                    }
                }
            }
        }
    }
    Ok(false)
}
