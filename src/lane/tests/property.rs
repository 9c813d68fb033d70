//! Random worlds: messages, gaps, batches, lanes, kills, expulsions, rebalances, lost and late answers, storage faults, each between any two
//! calls of a settle. Whatever happens, when it is over every message is in exactly one table, once.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::canary::Canary;
use super::world::{Running, World};
use crate::kafka::TxClass;
use crate::lake::{FaultMoment, StorageStep};

const NAMES: [&str; 3] = ["corelane.a.0", "corelane.a.1", "corelane.b.0"];

#[derive(Clone, Debug)]
enum Act {
    Append {
        partition: usize,
        kind: u8,
    },
    Turns {
        lane: usize,
        count: usize,
    },
    AllTurn {
        count: usize,
    },
    /// `noticed`: the group gives its partitions to the living at once.
    Kill {
        lane: usize,
        noticed: bool,
    },
    Expel {
        lane: usize,
    },
    /// Expelled and back in the group before it hears of it.
    Bounce {
        lane: usize,
        polls: usize,
    },
    /// Kafka does not answer this lane's judging for a while.
    Away {
        lane: usize,
    },
    /// Gives partition p to lane `owners[p]`; dead lanes come back before, or the next living one stands in.
    Rebalance {
        owners: [usize; 3],
        revive: bool,
    },
    /// All partitions go to `first`, to `second`, and back, with so many turns of everybody before each step.
    ThereAndBack {
        first: usize,
        second: usize,
        count: usize,
    },
    FailCall {
        lane: usize,
        call: usize,
        class: usize,
        took_effect: bool,
    },
    FailStorage {
        lane: usize,
        step: usize,
        moment: usize,
    },
    /// What the group says is on its way for so many polls.
    Deafen {
        lane: usize,
        polls: usize,
    },
    DelayAnswer {
        lane: usize,
        polls: usize,
    },
    /// The next commit is without an answer and on its way until the next `Land`.
    DelayCommit {
        lane: usize,
    },
    Land,
    /// Kafka ends a transaction that was open for too long.
    TimeOut {
        lane: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3_usize, 0..6_u8).prop_map(|(partition, kind)| Act::Append { partition, kind }),
        10 => (0..3_usize, 1..8_usize).prop_map(|(lane, count)| Act::Turns { lane, count }),
        12 => (1..16_usize).prop_map(|count| Act::AllTurn { count }),
        2 => (0..3_usize, any::<bool>()).prop_map(|(lane, noticed)| Act::Kill { lane, noticed }),
        1 => (0..3_usize).prop_map(|lane| Act::Expel { lane }),
        2 => (0..3_usize, 0..20_usize).prop_map(|(lane, polls)| Act::Bounce { lane, polls }),
        1 => (0..3_usize).prop_map(|lane| Act::Away { lane }),
        3 => ([0..3_usize, 0..3_usize, 0..3_usize], any::<bool>())
            .prop_map(|(owners, revive)| Act::Rebalance { owners, revive }),
        4 => (0..3_usize, any::<bool>()).prop_map(|(owner, revive)| Act::Rebalance { owners: [owner; 3], revive }),
        2 => (0..3_usize, 0..3_usize, 1..24_usize)
            .prop_map(|(first, second, count)| Act::ThereAndBack { first, second, count }),
        2 => (0..3_usize, 0..8_usize, 0..6_usize, any::<bool>())
            .prop_map(|(lane, call, class, took_effect)| Act::FailCall { lane, call, class, took_effect }),
        1 => (0..3_usize, 0..4_usize, 0..3_usize).prop_map(|(lane, step, moment)| Act::FailStorage { lane, step, moment }),
        1 => (0..3_usize, 1..8_usize).prop_map(|(lane, polls)| Act::Deafen { lane, polls }),
        2 => (0..3_usize, 1..100_usize).prop_map(|(lane, polls)| Act::DelayAnswer { lane, polls }),
        2 => (0..3_usize).prop_map(|lane| Act::DelayCommit { lane }),
        1 => Just(Act::Land),
        1 => (0..3_usize).prop_map(|lane| Act::TimeOut { lane }),
    ]
}

const CALLS: [&str; 8] = ["begin", "send", "send_offsets", "commit", "commit", "abort", "renew", "read_committed"];
const CLASSES: [TxClass; 6] =
    [TxClass::Retry, TxClass::Abort, TxClass::Abort, TxClass::Renew, TxClass::Unknown, TxClass::Unknown];
