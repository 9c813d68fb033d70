//! Static membership: a restart within the session goes unnoticed, a name belongs to one member, and not for ever.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{Member, PATIENCE, unique, wait_shared};
use crate::support::wait::eventually;
use crate::target::Target;

fn settings(instance: &str) -> [(&str, &str); 2] {
    [("group.instance.id", instance), ("partition.assignment.strategy", "range")]
}

pub fn a_restart_is_not_noticed(target: &Target) {
    let (topic, group) = (target.topic("restart", 4, &[]), unique("restart"));
    let join = |instance| Member::join(target, &group, &topic, &settings(instance));
    let first = join("one");
    first.wait_for(4);
    let second = join("two");
    wait_shared(&[&first, &second], &[2, 2]);

    let (before, owned) = (first.history(), second.owned());
    drop(second);
    let second = join("two");
    second.wait_for(2);
    assert_eq!((second.owned(), first.history()), (owned, before), "the same partitions, no rebalance");

    // The leader, too: it is told its old id, and does not assign anew.
    let (before, owned) = (second.history(), first.owned());
    drop(first);
    let first = join("one");
    first.wait_for(2);
    assert_eq!((first.owned(), second.history()), (owned, before), "the same partitions, no rebalance");
}

pub fn a_second_of_the_same_name_fences_the_first(target: &Target) {
    let (topic, group) = (target.topic("twins", 2, &[]), unique("twins"));
    let first = Member::join(target, &group, &topic, &settings("twin"));
    first.wait_for(2);
    let second = Member::join(target, &group, &topic, &settings("twin"));
    second.wait_for(2);
    let fatal = eventually(PATIENCE, "the first to be fenced", || first.consumer.client().fatal_error());
    assert_eq!(fatal.0, RDKafkaErrorCode::FencedInstanceId);
    assert!(second.consumer.client().fatal_error().is_none());
}

pub fn a_static_member_that_stays_away_is_replaced(target: &Target) {
    let (topic, group) = (target.topic("away", 4, &[]), unique("away"));
    let stays = Member::join(target, &group, &topic, &settings("stays"));
    let goes = Member::join(target, &group, &topic, &settings("goes"));
    wait_shared(&[&stays, &goes], &[2, 2]);
    let start = Instant::now();
    drop(goes);
    stays.wait_for(4);
    // It did not leave: its session of six seconds had to end.
    assert!(start.elapsed() > Duration::from_secs(4), "{:?}", start.elapsed());
}
