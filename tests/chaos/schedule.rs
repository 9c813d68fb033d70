//! What goes wrong, and when: from a seed and nothing else.
//!
//! A schedule is a list of rounds. The faults of a round overlap; then everything heals, and the group must commit again before the next
//! round begins. Kinds are dealt from a shuffled deck, so that a short schedule has many of them.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// What there is to break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct World {
    /// Empty: all kinds that the rest of this allows.
    pub(crate) only: Vec<FaultKind>,
    pub(crate) processes: usize,
    /// Nodes that can be ended and started again; 0 with the embedded broker, whose records are gone with it.
    pub(crate) nodes: usize,
    /// Whether a proxy stands between processes and brokers.
    pub(crate) network: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub(crate) enum FaultKind {
    /// kill -9 of a process at any moment.
    Kill,
    /// kill -9 some milliseconds after the process staged a file: inside of a settle.
    KillInSettle,
    /// SIGTERM: it settles what it has, and comes back.
    Terminate,
    /// SIGSTOP for longer than the session: the others take its partitions, and it wakes up as a zombie.
    Stall,
    /// The same, some milliseconds after the process staged a file: the zombie wakes up inside of a settle.
    StallInSettle,
    /// One more process joins the group, and leaves it again.
    Guest,
    /// kill -9 of a broker.
    BrokerKill,
    /// SIGTERM of a broker.
    BrokerRestart,
    /// SIGSTOP of a broker: its connections stay, and nothing answers.
    BrokerStall,
    /// All connections of a process are cut, and new ones refused.
    Cut,
    /// Every piece of data of a process is late.
    Delay,
    /// Connections of a process stay, and what is sent vanishes.
    HalfOpen,
}

impl FaultKind {
    pub(crate) const ALL: [FaultKind; 12] = [
        FaultKind::Kill,
        FaultKind::KillInSettle,
        FaultKind::Terminate,
        FaultKind::Stall,
        FaultKind::StallInSettle,
        FaultKind::Guest,
        FaultKind::BrokerKill,
        FaultKind::BrokerRestart,
        FaultKind::BrokerStall,
        FaultKind::Cut,
        FaultKind::Delay,
        FaultKind::HalfOpen,
    ];

    /// As the report has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            FaultKind::Kill => "kill -9 of a process",
            FaultKind::KillInSettle => "kill -9 of a process inside a settle",
            FaultKind::Terminate => "SIGTERM and restart of a process",
            FaultKind::Stall => "SIGSTOP of a process beyond its session",
            FaultKind::StallInSettle => "SIGSTOP of a process inside a settle, beyond its session",
            FaultKind::Guest => "a process joins and leaves",
            FaultKind::BrokerKill => "kill -9 of a broker",
            FaultKind::BrokerRestart => "SIGTERM and restart of a broker",
            FaultKind::BrokerStall => "SIGSTOP of a broker",
            FaultKind::Cut => "network cut",
            FaultKind::Delay => "network slow",
            FaultKind::HalfOpen => "network half open",
        }
    }

    /// Cards in a deck: what is quick, and falls into many different moments, comes often.
    fn cards(self) -> usize {
        match self {
            FaultKind::KillInSettle => 5,
            FaultKind::Kill => 3,
            FaultKind::Terminate | FaultKind::BrokerKill => 2,
            _ => 1,
        }
    }

    fn is_of_brokers(self) -> bool {
        matches!(self, FaultKind::BrokerKill | FaultKind::BrokerRestart | FaultKind::BrokerStall)
    }

    fn is_of_network(self) -> bool {
        matches!(self, FaultKind::Cut | FaultKind::Delay | FaultKind::HalfOpen)
    }

    fn is_in(self, world: &World) -> bool {
        let is_there = !(self.is_of_brokers() && world.nodes == 0 || self.is_of_network() && !world.network);
        is_there && (world.only.is_empty() || world.only.contains(&self))
    }

    /// How long it lasts, in ms. For a kill: how long the process stays away.
    fn length_ms(self, random: &mut StdRng) -> u64 {
        match self {
            // One in four stays away for longer than its session: its partitions move.
            FaultKind::Kill if random.random_ratio(1, 4) => random.random_range(9_500..12_000),
            FaultKind::Kill | FaultKind::Terminate => random.random_range(0..2_000),
            FaultKind::KillInSettle => random.random_range(0..300),
            FaultKind::Stall | FaultKind::StallInSettle => random.random_range(10_500..14_000),
            FaultKind::Guest => random.random_range(2_000..5_000),
            FaultKind::BrokerKill | FaultKind::BrokerRestart => random.random_range(0..3_000),
            FaultKind::BrokerStall => random.random_range(1_000..7_000),
            FaultKind::Cut => random.random_range(500..12_000),
            FaultKind::Delay => random.random_range(2_000..6_000),
            FaultKind::HalfOpen => random.random_range(2_000..12_000),
        }
    }
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Which process or node, from 0.
    pub(crate) victim: usize,
    pub(crate) length: Duration,
    /// A small number that the kind may use: µs after a staged file, ms of a delay.
    pub(crate) detail: u64,
}

