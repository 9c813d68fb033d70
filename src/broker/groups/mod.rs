//! Consumer groups of the classic protocol, without sockets and without clocks: each call is given the time, so tests say what it is.
//!
//! ```text
//!          first join                all joined, or time is up             the leader's assignment
//!   Empty ────────────▶ Preparing ────────────────────────────▶ Completing ───────────────────────▶ Stable
//!     ▲                   ▲  └─ nobody left                         │  somebody joins, leaves, expires │
//!     └───────────────────┼─────────────────────────────────────────┴──────────────────────────────────┘
//! ```
//! A call that must wait (join, sync) leaves its place in the member; the answer is put there when it is known, and the waiting
//! thread is woken through `changed`.

mod join;
mod members;
mod offsets;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub(super) use join::{JoinAsk, JoinReply, JoinStep};
pub(super) use offsets::Committed;

use super::Fault;
use super::transactions::At;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    Preparing { not_before: Instant, deadline: Instant },
    Completing { deadline: Instant },
    Stable,
}

impl Phase {
    /// Kafka's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Preparing { .. } => "PreparingRebalance",
            Phase::Completing { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// A member of a group.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    session: Duration,
    rebalance: Duration,
    /// (name, subscription), the preferred first.
    protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    /// Has joined the rebalance that is being prepared.
    joined: bool,
    /// Has asked for its assignment in this generation.
    synced: bool,
    join_reply: Option<JoinReply>,
    sync_reply: Option<Result<Bytes, Fault>>,
    seen: Instant,
}

/// How a caller names itself in everything but a join.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) member: &'a str,
    pub(super) instance: Option<&'a str>,
    pub(super) generation: i32,
}

/// A consumer group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) phase: Phase,
    pub(super) generation: i32,
    /// In the order in which they joined.
    pub(super) members: Vec<Member>,
    /// Members that were given an id and have not come back with it, until when.
    expected: HashMap<String, Instant>,
    /// Static members: instance to member id.
    statics: HashMap<String, String>,
    leader: String,
    pub(super) protocol: String,
    pub(super) protocol_type: String,
    offsets: BTreeMap<At, Committed>,
    /// Notified whenever a waiting join or sync may have its answer.
    pub(super) changed: Arc<Condvar>,
    initial_delay: Duration,
}

impl Group {
    pub(super) fn new(initial_delay: Duration) -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            members: Vec::new(),
            expected: HashMap::new(),
            statics: HashMap::new(),
            leader: String::new(),
            protocol: String::new(),
            protocol_type: String::new(),
            offsets: BTreeMap::new(),
            changed: Arc::default(),
            initial_delay,
        }
    }

    /// Nothing is left that would be lost with the group.
    pub(super) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.expected.is_empty() && self.offsets.is_empty()
    }

    fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// The subscription of a member under the chosen protocol.
    pub(super) fn subscription(&self, member: &Member) -> Bytes {
        member.protocol(&self.protocol)
    }

    /// Checks that a caller is who it says it is: a known member, not one whose instance was taken over.
    fn known(&self, caller: Caller<'_>) -> Result<(), Fault> {
        if let Some(instance) = caller.instance {
            match self.statics.get(instance) {
                None => return Err(Fault::UnknownMemberId),
                Some(id) if id != caller.member => return Err(Fault::FencedInstanceId),
                Some(_) => {}
            }
        }
        self.member(caller.member).map(|_| ()).ok_or(Fault::UnknownMemberId)
    }

    /// The same, and of this generation.
    fn current(&self, caller: Caller<'_>) -> Result<(), Fault> {
        self.known(caller)?;
        if caller.generation == self.generation { Ok(()) } else { Err(Fault::IllegalGeneration) }
    }

    pub(super) fn heartbeat(&mut self, caller: Caller<'_>, now: Instant) -> Result<(), Fault> {
        self.current(caller)?;
        if let Some(member) = self.member_mut(caller.member) {
            member.seen = now;
        }
        match self.phase {
            Phase::Empty => Err(Fault::UnknownMemberId),
            Phase::Preparing { .. } => Err(Fault::RebalanceInProgress),
            Phase::Completing { .. } | Phase::Stable => Ok(()),
        }
    }

    /// A member leaves, named by its id or, a static one, by its instance.
    pub(super) fn leave(&mut self, member: &str, instance: Option<&str>, now: Instant) -> Result<(), Fault> {
        let id = match instance {
            None => member.to_owned(),
            Some(instance) => {
                let id = self.statics.get(instance).ok_or(Fault::UnknownMemberId)?;
                if !member.is_empty() && id != member {
                    return Err(Fault::FencedInstanceId);
                }
                id.clone()
            }
        };
        if self.expected.remove(&id).is_some() {
            self.complete_if_due(now);
            return Ok(());
        }
        self.member(&id).ok_or(Fault::UnknownMemberId)?;
        self.remove(&id);
        self.after_loss(now);
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        self.members.retain(|member| member.id != id);
        self.statics.retain(|_, member| member != id);
        self.changed.notify_all();
    }

    /// Members are gone: what is left shares again.
    fn after_loss(&mut self, now: Instant) {
        match self.phase {
            Phase::Completing { .. } | Phase::Stable => self.prepare(now),
            Phase::Empty | Phase::Preparing { .. } => {}
        }
        self.complete_if_due(now);
    }

    /// Does what time asks for: members whose session is over go, a rebalance whose time is up completes.
    pub(super) fn tick(&mut self, now: Instant) {
        self.expected.retain(|_, until| *until > now);
        let phase = self.phase;
        let gone = |member: &Member| {
            let waits = match phase {
                Phase::Preparing { .. } => member.joined,
                Phase::Completing { .. } => member.synced,
                Phase::Empty | Phase::Stable => false,
            };
            let silent = !waits && now.duration_since(member.seen) >= member.session;
            // Whoever has its generation but never asks for its assignment holds up the others.
            let late = !waits && matches!(phase, Phase::Completing { deadline } if deadline <= now);
            silent || late
        };
        let lost: Vec<String> = self.members.iter().filter(|member| gone(member)).map(|member| member.id.clone()).collect();
        for id in &lost {
            self.remove(id);
        }
        if lost.is_empty() { self.complete_if_due(now) } else { self.after_loss(now) }
    }

    /// When `tick` has something to do next that cannot wait for its usual interval.
    pub(super) fn next_due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Preparing { not_before, deadline } if self.all_joined() => Some(not_before.min(deadline)),
            Phase::Preparing { deadline, .. } => Some(deadline),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
