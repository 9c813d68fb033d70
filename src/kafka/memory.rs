//! A Kafka without a Kafka: input partitions, one group, transactions and an output log in memory, for tests of settle and of lanes.
//!
//! Deterministic: nothing happens but by a call. It keeps the rules that the protocol relies on (member and generation are checked,
//! a new producer with the same id ends what was under way, an aborted transaction leaves gaps nowhere in the input), and it can be
//! told to fail a call before or after it took effect.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{CommitOffset, Committed, Intake, IntakeBatch, IntakeEvent, Testimony, Transaction, TxClass, TxError};
use crate::batch::{Headers, OutRecord, RawBatch, RawRow, TopicPartition};

/// One input record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRecord {
    pub kafka_time_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// Group metadata: who, and of which generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMember {
    pub name: String,
    pub generation: i32,
}

/// A scripted failure of the next call of that name.
#[derive(Clone, Debug)]
struct Fault {
    writer: String,
    call: &'static str,
    class: TxClass,
    /// The call does its work before it fails: a lost answer.
    took_effect: bool,
}

#[derive(Debug, Default)]
struct OpenTransaction {
    records: Vec<OutRecord>,
    offsets: Vec<CommitOffset>,
}

#[derive(Debug, Default)]
struct Member {
    generation: i32,
    wanted: Vec<TopicPartition>,
    events: VecDeque<IntakeEvent>,
    holds: bool,
}

#[derive(Debug, Default)]
struct State {
    /// None: an offset without a message (a marker, an aborted or compacted record).
    input: BTreeMap<TopicPartition, Vec<Option<MemoryRecord>>>,
    committed: BTreeMap<TopicPartition, (i64, String)>,
    generation: i32,
    members: BTreeMap<String, Member>,
    producers: BTreeMap<String, u64>,
    open: BTreeMap<String, OpenTransaction>,
    output: Vec<OutRecord>,
    output_expired: bool,
    faults: Vec<Fault>,
}

/// A handle on the whole; clones share it. It outlives lanes, as a cluster would.
#[derive(Clone, Debug, Default)]
pub struct MemoryKafka {
    state: Arc<Mutex<State>>,
}

impl MemoryKafka {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record to an input partition; None appends an offset without a message.
    pub fn append(&self, source: &TopicPartition, record: Option<MemoryRecord>) {
        self.state().input.entry(source.clone()).or_default().push(record);
    }

    /// The next offset of an input partition.
    pub fn end(&self, source: &TopicPartition) -> i64 {
        self.state().input.get(source).map_or(0, |log| i64::try_from(log.len()).unwrap_or(i64::MAX))
    }

    /// The messages of an input partition with their offsets.
    pub fn messages(&self, source: &TopicPartition) -> Vec<(i64, MemoryRecord)> {
        let state = self.state();
        let log = state.input.get(source).map_or(&[][..], Vec::as_slice);
        (0..).zip(log).filter_map(|(offset, record)| Some((offset, record.clone()?))).collect()
    }

    /// The offset of the last message of an input partition.
    pub fn last_message(&self, source: &TopicPartition) -> Option<i64> {
        self.messages(source).last().map(|(offset, _)| *offset)
    }

    /// Sets a committed offset, as an operator or the start of a group does.
    pub fn set_committed(&self, source: &TopicPartition, offset: i64, metadata: &str) {
        self.state().committed.insert(source.clone(), (offset, metadata.to_owned()));
    }

    pub fn committed(&self, source: &TopicPartition) -> Option<(i64, String)> {
        self.state().committed.get(source).cloned()
    }

    /// All committed output records, in order.
    pub fn output(&self) -> Vec<OutRecord> {
        self.state().output.clone()
    }

    /// Retention: the output log forgets what it has, and can be no witness of it any more.
    pub fn expire_output(&self) {
        let mut state = self.state();
        state.output.clear();
        state.output_expired = true;
    }

    /// The next `call` of this writer fails with `class`; `took_effect`: after it did its work.
    pub fn fail(&self, writer: &str, call: &'static str, class: TxClass, took_effect: bool) {
        self.state().faults.push(Fault { writer: writer.to_owned(), call, class, took_effect });
    }

    /// A new assignment of the group. Members that hold partitions are asked to give them back first; the new ones are given when
    /// all have.
    pub fn rebalance(&self, wanted: &[(&str, &[TopicPartition])]) {
        let mut state = self.state();
        for member in state.members.values_mut() {
            member.wanted.clear();
        }
        for (name, partitions) in wanted {
            state.members.entry((*name).to_owned()).or_default().wanted = partitions.to_vec();
        }
        for member in state.members.values_mut().filter(|member| member.holds) {
            member.events.push_back(IntakeEvent::Revoked { partitions: Vec::new(), lost: false });
        }
        state.complete_rebalance();
    }

