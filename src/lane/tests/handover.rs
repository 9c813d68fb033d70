//! Partitions that go and come back, and lanes that stop or are stopped meanwhile.

use std::time::Duration;

use super::scenarios::{LANE, assign_all, filled};
use super::world::{Running, World};
use crate::kafka::TxClass;
use crate::lake::{FaultMoment, StorageStep};
use crate::lane::LaneEnd;
use crate::telemetry::{EpochOutcome, ErrorKind};

const OTHER: &str = "corelane.test.1";

fn until_end(lane: &mut Running) -> LaneEnd {
    for _ in 0..20_000 {
        if let Some(end) = lane.turn() {
            return end.clone();
        }
    }
    panic!("the lane does not end");
}

fn refusal(end: LaneEnd) -> String {
    let LaneEnd::Refused(reason) = end else { panic!("{end:?}") };
    reason
}

/// A second life finds and finishes everything.
fn finish(world: &mut World, lane: Running) {
    drop(lane);
    world.kafka.forget_member(LANE);
    let mut again = world.start(LANE);
    assign_all(world);
    again.turns_until("all committed", |_| world.all_committed());
    assert_eq!(again.stop(), LaneEnd::Stopped);
    world.check_exactly_once().unwrap();
}

#[test]
fn a_pause_does_not_stick_to_partitions_that_come_back() {
    let mut world = filled(2, 200);
    world.epoch_bytes = 1;
    world.drain_deadline = Duration::from_millis(2);
    let storage = world.storage(LANE);
    for _ in 0..30 {
        storage.fail_step(StorageStep::Put, 1, FaultMoment::Before);
    }
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("a pause", |lane| lane.metrics.is_paused());
    world.kafka.rebalance(&[]);
    lane.turns_until("the partitions are given back", |lane| !lane.metrics.is_paused());
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    assert_eq!(lane.stop(), LaneEnd::Stopped);
    world.check_exactly_once().unwrap();
}

#[test]
fn a_stop_that_gives_an_epoch_up_is_not_called_a_clean_one() {
    let mut world = filled(1, 100);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("some messages", |lane| lane.metrics.messages() > 10);
    lane.control.stop();
    world.kafka.expel(LANE);
    let reason = refusal(until_end(&mut lane));
    assert!(reason.contains("read again at the next start"), "{reason}");
    assert!(!world.all_committed());
    finish(&mut world, lane);
}

#[test]
fn a_stop_with_an_epoch_that_kafka_refuses_meanwhile_gives_it_up() {
    let mut world = filled(1, 100);
    let mut lane = world.start(LANE);
    let storage = world.storage(LANE);
    assign_all(&world);
    lane.turns_until("an epoch on its way", |_| !storage.staged_segments().is_empty());
    lane.control.stop();
    world.kafka.expel(LANE);
    refusal(until_end(&mut lane));
    assert!(storage.staged_segments().is_empty(), "given up, and deleted");
    assert!(world.visible().is_empty());
    finish(&mut world, lane);
}

#[test]
fn thirty_refusals_end_the_lane_and_one_less_does_not() {
    for refusals in [29, 30] {
        let mut world = filled(1, 20);
        for _ in 0..refusals {
            world.kafka.fail(LANE, "send_offsets", TxClass::Abort, false);
        }
        let mut lane = world.start(LANE);
        assign_all(&world);
        if refusals == 30 {
            let reason = refusal(until_end(&mut lane));
            assert!(reason.contains("refused 30 times") && reason.contains("TOLD_TO_FAIL"), "{reason}");
        } else {
            lane.turns_until("all committed", |_| world.all_committed());
            assert_eq!(lane.metrics.epochs(EpochOutcome::Aborted), 29);
        }
        finish(&mut world, lane);
    }
}

#[test]
fn a_lane_that_is_expelled_while_it_waits_for_offsets_takes_no_late_answer() {
    let mut world = filled(2, 100);
    let mut lane = world.start(LANE);
    world.kafka.delay_answer(LANE, 400);
    assign_all(&world);
    for _ in 0..5 {
        lane.turn();
    }
    assert_eq!(lane.metrics.messages(), 0);
    world.kafka.expel(LANE);

    let mut successor = world.start(OTHER);
    world.kafka.rebalance(&[(OTHER, &world.partitions)]);
    successor.turns_until("all committed", |_| world.all_committed());
    for partition in [0, 1, 0, 1] {
        world.append_reading(partition);
    }
    assign_all(&world);
    successor.turns_until("the partitions are back and read to the end", |_| {
        lane.turn();
        world.all_committed()
    });
    for _ in 0..500 {
        assert_eq!(lane.turn(), None);
    }
    assert_eq!(lane.metrics.messages(), 4, "from the committed offsets of now, not of the first question");
    lane.stop();
    successor.stop();
    world.check_exactly_once().unwrap();
}

#[test]
fn partitions_that_go_with_an_epoch_in_doubt_wait_for_its_end() {
    for lands in [true, false] {
        let mut world = filled(1, 60);
        world.drain_deadline = Duration::from_millis(2);
        let mut lane = world.start(LANE);
        world.kafka.delay_commit(LANE);
        for _ in 0..60 {
            world.kafka.fail(LANE, "renew", TxClass::Unknown, false);
        }
        assign_all(&world);
        lane.turns_until("an epoch in doubt", |lane| lane.metrics.errors(ErrorKind::Transaction) > 0);
        let mut successor = world.start(OTHER);
        world.kafka.rebalance(&[(OTHER, &world.partitions)]);
        for _ in 0..20 {
            lane.turn();
            successor.turn();
        }
        assert!(world.kafka.member_now(OTHER).is_some_and(|member| member.generation > 1), "it has the partitions");
        assert_eq!(successor.metrics.messages(), 0, "their offsets may still move");
        if lands {
            world.kafka.land_commits();
        }
        successor.turns_until("all committed", |_| {
            lane.turn();
            world.all_committed()
        });
        lane.stop();
        successor.stop();
        assert_eq!(lane.metrics.epochs(EpochOutcome::JudgedCommitted), u64::from(lands));
        assert_eq!(successor.metrics.messages() < world.kafka.messages(&world.partitions[0]).len() as u64, lands);
        world.check_exactly_once().unwrap();
    }
}

#[test]
fn an_assignment_ends_the_drain_before_it_with_its_deadline() {
    let mut world = filled(1, 40);
    world.drain_deadline = Duration::from_millis(400);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    // Lost and given again before the lane looks.
    world.kafka.expel(LANE);
    assign_all(&world);
    world.append_reading(0);
    lane.turns_until("all committed", |_| world.all_committed());
    for _ in 0..20 {
        lane.turn();
    }
    let discarded = lane.metrics.epochs(EpochOutcome::Discarded);
    let messages = lane.metrics.messages();
    world.append_reading(0);
    lane.turns_until("an open epoch", |lane| lane.metrics.messages() > messages);
    world.kafka.rebalance(&[]);
    lane.turns_until("all committed", |_| world.all_committed());
    assert_eq!(lane.metrics.epochs(EpochOutcome::Discarded), discarded, "the second drain had its own time");
    lane.stop();
    world.check_exactly_once().unwrap();
}
