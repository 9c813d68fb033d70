//! Random worlds: messages, gaps, batches, lanes, kills, expulsions, rebalances, lost and late answers, storage faults, each between any two
//! calls of a settle. Whatever happens, when it is over every message is in exactly one table, once.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::canary::Canary;
use super::measured::Seen;
use super::play::{Act, DEAF_POLLS, Play};
use super::world::{Sample, World};
use crate::batch::seeds;
use crate::journey::measure::Windows;

fn sample() -> impl Strategy<Value = Sample> {
    // Mostly in time; then late, early, not trusted.
    let shift_ms = prop_oneof![
        6 => -3_000_i64..2_000,
        3 => -25_000_i64..-3_000,
        1 => 2_000_i64..9_000,
        1 => -100_000_i64..-50_000,
    ];
    let step_ms = prop_oneof![6 => 0..800_i64, 2 => 800..6_000_i64, 1 => 6_000..40_000_i64];
    (0..4_u8, step_ms, shift_ms, 0..9_u8, prop::bool::weighted(0.15))
        .prop_map(|(device, step_ms, shift_ms, value, repeats)| Sample { device, step_ms, shift_ms, value, repeats })
}

/// What happens besides in worlds whose windows are not of one kind.
fn upheaval() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => act(),
        1 => (0..3_usize, 0..12_i64).prop_map(|(partition, keep)| Act::Retain { partition, keep }),
        1 => (0..3_usize, 1..4_u32).prop_map(|(size, rolling)| Act::Configure { size, rolling }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_usize, 0..6_u8).prop_map(|(partition, kind)| Act::Append { partition, kind }),
        9 => (0..3_usize, proptest::collection::vec(sample(), 1..24))
            .prop_map(|(partition, samples)| Act::Samples { partition, samples }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(lane, drain)| Act::Stop { lane, drain }),
        10 => (0..3_usize, 1..8_usize).prop_map(|(lane, count)| Act::Turns { lane, count }),
        12 => (1..16_usize).prop_map(|count| Act::AllTurn { count }),
        2 => (0..3_usize, any::<bool>()).prop_map(|(lane, noticed)| Act::Kill { lane, noticed }),
        1 => (0..3_usize).prop_map(|lane| Act::Expel { lane }),
        2 => (0..3_usize, 0..DEAF_POLLS).prop_map(|(lane, polls)| Act::Bounce { lane, polls }),
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
    case_of(act(), acts_min, acts_max)
}

fn case_of(act: impl Strategy<Value = Act>, acts_min: usize, acts_max: usize) -> impl Strategy<Value = Case> {
    let acts = proptest::collection::vec(act, acts_min..acts_max);
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

fn play(case: &Case, canary: Canary) -> Result<Seen, String> {
    let mut world = World::new(3);
    world.batch_max = case.batch_max;
    world.drain_deadline = Duration::from_millis(case.drain_ms);
    world.epoch_interval = Duration::from_millis(case.epoch_ms);
    world.epoch_bytes = case.epoch_bytes;
    world.canary = canary;
    if canary == Canary::UnstableOffsets {
        world.kafka.answer_unstable();
    }
    world.windows =
        Windows { size_ms: 10_000, rolling: 3, grace_ms: 3_000, future_skew_ms: 4_000, age_max_ms: 40_000, devices_max: 3 };
    let is_even = !case.acts.iter().any(|act| matches!(act, Act::Configure { .. }));
    let mut play = Play { world, lanes: [None, None, None], owners: [0, 1, 2], rolling: is_even.then_some(3) };
    play.act(&Act::Rebalance { owners: [0, 1, 2], revive: true });
    for act in &case.acts {
        play.act(act);
    }
    play.heal()
}

/// Worlds in which a broken protocol must show.
const CANARY_CASES: u32 = 1_500;

/// Plays worlds, each by a seed of its own (`CORELANE_CASES`, `CORELANE_SEED`: `crate::batch::seeds`). What is found says how to play it again, and
/// the least world that still shows it.
fn search(cases: impl Strategy<Value = Case>) {
    for seed in seeds(400) {
        let config = ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let result = runner.run(&cases, |case| play(&case, Canary::None).map(|_| ()).map_err(TestCaseError::fail));
        if let Err(fault) = result {
            panic!("CORELANE_SEED={seed} CORELANE_CASES=1 plays it again: {fault}");
        }
    }
}

#[test]
fn whatever_happens_every_message_lands_once() {
    search(case(1, 120));
}

#[test]
fn retention_and_new_settings_leave_no_window_that_lies() {
    search(case_of(upheaval(), 1, 120));
}

/// A search that meets nothing proves nothing.
#[test]
fn the_worlds_have_windows_of_all_kinds() {
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let sum = std::cell::RefCell::new(Seen::default());
    let result = runner.run(&case_of(upheaval(), 60, 120), |case| {
        let seen = play(&case, Canary::None).map_err(TestCaseError::fail)?;
        let mut sum = sum.borrow_mut();
        *sum = Seen {
            on_time: sum.on_time + seen.on_time,
            late_or_early: sum.late_or_early + seen.late_or_early,
            partial: sum.partial + seen.partial,
            rolled: sum.rolled + seen.rolled,
            flagged: sum.flagged + seen.flagged,
        };
        Ok(())
    });
    let sum = sum.into_inner();
    println!("{sum:?}");
    assert!(result.is_ok(), "{result:?}");
    assert!([sum.on_time, sum.late_or_early, sum.partial, sum.rolled, sum.flagged].iter().all(|count| *count > 20), "{sum:?}");
}

/// Plays the same worlds each time; a panic counts as found, too.
fn must_be_found(canary: Canary) {
    let config =
        ProptestConfig { cases: CANARY_CASES, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let tried = std::cell::Cell::new(0);
    let result = runner.run(&case(30, 120), |case| {
        tried.set(tried.get() + 1);
        play(&case, canary).map(|_| ()).map_err(TestCaseError::fail)
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
fn a_replay_that_is_skipped_is_found() {
    must_be_found(Canary::ReplayIsSkipped);
}

#[test]
fn windows_that_outlive_what_they_counted_are_found() {
    must_be_found(Canary::WindowsSurvive);
}

#[test]
fn offsets_that_were_not_stable_are_found() {
    must_be_found(Canary::UnstableOffsets);
}
