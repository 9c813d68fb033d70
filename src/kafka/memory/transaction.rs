//! The transactional producers of a [`MemoryKafka`].

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Effect, MemoryKafka, MemoryMember, OpenTransaction, State, refused};
use crate::batch::OutRecord;
use crate::kafka::{CommitOffset, Testimony, Transaction, TxClass, TxError};

/// The transactional producer of one writer.
#[derive(Debug)]
pub struct MemoryTransaction {
    kafka: MemoryKafka,
    writer: String,
    producer: u64,
}

impl MemoryTransaction {
    pub(super) fn connect(kafka: MemoryKafka, writer: &str) -> Self {
        let mut transaction = Self { kafka, writer: writer.to_owned(), producer: 0 };
        transaction.init();
        transaction
    }

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
        if call != "send" {
            state.note(call);
        }
        if state.producers.get(&self.writer) != Some(&self.producer) {
            return Err(refused(TxClass::Renew, call, "_FENCED"));
        }
        let Some(fault) = state.take_fault(&self.writer, call) else { return act(&mut state, &self.writer) };
        match fault.effect {
            Effect::Nothing => {}
            Effect::Done => drop(act(&mut state, &self.writer)?),
            Effect::Later => state.in_flight.push((self.writer.clone(), self.producer)),
        }
        Err(refused(fault.class, call, "TOLD_TO_FAIL"))
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
            state.ended_committed.remove(writer);
            state.open.insert(writer.to_owned(), OpenTransaction::default());
            Ok(())
        })
    }

    fn send(&mut self, record: &OutRecord, _deadline: Instant) -> Result<(), TxError> {
        self.kafka.state().note(&format!("send {}", record.topic));
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
            if state.commit(writer) { Ok(()) } else { Err(refused(TxClass::Renew, "commit", "INVALID_TXN_STATE")) }
        })
    }

    fn abort(&mut self, _deadline: Instant) -> Result<(), TxError> {
        self.call("abort", |state, writer| {
            let committed = state.open.remove(writer).is_none() && state.ended_committed.contains(writer);
            // The coordinator refuses to abort what is committed.
            if committed { Err(refused(TxClass::Renew, "abort", "INVALID_TXN_STATE")) } else { Ok(()) }
        })
    }

    fn renew(&mut self, _deadline: Instant) -> Result<(), TxError> {
        self.kafka.state().note("renew");
        let fault = self.kafka.state().take_fault(&self.writer, "renew");
        if let Some(fault) = fault {
            if fault.effect == Effect::Done {
                self.init();
            }
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
        self.call("read_committed", |state, writer| {
            // Reading waits at the last stable offset, below the records of a transaction that is open.
            if state.open.contains_key(writer) {
                return Err(refused(TxClass::Unknown, "read_committed", "UNSTABLE"));
            }
            let ours = state.output.iter().filter(|record| &*record.topic == topic && record.key.as_deref() == Some(key));
            Ok(Testimony { values: ours.filter_map(|record| record.value.clone()).collect(), complete: !state.output_expired })
        })
    }

    fn topic_ids(&mut self, topics: &[&str], _deadline: Instant) -> Result<BTreeMap<String, String>, TxError> {
        self.call("topic_ids", |state, _| {
            let known = |topic: &&str| Some(((*topic).to_owned(), state.topic_ids.get(*topic)?.clone()));
            Ok(topics.iter().filter_map(known).collect())
        })
    }
}
