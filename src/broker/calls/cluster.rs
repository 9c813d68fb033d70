//! Who the cluster is: versions, metadata, coordinators. It is always the one node.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
    MetadataResponse,
};

use super::{Client, NODE, OFFERED, text};
use crate::broker::Fault;
use crate::broker::state::{Shared, State};
use crate::broker::topics::{Settings, Topic, check_name};

pub(super) fn api_versions(error: i16) -> ApiVersionsResponse {
    let rows = OFFERED.iter().map(|(key, first, last)| {
        ApiVersion::default().with_api_key(*key as i16).with_min_version(*first).with_max_version(*last)
    });
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(rows.collect())
}

pub(super) fn metadata(shared: &Shared, client: &Client, request: MetadataRequest, version: i16) -> MetadataResponse {
    let mut state = shared.lock();
    let create = shared.options.auto_create && request.allow_auto_topic_creation;
    // Version 0 has no null: an empty list means all.
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let topics = match asked {
        None => state.topics.iter().map(|(name, topic)| describe(name, topic)).collect(),
        Some(asked) => {
            let one = |topic| metadata_of(&mut state, topic, create.then_some(shared.options.partitions));
            asked.into_iter().map(one).collect()
        }
    };
    drop(state);
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE))
        .with_host(text(&client.local.ip().to_string()))
        .with_port(i32::from(client.local.port()));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(shared.cluster_id())))
        .with_controller_id(BrokerId(NODE))
        .with_topics(topics)
}

/// A topic by name or id; made with so many partitions if it is missing and that is wanted.
fn metadata_of(state: &mut State, asked: MetadataRequestTopic, create: Option<i32>) -> MetadataResponseTopic {
    let response = MetadataResponseTopic::default().with_name(asked.name.clone()).with_topic_id(asked.topic_id);
    let by_id = || state.topics.name_of(asked.topic_id).map(str::to_owned);
    let Some(name) = asked.name.as_ref().map(|name| name.to_string()).or_else(by_id) else {
        return response.with_error_code(Fault::UnknownTopicId.code());
    };
    if let Err(fault) = check_name(&name) {
        return response.with_error_code(fault.code());
    }
    if state.topics.get(&name).is_none()
        && let Some(partitions) = create
        && let Ok(settings) = Settings::parse(std::collections::BTreeMap::new())
        && let Err(fault) = state.topics.create(&name, partitions, settings)
    {
        return response.with_error_code(fault.code());
    }
    match state.topics.get(&name) {
        Some(topic) => describe(&name, topic),
        None => response.with_error_code(Fault::UnknownTopicOrPartition.code()),
    }
}

fn describe(name: &str, topic: &Topic) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(index, _)| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE))
            .with_leader_epoch(0)
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)])
    });
    MetadataResponseTopic::default()
        .with_name(Some(text(name).into()))
        .with_topic_id(topic.id)
        .with_partitions(partitions.collect())
}

pub(super) fn find_coordinator(client: &Client, request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let (host, port) = (text(&client.local.ip().to_string()), i32::from(client.local.port()));
    if version < 4 {
        return FindCoordinatorResponse::default().with_node_id(BrokerId(NODE)).with_host(host).with_port(port);
    }
    let rows = request
        .coordinator_keys
        .into_iter()
        .map(|key| Coordinator::default().with_key(key).with_node_id(BrokerId(NODE)).with_host(host.clone()).with_port(port));
    FindCoordinatorResponse::default().with_coordinators(rows.collect())
}

pub(super) fn describe_cluster(shared: &Shared, client: &Client) -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE))
        .with_host(text(&client.local.ip().to_string()))
        .with_port(i32::from(client.local.port()));
    DescribeClusterResponse::default()
        .with_cluster_id(text(shared.cluster_id()))
        .with_controller_id(BrokerId(NODE))
        .with_brokers(vec![broker])
}
