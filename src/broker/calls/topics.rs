//! Topics: create, delete, more partitions.

use std::collections::BTreeMap;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{code, text};
use crate::broker::Fault;
use crate::broker::log::Partition;
use crate::broker::state::{Shared, State};
use crate::broker::topics::Settings;

/// An error with what to tell the client about it.
type Refused = (Fault, Option<String>);

pub(super) fn create(shared: &Shared, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut state = shared.lock();
    let names: Vec<StrBytes> = request.topics.iter().map(|topic| topic.name.0.clone()).collect();
    let rows = request.topics.iter().map(|topic| {
        let twice = names.iter().filter(|name| **name == topic.name.0).count() > 1;
        let partitions = partitions_of(topic, shared.options.partitions);
        let created = if twice {
            Err((Fault::InvalidRequest, Some("named twice in one request".to_owned())))
        } else {
            partitions.and_then(|partitions| create_one(&mut state, topic, partitions, request.validate_only))
        };
        let row = CreatableTopicResult::default().with_name(topic.name.clone()).with_topic_config_error_code(0);
        match created {
            Ok((id, partitions)) => row.with_topic_id(id).with_num_partitions(partitions).with_replication_factor(1),
            Err((fault, message)) => row.with_error_code(fault.code()).with_error_message(message.as_deref().map(text)),
        }
    });
    CreateTopicsResponse::default().with_topics(rows.collect())
}

/// The number of partitions: said, or that of an assignment by hand, or the default. There is one replica of each, of course.
fn partitions_of(topic: &CreatableTopic, default: i32) -> Result<i32, Refused> {
    if !topic.assignments.is_empty() {
        let single = topic.assignments.iter().all(|row| row.broker_ids.iter().map(|id| id.0).eq([super::NODE]));
        let count = i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX);
        return if single { Ok(count) } else { Err((Fault::InvalidReplicaAssignment, None)) };
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        let message = format!("replication factor {} is not possible, there is 1 broker", topic.replication_factor);
        return Err((Fault::InvalidReplicationFactor, Some(message)));
    }
    Ok(if topic.num_partitions == -1 { default } else { topic.num_partitions })
}

fn create_one(state: &mut State, topic: &CreatableTopic, partitions: i32, validate_only: bool) -> Result<(Uuid, i32), Refused> {
    let plain = |fault| (fault, None);
    state.topics.check_new(&topic.name, partitions).map_err(plain)?;
    let given: BTreeMap<String, String> = topic
        .configs
        .iter()
        .map(|config| (config.name.to_string(), config.value.as_deref().unwrap_or_default().to_owned()))
        .collect();
    let settings = Settings::parse(given).map_err(|message| (Fault::InvalidConfig, Some(message)))?;
    if validate_only {
        return Ok((Uuid::nil(), partitions));
    }
    let id = state.topics.create(&topic.name, partitions, settings).map_err(plain)?;
    Ok((id, partitions))
}

pub(super) fn delete(shared: &Shared, request: DeleteTopicsRequest, version: i16) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState::default().with_name(Some(name));
    let asked: Vec<DeleteTopicState> =
        if version >= 6 { request.topics } else { request.topic_names.into_iter().map(by_name).collect() };
    let mut state = shared.lock();
    let rows = asked.into_iter().map(|topic| {
        let by_id = || state.topics.name_of(topic.topic_id).map(str::to_owned);
        let name = topic.name.as_ref().map(|name| name.to_string()).or_else(by_id);
        let deleted = match &name {
            Some(name) => state.delete_topic(name),
            None => Err(Fault::UnknownTopicId),
        };
        DeletableTopicResult::default()
            .with_error_code(code(&deleted))
            .with_topic_id(deleted.unwrap_or(topic.topic_id))
            .with_name(name.as_deref().map(|name| text(name).into()))
    });
    DeleteTopicsResponse::default().with_responses(rows.collect())
}

pub(super) fn create_partitions(shared: &Shared, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut state = shared.lock();
    let rows = request.topics.into_iter().map(|topic| {
        let grown = grow(&mut state, &topic, request.validate_only);
        CreatePartitionsTopicResult::default().with_name(topic.name).with_error_code(code(&grown))
    });
    CreatePartitionsResponse::default().with_results(rows.collect())
}

fn grow(state: &mut State, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Fault> {
    let topic = state.topics.get_mut(&asked.name).ok_or(Fault::UnknownTopicOrPartition)?;
    let wanted = topic.check_grow(asked.count)?;
    if !validate_only {
        topic.partitions.resize_with(wanted, Partition::default);
    }
    Ok(())
}
