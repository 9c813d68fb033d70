use super::*;
use crate::batch::{Headers, LedgerEntry, RawBatch, RawRow};

fn source() -> TopicPartition {
    TopicPartition::new("device-data", 3)
}

fn rows(offsets: &[i64]) -> RawBatch<'static> {
    let row =
        |&offset: &i64| RawRow { offset, kafka_time_ms: 1_000 + offset, key: None, value: Some(b"{}"), headers: Headers::NONE };
    RawBatch { source: source(), rows: offsets.iter().map(row).collect(), ingest_time_us: 5_000_000 }
}

fn committed(offset: Option<i64>, metadata: Option<&str>) -> Vec<Committed> {
    vec![Committed { source: source(), offset, metadata: metadata.map(str::to_owned) }]
}

fn start_note() -> String {
    CommitNote::Start { from: "earliest".into() }.to_metadata()
}

fn consuming_from(offset: i64) -> Assignment {
    let mut assignment = Assignment::default();
    assignment.given(&[source()]);
    let starts = assignment.found(&committed(Some(offset), Some(&start_note()))).unwrap();
    assert_eq!(starts, Some(vec![(source(), offset)]));
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
    let starts = assignment.found(&committed(None, None)).unwrap();
    assert_eq!(starts, Some(vec![(source(), OFFSET_BEGINNING)]));
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
fn the_end_counts_as_reached_past_transaction_markers() {
    let mut assignment = consuming_from(0);
    let position = assignment.position_mut(&source()).unwrap();
    position.admit(&mut rows(&[0, 1]), 0).unwrap();
    assert!(!position.at_end());
    position.saw_end(3);
    assert!(position.at_end(), "a marker lies between");
    assert_eq!(position.reached(), Some(3));
    position.admit(&mut rows(&[3]), 0).unwrap();
    assert_eq!(position.reached(), Some(4));
    assert!(!position.at_end());
}
