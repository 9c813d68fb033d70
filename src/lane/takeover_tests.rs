use uuid::Uuid;

use super::*;
use crate::lane::history::LastEpoch;

fn source(partition: i32) -> TopicPartition {
    TopicPartition::new("device-data", partition)
}

fn committed(partition: i32, offset: Option<i64>, metadata: &str) -> Committed {
    Committed { source: source(partition), offset, metadata: offset.map(|_| metadata.to_owned()), first: None }
}

/// An id made at this second.
fn epoch_at(second: u64) -> Uuid {
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, second, 0))
}

const NOW: u64 = 1_795_219_200;

fn epoch_note() -> String {
    CommitNote::Epoch { epoch: epoch_at(NOW), clock_ms: None, replay: None }.to_metadata()
}

fn start_note() -> String {
    CommitNote::Start { from: "earliest".into() }.to_metadata()
}

fn history(partition: i32, next: i64) -> History {
    History::from([(source(partition), LastEpoch { epoch: epoch_at(NOW + 3_600), next })])
}

#[test]
fn a_group_that_never_ran_starts_where_the_configuration_says() {
    assert_eq!(decide(&[committed(0, None, "")], &History::new()), Ok(vec![Decision::Start]));
}

#[test]
fn a_partition_added_later_starts_at_its_first_offset_whatever_the_configuration_says() {
    let offsets = [committed(0, Some(7), &epoch_note()), committed(1, None, "")];
    assert_eq!(decide(&offsets, &history(0, 7)), Ok(vec![Decision::Keep, Decision::StartAtFirst]));
}

#[test]
fn offsets_that_kafka_forgot_are_no_new_group() {
    let moved = decide(&[committed(0, None, "")], &history(0, 42)).unwrap_err();
    assert_eq!((moved.committed, moved.last), (None, Some(42)));
}

#[test]
fn an_older_offset_with_our_own_note_is_found_out() {
    let offsets = [committed(0, Some(30), &epoch_note())];
    assert_eq!(decide(&offsets, &history(0, 42)).unwrap_err().last, Some(42));
    assert_eq!(decide(&offsets, &history(0, 30)), Ok(vec![Decision::Keep]));
    assert_eq!(decide(&offsets, &History::new()), Ok(vec![Decision::Keep]), "its record has expired");
    let skewed = History::from([(source(0), LastEpoch { epoch: epoch_at(NOW + 5), next: 12 })]);
    assert_eq!(decide(&offsets, &skewed), Ok(vec![Decision::Keep]), "another host's clock is five seconds ahead");
    assert_eq!(decide(&offsets, &history(0, 12)), Ok(vec![Decision::Keep]), "the clock was set back by an hour since");
}

#[test]
fn a_reset_or_a_start_is_followed_although_epochs_ended_elsewhere() {
    let reset = CommitNote::Reset { reason: "again".into() }.to_metadata();
    for note in [reset, start_note()] {
        assert_eq!(decide(&[committed(0, Some(3), &note)], &history(0, 42)), Ok(vec![Decision::Keep]));
    }
}

#[test]
fn a_foreign_offset_is_taken_over_only_where_the_group_never_ran() {
    let offsets = [committed(0, Some(3), "")];
    assert_eq!(decide(&offsets, &History::new()), Ok(vec![Decision::TakeOver(3)]));
    assert_eq!(decide(&offsets, &history(0, 42)).unwrap_err().last, Some(42));
    assert!(decide(&offsets, &history(1, 42)).is_err(), "the group ran, on another partition");
}

#[test]
fn the_epochs_topic_is_read_no_further_back_than_the_notes_need() {
    let since = history_needed_since_ms(&[committed(0, Some(3), &epoch_note()), committed(1, Some(3), &start_note())]);
    assert!(since.is_some_and(|since| since > 1_700_000_000_000));
    assert_eq!(history_needed_since_ms(&[committed(0, Some(3), &epoch_note()), committed(1, None, "")]), None);
    assert_eq!(history_needed_since_ms(&[committed(0, Some(3), "")]), None);
}
