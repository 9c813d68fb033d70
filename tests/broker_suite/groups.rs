//! Groups of the classic protocol: who gets what, and what happens when members come and go.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{Member, PATIENCE, take, unique, wait_shared};
use crate::support::wait::eventually;
use crate::target::Target;

fn shared_by_three(target: &Target, strategy: &str) -> [Vec<String>; 2] {
    let (topic, group) = (target.topic(strategy, 6, &[]), unique(strategy));
    let settings = [("partition.assignment.strategy", strategy)];
    let join = || Member::join(target, &group, &topic, &settings);
    let first = join();
    wait_shared(&[&first], &[6]);
    let second = join();
    wait_shared(&[&first, &second], &[3, 3]);
    let third = join();
    wait_shared(&[&first, &second, &third], &[2, 2, 2]);
    drop(third);
    wait_shared(&[&first, &second], &[3, 3]);
    let histories = [first.history(), second.history()];
    assert!(histories.iter().flatten().all(|event| !event.starts_with('!')), "{histories:?}");
    histories
}

pub fn range_shares_and_shares_again(target: &Target) {
    let [first, _] = shared_by_three(target, "range");
    assert_eq!(first[..2], ["+6", "-6"], "eager members give everything back");
}

pub fn roundrobin_shares(target: &Target) {
    shared_by_three(target, "roundrobin");
}

pub fn cooperative_members_keep_what_they_have(target: &Target) {
    let [first, _] = shared_by_three(target, "cooperative-sticky");
    assert!(!first.contains(&"-6".to_owned()), "{first:?}");
    assert!(first.contains(&"-3".to_owned()), "it gave three of six to the second: {first:?}");
}

pub fn a_silent_member_loses_its_partitions(target: &Target) {
    let (topic, group) = (target.topic("silent", 4, &[]), unique("silent"));
    let present = Member::join(target, &group, &topic, &[]);
    present.wait_for(4);
    let mut config = target.consumer_config(&group);
    // It leaves by itself when it is not polled for so long.
    config.set("max.poll.interval.ms", "6000");
    let silent: BaseConsumer = config.create().unwrap();
    silent.subscribe(&[&topic]).unwrap();
    eventually(PATIENCE, "the second to have its half", || {
        let _ = silent.poll(Duration::from_millis(20));
        (silent.assignment().unwrap().count() == 2 && present.owned().len() == 2).then_some(())
    });
    present.wait_for(4);
    let told = eventually(PATIENCE, "an error", || silent.poll(Duration::from_millis(20)).and_then(Result::err));
    assert!(matches!(told, KafkaError::MessageConsumption(RDKafkaErrorCode::PollExceeded)), "{told:?}");
}

pub fn members_need_a_protocol_in_common(target: &Target) {
    let (topic, group) = (target.topic("mixed", 2, &[]), unique("mixed"));
    let first = Member::join(target, &group, &topic, &[("partition.assignment.strategy", "range")]);
    first.wait_for(2);
    let other = Member::join(target, &group, &topic, &[("partition.assignment.strategy", "roundrobin")]);
    eventually(PATIENCE, "the other to be refused", || {
        other.history().iter().any(|event| event.contains("InconsistentGroupProtocol")).then_some(())
    });
    assert_eq!((first.owned(), other.owned()), (vec![0, 1], vec![]));
}

pub fn a_pattern_meets_new_topics(target: &Target) {
    let prefix = unique("pattern");
    let (first, second) = (format!("{prefix}-a"), format!("{prefix}-b"));
    target.make_topic(&first, 2, &[]).unwrap();
    target.fill(&first, 0, "a", 5);
    let consumer: BaseConsumer = target.consumer_config(&prefix).create().unwrap();
    consumer.subscribe(&[&format!("^{prefix}-.*")]).unwrap();
    take(&consumer, 5);
    target.make_topic(&second, 2, &[]).unwrap();
    target.fill(&second, 1, "b", 5);
    take(&consumer, 5);
}
