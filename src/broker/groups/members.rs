//! Rebalances: how they begin, who is waited for, what is chosen when they complete, how assignments are handed out.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::join::JoinReply;
use super::{Caller, Fault, Group, Member, Phase};

impl Member {
    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What the member sent with a protocol.
    pub(super) fn protocol(&self, name: &str) -> Bytes {
        self.protocols.iter().find(|(other, _)| other == name).map(|(_, data)| data.clone()).unwrap_or_default()
    }
}

impl Group {
    /// Begins a rebalance: everybody is to join again. A first member waits a little for others.
    pub(super) fn prepare(&mut self, now: Instant) {
        let longest = self.members.iter().map(|member| member.rebalance).max().unwrap_or(Duration::ZERO);
        let delay = if self.phase == Phase::Empty { self.initial_delay } else { Duration::ZERO };
        for member in &mut self.members {
            member.joined = false;
            if std::mem::take(&mut member.synced) && member.sync_reply.is_none() {
                member.sync_reply = Some(Err(Fault::RebalanceInProgress));
            }
        }
        self.phase = Phase::Preparing { not_before: now + delay, deadline: now + longest.max(delay) };
        self.changed.notify_all();
    }

    pub(super) fn all_joined(&self) -> bool {
        self.expected.is_empty() && self.members.iter().all(|member| member.joined)
    }

    /// Completes the rebalance that is being prepared, if all are there or its time is up.
    pub(super) fn complete_if_due(&mut self, now: Instant) {
        let Phase::Preparing { not_before, deadline } = self.phase else { return };
        if (self.all_joined() && now >= not_before) || now >= deadline {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Instant) {
        // Static members that did not come back keep their place until their session is over.
        let late: Vec<String> = self
            .members
            .iter()
            .filter(|member| !member.joined && member.instance.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in &late {
            self.remove(id);
        }
        if self.members.is_empty() {
            self.generation += 1;
            self.phase = Phase::Empty;
            self.protocol.clear();
            self.leader.clear();
            self.changed.notify_all();
            return;
        }
        let leads = |member: &&Member| member.joined;
        if !self.member(&self.leader).is_some_and(|leader| leader.joined) {
            let Some(leader) = self.members.iter().find(leads).map(|member| member.id.clone()) else {
                // Nobody is there yet; sessions decide who stays.
                let longest = self.members.iter().map(|member| member.session).max().unwrap_or_default();
                self.phase = Phase::Preparing { not_before: now, deadline: now + longest };
                return;
            };
            self.leader = leader;
        }
        self.generation += 1;
        self.protocol = self.chosen_protocol();
        let longest = self.members.iter().map(|member| member.rebalance).max().unwrap_or_default();
        self.phase = Phase::Completing { deadline: now + longest };
        let replies: Vec<JoinReply> = self.members.iter().map(|member| self.join_reply(member)).collect();
        for (member, reply) in self.members.iter_mut().zip(replies) {
            member.seen = now;
            member.assignment = Bytes::new();
            member.synced = false;
            member.sync_reply = None;
            if std::mem::take(&mut member.joined) {
                member.join_reply = Some(reply);
            }
        }
        self.changed.notify_all();
    }

    /// The protocol that most members prefer, among those that all have.
    pub(super) fn chosen_protocol(&self) -> String {
        let candidate = |name: &str| self.members.iter().all(|member| member.supports(name));
        let vote = |member: &Member| member.protocols.iter().map(|(name, _)| name.clone()).find(|name| candidate(name));
        let votes: Vec<String> = self.members.iter().filter_map(vote).collect();
        let count = |name: &String| votes.iter().filter(|vote| *vote == name).count();
        // Of several with the same number the first member's choice stands.
        votes.iter().rev().max_by_key(|name| count(name)).cloned().unwrap_or_default()
    }

    /// What a member is told of the present generation; only the leader is told who the others are.
    pub(super) fn join_reply(&self, member: &Member) -> JoinReply {
        let rows = if member.id == self.leader { self.members.as_slice() } else { &[] };
        JoinReply {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: member.id.clone(),
            members: rows.iter().map(|row| (row.id.clone(), row.instance.clone(), self.subscription(row))).collect(),
        }
    }

    /// A member asks for its assignment; the leader brings everybody's. None: it has to wait.
    pub(in crate::broker) fn sync(
        &mut self,
        caller: Caller<'_>,
        assignments: Vec<(String, Bytes)>,
        now: Instant,
    ) -> Result<Option<Bytes>, Fault> {
        self.current(caller)?;
        let leads = caller.member == self.leader;
        let phase = self.phase;
        let member = self.member_mut(caller.member).ok_or(Fault::UnknownMemberId)?;
        member.seen = now;
        match phase {
            Phase::Empty => Err(Fault::UnknownMemberId),
            Phase::Preparing { .. } => Err(Fault::RebalanceInProgress),
            Phase::Stable => Ok(Some(member.assignment.clone())),
            Phase::Completing { .. } => {
                member.synced = true;
                member.sync_reply = None;
                if !leads {
                    return Ok(None);
                }
                self.assign(assignments, now);
                self.take_sync(caller)
            }
        }
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        for (id, assignment) in assignments {
            if let Some(member) = self.member_mut(&id) {
                member.assignment = assignment;
            }
        }
        for member in &mut self.members {
            if member.synced {
                member.seen = now;
                member.sync_reply = Some(Ok(member.assignment.clone()));
            }
        }
        self.phase = Phase::Stable;
        self.changed.notify_all();
    }

    /// The answer that a waiting sync got, if it did.
    pub(in crate::broker) fn take_sync(&mut self, caller: Caller<'_>) -> Result<Option<Bytes>, Fault> {
        self.known(caller)?;
        let member = self.member_mut(caller.member).ok_or(Fault::UnknownMemberId)?;
        member.sync_reply.take().transpose()
    }
}