/// Faults that overlap, and the moment of calm before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) calm: Duration,
    pub(crate) faults: Vec<Fault>,
}

/// `count` faults, dealt to rounds; the same seed and world give the same.
pub(crate) fn schedule(seed: u64, count: usize, world: &World) -> Vec<Round> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut deck: Vec<FaultKind> = Vec::new();
    let mut rounds: Vec<Round> = Vec::new();
    for _ in 0..count {
        let kind = deal(&mut deck, world, &mut random);
        let victims = if kind.is_of_brokers() { world.nodes } else { world.processes };
        let fault = Fault {
            kind,
            victim: random.random_range(0..victims),
            length: Duration::from_millis(kind.length_ms(&mut random)),
            detail: random.random_range(0..15_000),
        };
        let overlaps = random.random_ratio(1, 4);
        match rounds.last_mut() {
            Some(round) if overlaps && round.faults.len() == 1 && may_overlap(round.faults[0], fault) => round.faults.push(fault),
            _ => rounds.push(Round { calm: Duration::from_millis(random.random_range(0..800)), faults: vec![fault] }),
        }
    }
    rounds
}

fn deal(deck: &mut Vec<FaultKind>, world: &World, random: &mut StdRng) -> FaultKind {
    loop {
        if let Some(kind) = deck.pop() {
            return kind;
        }
        let kinds = FaultKind::ALL.into_iter().filter(|kind| kind.is_in(world));
        deck.extend(kinds.flat_map(|kind| std::iter::repeat_n(kind, kind.cards())));
        assert!(!deck.is_empty(), "--only names no fault that this Kafka can have");
        deck.shuffle(random);
    }
}

/// Two faults at a time must meet different victims; of three brokers two must stay.
fn may_overlap(one: Fault, other: Fault) -> bool {
    match (one.kind.is_of_brokers(), other.kind.is_of_brokers()) {
        (true, true) => false,
        (false, false) => one.victim != other.victim,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LARGE: World = World { only: Vec::new(), processes: 3, nodes: 3, network: true };

    fn faults(rounds: &[Round]) -> Vec<Fault> {
        rounds.iter().flat_map(|round| round.faults.clone()).collect()
    }

    #[test]
    fn a_seed_gives_the_same_schedule_and_another_seed_another() {
        assert_eq!(schedule(7, 100, &LARGE), schedule(7, 100, &LARGE));
        assert_ne!(schedule(7, 100, &LARGE), schedule(8, 100, &LARGE));
    }

    #[test]
    fn every_kind_comes_within_two_decks_and_no_fault_is_lost() {
        let deck: usize = FaultKind::ALL.into_iter().map(FaultKind::cards).sum();
        for seed in 0..50 {
            let all = faults(&schedule(seed, 2 * deck, &LARGE));
            let kinds: BTreeSet<FaultKind> = all.iter().map(|fault| fault.kind).collect();
            assert_eq!((all.len(), kinds.len()), (2 * deck, FaultKind::ALL.len()), "seed {seed}");
        }
    }

    #[test]
    fn faults_meet_what_is_there() {
        for (processes, nodes, network) in [(1, 0, false), (2, 0, false), (2, 1, true), (3, 3, true), (1, 3, false)] {
            for fault in faults(&schedule(1, 500, &World { only: Vec::new(), processes, nodes, network })) {
                let victims = if fault.kind.is_of_brokers() { nodes } else { processes };
                assert!(fault.victim < victims && (network || !fault.kind.is_of_network()), "{fault:?}");
            }
        }
    }

    #[test]
    fn only_what_was_asked_for_comes() {
        let world = World { only: vec![FaultKind::Kill, FaultKind::Cut], ..LARGE };
        assert!(faults(&schedule(1, 100, &world)).iter().all(|fault| world.only.contains(&fault.kind)));
    }

    #[test]
    fn faults_that_overlap_leave_each_other_a_victim() {
        let rounds = schedule(3, 2_000, &LARGE);
        let pairs: Vec<&Round> = rounds.iter().filter(|round| round.faults.len() == 2).collect();
        assert!(pairs.len() > 200, "{} of {} rounds overlap", pairs.len(), rounds.len());
        for round in pairs {
            assert!(may_overlap(round.faults[0], round.faults[1]), "{round:?}");
        }
    }

    #[test]
    fn a_stall_lasts_longer_than_the_session() {
        let is_stall = |fault: &Fault| matches!(fault.kind, FaultKind::Stall | FaultKind::StallInSettle);
        let stalls = faults(&schedule(5, 2_000, &LARGE)).into_iter().filter(is_stall);
        assert!(stalls.map(|fault| fault.length).min().unwrap() > crate::cast::SESSION);
    }
}
