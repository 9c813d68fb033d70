//! Reads on through an [`Intake`] and hands over what comes, until there is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::batch::{RawBatch, TopicPartition};
use crate::kafka::{Intake, IntakeBatch, IntakeEvent, TxError};
use crate::telemetry::logs::Throttle;

/// Where the reading of a partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Beginning,
    End,
    Offset(i64),
}

impl From {
    /// An offset as librdkafka takes it: -2 and -1 are its logical ones (`RD_KAFKA_OFFSET_BEGINNING`, `RD_KAFKA_OFFSET_END`).
    fn offset(self) -> i64 {
        match self {
            From::Beginning => -2,
            From::End => -1,
            From::Offset(offset) => offset,
        }
    }
}

/// What to read, and how far.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) from: From,
    /// Only this one.
    pub(super) partition: Option<i32>,
    /// Whether to end where each partition ends.
    pub(super) until_end: bool,
    /// How long to wait for the group's first assignment.
    pub(super) patience: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    #[error("no partition was given within {waited:?}{}. Is Kafka reachable, and does the topic exist?", after(last_trouble.as_ref()))]
    NoAssignment { waited: Duration, last_trouble: Option<String> },
    #[error("there is no partition {partition}; the topic has {}", listed(there))]
    NoPartition { partition: i32, there: Vec<i32> },
    #[error("{source_partition} cannot be read: {reason}. Where the offset is gone, begin with --from beginning")]
    Partition { source_partition: TopicPartition, reason: String },
    #[error("the Kafka client gave up: {0}")]
    Fatal(String),
    #[error(transparent)]
    Call(#[from] TxError),
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

fn after(trouble: Option<&String>) -> String {
    trouble.map_or(String::new(), |text| format!(" ({text})"))
}

fn listed(partitions: &[i32]) -> String {
    match (partitions.first(), partitions.last()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_owned(),
    }
}

/// Shows a run of one partition; Break: enough.
pub(super) type Show<'s> = dyn FnMut(&RawBatch<'_>) -> std::io::Result<ControlFlow<()>> + 's;

struct Follower<'c> {
    course: &'c Course,
    /// None before the first assignment.
    assigned: Option<BTreeSet<TopicPartition>>,
    ended: BTreeSet<TopicPartition>,
    /// The next offset of what was read: a rebalance (the topic has grown) must repeat nothing.
    next: BTreeMap<TopicPartition, i64>,
    last_trouble: Option<String>,
    warnings: Throttle,
}

/// Reads until `show` has enough, or every partition has ended where that is asked for.
pub(super) fn follow<I: Intake>(intake: &mut I, course: &Course, show: &mut Show<'_>) -> Result<(), FollowError> {
    let warnings = Throttle::new(Duration::from_secs(10));
    let mut follower =
        Follower { course, assigned: None, ended: BTreeSet::new(), next: BTreeMap::new(), last_trouble: None, warnings };
    let began = Instant::now();
    loop {
        intake.clear_wake();
        for event in intake.events() {
            follower.hear(intake, event)?;
        }
        if follower.is_over() {
            return Ok(());
        }
        let mut idle = true;
        while let Some(batch) = intake.take() {
            idle = false;
            for run in batch.runs(now_us()) {
                follower.next.insert(run.source.clone(), run.span().next);
                if show(&run)?.is_break() {
                    return Ok(());
                }
            }
        }
        if follower.assigned.is_none() && began.elapsed() > course.patience {
            return Err(FollowError::NoAssignment { waited: course.patience, last_trouble: follower.last_trouble });
        }
        if idle {
            // People look at this: a wait that they do not notice, and no thread of the lane's kind.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Follower<'_> {
    fn hear<I: Intake>(&mut self, intake: &mut I, event: IntakeEvent) -> Result<(), FollowError> {
        match event {
            IntakeEvent::Assigned(partitions) => self.begin(intake, partitions)?,
            IntakeEvent::Revoked { .. } => intake.unassign()?,
            IntakeEvent::End { source, .. } => {
                self.ended.insert(source);
            }
            IntakeEvent::PartitionFailed { source, reason, .. } => {
                return Err(FollowError::Partition { source_partition: source, reason });
            }
            IntakeEvent::Trouble(text) | IntakeEvent::CommittedFailed(text) => {
                // A client without brokers says so twenty times a second.
                if let Some(held_back) = self.warnings.pass("trouble") {
                    tracing::warn!(held_back, "{text}");
                }
                self.last_trouble = Some(text);
            }
            IntakeEvent::Fatal(text) => return Err(FollowError::Fatal(text)),
            // Never asked for.
            IntakeEvent::Committed { .. } => {}
        }
        Ok(())
    }

    fn begin<I: Intake>(&mut self, intake: &mut I, mut partitions: Vec<TopicPartition>) -> Result<(), FollowError> {
        partitions.sort();
        if partitions.is_empty() {
            // A topic that does not exist yet gives this; its partitions come with another rebalance.
            return Ok(intake.assign(&[])?);
        }
        if let Some(wanted) = self.course.partition {
            let there: Vec<i32> = partitions.iter().map(|source| source.partition).collect();
            partitions.retain(|source| source.partition == wanted);
            if partitions.is_empty() {
                return Err(FollowError::NoPartition { partition: wanted, there });
            }
        }
        let first = self.course.from.offset();
        let start = |source: &TopicPartition| (source.clone(), self.next.get(source).copied().unwrap_or(first));
        let starts: Vec<_> = partitions.iter().map(start).collect();
        intake.assign(&starts)?;
        self.ended.clear();
        self.assigned = Some(partitions.into_iter().collect());
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.course.until_end && self.assigned.as_ref().is_some_and(|assigned| assigned.is_subset(&self.ended))
    }
}

/// µs since the epoch.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
