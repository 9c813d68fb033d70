//! What a lane needs of Kafka, as traits: the real clients implement them, and so do the fakes that let a lane run without Kafka.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::batch::{OutRecord, RawBatch, TopicPartition};

/// An offset to commit: the NEXT one of a partition, with metadata (ASCII, under 4 KiB).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    pub source: TopicPartition,
    pub next: i64,
    pub metadata: String,
}

/// What a group has committed for a partition. `metadata` is None where the bytes are not UTF-8 (not ours, then).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub source: TopicPartition,
    /// None: nothing committed.
    pub offset: Option<i64>,
    pub metadata: Option<String>,
    /// The partition's first offset: what lies before it, retention has removed. None: it was not asked for.
    pub first: Option<i64>,
}

/// What happened to a lane's consumer since it was asked last.
#[derive(Clone, Debug, PartialEq)]
pub enum IntakeEvent {
    /// The group gave these partitions; nothing flows until [`Intake::assign`]. With the eager protocol it is the whole assignment.
    Assigned(Vec<TopicPartition>),
    /// The group wants the assignment back and waits for [`Intake::unassign`]. `lost`: it is gone already, commits will be fenced.
    Revoked { partitions: Vec<TopicPartition>, lost: bool },
    /// The answer to the [`Intake::request_committed`] of that number. An earlier one may be out of date.
    Committed { request: u64, committed: Vec<Committed> },
    /// That request failed for good (its own retries are over).
    CommittedFailed(String),
    /// A partition's end was reached: `next` is the offset that the next message will have at least.
    End { source: TopicPartition, next: i64 },
    /// A partition cannot be read on: this client does not get over it by itself.
    PartitionFailed { source: TopicPartition, fault: PartitionFault, reason: String },
    /// For the log: the client recovers by itself (a broker is down, and such).
    Trouble(String),
    /// The client is dead (fatal error): rebuild it or end.
    Fatal(String),
}

/// Why a partition cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionFault {
    /// The offset is not there (any more): retention, or a topic that was made anew.
    OutOfRange,
    /// The broker does not know the topic or partition. One that has just begun may not know it yet; else it was deleted.
    Unknown,
    /// The broker's log seems to end before the offset. librdkafka (2.12) says so, too, where it holds the end of a partition against the end
    /// of an older leader epoch; where messages were in fact taken back (an unclean leader election), the next client finds the offset out
    /// of range.
    Truncated,
    /// Whatever else: not allowed, not decodable.
    Other,
}

/// Messages taken at once; dropping it gives them back to the client.
pub trait IntakeBatch {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages cut into runs of one partition, in the order they came, each run in offset order.
    fn runs(&self, ingest_time_us: i64) -> Vec<RawBatch<'_>>;
}

/// The consumer of one lane, a member of the group. No call blocks.
pub trait Intake {
    type Batch: IntakeBatch;
    /// Group metadata (member and generation) as it was when it was taken.
    type Member: Clone + PartialEq + Send + 'static;

    /// Serves the client's own queue (rebalances, errors, ends); at least once a second, or the group expels the member.
    fn events(&mut self) -> Vec<IntakeEvent>;

    /// Up to 1,024 messages, None when there are none right now. Messages of partitions no longer assigned are not among them.
    fn take(&mut self) -> Option<Self::Batch>;

    /// Readable when `events` or `take` may have something. None (fakes): poll.
    fn wake_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Clears the wake-up, before `take` and `events` are drained.
    fn clear_wake(&mut self);

    /// Asks for the group's committed, stable offsets (KIP-447), and for the first offset of each partition; the answer comes as an event.
    fn request_committed(&mut self, request: u64, partitions: &[TopicPartition]);

    /// Reads on from these offsets; replaces what was assigned (an assignment with other offsets is a rewind).
    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError>;

    /// Gives the assignment back; ends a revocation.
    fn unassign(&mut self) -> Result<(), TxError>;

    /// Stops and restarts the flow of all assigned partitions, for backpressure.
    fn pause(&mut self) -> Result<(), TxError>;
    fn resume(&mut self) -> Result<(), TxError>;

    /// A member id and a generation >= 0, or an error.
    fn member(&self) -> Result<Self::Member, TxError>;

    /// Low and high watermark as the client last heard them.
    fn watermarks(&self, source: &TopicPartition) -> Option<(i64, i64)>;
}

/// What to do with a transactional call that failed; told by the error's own flags, never by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxClass {
    /// The same call again.
    Retry,
    /// Abort the transaction; its abort is then certain.
    Abort,
    /// The producer is dead (fatal error, fenced): renew it and judge the epoch.
    Renew,
    /// Our own deadline passed with the call still under way. Its outcome is unknown: renew and judge.
    Unknown,
}

/// A Kafka call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed: {name}: {text}")]
pub struct TxError {
    pub class: TxClass,
    /// The call, as librdkafka names it (`commit_transaction`).
    pub call: &'static str,
    /// The error's name (`ILLEGAL_GENERATION`).
    pub name: String,
    pub text: String,
}

/// The transactional producer of one lane, with the reading side that judges an epoch. Every call keeps its deadline, also where
/// librdkafka would not (librdkafka #5456).
pub trait Transaction: Send {
    type Member: Clone + Send + 'static;

    fn begin(&mut self) -> Result<(), TxError>;

    /// Queues a record; waits while the queue is full (backpressure), up to the deadline.
    fn send(&mut self, record: &OutRecord, deadline: Instant) -> Result<(), TxError>;

    /// Waits until all that was sent is acknowledged. Used by `at_least_once`; a commit does it by itself.
    fn flush(&mut self, deadline: Instant) -> Result<(), TxError>;

    fn send_offsets(&mut self, offsets: &[CommitOffset], member: &Self::Member, deadline: Instant) -> Result<(), TxError>;

    fn commit(&mut self, deadline: Instant) -> Result<(), TxError>;

    fn abort(&mut self, deadline: Instant) -> Result<(), TxError>;

    /// Abandons the producer (never waiting for it) and makes a new one with the same transactional.id; its init_transactions ends
    /// whatever was under way, one way or the other.
    fn renew(&mut self, deadline: Instant) -> Result<(), TxError>;

    /// Ends the producer, waiting up to the deadline; false where it is late (it ends by itself then).
    fn close(&mut self, deadline: Instant) -> bool;

    /// Commits offsets outside a transaction: `at_least_once` only.
    fn commit_offsets_plain(&mut self, offsets: &[CommitOffset], member: &Self::Member, deadline: Instant)
    -> Result<(), TxError>;

    /// The values of all committed records (read_committed) of one key in `topic` with a Kafka time of at least `since_ms`, read up
    /// to the high watermark as it was at the call (asked with read_uncommitted: the last stable offset may lie before our record).
    fn read_committed(&mut self, topic: &str, key: &[u8], since_ms: i64, deadline: Instant) -> Result<Testimony, TxError>;

    /// The ids of these topics, as Kafka has them at this moment; a topic that does not exist is not among them. A topic that is deleted
    /// and made again has another id, and no id ever comes back.
    fn topic_ids(&mut self, topics: &[&str], deadline: Instant) -> Result<BTreeMap<String, String>, TxError>;
}

/// What the epochs topic says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    pub values: Vec<Vec<u8>>,
    /// Whether the topic still has everything since the time that was asked for: then what is not among the values never was.
    pub complete: bool,
}

/// How long until `deadline`, zero when it has passed.
pub fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
