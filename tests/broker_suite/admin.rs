//! The cluster and its groups, seen from outside.

use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{Member, PATIENCE, admin_options, block_on, unique};
use crate::native;
use crate::support::wait::eventually;
use crate::target::Target;

fn one_offset(topic: &str, offset: i64, metadata: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    list.find_partition(topic, 0).unwrap().set_metadata(metadata);
    list
}

fn delete_group(target: &Target, group: &str) -> Result<(), RDKafkaErrorCode> {
    let results = block_on(target.admin().delete_groups(&[group], &admin_options())).unwrap();
    results.into_iter().next().unwrap().map(drop).map_err(|(_, code)| code)
}

pub fn a_cluster_has_one_id(target: &Target) {
    let id = native::describe_cluster(target);
    assert_eq!(id.len(), 22, "{id}");
    assert_eq!(native::describe_cluster(target), id);
    assert_eq!(target.admin().inner().fetch_cluster_id(PATIENCE), Some(id));
    let metadata = target.admin().inner().fetch_metadata(None, PATIENCE).unwrap();
    assert_eq!(metadata.brokers().len(), 1);
}

pub fn empty_groups_can_be_set_and_deleted(target: &Target) {
    let (topic, group) = (target.topic("set", 1, &[]), unique("set"));
    target.fill(&topic, 0, "v", 10);
    eventually(PATIENCE, "the group's coordinator", || {
        let set = native::alter_group_offsets(target, &group, &one_offset(&topic, 7, "by hand"));
        // Librdkafka does not try again when the coordinator has only just been made.
        let soon = [
            RDKafkaErrorCode::CoordinatorLoadInProgress,
            RDKafkaErrorCode::CoordinatorNotAvailable,
            RDKafkaErrorCode::NotCoordinator,
        ];
        assert!(set.is_ok() || set.is_err_and(|code| soon.contains(&code)), "{set:?}");
        set.ok()
    });
    assert_eq!(native::group_offset(target, &group, &topic, true), Ok((7, "by hand".to_owned())));
    let member = Member::join(target, &group, &topic, &[]);
    member.wait_for(1);
    drop(member);
    eventually(PATIENCE, "a group without members to be deleted", || delete_group(target, &group).ok());
    assert_eq!(native::group_offset(target, &group, &topic, true).unwrap().0, -1001, "none is left");
    assert_eq!(delete_group(target, &group), Err(RDKafkaErrorCode::GroupIdNotFound));
}

pub fn live_groups_cannot(target: &Target) {
    let (topic, group) = (target.topic("live", 1, &[]), unique("live"));
    let member = Member::join(target, &group, &topic, &[]);
    member.wait_for(1);
    let set = native::alter_group_offsets(target, &group, &one_offset(&topic, 0, ""));
    assert_eq!(set, Err(RDKafkaErrorCode::UnknownMemberId));
    assert_eq!(delete_group(target, &group), Err(RDKafkaErrorCode::NonEmptyGroup));
}

pub fn groups_are_listed_and_described(target: &Target) {
    let (topic, group) = (target.topic("listed", 2, &[]), unique("listed"));
    let instance = unique("instance");
    let settings = [("client.id", "client-of-listed"), ("group.instance.id", &instance)];
    let member = Member::join(target, &group, &topic, &settings);
    member.wait_for(2);
    let admin = target.admin();
    let listed = eventually(PATIENCE, "the group to be stable", || {
        let list = admin.inner().fetch_group_list(None, PATIENCE).unwrap();
        let found = list.groups().iter().find(|one| one.name() == group)?;
        (found.state() == "Stable").then(|| (found.protocol_type().to_owned(), found.protocol().to_owned()))
    });
    assert_eq!(listed, ("consumer".to_owned(), "range".to_owned()));
    let list = admin.inner().fetch_group_list(Some(&group), PATIENCE).unwrap();
    let members = list.groups()[0].members();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].client_id(), "client-of-listed");
    assert!(members[0].id().starts_with(&instance), "{}", members[0].id());
    assert!(members[0].client_host().contains("127.0.0.1"), "{}", members[0].client_host());
}

pub fn first_and_last_offsets_are_listed(target: &Target) {
    let topic = target.topic("ends", 2, &[]);
    target.fill(&topic, 1, "v", 5);
    let admin = target.admin();
    assert_eq!(admin.inner().fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 0));
    assert_eq!(admin.inner().fetch_watermarks(&topic, 1, PATIENCE).unwrap(), (0, 5));
    let missing = admin.inner().fetch_watermarks(&topic, 2, PATIENCE).unwrap_err();
    assert_eq!(missing.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownPartition));
}
