//! Joining: new members, known ones, and static ones that come back under a new member id.

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::{Caller, Fault, Group, Member, Phase};

/// What a session may last: Kafka's `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
const SESSION_MS: std::ops::RangeInclusive<i32> = 6_000..=1_800_000;

/// A request to join.
#[derive(Clone, Debug)]
pub(in crate::broker) struct JoinAsk {
    /// Empty for who has none yet.
    pub(in crate::broker) member: String,
    pub(in crate::broker) instance: Option<String>,
    pub(in crate::broker) client_id: String,
    pub(in crate::broker) client_host: String,
    pub(in crate::broker) session_ms: i32,
    pub(in crate::broker) rebalance_ms: i32,
    pub(in crate::broker) protocol_type: String,
    pub(in crate::broker) protocols: Vec<(String, Bytes)>,
    /// The client is told its member id first, and joins with it. Else a client whose answer got lost would leave a member behind.
    pub(in crate::broker) id_first: bool,
}

/// What a member is told of the generation that it joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::broker) struct JoinReply {
    pub(in crate::broker) generation: i32,
    pub(in crate::broker) protocol_type: String,
    pub(in crate::broker) protocol: String,
    pub(in crate::broker) leader: String,
    pub(in crate::broker) member: String,
    /// For the leader: (member id, instance, subscription).
    pub(in crate::broker) members: Vec<(String, Option<String>, Bytes)>,
}

/// What a join leads to.
#[derive(Debug)]
pub(in crate::broker) enum JoinStep {
    /// The generation stands.
    Reply(JoinReply),
    /// The rebalance under this member id has to complete first.
    Wait(String),
    /// Join again with this member id.
    NameYourself(String),
}

impl Group {
    /// A client joins.
    pub(in crate::broker) fn join(&mut self, ask: JoinAsk, now: Instant) -> Result<JoinStep, Fault> {
        if !SESSION_MS.contains(&ask.session_ms) {
            return Err(Fault::InvalidSessionTimeout);
        }
        self.check_protocols(&ask)?;
        if !ask.member.is_empty() {
            return self.join_again(&ask, now);
        }
        let known = ask.instance.as_ref().and_then(|instance| self.statics.get(instance)).cloned();
        if let Some(old) = known {
            return Ok(self.take_over(&old, ask, now));
        }
        let name = ask.instance.as_deref().unwrap_or(&ask.client_id);
        let id = format!("{name}-{}", Uuid::new_v4());
        if ask.id_first && ask.instance.is_none() {
            self.expected.insert(id.clone(), now + ask.session());
            return Ok(JoinStep::NameYourself(id));
        }
        Ok(self.add(id, &ask, now))
    }

    /// A group has one type of protocol, and all members have one protocol in common.
    fn check_protocols(&self, ask: &JoinAsk) -> Result<(), Fault> {
        // A member that comes again counts with what it had, in Kafka too: it cannot change to something else altogether.
        let shared = |name: &String| self.members.iter().all(|member| member.supports(name));
        let fits = !ask.protocols.is_empty()
            && !ask.protocol_type.is_empty()
            && (self.members.is_empty() || ask.protocol_type == self.protocol_type)
            && ask.protocols.iter().any(|(name, _)| shared(name));
        if fits { Ok(()) } else { Err(Fault::InconsistentGroupProtocol) }
    }

    fn join_again(&mut self, ask: &JoinAsk, now: Instant) -> Result<JoinStep, Fault> {
        if self.expected.remove(&ask.member).is_some() {
            return Ok(self.add(ask.member.clone(), ask, now));
        }
        self.known(Caller { member: &ask.member, instance: ask.instance.as_deref(), generation: self.generation })?;
        let leads = self.leader == ask.member;
        let phase = self.phase;
        let member = self.member_mut(&ask.member).ok_or(Fault::UnknownMemberId)?;
        let same = member.protocols == ask.protocols;
        member.update(ask, now);
        // A join that is repeated because its answer got lost changes nothing. Of a stable group's leader it means that
        // something about the subscriptions changed, which only the leader looks at.
        let settled = match phase {
            Phase::Completing { .. } => same,
            Phase::Stable => same && !leads,
            Phase::Empty | Phase::Preparing { .. } => false,
        };
        if settled {
            let member = self.member(&ask.member).ok_or(Fault::UnknownMemberId)?;
            return Ok(JoinStep::Reply(self.join_reply(member)));
        }
        Ok(self.rebalance_with(ask.member.clone(), now))
    }

