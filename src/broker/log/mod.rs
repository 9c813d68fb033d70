//! One partition's log: batches in memory, producers' sequences, open and aborted transactions, and what retention lets go.
//!
//! ```text
//!  start                     last stable        high watermark
//!    │  committed and aborted     │  an open transaction  │
//!    ▼  batches, markers          ▼  and what follows     ▼
//!  ──█████████████████████████████░░░░░░░░░░░░░░░░░░░░░░░░┤ next
//! ```
//! One node means one replica: the high watermark is the end of the log.

mod batch;
mod lookup;
mod producers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar};

use bytes::Bytes;

use batch::Batch;
pub(super) use batch::{Incoming, Rules, check};

use super::Fault;
use producers::{Producers, Sequence};

/// What a batch costs beside its bytes: so that a million batches of one small message count as what they are.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// An aborted transaction: what a reader of committed records leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aborted {
    producer: i64,
    first: i64,
    /// Offset of its marker.
    marker: i64,
}

/// One partition's log.
#[derive(Debug, Default)]
pub(super) struct Partition {
    batches: VecDeque<Batch>,
    start: i64,
    next: i64,
    bytes: usize,
    /// First offset of the open transaction of a producer.
    open: BTreeMap<i64, i64>,
    aborted: VecDeque<Aborted>,
    producers: Producers,
    /// Readers that wait for something to be appended.
    waiting: Vec<Arc<Condvar>>,
}

/// What a reader gets from a partition.
#[derive(Debug, Default)]
pub(super) struct Slice {
    pub(super) batches: Vec<Bytes>,
    pub(super) aborted: Option<Vec<(i64, i64)>>,
}

/// What a reader asks of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) offset: i64,
    pub(super) bytes_max: usize,
    /// The first batch is given whatever its size, so that no reader is stuck.
    pub(super) first_whole: bool,
    pub(super) committed_only: bool,
}

impl Partition {
    /// The first offset that is still there.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record will have: the high watermark.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Readers of committed records may read what lies before this.
    pub(super) fn last_stable(&self) -> i64 {
        self.open.values().copied().min().map_or(self.next, |first| first.max(self.start))
    }

    /// Where a reader's part of the log ends.
    pub(super) fn end(&self, committed_only: bool) -> i64 {
        if committed_only { self.last_stable() } else { self.next }
    }

    /// What the partition holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a checked batch and gives its base offset; of a repeat of one of the last batches, the offset that it had.
    pub(super) fn append(&mut self, incoming: Incoming, now_ms: i64) -> Result<i64, Fault> {
        let (first, count) = (self.next, i64::from(incoming.count));
        if let Some(producer) = incoming.producer {
            match self.producers.accept(producer, incoming.sequence, incoming.count, (first, now_ms))? {
                Sequence::Repeat(base) => return Ok(base),
                Sequence::Next => {}
            }
            if incoming.transactional {
                self.open.entry(producer.id).or_insert(first);
            }
        }
        self.push(incoming.place(first, now_ms), first + count);
        Ok(first)
    }

    /// Ends a producer's transaction in this partition: a control batch, and for who comes later the note that it was aborted.
    pub(super) fn mark(&mut self, producer: super::Producer, commit: bool, now_ms: i64) {
        let at = self.next;
        if let Some(first) = self.open.remove(&producer.id)
            && !commit
        {
            self.aborted.push_back(Aborted { producer: producer.id, first, marker: at });
        }
        self.producers.fence(producer, now_ms);
        self.push(batch::marker(at, producer, commit, now_ms), at + 1);
    }

    fn push(&mut self, batch: Batch, next: i64) {
        self.bytes += batch.data.len() + BATCH_OVERHEAD_BYTES;
        self.next = next;
        self.batches.push_back(batch);
        self.wake();
    }

