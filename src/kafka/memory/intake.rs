//! The members of the group of a [`MemoryKafka`].

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;

use super::{Member, MemoryKafka, MemoryMember, MemoryRecord, State, refused};
use crate::batch::{Headers, RawBatch, RawRow, TopicPartition};
use crate::kafka::{Committed, Intake, IntakeBatch, IntakeEvent, PartitionFault, TxClass, TxError};

/// Messages that [`MemoryIntake::take`] gave.
#[derive(Debug)]
pub struct MemoryBatch {
    source: TopicPartition,
    rows: Vec<(i64, MemoryRecord)>,
}

impl IntakeBatch for MemoryBatch {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn runs(&self, ingest_time_us: i64) -> Vec<RawBatch<'_>> {
        let rows = self.rows.iter().map(|(offset, record)| RawRow {
            offset: *offset,
            kafka_time_ms: record.kafka_time_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: Headers::NONE,
        });
        let rows = rows.collect();
        vec![RawBatch { source: self.source.clone(), rows, ingest_time_us, stamped_by_broker: false }]
    }
}

/// One member of the group.
#[derive(Debug)]
pub struct MemoryIntake {
    kafka: MemoryKafka,
    name: String,
    batch_max: usize,
    positions: BTreeMap<TopicPartition, i64>,
    events: Vec<IntakeEvent>,
    questions: Vec<Question>,
    /// The generation as it was at the last poll: a member that was expelled believes in it until it hears of that.
    generation: i32,
    /// A pause sticks to its partitions, also while they are not assigned.
    paused: BTreeSet<TopicPartition>,
}

/// A question for committed offsets.
#[derive(Debug)]
struct Question {
    request: u64,
    partitions: Vec<TopicPartition>,
    /// None: an open transaction may still move one of them.
    answer: Option<Vec<Committed>>,
    /// Polls until the answer arrives, once it is given.
    delay: usize,
}

impl Question {
    fn ask(&mut self, state: &State) {
        if self.answer.is_some() || self.partitions.iter().any(|source| state.is_unstable(source)) {
            return;
        }
        let committed = self.partitions.iter().map(|source| {
            let (offset, metadata) = state.committed.get(source).cloned().unzip();
            Committed { source: source.clone(), offset, metadata, first: Some(state.first(source)) }
        });
        self.answer = Some(committed.collect());
    }

    /// The answer, when it has arrived.
    fn poll(&mut self) -> Option<IntakeEvent> {
        if self.delay > 0 && self.answer.is_some() {
            self.delay -= 1;
            return None;
        }
        let committed = self.answer.take()?;
        Some(IntakeEvent::Committed { request: self.request, committed })
    }
}

impl MemoryIntake {
    pub(super) fn new(kafka: MemoryKafka, name: &str, batch_max: usize) -> Self {
        Self {
            kafka,
            name: name.to_owned(),
            batch_max,
            positions: BTreeMap::new(),
            events: Vec::new(),
            questions: Vec::new(),
            generation: -1,
            paused: BTreeSet::new(),
        }
    }
}

impl Intake for MemoryIntake {
    type Batch = MemoryBatch;
    type Member = MemoryMember;

    fn events(&mut self) -> Vec<IntakeEvent> {
        let mut state = self.kafka.state();
        match state.members.get_mut(&self.name) {
            Some(member) if member.deaf > 0 => {
                member.deaf -= 1;
                return Vec::new();
            }
            Some(member) => {
                self.events.extend(member.events.drain(..));
                self.generation = member.generation;
            }
            None => self.generation = -1,
        }
        let mut events = std::mem::take(&mut self.events);
        self.questions.retain_mut(|question| {
            question.ask(&state);
            let answer = question.poll();
            let open = answer.is_none();
            events.extend(answer);
            open
        });
        for event in &events {
            if matches!(event, IntakeEvent::Revoked { lost: true, .. }) {
                self.positions.clear();
                self.paused.clear();
            }
        }
        events
    }

    fn take(&mut self) -> Option<MemoryBatch> {
        let state = self.kafka.state();
        for (source, next) in &mut self.positions {
            let Some(log) = state.input.get(source).filter(|_| !self.paused.contains(source)) else { continue };
            if *next < state.first(source) {
                let reason = "OFFSET_OUT_OF_RANGE: retention was faster".to_owned();
                self.events.push(IntakeEvent::PartitionFailed {
                    source: source.clone(),
                    fault: PartitionFault::OutOfRange,
                    reason,
                });
                *next = i64::MAX; // told once
            }
            let from = usize::try_from(*next).unwrap_or(0);
            if from >= log.len() {
                continue;
            }
            let mut rows = Vec::new();
            for record in &log[from..] {
                if rows.len() == self.batch_max {
                    break;
                }
                if let Some(record) = record {
                    rows.push((*next, record.clone()));
                }
                *next += 1;
            }
            if usize::try_from(*next).unwrap_or(0) >= log.len() {
                self.events.push(IntakeEvent::End { source: source.clone(), next: *next });
            }
            if !rows.is_empty() {
                return Some(MemoryBatch { source: source.clone(), rows });
            }
        }
        None
    }

    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn clear_wake(&mut self) {}

    fn request_committed(&mut self, request: u64, partitions: &[TopicPartition]) {
        let mut state = self.kafka.state();
        let delay = state.members.get_mut(&self.name).and_then(|member| member.answer_delays.pop_front()).unwrap_or(0);
        let mut question = Question { request, partitions: partitions.to_vec(), answer: None, delay };
        question.ask(&state);
        self.questions.push(question);
    }

    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError> {
        self.positions = starts.iter().map(|(source, offset)| (source.clone(), (*offset).max(0))).collect();
        let state = self.kafka.state();
        for (source, next) in &self.positions {
            let first = state.first(source);
            if *next < first {
                let reason = format!("OFFSET_OUT_OF_RANGE: retention has removed what lies before {first}");
                self.events.push(IntakeEvent::PartitionFailed {
                    source: source.clone(),
                    fault: PartitionFault::OutOfRange,
                    reason,
                });
                continue;
            }
            let end = state.input.get(source).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX));
            if *next >= end {
                self.events.push(IntakeEvent::End { source: source.clone(), next: end });
            }
        }
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), TxError> {
        self.positions.clear();
        let mut state = self.kafka.state();
        // What the member has not heard of yet it cannot give back: this answers an earlier revocation.
        let has_heard = |member: &Member| !member.events.iter().any(|event| matches!(event, IntakeEvent::Assigned(_)));
        if let Some(member) = state.members.get_mut(&self.name).filter(|member| has_heard(member)) {
            member.holds = false;
        }
        state.complete_rebalance();
        Ok(())
    }

    fn pause(&mut self) -> Result<(), TxError> {
        self.paused.extend(self.positions.keys().cloned());
        Ok(())
    }

    fn resume(&mut self) -> Result<(), TxError> {
        self.paused.retain(|source| !self.positions.contains_key(source));
        Ok(())
    }

    fn member(&self) -> Result<MemoryMember, TxError> {
        if self.generation < 0 {
            return Err(refused(TxClass::Abort, "member", "_NO_MEMBER"));
        }
        Ok(MemoryMember { name: self.name.clone(), generation: self.generation })
    }

    fn watermarks(&self, source: &TopicPartition) -> Option<(i64, i64)> {
        let first = self.kafka.state().first(source);
        Some((first, self.kafka.end(source)))
    }
}
