//! A Kafka without a Kafka: input partitions, one group, transactions and an output log in memory, for tests of settle and of lanes.
//!
//! Deterministic: nothing happens but by a call. It keeps the rules that the protocol relies on (member and generation are checked,
//! a new producer with the same id ends what was under way, an aborted transaction leaves gaps nowhere in the input), and it can be
//! told to fail a call before or after it took effect, or to let a commit take effect long after its answer was lost.

mod intake;
mod transaction;

pub use intake::{MemoryBatch, MemoryIntake};
pub use transaction::MemoryTransaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{CommitOffset, IntakeEvent, PartitionFault, TxClass, TxError};
use crate::batch::{OutRecord, TopicPartition};

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
    effect: Effect,
}

/// What a call that fails has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// All its work: only the answer is lost.
    Done,
    /// Nothing yet: the request is on its way, and arrives with [`MemoryKafka::land_commits`].
    Later,
}

#[derive(Debug, Default)]
struct OpenTransaction {
    records: Vec<OutRecord>,
    offsets: Vec<CommitOffset>,
}

#[derive(Debug)]
struct Member {
    generation: i32,
    wanted: Vec<TopicPartition>,
    events: VecDeque<IntakeEvent>,
    holds: bool,
    /// Polls that bring nothing: what the group says is still on its way.
    deaf: usize,
    /// How many polls late the next answers to its questions for committed offsets come.
    answer_delays: VecDeque<usize>,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            generation: -1,
            wanted: Vec::new(),
            events: VecDeque::new(),
            holds: false,
            deaf: 0,
            answer_delays: VecDeque::new(),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// None: an offset without a message (a marker, an aborted or compacted record).
    input: BTreeMap<TopicPartition, Vec<Option<MemoryRecord>>>,
    /// First offsets that retention has left; 0 where there is none.
    firsts: BTreeMap<TopicPartition, i64>,
    committed: BTreeMap<TopicPartition, (i64, String)>,
    generation: i32,
    members: BTreeMap<String, Member>,
    producers: BTreeMap<String, u64>,
    open: BTreeMap<String, OpenTransaction>,
    /// Writers whose last transaction ended as committed.
    ended_committed: BTreeSet<String>,
    output: Vec<OutRecord>,
    output_expired: bool,
    faults: Vec<Fault>,
    /// Commits without an answer whose requests are on their way: writer and producer.
    in_flight: Vec<(String, u64)>,
    unstable_answers: bool,
    topic_ids: BTreeMap<String, String>,
    log: Option<Arc<Mutex<Vec<String>>>>,
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

