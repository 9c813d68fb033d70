//! Transactions: which producer owns a transactional id, what is in its transaction, how it ends.
//!
//! ```text
//!   Empty ──add──▶ Ongoing ──EndTxn, time-out, a new owner──▶ Ending ──markers written──▶ Ended ──add──▶ Ongoing
//! ```
//! As in Kafka a transaction is decided when it becomes `Ending`, and visible a moment later, when its markers are written. In
//! between its producer gets CONCURRENT_TRANSACTIONS and tries again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::groups::Committed;
use super::{Fault, Producer};

/// The longest transaction a producer may ask for (Kafka's `transaction.max.timeout.ms`).
const TIMEOUT_MS_MAX: i32 = 900_000;

/// A partition by name.
pub(super) type At = (String, i32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Empty,
    Ongoing { since: Instant },
    Ending { commit: bool, due: Instant },
    Ended { commit: bool },
}

#[derive(Debug)]
struct Transaction {
    owner: Producer,
    timeout: Duration,
    phase: Phase,
    partitions: BTreeSet<At>,
    /// Groups whose offsets are part of it.
    groups: BTreeSet<String>,
    offsets: HashMap<String, BTreeMap<At, Committed>>,
}

/// A transaction whose markers are due: what is to be written.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) producer: Producer,
    pub(super) commit: bool,
    pub(super) partitions: BTreeSet<At>,
    pub(super) offsets: HashMap<String, BTreeMap<At, Committed>>,
}

#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_id: HashMap<String, Transaction>,
    last_producer: i64,
    /// How long a decided transaction waits for its markers.
    marker_delay: Duration,
}

impl Transactions {
    pub(super) fn new(marker_delay: Duration) -> Self {
        Self { marker_delay, ..Self::default() }
    }

    /// A producer id that nobody had.
    pub(super) fn new_producer(&mut self) -> Producer {
        self.last_producer += 1;
        Producer { id: self.last_producer, epoch: 0 }
    }

