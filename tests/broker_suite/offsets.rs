//! Committed offsets of consumers.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Member, PATIENCE, take, unique};
use crate::native;
use crate::target::Target;

fn at(topic: &str, offset: i64, metadata: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    list.find_partition(topic, 0).unwrap().set_metadata(metadata);
    list
}

pub fn a_commit_is_where_the_next_one_begins(target: &Target) {
    let (topic, group) = (target.topic("resume", 1, &[]), unique("resume"));
    target.fill(&topic, 0, "v", 100);
    let metadata = "m".repeat(4000);
    let consumer: BaseConsumer = target.consumer_config(&group).create().unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    assert_eq!(take(&consumer, 100)[0].offset(), 0);
    consumer.commit(&at(&topic, 33, &metadata), CommitMode::Sync).unwrap();
    drop(consumer);
    assert_eq!(native::group_offset(target, &group, &topic, true), Ok((33, metadata)));
    let consumer: BaseConsumer = target.consumer_config(&group).create().unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    let messages = take(&consumer, 67);
    assert_eq!((messages[0].offset(), messages[66].offset()), (33, 99));
}

pub fn commits_without_a_group_of_members(target: &Target) {
    let (topic, group) = (target.topic("by-hand", 1, &[]), unique("by-hand"));
    let consumer: BaseConsumer = target.consumer_config(&group).create().unwrap();
    consumer.assign(&at(&topic, 0, "")).unwrap();
    consumer.commit(&at(&topic, 5, "note"), CommitMode::Sync).unwrap();
    let committed = consumer.committed_offsets(at(&topic, 0, ""), PATIENCE).unwrap();
    let row = &committed.elements()[0];
    assert_eq!((row.offset(), row.metadata()), (Offset::Offset(5), "note"));
    let member = Member::join(target, &group, &topic, &[]);
    member.wait_for(1);
    let refused = consumer.commit(&at(&topic, 6, ""), CommitMode::Sync).unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownMemberId), "members are in charge now");
}