    /// What topics are asked for; None: there is no such topic.
    pub fn set_topic_id(&self, topic: &str, id: Option<&str>) {
        let mut state = self.state();
        match id {
            Some(id) => drop(state.topic_ids.insert(topic.to_owned(), id.to_owned())),
            None => drop(state.topic_ids.remove(topic)),
        }
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

    /// Retention: what lies before `first` cannot be read any more. It is kept for whoever checks a test's outcome.
    pub fn retain_from(&self, source: &TopicPartition, first: i64) {
        let mut state = self.state();
        let kept = state.firsts.entry(source.clone()).or_default();
        *kept = first.max(*kept);
    }

    /// The first offset that can be read.
    pub fn first(&self, source: &TopicPartition) -> i64 {
        self.state().first(source)
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
        let effect = if took_effect { Effect::Done } else { Effect::Nothing };
        self.state().faults.push(Fault { writer: writer.to_owned(), call, class, effect });
    }

    /// The next commit of this writer gets no answer and is on its way until [`Self::land_commits`].
    pub fn delay_commit(&self, writer: &str) {
        let fault = Fault { writer: writer.to_owned(), call: "commit", class: TxClass::Unknown, effect: Effect::Later };
        self.state().faults.push(fault);
    }

    /// Commits that were on their way arrive; those of producers that have a successor by now are refused.
    pub fn land_commits(&self) {
        let mut state = self.state();
        for (writer, producer) in std::mem::take(&mut state.in_flight) {
            if state.producers.get(&writer) == Some(&producer) {
                state.commit(&writer);
            }
        }
    }

    /// The coordinator ends a transaction that was open for too long, and fences its producer.
    pub fn time_out_transaction(&self, writer: &str) {
        let mut state = self.state();
        if state.open.remove(writer).is_some() {
            *state.producers.entry(writer.to_owned()).or_default() += 1;
        }
    }

    /// This member's client is told, once, that it cannot read on in a partition.
    pub fn fail_partition(&self, name: &str, source: &TopicPartition, fault: PartitionFault) {
        if let Some(member) = self.state().members.get_mut(name) {
            let reason = "as the test wants it".to_owned();
            member.events.push_back(IntakeEvent::PartitionFailed { source: source.clone(), fault, reason });
        }
    }

    /// This member hears nothing for so many polls, and believes what it believed.
    pub fn deafen(&self, name: &str, polls: usize) {
        if let Some(member) = self.state().members.get_mut(name) {
            member.deaf = member.deaf.max(polls);
        }
    }

    /// The answer to this member's next question for committed offsets arrives so many polls after it was true.
    pub fn delay_answer(&self, name: &str, polls: usize) {
        if let Some(member) = self.state().members.get_mut(name) {
            member.answer_delays.push_back(polls);
        }
    }

    /// Answers questions for committed offsets although a transaction with offsets of those partitions is open: what must not be.
    pub fn answer_unstable(&self) {
        self.state().unstable_answers = true;
    }

    /// The group metadata as the group has it, whatever the member believes.
    pub fn member_now(&self, name: &str) -> Option<MemoryMember> {
        let generation = self.state().members.get(name)?.generation;
        Some(MemoryMember { name: name.to_owned(), generation })
    }

    /// Writes every call of every producer to this log, as `commit` or `send <topic>`, before it is made.
    pub fn log_to(&self, log: Arc<Mutex<Vec<String>>>) {
        self.state().log = Some(log);
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
        state.complete_rebalance();
    }

    /// A process that died: its consumer is gone, its transaction stays open until its writer comes back.
    pub fn forget_member(&self, name: &str) {
        let mut state = self.state();
        state.members.remove(name);
        state.complete_rebalance();
    }

    pub fn intake(&self, name: &str, batch_max: usize) -> MemoryIntake {
        self.state().members.entry(name.to_owned()).or_default();
        MemoryIntake::new(self.clone(), name, batch_max)
    }

    pub fn transaction(&self, writer: &str) -> MemoryTransaction {
        MemoryTransaction::connect(self.clone(), writer)
    }
}

impl State {
    fn complete_rebalance(&mut self) {
        let waited_for = self.members.values().any(|member| member.holds);
        let waiting = self.members.values().any(|member| !member.wanted.is_empty() || member.generation < 0);
        if waited_for || !waiting {
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

    /// Ends a transaction as committed; false: none is open.
    fn commit(&mut self, writer: &str) -> bool {
        let Some(open) = self.open.remove(writer) else { return false };
        self.ended_committed.insert(writer.to_owned());
        self.output.extend(open.records);
        for offset in open.offsets {
            self.committed.insert(offset.source, (offset.next, offset.metadata));
        }
        true
    }

    /// Whether an open transaction may still move the offset of this partition.
    fn is_unstable(&self, source: &TopicPartition) -> bool {
        !self.unstable_answers && self.open.values().any(|open| open.offsets.iter().any(|offset| offset.source == *source))
    }

    fn first(&self, source: &TopicPartition) -> i64 {
        self.firsts.get(source).copied().unwrap_or(0)
    }

    fn note(&self, call: &str) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(call.to_owned());
        }
    }

    fn take_fault(&mut self, writer: &str, call: &'static str) -> Option<Fault> {
        let index = self.faults.iter().position(|fault| fault.writer == writer && fault.call == call)?;
        Some(self.faults.remove(index))
    }
}

fn refused(class: TxClass, call: &'static str, name: &str) -> TxError {
    TxError { class, call, name: name.to_owned(), text: "as the test wants it".to_owned() }
}
