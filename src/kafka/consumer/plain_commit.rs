//! Offsets committed outside a transaction, as `at_least_once` does: only the consumer itself can send them.

use std::time::Instant;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::contract::{CommitOffset, TxClass, TxError};
use super::super::error::{tx_error, tx_of_code};
use super::super::member::Member;
use super::super::native::{PartitionList, Queue, entries_of, millis_left};

const CALL: &str = "commit";

/// Commits under the member's own consumer, if it is still that member: the consumer would commit under a newer generation too.
pub(in super::super) fn commit_plain(offsets: &[CommitOffset], member: &Member, deadline: Instant) -> Result<(), TxError> {
    let closed = || tx_error(TxClass::Abort, CALL, "_STATE", "the consumer is closed");
    let inner = member.consumer.upgrade().ok_or_else(closed)?;
    // SAFETY: `inner` keeps the client alive.
    let now = unsafe { Member::of(inner.native(), member.consumer.clone()) }?;
    if !now.is(member) {
        return Err(tx_error(TxClass::Abort, CALL, "ILLEGAL_GENERATION", "the group has moved on since the epoch was closed"));
    }
    let invalid = |error: super::KafkaError| super::invalid(CALL, &error);
    let list = PartitionList::of_commits(offsets).map_err(invalid)?;
    // SAFETY: `inner` outlives the queue, which is dropped before it.
    let queue = unsafe { Queue::new(inner.native()) }.ok_or_else(closed)?;
    // SAFETY: the client is alive; the list is copied; the answer comes to our own queue, without a callback.
    let sent = unsafe { sys::rd_kafka_commit_queue(inner.native(), list.as_ptr(), queue.as_ptr(), None, std::ptr::null_mut()) };
    tx_of_code(sent, CALL, TxClass::Retry)?;
    // SAFETY: the queue is ours; the event is destroyed below.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), millis_left(deadline)) };
    if event.is_null() {
        return Err(tx_error(TxClass::Unknown, CALL, "_TIMED_OUT", "no answer to the commit of offsets"));
    }
    // SAFETY: the event is alive until it is destroyed, and so is its list.
    let (code, entries) = unsafe {
        let code = sys::rd_kafka_event_error(event);
        let entries = entries_of(sys::rd_kafka_event_topic_partition_list(event));
        sys::rd_kafka_event_destroy(event);
        (code, entries)
    };
    let failed = std::iter::once(code)
        .chain(entries.iter().map(|entry| entry.error))
        .find(|&code| code != Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    let code = failed.unwrap_or(Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    tx_of_code(code, CALL, if passes(code) { TxClass::Retry } else { TxClass::Abort })
}

/// The coordinator moves, or the network has a bad moment: the same call again.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
            | Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR
            | Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
            | Code::RD_KAFKA_RESP_ERR__TRANSPORT
            | Code::RD_KAFKA_RESP_ERR__WAIT_COORD
            | Code::RD_KAFKA_RESP_ERR__TIMED_OUT
    )
}
