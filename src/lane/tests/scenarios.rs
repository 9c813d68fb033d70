//! One story a test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::{EPOCHS, World};
use crate::batch::CommitNote;
use crate::journey::publish::EpochRecord;
use crate::kafka::{PartitionFault, TxClass};
use crate::lake::{FaultMoment, StorageStep};
use crate::lane::LaneEnd;
use crate::telemetry::{EpochOutcome, ErrorKind};

pub(super) const LANE: &str = "corelane.test.0";

pub(super) fn filled(partitions: i32, messages: usize) -> World {
    let world = World::new(partitions);
    for i in 0..messages {
        let partition = i % world.partitions.len();
        match i % 10 {
            7 => world.append(partition, Some(b"{broken")),
            8 => world.append_event(partition),
            9 => world.append(partition, None),
            _ => world.append_reading(partition),
        }
    }
    world
}

pub(super) fn assign_all(world: &World) {
    world.kafka.rebalance(&[(LANE, &world.partitions)]);
}

#[test]
fn every_message_lands_once_and_the_ledger_says_so() {
    let mut world = filled(3, 500);
    let source = world.partitions[0].clone();
    world.kafka.append(&source, None); // a transaction marker
    world.append_reading(0);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    assert_eq!(lane.stop(), LaneEnd::Stopped);
    world.check_exactly_once().unwrap();

    let records: Vec<EpochRecord> = world
        .kafka
        .output()
        .iter()
        .filter(|record| &*record.topic == EPOCHS)
        .map(|record| EpochRecord::from_json(record.value.as_ref().unwrap()).unwrap())
        .collect();
    assert!(records.len() > 1, "more than one epoch");
    let mut next = [0; 3];
    for entry in records.iter().flat_map(|record| &record.partitions) {
        let at = &mut next[usize::try_from(entry.partition).unwrap()];
        assert_eq!(entry.start, *at, "spans join without gap or overlap");
        *at = entry.next;
        entry.ledger_entry().check().unwrap();
    }
    assert_eq!(records.iter().flat_map(|record| &record.partitions).map(|entry| entry.gaps).sum::<u64>(), 1);
    let dead_letters = world.kafka.output().iter().filter(|record| &*record.topic == "corelane.rejects").count();
    assert_eq!(dead_letters, 100);
}

#[test]
fn what_was_just_given_is_committed_soon_and_then_by_the_interval() {
    let mut world = filled(2, 20);
    world.epoch_interval = Duration::from_hours(24 * 365);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("the first epoch", |_| world.all_committed());
    world.append_reading(0);
    lane.turns_until("one message more", |lane| lane.metrics.messages() == 21);
    for _ in 0..500 {
        assert_eq!(lane.turn(), None);
    }
    assert!(!world.all_committed() && lane.metrics.epochs(EpochOutcome::Committed) == 1);
    lane.stop();
    world.check_exactly_once().unwrap();
}

#[test]
fn a_lost_answer_to_a_commit_that_passed_is_judged_committed() {
    let mut world = filled(1, 100);
    let mut lane = world.start(LANE);
    world.kafka.fail(LANE, "commit", TxClass::Unknown, true);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    assert_eq!(lane.metrics.epochs(EpochOutcome::JudgedCommitted), 1);
    world.check_exactly_once().unwrap();
}

#[test]
fn a_lost_answer_to_a_commit_that_did_not_pass_is_sent_again() {
    let mut world = filled(1, 100);
    let mut lane = world.start(LANE);
    world.kafka.fail(LANE, "commit", TxClass::Unknown, false);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    assert_eq!(lane.metrics.epochs(EpochOutcome::JudgedLost), 1);
    world.check_exactly_once().unwrap();
}

#[test]
fn a_retriable_error_is_the_same_call_again() {
    let mut world = filled(1, 50);
    let mut lane = world.start(LANE);
    for call in ["begin", "send", "send_offsets", "commit"] {
        world.kafka.fail(LANE, call, TxClass::Retry, false);
    }
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    assert_eq!(lane.metrics.epochs(EpochOutcome::Aborted), 0);
    world.check_exactly_once().unwrap();
}

