//! Groups from outside: their committed offsets, lists, descriptions, deletion.

use std::collections::BTreeMap;

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};

use super::{code, text};
use crate::broker::Fault;
use crate::broker::groups::{Caller, Committed, Group};
use crate::broker::state::{Shared, State};
use crate::broker::transactions::At;

pub(super) fn commit(shared: &Shared, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut state = shared.lock();
    let allowed = may_commit(&mut state, &request);
    let topics = request.topics.into_iter().map(|topic| {
        let row = |partition: &OffsetCommitRequestPartition| {
            let at = (topic.name.to_string(), partition.partition_index);
            let committed = allowed.and_then(|()| commit_one(&mut state, &request.group_id, at, partition));
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&committed))
        };
        let partitions = topic.partitions.iter().map(row).collect();
        OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn may_commit(state: &mut State, request: &OffsetCommitRequest) -> Result<(), Fault> {
    if request.group_id.is_empty() {
        return Err(Fault::InvalidGroupId);
    }
    let caller = Caller {
        member: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    match state.groups.get(request.group_id.as_str()) {
        Some(group) => group.check_commit(caller, false),
        // An admin client makes the group by committing.
        None if caller.generation < 0 => Ok(()),
        None => Err(Fault::IllegalGeneration),
    }
}

fn commit_one(state: &mut State, group: &str, at: At, asked: &OffsetCommitRequestPartition) -> Result<(), Fault> {
    state.topics.partition(&at.0, at.1)?;
    let metadata = asked.committed_metadata.as_deref().unwrap_or_default();
    let committed = Committed::new(asked.committed_offset, asked.committed_leader_epoch, metadata)?;
    state.group(group, std::time::Duration::ZERO).commit(at, committed);
    Ok(())
}

/// What is known of one partition's offset.
struct Found {
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    error: i16,
}

/// A topic's partitions, as asked.
type Asked = Option<Vec<(String, Vec<i32>)>>;

pub(super) fn fetch(shared: &Shared, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    let state = shared.lock();
    let stable = request.require_stable;
    if version >= 8 {
        let groups = request.groups.into_iter().map(|group| {
            let topics = group
                .topics
                .map(|topics| topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect());
            let found = find(&state, &group.group_id, topics, stable);
            let rows = found.into_iter().map(|(name, rows)| {
                let rows = rows.into_iter().map(|row| {
                    OffsetFetchResponsePartitions::default()
                        .with_partition_index(row.partition)
                        .with_committed_offset(row.offset)
                        .with_committed_leader_epoch(row.leader_epoch)
                        .with_metadata(Some(text(&row.metadata)))
                        .with_error_code(row.error)
                });
                OffsetFetchResponseTopics::default().with_name(text(&name).into()).with_partitions(rows.collect())
            });
            OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_topics(rows.collect())
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    let topics =
        request.topics.map(|topics| topics.into_iter().map(|topic| (topic.name.to_string(), topic.partition_indexes)).collect());
    let rows = find(&state, &request.group_id, topics, stable).into_iter().map(|(name, rows)| {
        let rows = rows.into_iter().map(|row| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(row.partition)
                .with_committed_offset(row.offset)
                .with_committed_leader_epoch(row.leader_epoch)
                .with_metadata(Some(text(&row.metadata)))
                .with_error_code(row.error)
        });
        OffsetFetchResponseTopic::default().with_name(text(&name).into()).with_partitions(rows.collect())
    });
    OffsetFetchResponse::default().with_topics(rows.collect())
}

/// The offsets that were asked for, or all. A caller that wants stable ones is told which wait for the end of a transaction.
fn find(state: &State, name: &str, asked: Asked, stable: bool) -> Vec<(String, Vec<Found>)> {
    let group = state.groups.get(name);
    let all = || {
        let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in group.into_iter().flat_map(Group::committed_partitions) {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        topics.into_iter().collect()
    };
    let one = |at: At| {
        let unstable = stable && state.transactions.is_pending(name, &at);
        let committed = group.and_then(|group| group.committed(&at)).filter(|_| !unstable);
        Found {
            partition: at.1,
            offset: committed.map_or(-1, |committed| committed.offset),
            leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
            metadata: committed.map(|committed| committed.metadata.clone()).unwrap_or_default(),
            error: if unstable { Fault::UnstableOffsetCommit.code() } else { 0 },
        }
    };
    let topics = asked.unwrap_or_else(all).into_iter().map(|(topic, partitions)| {
        let rows = partitions.into_iter().map(|partition| one((topic.clone(), partition))).collect();
        (topic, rows)
    });
    topics.collect()
}

pub(super) fn delete_offsets(shared: &Shared, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut state = shared.lock();
    let Some(group) = state.groups.get_mut(request.group_id.as_str()) else {
        return OffsetDeleteResponse::default().with_error_code(Fault::GroupIdNotFound.code());
    };
    if !group.members.is_empty() {
        // Kafka looks at which topics the members read; whoever deletes offsets of a live group meets the other error anyway.
        return OffsetDeleteResponse::default().with_error_code(Fault::NonEmptyGroup.code());
    }
    let topics = request.topics.into_iter().map(|topic| {
        let rows = topic.partitions.iter().map(|partition| {
            group.forget_offset(&(topic.name.to_string(), partition.partition_index));
            OffsetDeleteResponsePartition::default().with_partition_index(partition.partition_index)
        });
        let rows = rows.collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(rows)
    });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

pub(super) fn list(shared: &Shared, request: ListGroupsRequest) -> ListGroupsResponse {
    let wanted = |filter: &[kafka_protocol::protocol::StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(value))
    };
    let state = shared.lock();
    let groups = state
        .groups
        .iter()
        .filter(|(_, group)| wanted(&request.states_filter, group.phase.name()) && wanted(&request.types_filter, "classic"))
        .map(|(name, group)| {
            ListedGroup::default()
                .with_group_id(GroupId(text(name)))
                .with_protocol_type(text(&group.protocol_type))
                .with_group_state(text(group.phase.name()))
                .with_group_type(text("classic"))
        });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) fn describe(shared: &Shared, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let state = shared.lock();
    let groups = request.groups.into_iter().map(|id| {
        let row = DescribedGroup::default();
        let row = match state.groups.get(id.as_str()) {
            Some(group) => row
                .with_group_state(text(group.phase.name()))
                .with_protocol_type(text(&group.protocol_type))
                .with_protocol_data(text(&group.protocol))
                .with_members(members(group)),
            // In the versions offered a group that is not there is a dead one.
            None => row.with_group_state(text("Dead")),
        };
        row.with_group_id(id)
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn members(group: &Group) -> Vec<DescribedGroupMember> {
    let row = |member: &crate::broker::groups::Member| {
        DescribedGroupMember::default()
            .with_member_id(text(&member.id))
            .with_group_instance_id(member.instance.as_deref().map(text))
            .with_client_id(text(&member.client_id))
            .with_client_host(text(&member.client_host))
            .with_member_metadata(group.subscription(member))
            .with_member_assignment(member.assignment.clone())
    };
    group.members.iter().map(row).collect()
}

pub(super) fn delete(shared: &Shared, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut state = shared.lock();
    let rows = request.groups_names.into_iter().map(|id| {
        let deleted = match state.groups.get(id.as_str()) {
            None => Err(Fault::GroupIdNotFound),
            Some(group) if !group.members.is_empty() => Err(Fault::NonEmptyGroup),
            Some(_) => Ok(state.groups.remove(id.as_str())),
        };
        DeletableGroupResult::default().with_group_id(id).with_error_code(code(&deleted))
    });
    DeleteGroupsResponse::default().with_results(rows.collect())
}