const STEPS: [StorageStep; 4] = [StorageStep::Put, StorageStep::Reveal, StorageStep::Discard, StorageStep::Staged];
const MOMENTS: [FaultMoment; 3] = [FaultMoment::Before, FaultMoment::Between, FaultMoment::After];

/// Turns of each lane in which everything must come home once the faults have ended.
const TURNS_MAX: usize = 4_000;
/// Judging fails so often while Kafka is away.
const AWAY_CALLS: usize = 6;
/// Worlds in which a broken protocol must show.
const CANARY_CASES: u32 = 1_500;

struct Play {
    world: World,
    lanes: [Option<Running>; 3],
    owners: [usize; 3],
}

impl Play {
    fn rebalance(&mut self) {
        let standing_in = |owner: usize| (owner..owner + 3).map(|lane| lane % 3).find(|lane| self.lanes[*lane].is_some());
        let owned = |lane: usize| -> Vec<_> {
            let owners = self.world.partitions.iter().zip(self.owners);
            owners.filter(|(_, owner)| standing_in(*owner) == Some(lane)).map(|(partition, _)| partition.clone()).collect()
        };
        let wanted: Vec<_> = (0..3).filter(|lane| self.lanes[*lane].is_some()).map(|lane| (NAMES[lane], owned(lane))).collect();
        let borrowed: Vec<_> = wanted.iter().map(|(name, partitions)| (*name, partitions.as_slice())).collect();
        self.world.kafka.rebalance(&borrowed);
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Append { partition, kind } => match kind {
                0 => self.world.append(partition, Some(b"[1]")),
                1 => self.world.append_event(partition),
                2 => self.world.kafka.append(&self.world.partitions[partition], None),
                _ => self.world.append_reading(partition),
            },
            Act::Turns { lane, count } => {
                for _ in 0..count {
                    self.turn(lane);
                }
            }
            Act::AllTurn { count } => {
                for turn in 0..3 * count {
                    self.turn(turn % 3);
                }
            }
            Act::Kill { lane, noticed } => {
                self.lanes[lane] = None;
                self.world.kafka.forget_member(NAMES[lane]);
                if noticed {
                    self.rebalance();
                }
            }
            Act::ThereAndBack { first, second, count } => {
                for owner in [first, second, first] {
                    self.act(&Act::AllTurn { count });
                    self.owners = [owner; 3];
                    self.rebalance();
                }
            }
            Act::Bounce { lane, polls } => {
                self.world.kafka.deafen(NAMES[lane], polls);
                self.world.kafka.expel(NAMES[lane]);
                self.rebalance();
            }
            Act::Away { lane } => {
                for _ in 0..AWAY_CALLS {
                    self.world.kafka.fail(NAMES[lane], "renew", TxClass::Unknown, false);
                }
            }
            Act::Expel { lane } => self.world.kafka.expel(NAMES[lane]),
            Act::Rebalance { owners, revive } => {
                self.owners = owners;
                for lane in (0..3).filter(|_| revive) {
                    self.ensure(lane);
                }
                self.rebalance();
            }
            // "Abort" says that nothing was committed, and a reader that fails has read nothing: these have no effect.
            Act::FailCall { lane, call, class, took_effect } => {
                let may_take_effect = CLASSES[class] != TxClass::Abort && CALLS[call] != "read_committed";
                self.world.kafka.fail(NAMES[lane], CALLS[call], CLASSES[class], took_effect && may_take_effect);
            }
            Act::FailStorage { lane, step, moment } => {
                self.world.storage(NAMES[lane]).fail_step(STEPS[step], 1, MOMENTS[moment]);
            }
            Act::Deafen { lane, polls } => self.world.kafka.deafen(NAMES[lane], polls),
            Act::DelayAnswer { lane, polls } => self.world.kafka.delay_answer(NAMES[lane], polls),
            Act::DelayCommit { lane } => self.world.kafka.delay_commit(NAMES[lane]),
            Act::Land => self.world.kafka.land_commits(),
            Act::TimeOut { lane } => self.world.kafka.time_out_transaction(NAMES[lane]),
        }
    }

    /// A fault during its recovery kills a lane that starts.
    fn ensure(&mut self, lane: usize) {
        if self.lanes[lane].is_none() {
            self.lanes[lane] = self.world.try_start(NAMES[lane]).ok();
        }
    }

    fn turn(&mut self, lane: usize) {
        let Some(running) = &mut self.lanes[lane] else { return };
        if let Some(end) = running.turn() {
            panic!("lane {lane} ended by itself: {end:?}");
        }
    }

    /// The faults end; everything is brought home.
    fn heal(&mut self) -> Result<(), String> {
        self.world.kafka.land_commits();
        for lane in 0..3 {
            while self.lanes[lane].is_none() {
                self.ensure(lane);
            }
        }
        self.rebalance();
        for _ in 0..TURNS_MAX {
            for lane in 0..3 {
                self.turn(lane);
            }
            if self.world.all_committed() {
                for lane in self.lanes.iter_mut().flatten() {
                    lane.stop();
                }
                return self.world.check_exactly_once();
            }
        }
        Err("not everything was committed in the end".into())
    }
}

