//! The group's committed offsets and the partitions' first ones, asked on a thread of its own: the calls block, and an open transaction
//! makes the first of them wait.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::admin::{Isolation, OffsetSpec, Requester};
use super::super::contract::{Committed, IntakeEvent};
use super::super::error::{code_name, code_text};
use super::super::native::{ListedPartition, PartitionList};
use super::Inner;
use crate::batch::TopicPartition;

/// How long it goes on asking: more than the 16 to 19 s after which Kafka ends a dead lane's transaction.
const DEADLINE: Duration = Duration::from_secs(40);
/// How long one question waits, and so how soon a stop is noticed.
const ATTEMPT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);

/// Asks in the background; the answer becomes an event.
pub(super) fn request(inner: &Arc<Inner>, request: u64, partitions: &[TopicPartition]) {
    let (asker, partitions) = (Arc::clone(inner), partitions.to_vec());
    let started = thread::Builder::new().name("kafka-committed".into()).spawn(move || {
        let event = match ask(&asker, &partitions) {
            Ok(committed) => IntakeEvent::Committed { request, committed },
            Err(reason) => IntakeEvent::CommittedFailed(reason),
        };
        asker.report(event);
    });
    if let Err(error) = started {
        inner.report(IntakeEvent::CommittedFailed(format!("no thread can be started: {error}; look at `ulimit -u`")));
    }
}

fn ask(inner: &Arc<Inner>, partitions: &[TopicPartition]) -> Result<Vec<Committed>, String> {
    let give_up = Instant::now() + DEADLINE;
    loop {
        let reason = match attempt(inner, partitions)? {
            Attempt::Answer(committed) => return Ok(committed),
            Attempt::Again(reason) => reason,
        };
        if Arc::strong_count(inner) == 1 {
            return Err("the lane is done with the consumer".to_owned());
        }
        if Instant::now() >= give_up {
            return Err(format!("no stable committed offsets within {DEADLINE:?}: {reason}"));
        }
        thread::sleep(PAUSE);
    }
}

enum Attempt {
    Answer(Vec<Committed>),
    /// Why it may be different soon.
    Again(String),
}

fn attempt(inner: &Inner, partitions: &[TopicPartition]) -> Result<Attempt, String> {
    let list = PartitionList::of(partitions).map_err(|error| error.to_string())?;
    let millis = i32::try_from(ATTEMPT.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the consumer lives as long as `inner`; the list is ours. isolation.level read_committed makes it ask for stable ones.
    let code = unsafe { sys::rd_kafka_committed(inner.native(), list.as_ptr(), millis) };
    let entries = list.entries();
    let failed = std::iter::once(code)
        .chain(entries.iter().map(|entry| entry.error))
        .find(|&code| code != Code::RD_KAFKA_RESP_ERR_NO_ERROR);
    match failed {
        None => Ok(with_firsts(inner, entries.into_iter().map(ListedPartition::into_committed).collect())),
        Some(code) if is_final(code) => Err(format!("{}: {}", code_name(code), code_text(code))),
        Some(code) => Ok(Attempt::Again(format!("{}: {}", code_name(code), code_text(code)))),
    }
}

/// The first offset of each partition beside what is committed: retention may have removed what a lane wants to read again.
fn with_firsts(inner: &Inner, mut committed: Vec<Committed>) -> Attempt {
    let partitions: Vec<_> = committed.iter().map(|entry| entry.source.clone()).collect();
    let requester = Requester::new(inner.client(), inner.name().to_owned());
    let deadline = Instant::now() + ATTEMPT;
    match requester.offsets(&partitions, OffsetSpec::Earliest, Isolation::ReadUncommitted, deadline) {
        Ok(firsts) => {
            for (entry, (_, first)) in committed.iter_mut().zip(firsts) {
                entry.first = first;
            }
            Attempt::Answer(committed)
        }
        Err(error) => Attempt::Again(error.to_string()),
    }
}

/// Whether asking again cannot help.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
            | Code::RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
            | Code::RD_KAFKA_RESP_ERR__UNKNOWN_GROUP
            | Code::RD_KAFKA_RESP_ERR__FATAL
            | Code::RD_KAFKA_RESP_ERR__DESTROY
    )
}
