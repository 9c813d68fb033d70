//! Reads the committed records of one key: was an epoch committed? A reader of its own, that joins no group and is gone afterwards.

use std::time::Instant;

use super::super::admin::{Isolation, OffsetSpec, Requester};
use super::super::consumer::LaneConsumer;
use super::super::contract::{Intake, IntakeBatch, IntakeEvent, Testimony, TxClass, TxError, time_left};
use super::super::error::{KafkaError, tx_error};
use super::super::settings::ClientSettings;
use crate::batch::{RawBatch, TopicPartition};

const CALL: &str = "read_committed";

pub(super) struct Question<'a> {
    pub(super) topic: &'a str,
    pub(super) key: &'a [u8],
    pub(super) since_ms: i64,
    pub(super) deadline: Instant,
}

/// A partition that is read from `next` up to `end`.
struct Stretch {
    source: TopicPartition,
    next: i64,
    end: i64,
}

pub(super) fn read(settings: &ClientSettings, group: &str, question: &Question<'_>) -> Result<Testimony, TxError> {
    let mut reader = LaneConsumer::reader(settings, group).map_err(|error| again(&error))?;
    let (mut stretches, complete) = stretches(&reader, settings, question).map_err(|error| again(&error))?;
    let starts: Vec<_> = stretches.iter().map(|stretch| (stretch.source.clone(), stretch.next)).collect();
    let mut values = Vec::new();
    if !starts.is_empty() {
        reader.assign(&starts)?;
    }
    while !stretches.is_empty() {
        if Instant::now() >= question.deadline {
            let text = format!("the end of {} was not reached in time: {}", question.topic, unread(&stretches));
            return Err(tx_error(TxClass::Unknown, CALL, "_TIMED_OUT", text));
        }
        reader.wait(time_left(question.deadline));
        reader.clear_wake();
        while let Some(batch) = reader.take() {
            for run in batch.runs(0) {
                note(&run, question.key, &mut stretches, &mut values);
            }
        }
        for event in reader.events() {
            note_event(event, &mut stretches)?;
        }
        stretches.retain(|stretch| stretch.next < stretch.end);
    }
    Ok(Testimony { values, complete })
}

/// From the first record of that time to the high watermark, for each partition, and whether nothing since that time has expired. All is
/// asked with read_uncommitted: the last stable offset may lie before our own record.
fn stretches(
    reader: &LaneConsumer,
    settings: &ClientSettings,
    question: &Question<'_>,
) -> Result<(Vec<Stretch>, bool), KafkaError> {
    let requester = Requester::new(reader.client(), settings.brokers_text());
    let partitions = requester.partitions_of(question.topic, question.deadline)?;
    let ends = requester.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, question.deadline)?;
    let since = OffsetSpec::At(question.since_ms);
    let starts = requester.offsets(&partitions, since, Isolation::ReadUncommitted, question.deadline)?;
    let lows = requester.offsets(&partitions, OffsetSpec::Earliest, Isolation::ReadUncommitted, question.deadline)?;
    let mut stretches = Vec::with_capacity(ends.len());
    let mut complete = true;
    for (((source, end), (_, start)), (_, low)) in ends.into_iter().zip(starts).zip(lows) {
        let low = low.unwrap_or(0);
        // A record before the first one asked for is still there, or nothing was ever removed.
        complete &= low == 0 || start.or(end).is_some_and(|first| first > low);
        // No start: no record is that young. No end: the partition is empty.
        if let (Some(next), Some(end)) = (start, end)
            && next < end
        {
            stretches.push(Stretch { source, next, end });
        }
    }
    Ok((stretches, complete))
}

/// Takes the values of the key, up to the stretch's end, and notes how far the partition is.
fn note(run: &RawBatch<'_>, key: &[u8], stretches: &mut [Stretch], values: &mut Vec<Vec<u8>>) {
    let Some(stretch) = stretches.iter_mut().find(|stretch| stretch.source == run.source) else { return };
    let within = run.rows.iter().filter(|row| row.offset < stretch.end && row.key == Some(key));
    values.extend(within.filter_map(|row| row.value.map(<[u8]>::to_vec)));
    stretch.next = stretch.next.max(run.span().next);
}

fn note_event(event: IntakeEvent, stretches: &mut [Stretch]) -> Result<(), TxError> {
    match event {
        // Where markers or aborted records stand at the end, only the end itself says how far it is.
        IntakeEvent::End { source, next } => {
            if let Some(stretch) = stretches.iter_mut().find(|stretch| stretch.source == source) {
                stretch.next = stretch.next.max(next);
            }
            Ok(())
        }
        IntakeEvent::PartitionFailed { source, reason, .. } => {
            Err(tx_error(TxClass::Retry, CALL, "_READ", format!("{source}: {reason}")))
        }
        IntakeEvent::Fatal(reason) => Err(tx_error(TxClass::Retry, CALL, "_FATAL", reason)),
        // It recovers by itself, or is of groups, which this reader has none of.
        _ => Ok(()),
    }
}

fn unread(stretches: &[Stretch]) -> String {
    let texts: Vec<_> = stretches.iter().map(|left| format!("{} at {} of {}", left.source, left.next, left.end)).collect();
    texts.join(", ")
}

/// Looking changes nothing: it can always be done again.
fn again(error: &KafkaError) -> TxError {
    tx_error(TxClass::Retry, CALL, "_FAIL", error.to_string())
}