#[test]
fn an_expelled_member_commits_nothing_and_its_successor_reads_again() {
    let other = "corelane.test.1";
    let mut world = filled(2, 200);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("some messages", |lane| lane.metrics.messages() > 20);
    world.kafka.expel(LANE);
    let mut successor = world.start(other);
    world.kafka.rebalance(&[(other, &world.partitions)]);
    successor.turns_until("all committed", |_| {
        lane.turn();
        world.all_committed()
    });
    lane.stop();
    successor.stop();
    world.check_exactly_once().unwrap();
}

#[test]
fn a_killed_lane_is_recovered_whether_its_epoch_was_committed_or_not() {
    for took_effect in [false, true] {
        let mut world = filled(1, 100);
        let mut lane = world.start(LANE);
        let storage = world.storage(LANE);
        // The commit's answer is lost and Kafka stays away: the epoch is in doubt when the process dies.
        world.kafka.fail(LANE, "commit", TxClass::Unknown, took_effect);
        for _ in 0..50 {
            world.kafka.fail(LANE, "renew", TxClass::Unknown, false);
        }
        assign_all(&world);
        lane.turns_until("an epoch in doubt", |lane| lane.metrics.errors(ErrorKind::Transaction) > 0);
        drop(lane);
        world.kafka.forget_member(LANE);
        let mut again = world.start(LANE);
        assert!(storage.staged_segments().is_empty());
        assert_eq!(!storage.discarded().is_empty(), !took_effect);
        assign_all(&world);
        again.turns_until("all committed", |_| world.all_committed());
        again.stop();
        world.check_exactly_once().unwrap();
    }
}

#[test]
fn a_full_disk_holds_the_lane_and_loses_nothing() {
    let mut world = filled(1, 300);
    let storage = world.storage(LANE);
    for moment in [FaultMoment::Before, FaultMoment::Between, FaultMoment::After] {
        storage.fail_step(StorageStep::Put, 1, moment);
        storage.fail_step(StorageStep::Reveal, 1, moment);
    }
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    world.check_exactly_once().unwrap();
}

#[test]
fn an_offset_set_by_somebody_else_ends_the_lane_with_the_remedy() {
    let mut world = filled(1, 10);
    world.kafka.set_committed(&world.partitions[0], 3, "");
    let mut lane = world.start(LANE);
    assign_all(&world);
    let end = lane.turns_to_its_end();
    let LaneEnd::Refused(reason) = end else { panic!("{end:?}") };
    assert!(reason.contains("corelane groups reset"), "{reason}");
    assert!(world.visible().is_empty());
}

/// A lane that has read some of its first partition is told that it cannot read on there.
fn told(world: &mut World, fault: PartitionFault) -> LaneEnd {
    let mut lane = world.start(LANE);
    assign_all(world);
    lane.turns_until("some messages", |lane| lane.metrics.messages() > 20);
    world.kafka.fail_partition(LANE, &world.partitions[0], fault);
    let end = lane.turns_to_its_end();
    drop(lane);
    world.kafka.forget_member(LANE);
    end
}

#[test]
fn a_topic_that_is_unknown_or_short_for_a_moment_gets_a_new_client() {
    for (fault, what) in [
        (PartitionFault::Unknown, "is not known to the broker"),
        (PartitionFault::Truncated, "seems to end before offset"),
        // It has read since it was given the partition: where the group stands now is to be asked first.
        (PartitionFault::OutOfRange, "cannot be read on from offset"),
    ] {
        let mut world = filled(2, 300);
        let end = told(&mut world, fault);
        let LaneEnd::Rebuild(reason) = end else { panic!("{end:?}") };
        assert!(reason.contains("device-data[0] ") && reason.contains(what), "{reason}");
        let mut successor = world.start(LANE);
        assign_all(&world);
        successor.turns_until("all committed", |_| world.all_committed());
        assert_eq!(successor.stop(), LaneEnd::Stopped);
        world.check_exactly_once().unwrap();
    }
}