    /// The group drops a member that was silent for too long: it will hear that its partitions are lost, and its commits are fenced.
    pub fn expel(&self, name: &str) {
        let mut state = self.state();
        if let Some(member) = state.members.get_mut(name) {
            member.holds = false;
            member.generation = -1;
            member.wanted.clear();
            member.events.push_back(IntakeEvent::Revoked { partitions: Vec::new(), lost: true });
        }
    }

    /// A process that died: its consumer is gone, its transaction stays open until its writer comes back.
    pub fn forget_member(&self, name: &str) {
        let mut state = self.state();
        state.members.remove(name);
        state.complete_rebalance();
    }

    pub fn intake(&self, name: &str, batch_max: usize) -> MemoryIntake {
        self.state().members.entry(name.to_owned()).or_default();
        MemoryIntake {
            kafka: self.clone(),
            name: name.to_owned(),
            batch_max,
            positions: BTreeMap::new(),
            events: Vec::new(),
            paused: false,
        }
    }

    pub fn transaction(&self, writer: &str) -> MemoryTransaction {
        let mut transaction = MemoryTransaction { kafka: self.clone(), writer: writer.to_owned(), producer: 0 };
        transaction.init();
        transaction
    }
}

impl State {
    fn complete_rebalance(&mut self) {
        if self.members.values().any(|member| member.holds) {
            return;
        }
        self.generation += 1;
        for member in self.members.values_mut() {
            member.generation = self.generation;
            member.holds = !member.wanted.is_empty();
            if member.holds {
                member.events.push_back(IntakeEvent::Assigned(member.wanted.clone()));
            }
        }
    }

    fn take_fault(&mut self, writer: &str, call: &'static str) -> Option<Fault> {
        let index = self.faults.iter().position(|fault| fault.writer == writer && fault.call == call)?;
        Some(self.faults.remove(index))
    }
}

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
        vec![RawBatch { source: self.source.clone(), rows, ingest_time_us }]
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
    paused: bool,
}

impl Intake for MemoryIntake {
    type Batch = MemoryBatch;
    type Member = MemoryMember;

    fn events(&mut self) -> Vec<IntakeEvent> {
        let mut events = std::mem::take(&mut self.events);
        if let Some(member) = self.kafka.state().members.get_mut(&self.name) {
            events.extend(member.events.drain(..));
        }
        for event in &events {
            if matches!(event, IntakeEvent::Revoked { lost: true, .. }) {
                self.positions.clear();
            }
        }
        events
    }

