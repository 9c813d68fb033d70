//! Topics: made, refused, described, grown, deleted and made again.

use rdkafka::admin::{NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{PATIENCE, admin_options, block_on, unique};
use crate::native;
use crate::raw::{self, Batch, Raw, code};
use crate::support::wait::eventually;
use crate::target::Target;

pub fn a_topic_is_made_once(target: &Target) {
    let topic = target.topic("once", 3, &[]);
    assert_eq!(target.make_topic(&topic, 3, &[]), Err(RDKafkaErrorCode::TopicAlreadyExists));
    assert_eq!(native::describe_topic(target, &topic).unwrap().1, 3);
    let missing = native::describe_topic(target, &unique("nowhere"));
    assert_eq!(missing, Err(RDKafkaErrorCode::UnknownTopicOrPartition));
}

pub fn wrong_topics_are_refused(target: &Target) {
    let name = unique("wrong");
    assert_eq!(target.make_topic("no/slash", 1, &[]), Err(RDKafkaErrorCode::InvalidTopic));
    assert_eq!(target.make_topic(&"x".repeat(250), 1, &[]), Err(RDKafkaErrorCode::InvalidTopic));
    assert_eq!(target.make_topic(&name, 1, &[("retention.days", "1")]), Err(RDKafkaErrorCode::InvalidConfig));
    assert_eq!(target.make_topic(&name, 1, &[("retention.ms", "soon")]), Err(RDKafkaErrorCode::InvalidConfig));
    assert_eq!(target.make_topic(&name, 1, &[("cleanup.policy", "burn")]), Err(RDKafkaErrorCode::InvalidConfig));
    let replicated = NewTopic::new(&name, 1, TopicReplication::Fixed(2));
    let results = block_on(target.admin().create_topics(&[replicated], &admin_options())).unwrap();
    assert_eq!(results, [Err((name.clone(), RDKafkaErrorCode::InvalidReplicationFactor))]);
    let only_checked = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
    let results = block_on(target.admin().create_topics(&[only_checked], &admin_options().validate_only(true))).unwrap();
    assert_eq!(results, [Ok(name.clone())]);
    assert_eq!(native::describe_topic(target, &name), Err(RDKafkaErrorCode::UnknownTopicOrPartition));
    let deleted = block_on(target.admin().delete_topics(&[&name], &admin_options())).unwrap();
    assert_eq!(deleted, [Err((name, RDKafkaErrorCode::UnknownTopicOrPartition))]);
}

pub fn ids_change_when_a_topic_is_made_again(target: &Target) {
    let topic = target.topic("ids", 1, &[]);
    let (first, _) = native::describe_topic(target, &topic).unwrap();
    assert_eq!(native::describe_topic(target, &topic).unwrap().0, first, "stable while it lives");
    assert_ne!(first.trim_matches('A'), "", "not nil: {first}");
    target.delete_topic(&topic);
    target.make_topic(&topic, 1, &[]).unwrap();
    let (second, _) = native::describe_topic(target, &topic).unwrap();
    assert_ne!(first, second);
    let other = target.topic("ids", 1, &[]);
    assert_ne!(native::describe_topic(target, &other).unwrap().0, second);
}

pub fn a_new_topic_of_the_same_name_is_empty(target: &Target) {
    let (topic, group) = (target.topic("again", 1, &[]), unique("again"));
    target.fill(&topic, 0, "old", 10);
    assert_eq!(Raw::connect(target).commit_offset(&group, &topic, 0, "then"), code::NONE);
    assert_eq!(native::group_offset(target, &group, &topic, true), Ok((1, "then".to_owned())));
    target.delete_topic(&topic);
    target.make_topic(&topic, 1, &[]).unwrap();
    eventually(PATIENCE, "the offset to go with its topic", || {
        (native::group_offset(target, &group, &topic, true).unwrap().0 < 0).then_some(())
    });
    target.fill(&topic, 0, "new", 2);
    let messages = target.read_all(&topic, 1, "read_committed");
    assert_eq!(messages.iter().map(Message::offset).collect::<Vec<_>>(), [0, 1]);
}

pub fn partitions_can_be_added(target: &Target) {
    let topic = target.topic("grow", 2, &[]);
    let grow = |count| {
        let results = block_on(target.admin().create_partitions(&[NewPartitions::new(&topic, count)], &admin_options()));
        results.unwrap().into_iter().next().unwrap().map_err(|(_, code)| code)
    };
    assert_eq!(grow(2), Err(RDKafkaErrorCode::InvalidPartitions));
    assert_eq!(grow(5), Ok(topic.clone()));
    target.wait_for_partitions(&topic, 5);
    target.fill(&topic, 4, "v", 3);
    assert_eq!(target.read_all(&topic, 5, "read_committed").len(), 3);
    assert_eq!(grow(3), Err(RDKafkaErrorCode::InvalidPartitions));
}

pub fn settings_are_described(target: &Target) {
    let topic = target.topic("settings", 1, &[("retention.ms", "7200000"), ("message.timestamp.type", "LogAppendTime")]);
    let described = block_on(target.admin().describe_configs(&[ResourceSpecifier::Topic(&topic)], &admin_options()));
    let resource = described.unwrap().into_iter().next().unwrap().unwrap();
    let value = |name: &str| {
        let entry = resource.get(name).unwrap_or_else(|| panic!("{name} is not described"));
        (entry.value.clone().unwrap(), entry.is_default)
    };
    assert_eq!(value("retention.ms"), ("7200000".to_owned(), false));
    assert_eq!(value("message.timestamp.type"), ("LogAppendTime".to_owned(), false));
    assert_eq!(value("cleanup.policy"), ("delete".to_owned(), true));
    assert_eq!(value("max.message.bytes"), ("1048588".to_owned(), true));
    assert_eq!(value("message.timestamp.after.max.ms"), ("3600000".to_owned(), true));
    let missing = unique("nowhere");
    let described = block_on(target.admin().describe_configs(&[ResourceSpecifier::Topic(&missing)], &admin_options()));
    // The error of a resource is not handed on by rust-rdkafka.
    assert!(described.unwrap().into_iter().next().unwrap().unwrap().entries.is_empty());
}

pub fn compaction_asks_for_keys(target: &Target) {
    let topic = target.topic("compacted", 1, &[("cleanup.policy", "compact")]);
    let mut raw = Raw::connect(target);
    let without = raw::batch(Batch { with_key: false, ..Batch::default() });
    assert_eq!(raw.produce(&topic, None, -1, &without).0, code::INVALID_RECORD);
    assert_eq!(raw.produce(&topic, None, -1, &raw::batch(Batch::default())), (code::NONE, 0));
    target.fill(&topic, 0, "v", 3);
    assert_eq!(target.read_all(&topic, 1, "read_committed").len(), 4);
}
