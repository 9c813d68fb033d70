//! Reading a part of some partitions from one offset up to another: committed records only, without a group.

use std::time::{Duration, Instant};

use super::consumer::LaneConsumer;
use super::contract::{Intake, IntakeBatch, IntakeEvent, time_left};
use super::error::KafkaError;
use super::settings::ClientSettings;
use crate::batch::{RawRow, TopicPartition};

/// Offsets `[next, end)` of a partition. Where aborted records or markers stand at its end, nothing of them is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub source: TopicPartition,
    pub next: i64,
    pub end: i64,
}

/// How long reading may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// All of it.
    Until(Instant),
    /// From one record to the next: for readings that may take hours.
    SinceProgress(Duration),
}

/// Visits every committed record of the stretches, in order within a partition. `call` is for the error's message.
pub fn read_stretches(
    settings: &ClientSettings,
    group: &str,
    (stretches, patience): (Vec<Stretch>, Patience),
    call: &'static str,
    visit: &mut dyn FnMut(&TopicPartition, &RawRow<'_>),
) -> Result<(), KafkaError> {
    let mut left: Vec<Stretch> = stretches.into_iter().filter(|stretch| stretch.next < stretch.end).collect();
    if left.is_empty() {
        return Ok(());
    }
    let mut reader = LaneConsumer::reader(settings, group)?;
    let starts: Vec<_> = left.iter().map(|stretch| (stretch.source.clone(), stretch.next)).collect();
    let unanswered = |waited| KafkaError::NoAnswer { call, brokers: settings.brokers_text(), waited };
    reader.assign(&starts).map_err(|_| unanswered(Duration::ZERO))?;
    let began = Instant::now();
    let mut progress = began;
    while !left.is_empty() {
        let deadline = match patience {
            Patience::Until(deadline) => deadline,
            Patience::SinceProgress(patience) => progress + patience,
        };
        if time_left(deadline).is_zero() {
            return Err(unanswered(began.elapsed()));
        }
        let before: i64 = left.iter().map(|stretch| stretch.next).sum();
        while let Some(batch) = reader.take() {
            for run in batch.runs(0) {
                let Some(stretch) = left.iter_mut().find(|stretch| stretch.source == run.source) else { continue };
                run.rows.iter().filter(|row| row.offset < stretch.end).for_each(|row| visit(&run.source, row));
                stretch.next = stretch.next.max(run.span().next);
            }
            progress = Instant::now();
        }
        for event in reader.events() {
            note(event, &mut left)?;
        }
        if left.iter().map(|stretch| stretch.next).sum::<i64>() > before {
            progress = Instant::now();
        }
        left.retain(|stretch| stretch.next < stretch.end);
        if !left.is_empty() {
            reader.wait(time_left(deadline).min(Duration::from_millis(100)));
            reader.clear_wake();
        }
    }
    Ok(())
}

fn note(event: IntakeEvent, left: &mut [Stretch]) -> Result<(), KafkaError> {
    match event {
        // Where markers or aborted records stand at the end, only the end itself says how far it is.
        IntakeEvent::End { source, next } => {
            if let Some(stretch) = left.iter_mut().find(|stretch| stretch.source == source) {
                stretch.next = stretch.next.max(next);
            }
            Ok(())
        }
        IntakeEvent::PartitionFailed { source, reason, .. } => Err(KafkaError::Unreadable { partition: source, reason }),
        IntakeEvent::Fatal(reason) => Err(KafkaError::Create { client: "reader".to_owned(), reason }),
        // It recovers by itself, or is of groups, which this reader has none of.
        _ => Ok(()),
    }
}
