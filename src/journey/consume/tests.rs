use std::time::Duration;

use super::*;
use crate::batch::{Headers, LedgerEntry, RawBatch, RawRow};

fn source() -> TopicPartition {
    TopicPartition::new("device-data", 3)
}

fn rows(offsets: &[i64]) -> RawBatch<'static> {
    let row =
        |&offset: &i64| RawRow { offset, kafka_time_ms: 1_000 + offset, key: None, value: Some(b"{}"), headers: Headers::NONE };
    RawBatch { source: source(), rows: offsets.iter().map(row).collect(), ingest_time_us: 5_000_000, stamped_by_broker: false }
}

fn committed(offset: Option<i64>, metadata: Option<&str>) -> Vec<Committed> {
    vec![Committed { source: source(), offset, metadata: metadata.map(str::to_owned), first: None }]
}

fn start_note() -> String {
    CommitNote::Start { from: "earliest".into() }.to_metadata()
}

fn consuming_from(offset: i64) -> Assignment {
    let mut assignment = Assignment::default();
    assignment.given(&[source()]);
    let found = assignment.found(&committed(Some(offset), Some(&start_note()))).unwrap().unwrap();
    assert_eq!(found, [Found { source: source(), committed: offset, note: CommitNote::parse(&start_note()), first: None }]);
    assignment
}

#[test]
fn gaps_are_counted_where_offsets_jump() {
    let mut assignment = consuming_from(10);
    let position = assignment.position_mut(&source()).unwrap();
    let mut entry = LedgerEntry::starting_at(10);
    let admitted = position.admit(&mut rows(&[12, 13, 17]), 0).unwrap();
    admitted.add_to(&mut entry);
    assert_eq!((entry.consumed, entry.gaps, entry.span.next), (3, 5, 18));
    let admitted = position.admit(&mut rows(&[18]), 0).unwrap();
    admitted.add_to(&mut entry);
    assert_eq!((entry.consumed, entry.gaps), (4, 5));
    entry.readings = 4;
    entry.check().unwrap();
    entry.readings = 3;
    entry.check().unwrap_err();
}

#[test]
fn messages_handled_before_are_dropped() {
    let mut assignment = consuming_from(10);
    let position = assignment.position_mut(&source()).unwrap();
    position.admit(&mut rows(&[10, 11, 12]), 0).unwrap();
    let mut again = rows(&[11, 12, 13]);
    let admitted = position.admit(&mut again, 0).unwrap();
    assert_eq!((admitted.start, admitted.consumed, admitted.gaps), (13, 1, 0));
    assert!(position.admit(&mut rows(&[5, 6]), 0).is_none());
}

#[test]
fn a_partition_without_committed_offset_begins_at_its_first_message() {
    let mut assignment = Assignment::default();
    assignment.given(&[source()]);
    let found = assignment.found(&committed(None, None)).unwrap().unwrap();
    assert_eq!(found, [Found { source: source(), committed: OFFSET_BEGINNING, note: None, first: None }]);
    let admitted = assignment.position_mut(&source()).unwrap().admit(&mut rows(&[40, 41]), 0).unwrap();
    assert_eq!((admitted.start, admitted.gaps), (40, 0));
}

#[test]
fn an_offset_that_somebody_else_set_is_refused_with_the_remedy() {
    for metadata in [Some(""), Some("hello"), None] {
        let mut assignment = Assignment::default();
        assignment.given(&[source()]);
        let error = assignment.found(&committed(Some(7), metadata)).unwrap_err();
        assert!(
            error.to_string().contains("corelane groups reset --group <kafka.group> --topic device-data --partition 3 --to 7"),
            "{error}"
        );
    }
}

#[test]
fn an_answer_that_comes_after_the_assignment_changed_is_not_used() {
    let mut assignment = Assignment::default();
    assignment.given(&[source(), TopicPartition::new("device-data", 4)]);
    assert_eq!(assignment.found(&committed(Some(7), Some(&start_note()))).unwrap(), None);
    assignment.revoked(false);
    assert_eq!(assignment.found(&committed(Some(7), Some(&start_note()))).unwrap(), None);
    assert_eq!(assignment.phase(), Phase::Draining { lost: false });
}

#[test]
fn the_clock_is_the_highest_kafka_time_and_a_stamp_far_ahead_counts_as_the_wall() {
    let mut clock = Clock::default();
    clock.observe(-1, 1_000, 30);
    assert_eq!(clock.now_ms(), None);
    for (stamp, expected) in [(500, 500), (400, 500), (1_030, 1_030), (1_031, 1_030), (9_999, 1_030)] {
        clock.observe(stamp, 1_000, 30);
        assert_eq!(clock.now_ms(), Some(expected), "after {stamp}");
    }
}

#[test]
fn a_stamp_of_the_broker_is_trusted_whatever_the_host_says() {
    for (stamped_by_broker, expected) in [(false, 5_000), (true, 65_000)] {
        let mut assignment = consuming_from(0);
        let position = assignment.position_mut(&source()).unwrap();
        let mut batch = rows(&[0]);
        batch.rows[0].kafka_time_ms = 65_000;
        batch.stamped_by_broker = stamped_by_broker;
        position.admit(&mut batch, 30_000).unwrap();
        assert_eq!(position.clock().now_ms(), Some(expected), "the host's clock is at 5,000 ms");
    }
}

#[test]
fn the_end_counts_as_reached_past_transaction_markers() {
    let mut assignment = consuming_from(0);
    let position = assignment.position_mut(&source()).unwrap();
    position.admit(&mut rows(&[0, 1]), 0).unwrap();
    assert!(!position.at_end());
    position.saw_end(3, Duration::ZERO);
    assert!(position.at_end(), "a marker lies between");
    assert_eq!(position.reached(), Some(3));
    position.admit(&mut rows(&[3]), 0).unwrap();
    assert_eq!(position.reached(), Some(4));
    assert!(!position.at_end());
}

#[test]
fn the_clock_of_a_silent_partition_goes_on_unless_it_is_held() {
    let seconds = Duration::from_secs;
    let mut assignment = consuming_from(0);
    let position = assignment.position_mut(&source()).unwrap();
    position.saw_end(0, seconds(1));
    position.tick(seconds(2));
    assert_eq!(position.clock().now_ms(), None, "without any Kafka time there is no clock");
    position.admit(&mut rows(&[0]), 0).unwrap();
    position.tick(seconds(5));
    assert_eq!(position.clock().now_ms(), Some(1_000), "more may be on its way");
    position.saw_end(1, seconds(10));
    position.tick(seconds(13));
    assert_eq!(position.clock().now_ms(), Some(4_000));
    // The lane is paused from here, and looks again seven seconds later: whether it was silent then, nobody knows.
    for second in 13..=20 {
        position.hold_clock(seconds(second));
    }
    position.tick(seconds(20));
    assert_eq!(position.clock().now_ms(), Some(4_000));
    position.tick(seconds(21));
    assert_eq!(position.clock().now_ms(), Some(5_000));
    position.tick(seconds(15));
    assert_eq!(position.clock().now_ms(), Some(5_000), "never back");
    position.admit(&mut rows(&[1]), 0).unwrap();
    position.tick(seconds(30));
    assert_eq!(position.clock().now_ms(), Some(5_000), "a message has ended the silence");
    // Held before its end was seen: nothing begins to run.
    position.hold_clock(seconds(31));
    position.tick(seconds(40));
    assert_eq!(position.clock().now_ms(), Some(5_000));
}
