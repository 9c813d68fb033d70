//! Fetch: what is there at once, or as soon as something is appended, or nothing when the time is up.

use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};

use super::code;
use crate::broker::Fault;
use crate::broker::log::Ask;
use crate::broker::state::{Shared, State, wait};
use crate::broker::topics::Topics;
use crate::broker::wire::frame::{Head, Reply};
use crate::broker::wire::records::{Fetched, fetch_response};

/// The longest that a reader may wait: clients ask for half a second, and a client that is gone should not hold a thread for long.
const WAIT_MAX: Duration = Duration::from_mins(1);

pub(super) fn answer(shared: &Shared, head: Head, mut request: FetchRequest) -> Reply {
    let wait_for = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
    let deadline = Instant::now() + wait_for;
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let mut condition: Option<Arc<Condvar>> = None;
    let mut state = shared.lock();
    let fetched = loop {
        name_topics(&state.topics, &mut request.topics, head.version);
        let (fetched, bytes, failed) = collect(&state, &request);
        let left = deadline.saturating_duration_since(Instant::now());
        if bytes >= enough || failed || left.is_zero() || state.stopping {
            break fetched;
        }
        let condition = condition.get_or_insert_with(Arc::default);
        state.wait_for(partitions(&request.topics), condition);
        state = wait(condition, state, left);
    };
    if let Some(condition) = condition {
        state.forget_waiting(partitions(&request.topics), &condition);
    }
    drop(state);
    fetch_response(head, &request.topics, fetched)
}

/// From version 13 on topics come as ids. A topic that is gone meanwhile has no name any more.
fn name_topics(topics: &Topics, asked: &mut [FetchTopic], version: i16) {
    if version >= 13 {
        for topic in asked {
            topic.topic = topics.name_of(topic.topic_id).map(super::text).unwrap_or_default().into();
        }
    }
}

fn partitions(topics: &[FetchTopic]) -> impl Iterator<Item = (&str, i32)> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic.as_str(), partition.partition)))
}

/// What there is for a request now: rows, their bytes, and whether one of them is an error.
fn collect(state: &State, request: &FetchRequest) -> (Vec<Vec<Fetched>>, usize, bool) {
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0);
    let committed_only = request.isolation_level == 1;
    let (mut total, mut failed) = (0, false);
    let mut fetched = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        // Clients before version 13 know no ids, theirs are nil.
        let gone = topic.topic.is_empty() && !topic.topic_id.is_nil();
        let mut rows = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let room = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(bytes_max.saturating_sub(total));
            let ask = Ask { offset: asked.fetch_offset, bytes_max: room, first_whole: total == 0, committed_only };
            let row = if gone { Err(Fault::UnknownTopicId) } else { read(&state.topics, &topic.topic, asked, ask) };
            failed |= row.is_err();
            let error = code(&row);
            let row = row.unwrap_or(Fetched { high_watermark: -1, last_stable: -1, log_start: -1, ..Fetched::default() });
            total += row.bytes();
            rows.push(Fetched { partition: asked.partition, error, ..row });
        }
        fetched.push(rows);
    }
    (fetched, total, failed)
}

fn read(topics: &Topics, topic: &str, asked: &FetchPartition, ask: Ask) -> Result<Fetched, Fault> {
    let log = topics.partition(topic, asked.partition)?;
    // There was only ever the leader of epoch 0.
    if asked.current_leader_epoch > 0 {
        return Err(Fault::UnknownLeaderEpoch);
    }
    let slice = log.read(ask)?;
    Ok(Fetched {
        partition: asked.partition,
        error: 0,
        high_watermark: log.next(),
        last_stable: log.last_stable(),
        log_start: log.start(),
        aborted: slice.aborted,
        batches: slice.batches,
    })
}
