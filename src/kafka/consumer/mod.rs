//! The consumer of one lane: a static member of the group whose messages come in a queue of our own.
//!
//! ```text
//! partition queues ──forwarded──▶ data queue ──────▶ take(): batches of up to 1,024
//! rebalances, errors ───────────▶ consumer queue ──▶ events()
//!                                 either, when it stops being empty: the eventfd
//! ```
//!
//! `rd_kafka_consume_batch_queue` on the consumer's own queue would swallow rebalances; serving the data queue alone would let
//! max.poll.interval.ms pass. Hence two queues. Batches go before the queue and the queue before the consumer: a consumer with
//! either alive never closes. All three hang on one [`Inner`], whose last owner closes it, on a thread of its own.

mod assigned;
mod batch;
mod committed;
mod context;
mod inner;
mod plain_commit;

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use self::assigned::Assigned;
use self::batch::Message;
pub(super) use self::inner::Inner;
use super::contract::{Intake, IntakeEvent, PartitionFault, TxClass, TxError, time_left};
use super::error::{CloseLate, KafkaError, NativeError, code_name, code_text, tx_error, tx_of_code};
use super::member::Member;
use super::native::{PartitionList, c_string};
use super::settings::{ClientSettings, Role};
use crate::batch::TopicPartition;

pub use self::batch::LaneBatch;
pub(super) use self::plain_commit::commit_plain;

/// How many messages a batch holds at most: 8,192 were no faster.
pub const BATCH_MESSAGES: usize = 1_024;

/// What a lane's consumer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    pub group: String,
    /// `group.instance.id`, the writer's name: a restart within the session takes over without a rebalance. None: a dynamic member.
    pub instance: Option<String>,
    pub topics: Vec<String>,
}

/// The consumer of one lane. Dropping it never waits; [`LaneConsumer::close`] does, up to its deadline.
pub struct LaneConsumer {
    /// Before `inner`: it holds queues of the client.
    assigned: Assigned,
    inner: Arc<Inner>,
    /// Where librdkafka puts the pointers of a batch.
    slots: Vec<*mut sys::rd_kafka_message_t>,
    closed: Receiver<()>,
    fatal_told: bool,
}

// SAFETY: `slots` is empty between calls; all else can be sent.
unsafe impl Send for LaneConsumer {}

impl LaneConsumer {
    /// Makes the client and subscribes. Nothing is fetched before the group gives an assignment and the lane takes it up.
    pub fn join(settings: &ClientSettings, member: &GroupMember) -> Result<LaneConsumer, KafkaError> {
        Self::make(settings, Role::Lane, member)
    }

    /// A reader that joins no group: it reads what it is told to [`Intake::assign`], committed records only. Kafka's client wants the
    /// name of a group all the same.
    pub fn reader(settings: &ClientSettings, group: &str) -> Result<LaneConsumer, KafkaError> {
        let nobody = GroupMember { group: group.to_owned(), instance: None, topics: Vec::new() };
        Self::make(settings, Role::Judge, &nobody)
    }

    fn make(settings: &ClientSettings, role: Role, member: &GroupMember) -> Result<LaneConsumer, KafkaError> {
        let (inner, closed) = Inner::make(settings, role, member)?;
        let slots = Vec::with_capacity(BATCH_MESSAGES);
        Ok(LaneConsumer { inner: Arc::new(inner), assigned: Assigned::default(), slots, closed, fatal_told: false })
    }

    pub(super) fn client(&self) -> &Client<impl ClientContext + use<>> {
        self.inner.client()
    }

    /// Waits until there may be something to take, or events, at most so long. For whoever has no event loop.
    pub fn wait(&self, at_most: Duration) {
        self.inner.wake().wait(at_most);
    }