    /// Gives a transactional id to a producer; what its predecessor left open is aborted first, during which the caller gets
    /// CONCURRENT_TRANSACTIONS. `claimed` is what the producer had, if it only wants a new epoch.
    pub(super) fn claim(
        &mut self,
        id: &str,
        timeout_ms: i32,
        claimed: Option<Producer>,
        now: Instant,
    ) -> Result<Producer, Fault> {
        if id.is_empty() {
            return Err(Fault::InvalidRequest);
        }
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
            return Err(Fault::InvalidTransactionTimeout);
        }
        let timeout = Duration::from_millis(u64::from(timeout_ms.unsigned_abs()));
        let fresh = Producer { id: self.last_producer + 1, epoch: 0 };
        let due = now + self.marker_delay;
        let Some(transaction) = self.by_id.get_mut(id) else {
            let owner = self.new_producer();
            self.by_id.insert(id.to_owned(), Transaction::new(owner, timeout));
            return Ok(owner);
        };
        if claimed.is_some_and(|claimed| claimed != transaction.owner) {
            return Err(Fault::ProducerFenced);
        }
        match transaction.phase {
            Phase::Ending { .. } => Err(Fault::ConcurrentTransactions),
            Phase::Ongoing { .. } => {
                transaction.owner.epoch = transaction.owner.epoch.saturating_add(1);
                transaction.phase = Phase::Ending { commit: false, due };
                Err(Fault::ConcurrentTransactions)
            }
            Phase::Empty | Phase::Ended { .. } => {
                // The last epoch is left to whoever fences: then the id of the producer changes.
                if transaction.owner.epoch >= i16::MAX - 1 {
                    self.last_producer = fresh.id;
                    transaction.owner = fresh;
                } else {
                    transaction.owner.epoch += 1;
                }
                transaction.timeout = timeout;
                transaction.phase = Phase::Empty;
                Ok(transaction.owner)
            }
        }
    }

    fn owned(&mut self, id: &str, producer: Producer) -> Result<&mut Transaction, Fault> {
        let transaction = self.by_id.get_mut(id).filter(|one| one.owner.id == producer.id);
        let transaction = transaction.ok_or(Fault::InvalidProducerIdMapping)?;
        if transaction.owner.epoch == producer.epoch { Ok(transaction) } else { Err(Fault::ProducerFenced) }
    }

    /// A producer's transaction that can take more, begun if need be.
    fn begun(&mut self, id: &str, producer: Producer, now: Instant) -> Result<&mut Transaction, Fault> {
        let transaction = self.owned(id, producer)?;
        match transaction.phase {
            Phase::Ending { .. } => return Err(Fault::ConcurrentTransactions),
            Phase::Ongoing { .. } => {}
            Phase::Empty | Phase::Ended { .. } => transaction.phase = Phase::Ongoing { since: now },
        }
        Ok(transaction)
    }

    /// Adds partitions that the producer is going to write to.
    pub(super) fn add_partitions(
        &mut self,
        id: &str,
        producer: Producer,
        partitions: impl IntoIterator<Item = At>,
        now: Instant,
    ) -> Result<(), Fault> {
        self.begun(id, producer, now)?.partitions.extend(partitions);
        Ok(())
    }

    /// Adds a group whose offsets the producer is going to commit.
    pub(super) fn add_group(&mut self, id: &str, producer: Producer, group: &str, now: Instant) -> Result<(), Fault> {
        self.begun(id, producer, now)?.groups.insert(group.to_owned());
        Ok(())
    }

    /// Whether a producer may write offsets of a group: they must have been announced.
    pub(super) fn check_group(&mut self, id: &str, producer: Producer, group: &str) -> Result<(), Fault> {
        let transaction = self.owned(id, producer).map_err(|fault| match fault {
            Fault::ProducerFenced => Fault::InvalidProducerEpoch,
            other => other,
        })?;
        let open = matches!(transaction.phase, Phase::Ongoing { .. }) && transaction.groups.contains(group);
        if open { Ok(()) } else { Err(Fault::InvalidTxnState) }
    }

    /// Notes an offset that becomes the group's if the transaction commits. After `check_group`.
    pub(super) fn add_offset(&mut self, id: &str, group: &str, at: At, committed: Committed) {
        if let Some(transaction) = self.by_id.get_mut(id) {
            transaction.offsets.entry(group.to_owned()).or_default().insert(at, committed);
        }
    }

    /// Whether a producer may write records to a partition: it must have been announced.
    pub(super) fn check_partition(&self, id: Option<&str>, producer: Producer, at: &At) -> Result<(), Fault> {
        let transaction = id.and_then(|id| self.by_id.get(id)).ok_or(Fault::InvalidTxnState)?;
        if transaction.owner.id != producer.id {
            return Err(Fault::InvalidProducerIdMapping);
        }
        if transaction.owner.epoch != producer.epoch {
            return Err(Fault::InvalidProducerEpoch);
        }
        let open = matches!(transaction.phase, Phase::Ongoing { .. }) && transaction.partitions.contains(at);
        if open { Ok(()) } else { Err(Fault::InvalidTxnState) }
    }

    /// Decides a transaction. Asked again with the same answer it is content.
    pub(super) fn end(&mut self, id: &str, producer: Producer, commit: bool, now: Instant) -> Result<(), Fault> {
        let due = now + self.marker_delay;
        let transaction = self.owned(id, producer)?;
        match transaction.phase {
            Phase::Ongoing { .. } => {
                transaction.phase = Phase::Ending { commit, due };
                Ok(())
            }
            Phase::Ending { commit: decided, .. } if decided == commit => Err(Fault::ConcurrentTransactions),
            Phase::Ended { commit: decided } if decided == commit => Ok(()),
            Phase::Empty | Phase::Ending { .. } | Phase::Ended { .. } => Err(Fault::InvalidTxnState),
        }
    }

    /// Aborts what is open for longer than its time-out, under an epoch that fences its producer.
    pub(super) fn expire(&mut self, now: Instant) {
        for transaction in self.by_id.values_mut() {
            if let Phase::Ongoing { since } = transaction.phase
                && now.duration_since(since) >= transaction.timeout
            {
                transaction.owner.epoch = transaction.owner.epoch.saturating_add(1);
                transaction.phase = Phase::Ending { commit: false, due: now };
            }
        }
    }

    /// Takes the transactions whose markers are due; they are `Ended` from now on.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for transaction in self.by_id.values_mut() {
            if let Phase::Ending { commit, due } = transaction.phase
                && due <= now
            {
                transaction.phase = Phase::Ended { commit };
                transaction.groups.clear();
                outcomes.push(Outcome {
                    producer: transaction.owner,
                    commit,
                    partitions: std::mem::take(&mut transaction.partitions),
                    offsets: std::mem::take(&mut transaction.offsets),
                });
            }
        }
        outcomes
    }

    /// When the next markers are due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |transaction: &Transaction| match transaction.phase {
            Phase::Ending { due, .. } => Some(due),
            _ => None,
        };
        self.by_id.values().filter_map(due).min()
    }

    /// Whether a group's offset of a partition waits for the end of a transaction.
    pub(super) fn is_pending(&self, group: &str, at: &At) -> bool {
        self.by_id.values().any(|one| one.offsets.get(group).is_some_and(|offsets| offsets.contains_key(at)))
    }

    /// Forgets what concerns a topic that is gone.
    pub(super) fn forget_topic(&mut self, topic: &str) {
        for transaction in self.by_id.values_mut() {
            transaction.partitions.retain(|(name, _)| name != topic);
            for offsets in transaction.offsets.values_mut() {
                offsets.retain(|(name, _), _| name != topic);
            }
        }
    }
}

impl Transaction {
    fn new(owner: Producer, timeout: Duration) -> Self {
        let (partitions, groups, offsets) = (BTreeSet::new(), BTreeSet::new(), HashMap::new());
        Self { owner, timeout, phase: Phase::Empty, partitions, groups, offsets }
    }
}

#[cfg(test)]
mod tests;