    fn add(&mut self, id: String, ask: &JoinAsk, now: Instant) -> JoinStep {
        if let Some(instance) = &ask.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        let mut member = Member {
            id: id.clone(),
            instance: ask.instance.clone(),
            client_id: ask.client_id.clone(),
            client_host: ask.client_host.clone(),
            session: Duration::ZERO,
            rebalance: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            joined: false,
            synced: false,
            join_reply: None,
            sync_reply: None,
            seen: now,
        };
        member.update(ask, now);
        self.members.push(member);
        self.protocol_type.clone_from(&ask.protocol_type);
        self.rebalance_with(id, now)
    }

    /// The member has joined; the others must too.
    fn rebalance_with(&mut self, id: String, now: Instant) -> JoinStep {
        if !matches!(self.phase, Phase::Preparing { .. }) {
            self.prepare(now);
        }
        if let Some(member) = self.member_mut(&id) {
            member.joined = true;
            member.join_reply = None;
        }
        self.complete_if_due(now);
        self.changed.notify_all();
        JoinStep::Wait(id)
    }

    /// A static member comes back: it takes the place, the assignment and the session of its former self, which is fenced. A stable
    /// group does not notice, as long as the protocol stays.
    fn take_over(&mut self, old: &str, ask: JoinAsk, now: Instant) -> JoinStep {
        let instance = ask.instance.clone().unwrap_or_default();
        let id = format!("{instance}-{}", Uuid::new_v4());
        self.statics.insert(instance, id.clone());
        let led = self.leader == old;
        if let Some(member) = self.member_mut(old) {
            id.clone_into(&mut member.id);
            member.update(&ask, now);
            member.join_reply = None;
            member.sync_reply = None;
            member.synced = false;
        }
        if led {
            self.leader.clone_from(&id);
        }
        // Who waited under the old id finds it gone.
        self.changed.notify_all();
        if self.phase == Phase::Stable && self.chosen_protocol() == self.protocol {
            let reply = JoinReply {
                generation: self.generation,
                protocol_type: self.protocol_type.clone(),
                protocol: self.protocol.clone(),
                // Named by its old id, a leader that comes back does not assign anew.
                leader: if led { old.to_owned() } else { self.leader.clone() },
                member: id,
                members: Vec::new(),
            };
            return JoinStep::Reply(reply);
        }
        self.rebalance_with(id, now)
    }

    /// The answer that a waiting join got, if it did.
    pub(in crate::broker) fn take_join(&mut self, member: &str, instance: Option<&str>) -> Result<Option<JoinReply>, Fault> {
        self.known(Caller { member, instance, generation: self.generation })?;
        Ok(self.member_mut(member).and_then(|member| member.join_reply.take()))
    }
}

impl JoinAsk {
    fn session(&self) -> Duration {
        Duration::from_millis(u64::from(self.session_ms.unsigned_abs()))
    }
}

impl Member {
    fn update(&mut self, ask: &JoinAsk, now: Instant) {
        self.session = ask.session();
        // Version 0 has no rebalance time-out; and a day is longer than anybody waits.
        let rebalance_ms = if ask.rebalance_ms < 0 { ask.session_ms } else { ask.rebalance_ms };
        self.rebalance = Duration::from_millis(u64::from(rebalance_ms.unsigned_abs()).min(86_400_000));
        self.protocols.clone_from(&ask.protocols);
        self.seen = now;
    }
}
