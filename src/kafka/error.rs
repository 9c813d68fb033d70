//! What can go wrong with Kafka, with the remedy in the message, and how librdkafka's own errors are read.

use std::ffi::{CStr, c_char};
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::types::RDKafkaRespErr;

use super::contract::{TxClass, TxError};
use crate::batch::TopicPartition;

/// A failure outside a lane's transaction: making clients, administration, plain producing.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("the Kafka property `{name}` belongs to Corelane: {reason}; remove it from kafka.properties")]
    Protected { name: String, reason: &'static str },
    #[error("a Kafka client `{client}` cannot be made: {reason}; look at kafka.security and kafka.properties")]
    Create { client: String, reason: String },
    #[error("{what} holds a NUL byte, which Kafka's client cannot take")]
    Nul { what: &'static str },
    #[error("no thread can be started for `{client}`: {source}; look at `ulimit -u` and the memory left")]
    Thread { client: String, source: std::io::Error },
    #[error("no answer from Kafka at {brokers} to {call} within {waited:?}; is it running and reachable?")]
    NoAnswer { call: &'static str, brokers: String, waited: Duration },
    #[error("topic `{topic}` does not exist; make it with `corelane topics create {topic}`, or correct kafka.topics")]
    TopicMissing { topic: String },
    #[error("topic `{topic}` exists already; `corelane topics describe {topic}` shows it")]
    TopicExists { topic: String },
    #[error("partition {source_partition} does not exist; `corelane topics describe` lists the partitions", source_partition = .0)]
    PartitionMissing(TopicPartition),
    #[error("group `{group}` has members; stop all its instances (and wait for session.timeout.ms) before its offsets are set")]
    GroupHasMembers { group: String },
    #[error(
        "Kafka is not ready for {call} of {subject}: {name}; a coordinator or leader is elected or loads its state, try again"
    )]
    NotReady { call: &'static str, subject: String, name: String },
    #[error("{partition} cannot be read: {reason}; `corelane topics describe` shows which offsets are there")]
    Unreadable { partition: TopicPartition, reason: String },
    #[error("{call} of {subject} was refused: {name}: {text}")]
    Refused { call: &'static str, subject: String, name: String, text: String },
    #[error("the group `{group}` has a transaction under way on {partition} since more than {waited:?}; wait for its time-out")]
    Unstable { group: String, partition: TopicPartition, waited: Duration },
}

/// A client that is still closing when its deadline has passed. It goes on closing by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {client} has not closed in time: {waiting_for}")]
pub struct CloseLate {
    pub client: String,
    pub waiting_for: &'static str,
}

/// An error of librdkafka with its flags, copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NativeError {
    pub(super) code: i32,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) flags: ErrorFlags,
}

/// The three flags that decide what to do with a transactional call that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorFlags {
    pub(super) fatal: bool,
    pub(super) abortable: bool,
    pub(super) retriable: bool,
}

impl ErrorFlags {
    /// Fatal before abortable before retriable: librdkafka sets more than one at times. None of them means that the call does not fit
    /// the producer's state, and only a new producer has a known one.
    pub(super) fn class(self) -> TxClass {
        if self.fatal {
            TxClass::Renew
        } else if self.abortable {
            TxClass::Abort
        } else if self.retriable {
            TxClass::Retry
        } else {
            TxClass::Renew
        }
    }
}

impl NativeError {
    /// Takes over an error that librdkafka returned; None is success.
    ///
    /// # Safety
    /// `error` is null, or an error that the caller owns; it is destroyed here.
    pub(super) unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Option<NativeError> {
        if error.is_null() {
            return None;
        }
        // SAFETY: not null, and the caller's until the last line.
        unsafe {
            let copied = NativeError::copy(error);
            sys::rd_kafka_error_destroy(error);
            Some(copied)
        }
    }

    /// # Safety
    /// `error` is a live error of librdkafka; it stays the owner's.
    pub(super) unsafe fn copy(error: *const sys::rd_kafka_error_t) -> NativeError {
        // SAFETY: the error lives through these calls; its strings are NUL-terminated.
        unsafe {
            NativeError {
                code: sys::rd_kafka_error_code(error) as i32,
                name: text_of(sys::rd_kafka_error_name(error)),
                text: text_of(sys::rd_kafka_error_string(error)),
                flags: ErrorFlags {
                    fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                    abortable: sys::rd_kafka_error_txn_requires_abort(error) != 0,
                    retriable: sys::rd_kafka_error_is_retriable(error) != 0,
                },
            }
        }
    }

    pub(super) fn into_tx(self, call: &'static str) -> TxError {
        TxError { class: self.flags.class(), call, name: self.name, text: self.text }
    }
}

/// A result code as a `TxError` of the given class, for calls whose errors carry no flags.
pub(super) fn tx_of_code(code: RDKafkaRespErr, call: &'static str, class: TxClass) -> Result<(), TxError> {
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    Err(TxError { class, call, name: code_name(code), text: code_text(code) })
}

/// A `TxError` of our own making.
pub(super) fn tx_error(class: TxClass, call: &'static str, name: &str, text: impl Into<String>) -> TxError {
    TxError { class, call, name: name.to_owned(), text: text.into() }
}

/// `ILLEGAL_GENERATION`.
pub(super) fn code_name(code: RDKafkaRespErr) -> String {
    // SAFETY: a static string for each code.
    unsafe { text_of(sys::rd_kafka_err2name(code)) }
}

/// `Broker: Specified group generation id is not valid`.
pub(super) fn code_text(code: RDKafkaRespErr) -> String {
    // SAFETY: a static string for each code.
    unsafe { text_of(sys::rd_kafka_err2str(code)) }
}

/// A C string as text; empty where it is null.
///
/// # Safety
/// `text` is null or points to a NUL-terminated string that lives through the call.
pub(super) unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, NUL-terminated by the caller's word.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
