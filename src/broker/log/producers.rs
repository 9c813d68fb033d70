//! Sequences of idempotent producers in one partition: what is new, what is a repeat, what is out of order.

use std::collections::{HashMap, VecDeque};

use super::super::{Fault, Producer};

/// Batches of a producer that can be told as repeats: Kafka's number, and the most that a client may have in flight.
const REMEMBERED: usize = 5;

/// What a batch is to its partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sequence {
    Next,
    /// It is in the log, at this offset.
    Repeat(i64),
}

#[derive(Debug)]
struct Seen {
    first: i32,
    last: i32,
    base: i64,
}

#[derive(Debug, Default)]
struct State {
    epoch: i16,
    seen: VecDeque<Seen>,
    active_ms: i64,
}

#[derive(Debug, Default)]
pub(super) struct Producers(HashMap<i64, State>);

impl Producers {
    /// Judges a batch of `count` records, and notes it if it is the next. `place` is its offset and the time.
    ///
    /// A producer that is not known here (its records may have expired) starts anywhere; a new epoch starts at 0.
    pub(super) fn accept(&mut self, producer: Producer, sequence: i32, count: i32, place: (i64, i64)) -> Result<Sequence, Fault> {
        let last = after(sequence, count - 1);
        let (base, now_ms) = place;
        let known = self.0.contains_key(&producer.id);
        let state = self.0.entry(producer.id).or_default();
        if known && producer.epoch < state.epoch {
            return Err(Fault::InvalidProducerEpoch);
        }
        if known && producer.epoch > state.epoch {
            if sequence != 0 {
                return Err(Fault::OutOfOrderSequenceNumber);
            }
            state.seen.clear();
        } else if let Some(seen) = state.seen.iter().find(|seen| seen.first == sequence && seen.last == last) {
            return Ok(Sequence::Repeat(seen.base));
        } else if known && sequence != state.seen.back().map_or(0, |seen| after(seen.last, 1)) {
            return Err(Fault::OutOfOrderSequenceNumber);
        }
        state.epoch = producer.epoch;
        state.active_ms = now_ms;
        state.seen.push_back(Seen { first: sequence, last, base });
        if state.seen.len() > REMEMBERED {
            state.seen.pop_front();
        }
        Ok(Sequence::Next)
    }

    /// A marker ends what its producer did before with a lower epoch.
    pub(super) fn fence(&mut self, producer: Producer, now_ms: i64) {
        let state = self.0.entry(producer.id).or_default();
        if producer.epoch > state.epoch {
            state.epoch = producer.epoch;
            state.seen.clear();
        }
        state.active_ms = now_ms;
    }

    pub(super) fn forget(&mut self, before_ms: i64, keep: impl Fn(i64) -> bool) {
        self.0.retain(|id, state| state.active_ms >= before_ms || keep(*id));
    }
}

/// Sequences count from 0 to `i32::MAX` and begin again.
fn after(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}