/// One world, and what happens in it.
#[derive(Clone, Debug)]
struct Case {
    acts: Vec<Act>,
    batch_max: usize,
    drain_ms: u64,
    epoch_ms: u64,
    epoch_bytes: usize,
}

fn case(acts_min: usize, acts_max: usize) -> impl Strategy<Value = Case> {
    let acts = proptest::collection::vec(act(), acts_min..acts_max);
    // A drain that may be late while its epoch is in doubt, and one that never is; epochs that are full soon, and never.
    let drain_ms = prop_oneof![Just(2_u64), Just(600), Just(20_000)];
    let epoch_ms = prop_oneof![Just(5_u64), Just(1_000), Just(4_000)];
    let epoch_bytes = prop_oneof![3 => Just(1_usize << 26), 1 => Just(3_000)];
    (acts, 1..9_usize, drain_ms, epoch_ms, epoch_bytes).prop_map(|(acts, batch_max, drain_ms, epoch_ms, epoch_bytes)| Case {
        acts,
        batch_max,
        drain_ms,
        epoch_ms,
        epoch_bytes,
    })
}

fn play(case: &Case, canary: Canary) -> Result<(), String> {
    let mut world = World::new(3);
    world.batch_max = case.batch_max;
    world.drain_deadline = Duration::from_millis(case.drain_ms);
    world.epoch_interval = Duration::from_millis(case.epoch_ms);
    world.epoch_bytes = case.epoch_bytes;
    world.canary = canary;
    if canary == Canary::UnstableOffsets {
        world.kafka.answer_unstable();
    }
    let mut play = Play { world, lanes: [None, None, None], owners: [0, 1, 2] };
    play.act(&Act::Rebalance { owners: [0, 1, 2], revive: true });
    for act in &case.acts {
        play.act(act);
    }
    play.heal()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_message_lands_once(case in case(1, 120)) {
        prop_assert_eq!(play(&case, Canary::None), Ok(()));
    }
}

/// Plays the same worlds each time; a panic counts as found, too.
fn must_be_found(canary: Canary) {
    let config =
        ProptestConfig { cases: CANARY_CASES, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = std::cell::Cell::new(0);
    let result = runner.run(&case(30, 120), |case| {
        tried.set(tried.get() + 1);
        play(&case, canary).map_err(TestCaseError::fail)
    });
    match result {
        Err(TestError::Fail(why, _)) => println!("{canary:?} found in world {}: {why}", tried.get()),
        other => panic!("{canary:?} was not found in {CANARY_CASES} worlds: {other:?}"),
    }
}

#[test]
fn a_member_refreshed_at_the_settle_is_found() {
    must_be_found(Canary::MemberOfTheSettle);
}

#[test]
fn an_open_epoch_that_outlives_its_assignment_is_found() {
    must_be_found(Canary::OpenSurvives);
}

#[test]
fn a_commit_before_the_staging_is_found() {
    must_be_found(Canary::CommitBeforeStage);
}

#[test]
fn a_lost_answer_that_is_not_judged_is_found() {
    must_be_found(Canary::LostAnswerIsCommitted);
}

#[test]
fn an_answer_to_an_earlier_question_is_found() {
    must_be_found(Canary::AnyAnswer);
}

#[test]
fn offsets_that_were_not_stable_are_found() {
    must_be_found(Canary::UnstableOffsets);
}
