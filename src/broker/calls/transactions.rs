//! Producers' ids and transactions.

use std::time::Instant;

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};

use super::code;
use crate::broker::groups::{Caller, Committed};
use crate::broker::state::{Shared, State};
use crate::broker::transactions::At;
use crate::broker::{Fault, Producer};

/// Clients before KIP-588 know fencing under the name of a wrong epoch.
fn fenced<T>(result: Result<T, Fault>, known: bool) -> Result<T, Fault> {
    result.map_err(|fault| match fault {
        Fault::ProducerFenced if !known => Fault::InvalidProducerEpoch,
        other => other,
    })
}

pub(super) fn init_producer(shared: &Shared, request: InitProducerIdRequest, version: i16) -> InitProducerIdResponse {
    let mut state = shared.lock();
    let claimed = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let producer = match &request.transactional_id {
        None => Ok(state.transactions.new_producer()),
        Some(id) => {
            state.transactions.claim(id, request.transaction_timeout_ms, (claimed.id >= 0).then_some(claimed), Instant::now())
        }
    };
    drop(state);
    shared.nudge();
    let producer = fenced(producer, version >= 4);
    let error = code(&producer);
    let producer = producer.unwrap_or(Producer { id: -1, epoch: -1 });
    InitProducerIdResponse::default()
        .with_error_code(error)
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
}

pub(super) fn add_partitions(shared: &Shared, request: AddPartitionsToTxnRequest, version: i16) -> AddPartitionsToTxnResponse {
    let producer = Producer { id: request.v3_and_below_producer_id.0, epoch: request.v3_and_below_producer_epoch };
    let asked: Vec<At> = request
        .v3_and_below_topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.to_string(), *partition)))
        .collect();
    let mut state = shared.lock();
    let missing: Vec<bool> = asked.iter().map(|at| state.topics.partition(&at.0, at.1).is_err()).collect();
    // All or none: with one that does not exist the others are not attempted.
    let added = if missing.contains(&true) {
        Err(Fault::OperationNotAttempted)
    } else {
        let id = &request.v3_and_below_transactional_id;
        state.transactions.add_partitions(id, producer, asked, Instant::now())
    };
    drop(state);
    let added = code(&fenced(added, version >= 2));
    let mut missing = missing.into_iter();
    let rows = request.v3_and_below_topics.into_iter().map(|topic| {
        let rows = topic.partitions.into_iter().map(|partition| {
            let gone = missing.next() == Some(true);
            AddPartitionsToTxnPartitionResult::default().with_partition_index(partition).with_partition_error_code(if gone {
                Fault::UnknownTopicOrPartition.code()
            } else {
                added
            })
        });
        let rows = rows.collect();
        AddPartitionsToTxnTopicResult::default().with_name(topic.name).with_results_by_partition(rows)
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(rows.collect())
}

pub(super) fn add_offsets(shared: &Shared, request: AddOffsetsToTxnRequest, version: i16) -> AddOffsetsToTxnResponse {
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let mut state = shared.lock();
    let added = state.transactions.add_group(&request.transactional_id, producer, &request.group_id, Instant::now());
    AddOffsetsToTxnResponse::default().with_error_code(code(&fenced(added, version >= 2)))
}

pub(super) fn commit_offsets(shared: &Shared, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let mut state = shared.lock();
    let allowed = may_commit(&mut state, &request);
    let topics = request.topics.iter().map(|topic| {
        let row = |partition: &TxnOffsetCommitRequestPartition| {
            let at = (topic.name.to_string(), partition.partition_index);
            let noted = allowed.and_then(|()| note(&mut state, &request, at, partition));
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&noted))
        };
        let rows = topic.partitions.iter().map(row).collect();
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(rows)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// Member and generation as the group knows them (KIP-447), then the producer as the transaction knows it.
fn may_commit(state: &mut State, request: &TxnOffsetCommitRequest) -> Result<(), Fault> {
    if request.group_id.is_empty() {
        return Err(Fault::InvalidGroupId);
    }
    let caller =
        Caller { member: &request.member_id, instance: request.group_instance_id.as_deref(), generation: request.generation_id };
    match state.groups.get(request.group_id.as_str()) {
        Some(group) => group.check_commit(caller, true)?,
        None if caller.generation < 0 => {}
        None => return Err(Fault::IllegalGeneration),
    }
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    state.transactions.check_group(&request.transactional_id, producer, &request.group_id)
}

fn note(
    state: &mut State,
    request: &TxnOffsetCommitRequest,
    at: At,
    asked: &TxnOffsetCommitRequestPartition,
) -> Result<(), Fault> {
    state.topics.partition(&at.0, at.1)?;
    let metadata = asked.committed_metadata.as_deref().unwrap_or_default();
    let committed = Committed::new(asked.committed_offset, asked.committed_leader_epoch, metadata)?;
    state.transactions.add_offset(&request.transactional_id, &request.group_id, at, committed);
    Ok(())
}

pub(super) fn end(shared: &Shared, request: EndTxnRequest, version: i16) -> EndTxnResponse {
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let ended = shared.lock().transactions.end(&request.transactional_id, producer, request.committed, Instant::now());
    // Its markers are due soon.
    shared.nudge();
    EndTxnResponse::default().with_error_code(code(&fenced(ended, version >= 2)))
}