/// It stands where it committed last, and has not heard that others have read on since.
#[test]
fn who_has_committed_asks_the_group_again_before_an_offset_is_called_lost() {
    let mut world = filled(2, 300);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    world.kafka.fail_partition(LANE, &world.partitions[0], PartitionFault::OutOfRange);
    let end = lane.turns_to_its_end();
    assert!(matches!(&end, LaneEnd::Rebuild(reason) if reason.contains("cannot be read on from")), "{end:?}");
}

#[test]
fn only_a_committed_offset_that_is_out_of_range_is_to_be_reset() {
    let mut world = filled(2, 300);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.control.drain_windows();
    lane.stop();
    drop(lane);
    world.kafka.forget_member(LANE);
    (0..20).for_each(|_| world.append_reading(0));
    let (committed, _) = world.kafka.committed(&world.partitions[0]).unwrap();
    world.kafka.retain_from(&world.partitions[0], committed + 10);
    let mut lane = world.start(LANE);
    assign_all(&world);
    let end = lane.turns_to_its_end();
    let LaneEnd::Refused(reason) = end else { panic!("{end:?}") };
    assert!(reason.contains(&format!("device-data[0] cannot be read on from offset {committed}")), "{reason}");
    assert!(reason.contains("groups reset"), "{reason}");

    let mut world = filled(2, 300);
    let end = told(&mut world, PartitionFault::Other);
    let LaneEnd::Refused(reason) = end else { panic!("{end:?}") };
    assert!(reason.contains("device-data[0] cannot be read on from offset") && !reason.contains("groups reset"), "{reason}");
}

#[test]
fn the_note_of_a_commit_names_the_epoch_and_the_clock() {
    let mut world = filled(1, 10);
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    let (_, metadata) = world.kafka.committed(&world.partitions[0]).unwrap();
    let Some(CommitNote::Epoch { clock_ms, .. }) = CommitNote::parse(&metadata) else { panic!("{metadata}") };
    // The highest Kafka time, and the little that the partition was silent since.
    let highest_ms = super::world::WALL_MS - 60_000 + 9;
    assert!((highest_ms..highest_ms + 1_000).contains(&clock_ms.unwrap()), "{metadata}");
}

#[test]
fn at_least_once_flushes_reveals_and_only_then_commits_offsets() {
    let mut world = filled(2, 200);
    world.exactly_once = false;
    let log = Arc::new(Mutex::new(Vec::new()));
    world.kafka.log_to(Arc::clone(&log));
    world.storage(LANE).log_to(Arc::clone(&log));
    let mut lane = world.start(LANE);
    assign_all(&world);
    lane.turns_until("all committed", |_| world.all_committed());
    lane.stop();
    world.check_exactly_once().unwrap();

    let calls = log.lock().unwrap().clone();
    let before = |call: &str| -> Vec<&str> { calls.windows(2).filter(|pair| pair[1] == call).map(|pair| &*pair[0]).collect() };
    for (call, needed) in [("send corelane.epochs", "flush"), ("reveal", "flush"), ("commit_offsets_plain", "reveal")] {
        let before = before(call);
        assert!(before.len() > 1 && before.iter().all(|first| *first == needed), "{call} after {before:?}");
    }
}

#[test]
fn the_same_input_gives_the_same_rows_whatever_the_batches() {
    let mut all = Vec::new();
    for batch_max in [1, 3, 100] {
        let mut world = filled(2, 150);
        world.batch_max = batch_max;
        let mut lane = world.start(LANE);
        assign_all(&world);
        lane.turns_until("all committed", |_| world.all_committed());
        lane.stop();
        world.check_exactly_once().unwrap();
        all.push(world.visible());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}
