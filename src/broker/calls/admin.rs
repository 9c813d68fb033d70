//! DescribeConfigs: the settings of topics, and what there is to say about the broker.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{NODE, code, text};
use crate::broker::state::{Shared, State};
use crate::broker::topics::{Kind, SETTINGS};
use crate::broker::{BrokerOptions, Fault};

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from: given for the topic, given to the broker at its start, Kafka's default.
const FROM_TOPIC: i8 = 1;
const FROM_START: i8 = 4;
const FROM_DEFAULT: i8 = 5;

pub(super) fn describe_configs(shared: &Shared, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let state = shared.lock();
    let rows = request.resources.into_iter().map(|resource| {
        let configs = match resource.resource_type {
            TOPIC => topic_configs(&state, &resource.resource_name),
            BROKER => broker_configs(&shared.options, &resource.resource_name),
            _ => Err(Fault::InvalidRequest),
        };
        DescribeConfigsResult::default()
            .with_error_code(code(&configs))
            .with_configs(chosen(configs.unwrap_or_default(), &resource))
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
    });
    DescribeConfigsResponse::default().with_results(rows.collect())
}

/// Only the settings that were asked for, if any were.
fn chosen(
    mut configs: Vec<DescribeConfigsResourceResult>,
    resource: &DescribeConfigsResource,
) -> Vec<DescribeConfigsResourceResult> {
    if let Some(keys) = &resource.configuration_keys {
        configs.retain(|config| keys.contains(&config.name));
    }
    configs
}

fn topic_configs(state: &State, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Fault> {
    let topic = state.topics.get(name).ok_or(Fault::UnknownTopicOrPartition)?;
    let rows = SETTINGS.iter().map(|setting| {
        let (value, given) = topic.settings.get(setting);
        DescribeConfigsResourceResult::default()
            .with_name(text(setting.name))
            .with_value(Some(text(&value)))
            .with_config_source(if given { FROM_TOPIC } else { FROM_DEFAULT })
            .with_config_type(kind_code(setting.kind))
    });
    Ok(rows.collect())
}

/// Kafka's numbers of the types of settings.
fn kind_code(kind: Kind) -> i8 {
    match kind {
        Kind::Flag => 1,
        Kind::Text | Kind::Word(_) => 2,
        Kind::Int(_) => 5,
        Kind::Float => 6,
        Kind::List(_) => 7,
    }
}

/// What a client's preflight may want to know: limits and defaults, under Kafka's names.
fn broker_configs(options: &BrokerOptions, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Fault> {
    if name != NODE.to_string() && !name.is_empty() {
        return Err(Fault::InvalidRequest);
    }
    let rows = [
        ("auto.create.topics.enable", options.auto_create.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("group.initial.rebalance.delay.ms", options.group_delay.as_millis().to_string()),
        ("group.max.session.timeout.ms", "1800000".to_owned()),
        ("group.min.session.timeout.ms", "6000".to_owned()),
        ("log.retention.check.interval.ms", options.retention_interval.as_millis().to_string()),
        ("message.max.bytes", "1048588".to_owned()),
        ("min.insync.replicas", "1".to_owned()),
        ("num.partitions", options.partitions.to_string()),
        ("offset.metadata.max.bytes", "4096".to_owned()),
        ("transaction.max.timeout.ms", "900000".to_owned()),
    ];
    let row = |(name, value): (&str, String)| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(&value)))
            .with_read_only(true)
            .with_config_source(FROM_START)
    };
    Ok(rows.into_iter().map(row).collect())
}