    fn take(&mut self) -> Option<MemoryBatch> {
        if self.paused {
            return None;
        }
        let state = self.kafka.state();
        for (source, next) in &mut self.positions {
            let Some(log) = state.input.get(source) else { continue };
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
        let state = self.kafka.state();
        let committed = partitions
            .iter()
            .map(|source| {
                let (offset, metadata) = state.committed.get(source).cloned().unzip();
                Committed { source: source.clone(), offset, metadata }
            })
            .collect();
        self.events.push(IntakeEvent::Committed { request, committed });
    }

    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError> {
        self.positions = starts.iter().map(|(source, offset)| (source.clone(), (*offset).max(0))).collect();
        let state = self.kafka.state();
        for (source, next) in &self.positions {
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
        if let Some(member) = state.members.get_mut(&self.name) {
            member.holds = false;
        }
        state.complete_rebalance();
        Ok(())
    }

    fn pause(&mut self) -> Result<(), TxError> {
        self.paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), TxError> {
        self.paused = false;
        Ok(())
    }

    fn member(&self) -> Result<MemoryMember, TxError> {
        let state = self.kafka.state();
        match state.members.get(&self.name).map(|member| member.generation) {
            Some(generation) if generation >= 0 => Ok(MemoryMember { name: self.name.clone(), generation }),
            _ => Err(refused(TxClass::Abort, "member", "_NO_MEMBER")),
        }
    }

    fn watermarks(&self, source: &TopicPartition) -> Option<(i64, i64)> {
        Some((0, self.kafka.end(source)))
    }
}

/// The transactional producer of one writer.
#[derive(Debug)]
pub struct MemoryTransaction {
    kafka: MemoryKafka,
    writer: String,
    producer: u64,
}

fn refused(class: TxClass, call: &'static str, name: &str) -> TxError {
    TxError { class, call, name: name.to_owned(), text: "as the test wants it".to_owned() }
}

impl MemoryTransaction {
    /// init_transactions: fences the predecessor and ends what it had under way.
    fn init(&mut self) {
        let mut state = self.kafka.state();
        let producer = state.producers.entry(self.writer.clone()).or_insert(0);
        *producer += 1;
        self.producer = *producer;
        state.open.remove(&self.writer);
    }

    fn call<T>(&mut self, call: &'static str, act: impl FnOnce(&mut State, &str) -> Result<T, TxError>) -> Result<T, TxError> {
        let mut state = self.kafka.state();
        if state.producers.get(&self.writer) != Some(&self.producer) {
            return Err(refused(TxClass::Renew, call, "_FENCED"));
        }
        match state.take_fault(&self.writer, call) {
            Some(fault) => {
                if fault.took_effect {
                    act(&mut state, &self.writer)?;
                }
                Err(refused(fault.class, call, "TOLD_TO_FAIL"))
            }
            None => act(&mut state, &self.writer),
        }
    }

    fn check_member(state: &State, member: &MemoryMember, call: &'static str) -> Result<(), TxError> {
        let now = state.members.get(&member.name).map(|known| known.generation);
        if now != Some(member.generation) || member.generation < 0 {
            return Err(refused(TxClass::Abort, call, "ILLEGAL_GENERATION"));
        }
        Ok(())
    }
}

impl Transaction for MemoryTransaction {
    type Member = MemoryMember;

    fn begin(&mut self) -> Result<(), TxError> {
        self.call("begin", |state, writer| {
            state.open.insert(writer.to_owned(), OpenTransaction::default());
            Ok(())
        })
    }

    fn send(&mut self, record: &OutRecord, _deadline: Instant) -> Result<(), TxError> {
        self.call("send", |state, writer| {
            match state.open.get_mut(writer) {
                Some(open) => open.records.push(record.clone()),
                None => state.output.push(record.clone()),
            }
            Ok(())
        })
    }

    fn flush(&mut self, _deadline: Instant) -> Result<(), TxError> {
        self.call("flush", |_, _| Ok(()))
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], member: &MemoryMember, _deadline: Instant) -> Result<(), TxError> {
        self.call("send_offsets", |state, writer| {
            Self::check_member(state, member, "send_offsets")?;
            if let Some(open) = state.open.get_mut(writer) {
                open.offsets = offsets.to_vec();
            }
            Ok(())
        })
    }

    fn commit(&mut self, _deadline: Instant) -> Result<(), TxError> {
        self.call("commit", |state, writer| {
            let open = state.open.remove(writer).ok_or_else(|| refused(TxClass::Renew, "commit", "INVALID_TXN_STATE"))?;
            state.output.extend(open.records);
            for offset in open.offsets {
                state.committed.insert(offset.source, (offset.next, offset.metadata));
            }
            Ok(())
        })
    }

    fn abort(&mut self, _deadline: Instant) -> Result<(), TxError> {
        self.call("abort", |state, writer| {
            state.open.remove(writer);
            Ok(())
        })
    }

    fn renew(&mut self, _deadline: Instant) -> Result<(), TxError> {
        if let Some(fault) = self.kafka.state().take_fault(&self.writer, "renew") {
            return Err(refused(fault.class, "renew", "TOLD_TO_FAIL"));
        }
        self.init();
        Ok(())
    }

    fn close(&mut self, _deadline: Instant) -> bool {
        true
    }

    fn commit_offsets_plain(
        &mut self,
        offsets: &[CommitOffset],
        member: &MemoryMember,
        _deadline: Instant,
    ) -> Result<(), TxError> {
        self.call("commit_offsets_plain", |state, _| {
            Self::check_member(state, member, "commit_offsets_plain")?;
            for offset in offsets {
                state.committed.insert(offset.source.clone(), (offset.next, offset.metadata.clone()));
            }
            Ok(())
        })
    }

    fn read_committed(&mut self, topic: &str, key: &[u8], _since_ms: i64, _deadline: Instant) -> Result<Testimony, TxError> {
        self.call("read_committed", |state, _| {
            let ours = state.output.iter().filter(|record| &*record.topic == topic && record.key.as_deref() == Some(key));
            Ok(Testimony { values: ours.filter_map(|record| record.value.clone()).collect(), complete: !state.output_expired })
        })
    }
}