    /// Closes the consumer, waiting up to `deadline`. A static member does not leave the group (librdkafka sends no LeaveGroup for
    /// it), a dynamic one does.
    pub fn close(self, deadline: Instant) -> Result<(), CloseLate> {
        let LaneConsumer { inner, closed, assigned, .. } = self;
        drop(assigned);
        let client = format!("consumer of {}", inner.name());
        let borrowed = Arc::strong_count(&inner) > 1;
        drop(inner);
        // Nothing is ever sent: the other end is dropped with the client.
        match closed.recv_timeout(time_left(deadline)) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) if borrowed => {
                Err(CloseLate { client, waiting_for: "a batch of messages or a question for committed offsets is still held" })
            }
            Err(RecvTimeoutError::Timeout) => Err(CloseLate { client, waiting_for: "librdkafka's threads have not ended" }),
        }
    }

    /// Gives an error within the messages of a partition its place.
    fn told(message: &Message) -> IntakeEvent {
        let source = TopicPartition::new(message.topic(), message.partition());
        match message.code() {
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => IntakeEvent::End { source, next: message.offset() },
            code if passes(code) => IntakeEvent::Trouble(format!("{source}: {}: {}", code_name(code), message.error_text())),
            code => {
                let reason = format!("{}: {}", code_name(code), message.error_text());
                IntakeEvent::PartitionFailed { source, fault: fault_of(code, &reason), reason }
            }
        }
    }

    /// Moves up to a batch of pointers into `slots`.
    fn fetch(&mut self) -> usize {
        self.slots.clear();
        // SAFETY: `slots` has room for as many pointers as it says; librdkafka fills the first `count` and hands the messages over.
        unsafe {
            let count =
                sys::rd_kafka_consume_batch_queue(self.inner.data().as_ptr(), 0, self.slots.as_mut_ptr(), self.slots.capacity());
            let count = usize::try_from(count).unwrap_or(0);
            self.slots.set_len(count);
            count
        }
    }

    fn assign_list(&self, list: Option<&PartitionList>, call: &'static str) -> Result<(), TxError> {
        let list = list.map_or(std::ptr::null(), |list| list.as_ptr().cast_const());
        // SAFETY: the client is alive; the list is copied; null gives the assignment back.
        tx_of_code(unsafe { sys::rd_kafka_assign(self.inner.native(), list) }, call, TxClass::Renew)
    }

    fn flow(&self, stop: bool) -> Result<(), TxError> {
        let call = if stop { "pause_partitions" } else { "resume_partitions" };
        let list = PartitionList::of(&self.assigned.sources()).map_err(|error| invalid(call, &error))?;
        // SAFETY: the client is alive; the list is ours.
        let code = unsafe {
            if stop {
                sys::rd_kafka_pause_partitions(self.inner.native(), list.as_ptr())
            } else {
                sys::rd_kafka_resume_partitions(self.inner.native(), list.as_ptr())
            }
        };
        tx_of_code(code, call, TxClass::Retry)
    }
}

fn fault_of(code: Code, reason: &str) -> PartitionFault {
    match code {
        // By its text: librdkafka puts every cause of a reset under one code.
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET if reason.contains(&code_text(Code::RD_KAFKA_RESP_ERR__LOG_TRUNCATION)) => {
            PartitionFault::Truncated
        }
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => PartitionFault::OutOfRange,
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => PartitionFault::Unknown,
        _ => PartitionFault::Other,
    }
}

/// Errors within a partition that librdkafka gets over by itself.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT
            | Code::RD_KAFKA_RESP_ERR__TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            | Code::RD_KAFKA_RESP_ERR__RESOLVE
            | Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
            | Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
            | Code::RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
    )
}

fn invalid(call: &'static str, error: &KafkaError) -> TxError {
    tx_error(TxClass::Abort, call, "_INVALID_ARG", error.to_string())
}

impl Intake for LaneConsumer {
    type Batch = LaneBatch;
    type Member = Member;

    fn events(&mut self) -> Vec<IntakeEvent> {
        self.inner.serve();
        let mut events = self.inner.told();
        if !self.fatal_told
            && let Some(reason) = self.inner.fatal()
        {
            self.fatal_told = true;
            events.push(IntakeEvent::Fatal(reason));
        }
        events
    }