    /// Wakes who waits for this partition: something was appended, or it is gone.
    pub(super) fn wake(&mut self) {
        for waiting in self.waiting.drain(..) {
            waiting.notify_all();
        }
    }

    /// Has a reader woken by the next append. It may wait for several partitions by one condition.
    pub(super) fn wait(&mut self, condition: &Arc<Condvar>) {
        if !self.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, condition)) {
            self.waiting.push(Arc::clone(condition));
        }
    }

    /// Takes back what `wait` noted.
    pub(super) fn forget(&mut self, condition: &Arc<Condvar>) {
        self.waiting.retain(|waiting| !Arc::ptr_eq(waiting, condition));
    }

    /// Batches from an offset on. The first may begin before it: readers skip. Whole batches only, as Kafka gives them.
    pub(super) fn read(&self, ask: Ask) -> Result<Slice, Fault> {
        if !(self.start..=self.next).contains(&ask.offset) {
            return Err(Fault::OffsetOutOfRange);
        }
        let end = self.end(ask.committed_only);
        let mut slice = Slice::default();
        let (mut bytes, mut upper) = (0, ask.offset);
        for batch in self.batches.range(self.position(ask.offset)..) {
            let fits = bytes + batch.data.len() <= ask.bytes_max;
            if batch.base >= end || !(fits || (bytes == 0 && ask.first_whole)) {
                break;
            }
            bytes += batch.data.len();
            upper = batch.next;
            slice.batches.push(batch.data.clone());
        }
        if ask.committed_only {
            let inside = |aborted: &&Aborted| aborted.marker >= ask.offset && aborted.first < upper;
            slice.aborted = Some(self.aborted.iter().filter(inside).map(|one| (one.producer, one.first)).collect());
        }
        Ok(slice)
    }

    /// Index of the batch that holds an offset.
    fn position(&self, offset: i64) -> usize {
        self.batches.partition_point(|batch| batch.next <= offset)
    }

    /// Moves the start of the log; records before it are gone.
    pub(super) fn delete_before(&mut self, offset: i64) -> Result<i64, Fault> {
        let offset = if offset == -1 { self.next } else { offset };
        if !(0..=self.next).contains(&offset) {
            return Err(Fault::OffsetOutOfRange);
        }
        self.start = self.start.max(offset);
        while self.batches.front().is_some_and(|batch| batch.next <= self.start) {
            self.drop_first();
        }
        Ok(self.start)
    }

    /// Drops what is older than `before_ms`, then the oldest until the batches take at most `bytes_max`. Either may be absent.
    pub(super) fn retain(&mut self, before_ms: Option<i64>, bytes_max: Option<usize>) {
        let old = |batch: &Batch| before_ms.is_some_and(|before| batch.time_ms < before);
        while self.batches.front().is_some_and(old) {
            self.drop_first();
        }
        while bytes_max.is_some_and(|bytes_max| self.stored_bytes() > bytes_max) && !self.batches.is_empty() {
            self.drop_first();
        }
    }

    /// Bytes of the batches alone: what `retention.bytes` counts.
    fn stored_bytes(&self) -> usize {
        self.bytes - self.batches.len() * BATCH_OVERHEAD_BYTES
    }

    /// Drops the oldest batch and gives what that freed; nothing when the log is empty.
    pub(super) fn drop_first(&mut self) -> usize {
        let Some(batch) = self.batches.pop_front() else { return 0 };
        let freed = batch.data.len() + BATCH_OVERHEAD_BYTES;
        self.bytes -= freed;
        self.start = self.start.max(batch.next);
        while self.aborted.front().is_some_and(|aborted| aborted.marker < self.start) {
            self.aborted.pop_front();
        }
        freed
    }

    /// Forgets producers that were silent since before a time.
    pub(super) fn forget_producers(&mut self, before_ms: i64) {
        let open = &self.open;
        self.producers.forget(before_ms, |id| open.contains_key(&id));
    }
}

#[cfg(test)]
mod tests;
