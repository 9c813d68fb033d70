//! Membership of groups: join, sync, heartbeat, leave. A join and a sync may have to wait for others.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};

use super::{Client, code, text};
use crate::broker::Fault;
use crate::broker::groups::{Caller, Group, JoinAsk, JoinReply, JoinStep};
use crate::broker::state::{Shared, State, wait};

/// How long a thread sits in a join or sync at most. Rebalances take less; a client that is gone should not hold it for ever.
const WAIT_MAX: Duration = Duration::from_mins(10);
/// The name of a group is at most as long as that of a topic.
const NAME_BYTES_MAX: usize = 249;

pub(super) fn join(shared: &Shared, client: &Client, request: JoinGroupRequest, version: i16) -> JoinGroupResponse {
    let group = request.group_id.to_string();
    let instance = request.group_instance_id.as_ref().map(ToString::to_string);
    let named = request.member_id.to_string();
    let ask = JoinAsk {
        member: named.clone(),
        instance: instance.clone(),
        client_id: client.id.clone(),
        client_host: format!("/{}", client.host),
        session_ms: request.session_timeout_ms,
        rebalance_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        // Copied: they outlive the frame that they came in.
        protocols: request
            .protocols
            .iter()
            .map(|protocol| (protocol.name.to_string(), Bytes::copy_from_slice(&protocol.metadata)))
            .collect(),
        id_first: version >= 4,
    };
    match join_or_wait(shared, &group, ask) {
        Ok(JoinStep::Reply(reply)) => joined(reply, version),
        Ok(JoinStep::NameYourself(id) | JoinStep::Wait(id)) => not_joined(Fault::MemberIdRequired, &id, version),
        Err(fault) => not_joined(fault, &named, version),
    }
}

fn join_or_wait(shared: &Shared, name: &str, ask: JoinAsk) -> Result<JoinStep, Fault> {
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Err(Fault::InvalidGroupId);
    }
    let instance = ask.instance.clone();
    let mut state = shared.lock();
    if !ask.member.is_empty() && !state.groups.contains_key(name) {
        return Err(Fault::UnknownMemberId);
    }
    let group = state.group(name, shared.options.group_delay);
    let step = group.join(ask, Instant::now());
    if group.is_vacant() {
        state.groups.remove(name);
    }
    // A rebalance may have begun, with a time of its own.
    shared.nudge();
    let id = match step? {
        JoinStep::Wait(id) => id,
        answer => return Ok(answer),
    };
    let reply = wait_in_group(state, name, |group| group.take_join(&id, instance.as_deref()))?;
    Ok(JoinStep::Reply(reply))
}

/// Waits until a group has the answer.
fn wait_in_group<T>(
    mut state: MutexGuard<'_, State>,
    name: &str,
    mut take: impl FnMut(&mut Group) -> Result<Option<T>, Fault>,
) -> Result<T, Fault> {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let group = state.groups.get_mut(name).ok_or(Fault::UnknownMemberId)?;
        if let Some(answer) = take(group)? {
            return Ok(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || state.stopping {
            return Err(Fault::CoordinatorNotAvailable);
        }
        let Some(changed) = state.groups.get(name).map(|group| Arc::clone(&group.changed)) else {
            return Err(Fault::UnknownMemberId);
        };
        state = wait(&changed, state, left);
    }
}

fn joined(reply: JoinReply, version: i16) -> JoinGroupResponse {
    let members = reply.members.into_iter().map(|(id, instance, subscription)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&id))
            .with_group_instance_id(instance.as_deref().filter(|_| version >= 5).map(text))
            .with_metadata(subscription)
    });
    JoinGroupResponse::default()
        .with_generation_id(reply.generation)
        .with_protocol_type((version >= 7).then(|| text(&reply.protocol_type)))
        .with_protocol_name(Some(text(&reply.protocol)))
        .with_leader(text(&reply.leader))
        .with_member_id(text(&reply.member))
        .with_members(members.collect())
}

fn not_joined(fault: Fault, member: &str, version: i16) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(fault.code())
        .with_generation_id(-1)
        .with_member_id(text(member))
        // Before version 7 the name may not be missing.
        .with_protocol_name((version < 7).then(|| text("")))
}

pub(super) fn sync(shared: &Shared, request: SyncGroupRequest) -> SyncGroupResponse {
    let instance = request.group_instance_id.as_ref().map(ToString::to_string);
    let caller = Caller { member: &request.member_id, instance: instance.as_deref(), generation: request.generation_id };
    let assignments =
        request.assignments.iter().map(|row| (row.member_id.to_string(), Bytes::copy_from_slice(&row.assignment))).collect();
    let assignment = sync_or_wait(shared, &request.group_id, caller, assignments);
    SyncGroupResponse::default()
        .with_error_code(code(&assignment))
        .with_assignment(assignment.unwrap_or_default())
        .with_protocol_type(request.protocol_type.clone())
        .with_protocol_name(request.protocol_name.clone())
}

fn sync_or_wait(shared: &Shared, name: &str, caller: Caller<'_>, assignments: Vec<(String, Bytes)>) -> Result<Bytes, Fault> {
    let mut state = shared.lock();
    let group = state.groups.get_mut(name).ok_or(Fault::UnknownMemberId)?;
    match group.sync(caller, assignments, Instant::now())? {
        Some(assignment) => Ok(assignment),
        None => wait_in_group(state, name, |group| group.take_sync(caller)),
    }
}

pub(super) fn heartbeat(shared: &Shared, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller =
        Caller { member: &request.member_id, instance: request.group_instance_id.as_deref(), generation: request.generation_id };
    let mut state = shared.lock();
    let group = state.groups.get_mut(request.group_id.as_str()).ok_or(Fault::UnknownMemberId);
    let beat = group.and_then(|group| group.heartbeat(caller, Instant::now()));
    HeartbeatResponse::default().with_error_code(code(&beat))
}

pub(super) fn leave(shared: &Shared, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    let mut state = shared.lock();
    let mut one = |member: &str, instance: Option<&str>| {
        let group = state.groups.get_mut(request.group_id.as_str()).ok_or(Fault::UnknownMemberId);
        group.and_then(|group| group.leave(member, instance, Instant::now()))
    };
    let response = if version < 3 {
        LeaveGroupResponse::default().with_error_code(code(&one(&request.member_id, None)))
    } else {
        let row = |member: &MemberIdentity| {
            let left = one(&member.member_id, member.group_instance_id.as_deref());
            MemberResponse::default()
                .with_member_id(member.member_id.clone())
                .with_group_instance_id(member.group_instance_id.clone())
                .with_error_code(code(&left))
        };
        LeaveGroupResponse::default().with_members(request.members.iter().map(row).collect())
    };
    shared.nudge();
    response
}