    fn take(&mut self) -> Option<LaneBatch> {
        self.assigned.forward_again(&self.inner);
        loop {
            if self.fetch() == 0 {
                return None;
            }
            let mut slots = std::mem::take(&mut self.slots);
            for message in slots.drain(..).filter_map(NonNull::new) {
                // SAFETY: librdkafka handed the message over; the batch that it ends in keeps the client alive.
                let message = unsafe { Message::take(message) };
                // Of a partition that is not ours any more, ends and errors are as stale as messages.
                match self.assigned.place_of(&message) {
                    Some(place) if message.code() == Code::RD_KAFKA_RESP_ERR_NO_ERROR => self.assigned.keep(place, message),
                    Some(_) => self.inner.report(Self::told(&message)),
                    None if message.topic_handle().is_null() => self.inner.report(IntakeEvent::Trouble(message.error_text())),
                    None => {}
                }
            }
            self.slots = slots;
            // Where nothing but ends and stale messages came, there may be more behind them.
            if let Some(batch) = LaneBatch::of(self.assigned.kept(), &self.inner) {
                return Some(batch);
            }
        }
    }

    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inner.wake().as_fd())
    }

    fn clear_wake(&mut self) {
        self.inner.wake().clear();
    }

    fn request_committed(&mut self, request: u64, partitions: &[TopicPartition]) {
        committed::request(&self.inner, request, partitions);
    }

    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError> {
        let list = PartitionList::of_starts(starts).map_err(|error| invalid("assign", &error))?;
        // What was assigned before is let go first: its queues must not be silenced after the new ones were told to signal.
        self.assigned = Assigned::default();
        let assigned = Assigned::forward(&self.inner, starts).map_err(|error| invalid("assign", &error))?;
        // librdkafka bumps the version of each partition that it takes away before this returns: what was fetched before is outdated,
        // and never comes out of the queue, also when the same partition starts again somewhere else.
        self.assign_list(Some(&list), "assign")?;
        self.assigned = assigned;
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), TxError> {
        self.assigned = Assigned::default();
        self.assign_list(None, "unassign")
    }

    fn pause(&mut self) -> Result<(), TxError> {
        self.flow(true)
    }

    /// Where to go on is told anew. In a batch librdkafka counts the end of a partition as if it were a message, and a partition that was
    /// paused there would resume one offset too far: past a message that came meanwhile, or out of range where none came (2.12,
    /// `rd_kafka_q_serve_rkmessages`).
    fn resume(&mut self) -> Result<(), TxError> {
        const CALL: &str = "seek_partitions";
        let list = PartitionList::of_starts(&self.assigned.positions()).map_err(|error| invalid(CALL, &error))?;
        // SAFETY: the client is alive; the list is ours and copied. Without a time-out it only sends the order, which the resume follows.
        let error = unsafe { NativeError::take(sys::rd_kafka_seek_partitions(self.inner.native(), list.as_ptr(), 0)) };
        match error {
            None => self.flow(false),
            Some(error) => Err(error.into_tx(CALL)),
        }
    }

    fn member(&self) -> Result<Member, TxError> {
        // SAFETY: the client is alive.
        unsafe { Member::of(self.inner.native(), Arc::downgrade(&self.inner)) }
    }

    fn watermarks(&self, source: &TopicPartition) -> Option<(i64, i64)> {
        let topic = c_string("a topic's name", &source.topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive; out-parameters of our own. It only reads what the client has heard.
        let code = unsafe {
            let native = self.inner.native();
            sys::rd_kafka_get_watermark_offsets(native, topic.as_ptr(), source.partition, &raw mut low, &raw mut high)
        };
        (code == Code::RD_KAFKA_RESP_ERR_NO_ERROR && low >= 0 && high >= 0).then_some((low, high))
    }
}

#[cfg(test)]
#[path = "fault_tests.rs"]
mod fault_tests;
