//! Produce. Batches are checked, summed and copied before the lock is taken.

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::ProduceResponse;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};

use super::encode;
use crate::broker::Fault;
use crate::broker::log::{self, Incoming};
use crate::broker::state::{Shared, State, now_ms};
use crate::broker::wire::frame::{Head, Refusal, Reply};

/// A batch on its way: where to, and what its check said.
struct Checked {
    partition: i32,
    outcome: Result<Incoming, Fault>,
    append_time: bool,
}

pub(super) fn answer(shared: &Shared, head: Head, request: ProduceRequest) -> Result<Reply, Refusal> {
    let acks = request.acks;
    let now_ms = now_ms();
    let transaction = request.transactional_id.as_ref().map(|id| id.as_str());
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let checked = check(shared, &topic.name, &topic.partition_data, (acks, now_ms));
        let mut state = shared.lock();
        let rows = checked.into_iter().map(|one| {
            let append_time_ms = if one.append_time { now_ms } else { -1 };
            let partition = one.partition;
            let outcome = append(&mut state, (&topic.name, transaction), one, now_ms);
            row(partition, append_time_ms, outcome)
        });
        responses.push(TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(rows.collect()));
    }
    if acks == 0 {
        return Ok(Reply::Nothing);
    }
    encode(head, &ProduceResponse::default().with_responses(responses))
}

/// Checks the batches for a topic by its rules. One look at the state under the lock, the work outside of it.
fn check(shared: &Shared, topic: &str, data: &[PartitionProduceData], how: (i16, i64)) -> Vec<Checked> {
    let (acks, now_ms) = how;
    let rules = shared.lock().topics.get(topic).map(|topic| topic.settings.rules).ok_or(Fault::UnknownTopicOrPartition);
    let acks = if matches!(acks, -1..=1) { Ok(()) } else { Err(Fault::InvalidRequiredAcks) };
    let each = |one: &PartitionProduceData| {
        let outcome =
            acks.and(rules).and_then(|rules| log::check(one.records.as_deref().ok_or(Fault::InvalidRecord)?, &rules, now_ms));
        Checked { partition: one.index, append_time: rules.is_ok_and(|rules| rules.append_time), outcome }
    };
    data.iter().map(each).collect()
}

/// Base offset and start of the log.
fn append(state: &mut State, to: (&str, Option<&str>), checked: Checked, now_ms: i64) -> Result<(i64, i64), Fault> {
    let (topic, transaction) = to;
    let incoming = checked.outcome?;
    state.topics.partition(topic, checked.partition)?;
    if let Some(producer) = incoming.producer.filter(|_| incoming.transactional) {
        state.transactions.check_partition(transaction, producer, &(topic.to_owned(), checked.partition))?;
    }
    state.append(topic, checked.partition, incoming, now_ms)
}

fn row(partition: i32, append_time_ms: i64, outcome: Result<(i64, i64), Fault>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(partition);
    match outcome {
        Ok((base, start)) => response.with_base_offset(base).with_log_append_time_ms(append_time_ms).with_log_start_offset(start),
        Err(fault) => {
            response.with_error_code(fault.code()).with_base_offset(-1).with_log_append_time_ms(-1).with_log_start_offset(-1)
        }
    }
}
