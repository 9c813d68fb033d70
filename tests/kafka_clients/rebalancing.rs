//! Membership: assignments that the lane takes up and gives back in its own time, static restarts, lost sessions.

use std::time::{Duration, Instant};

use corelane::kafka::{Intake, IntakeEvent};

use crate::lane::Lane;
use crate::{PATIENCE, fill, part, settings, soon, topic, unique};

#[test]
fn nothing_flows_before_the_lane_takes_its_assignment_up() {
    let (topic, group) = (topic("later", 2), unique("later"));
    fill(&topic, 2, 20);
    let mut lane = Lane::join(&settings(), &group, Some("later.0"), &topic);
    assert_eq!(lane.assigned(), [part(&topic, 0), part(&topic, 1)]);
    let member = lane.consumer.member().unwrap();
    // Longer than a session: heartbeats and polls keep the assignment although nobody has taken it up.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(11) {
        lane.turn();
    }
    assert!(lane.rows.is_empty() && lane.revoked().is_none(), "{:?}", lane.events);
    lane.consumer.assign(&[(part(&topic, 0), 4), (part(&topic, 1), 9)]).unwrap();
    lane.until_rows(7);
    assert_eq!(lane.offsets_of(&part(&topic, 0)), [4, 5, 6, 7, 8, 9]);
    assert_eq!(lane.offsets_of(&part(&topic, 1)), [9]);
    let now = lane.consumer.member().unwrap();
    assert_eq!((member.generation(), member.member_id()), (now.generation(), now.member_id()));
}

#[test]
fn a_consumer_that_has_not_joined_is_no_member() {
    let topic = topic("nobody", 1);
    let lane = Lane::join(&settings(), &unique("nobody"), None, &topic);
    let error = lane.consumer.member().err().expect("not joined yet");
    assert_eq!(error.class, corelane::kafka::TxClass::Abort);
}

#[test]
fn a_lane_that_still_looks_for_its_offsets_does_not_hold_up_the_group() {
    let (topic, group) = (topic("looking", 2), unique("looking"));
    let mut first = Lane::join(&settings(), &group, Some("looking.0"), &topic);
    first.assigned();
    let mut second = Lane::join(&settings(), &group, Some("looking.1"), &topic);
    let (revoked, lost) = first.until("the revocation", |first| {
        second.turn();
        first.revoked()
    });
    assert_eq!((revoked.len(), lost), (2, false));
    first.consumer.unassign().unwrap();
    second.until("the second assignment", |second| {
        first.turn();
        second.events.iter().find(|event| matches!(event, IntakeEvent::Assigned(_))).map(|_| ())
    });
    assert_eq!((first.take_up().len(), second.take_up().len()), (1, 1));
}

#[test]
fn a_second_member_gets_partitions_once_the_first_has_given_them_back() {
    let (topic, group) = (topic("two", 4), unique("two"));
    fill(&topic, 4, 400);
    let mut first = Lane::join(&settings(), &group, Some("two.0"), &topic);
    assert_eq!(first.take_up().len(), 4);
    first.until_rows(400);
    let before = first.consumer.member().unwrap().generation();
    let mut second = Lane::join(&settings(), &group, Some("two.1"), &topic);
    let (revoked, lost) = first.until("the revocation", |first| {
        second.turn();
        first.revoked()
    });
    assert_eq!((revoked.len(), lost), (4, false));
    // The lane drains; nobody gets its partitions meanwhile.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        first.turn();
        second.turn();
    }
    assert!(!second.events.iter().any(|event| matches!(event, IntakeEvent::Assigned(_))), "{:?}", second.events);
    first.events.clear();
    first.consumer.unassign().unwrap();
    let mut theirs = second.until("the second assignment", |second| {
        first.turn();
        second.events.iter().find_map(|event| match event {
            IntakeEvent::Assigned(partitions) => Some(partitions.clone()),
            _ => None,
        })
    });
    theirs.extend(first.assigned());
    theirs.sort();
    assert_eq!(theirs, (0..4).map(|partition| part(&topic, partition)).collect::<Vec<_>>());
    assert!(first.consumer.member().unwrap().generation() > before);
}

#[test]
fn a_static_member_that_closes_and_returns_causes_no_rebalance() {
    let (topic, group) = (topic("static", 4), unique("static"));
    fill(&topic, 4, 40);
    let mut first = Lane::join(&settings(), &group, Some("static.0"), &topic);
    first.take_up();
    let mut second = Lane::join(&settings(), &group, Some("static.1"), &topic);
    first.until("the revocation", |first| {
        second.turn();
        first.revoked()
    });
    first.consumer.unassign().unwrap();
    first.events.clear();
    let both = |one: &mut Lane, other: &mut Lane| {
        one.until("the assignments of both", |one| {
            other.turn();
            let has = |lane: &Lane| lane.events.iter().any(|event| matches!(event, IntakeEvent::Assigned(_)));
            (has(one) && has(other)).then_some(())
        });
    };
    both(&mut first, &mut second);
    let (mine, theirs) = (first.take_up(), second.take_up());
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    let generation = first.consumer.member().unwrap().generation();
    second.consumer.close(soon()).unwrap();

    let mut again = Lane::join(&settings(), &group, Some("static.1"), &topic);
    let start = Instant::now();
    let back = again.assigned();
    let took = start.elapsed();
    assert_eq!(back, theirs);
    while start.elapsed() < took + Duration::from_secs(2) {
        first.turn();
        again.turn();
    }
    assert_eq!(first.revoked(), None, "the first lane was disturbed: {:?}", first.events);
    assert_eq!(first.consumer.member().unwrap().generation(), generation);
    assert!(took < Duration::from_secs(10), "the return took {took:?}: as long as a session");
}

#[test]
fn a_second_consumer_with_the_same_name_is_fatal_for_the_first() {
    let (topic, group) = (topic("twins", 1), unique("twins"));
    let mut first = Lane::join(&settings(), &group, Some("twin"), &topic);
    first.take_up();
    let mut second = Lane::join(&settings(), &group, Some("twin"), &topic);
    second.take_up();
    let reason = first.until("the fencing", |first| {
        second.turn();
        first.events.iter().find_map(|event| match event {
            IntakeEvent::Fatal(reason) => Some(reason.clone()),
            _ => None,
        })
    });
    assert!(reason.to_lowercase().contains("fenced"), "{reason}");
    let start = Instant::now();
    first.consumer.close(soon()).unwrap();
    assert!(start.elapsed() < PATIENCE / 2, "a fenced consumer took {:?} to close", start.elapsed());
}
