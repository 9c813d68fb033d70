//! Transactions: what is seen, what belongs to them, who may end them.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{PATIENCE, initials, send, take, unique, values};
use crate::native;
use crate::raw::{self, Batch, Raw, code};
use crate::support::wait::eventually;
use crate::target::Target;

pub fn only_what_is_committed_is_seen(target: &Target) {
    let topic = target.topic("seen", 2, &[]);
    let producer = target.transactional(&unique("seen"));
    for (prefix, commit) in [("C", true), ("A", false), ("D", true)] {
        producer.begin_transaction().unwrap();
        send(&producer, &topic, 0, prefix, 10);
        send(&producer, &topic, 1, prefix, 5);
        producer.flush(PATIENCE).unwrap();
        if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) }.unwrap();
    }
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 0, "O", 10);
    producer.flush(PATIENCE).unwrap();
    // After the open transaction, from somebody else: it has to wait, too.
    target.fill(&topic, 0, "P", 3);
    eventually(PATIENCE, "the last markers", || {
        (initials(&target.read_all(&topic, 2, "read_committed")) == [('C', 15), ('D', 15)].into()).then_some(())
    });
    let all = initials(&target.read_all(&topic, 2, "read_uncommitted"));
    assert_eq!(all, [('A', 15), ('C', 15), ('D', 15), ('O', 10), ('P', 3)].into());
    producer.commit_transaction(PATIENCE).unwrap();
    eventually(PATIENCE, "the last commit", || {
        let seen = initials(&target.read_all(&topic, 2, "read_committed"));
        (seen == [('C', 15), ('D', 15), ('O', 10), ('P', 3)].into()).then_some(())
    });
}

fn offsets(topic: &str, offset: i64, metadata: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    list.find_partition(topic, 0).unwrap().set_metadata(metadata);
    list
}

/// A consumer that is the only member of a group.
fn sole_member(target: &Target, group: &str, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = target.consumer_config(group).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    take(&consumer, 1);
    consumer
}

pub fn offsets_belong_to_their_transaction(target: &Target) {
    let (topic, group) = (target.topic("with-offsets", 1, &[]), unique("with-offsets"));
    target.fill(&topic, 0, "v", 10);
    let consumer = sole_member(target, &group, &topic);
    let metadata = consumer.group_metadata().unwrap();
    let producer = target.transactional(&unique("with-offsets"));
    let settled = || native::group_offset(target, &group, &topic, true);
    let becomes = |expected: (i64, &str)| {
        let expected = Ok((expected.0, expected.1.to_owned()));
        eventually(PATIENCE, "the offset", || (settled() == expected).then_some(()));
    };
    producer.begin_transaction().unwrap();
    producer.send_offsets_to_transaction(&offsets(&topic, 5, "five"), &metadata, PATIENCE).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();
    becomes((5, "five"));
    producer.begin_transaction().unwrap();
    producer.send_offsets_to_transaction(&offsets(&topic, 9, "nine"), &metadata, PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    becomes((5, "five"));
    producer.begin_transaction().unwrap();
    let long = producer.send_offsets_to_transaction(&offsets(&topic, 7, &"m".repeat(4097)), &metadata, PATIENCE);
    assert_eq!(long.unwrap_err().rdkafka_error_code(), Some(RDKafkaErrorCode::OffsetMetadataTooLarge));
    producer.abort_transaction(PATIENCE).unwrap();
    becomes((5, "five"));
}

pub fn pending_offsets_are_unstable(target: &Target) {
    let (topic, group) = (target.topic("pending", 1, &[]), unique("pending"));
    target.fill(&topic, 0, "v", 10);
    let consumer = sole_member(target, &group, &topic);
    let producer = target.transactional(&unique("pending"));
    producer.begin_transaction().unwrap();
    producer.send_offsets_to_transaction(&offsets(&topic, 5, ""), &consumer.group_metadata().unwrap(), PATIENCE).unwrap();
    assert_eq!(native::group_offset(target, &group, &topic, true), Err(RDKafkaErrorCode::UnstableOffsetCommit));
    assert_eq!(native::group_offset(target, &group, &topic, false).unwrap().0, -1001, "none is committed yet");
    producer.commit_transaction(PATIENCE).unwrap();
    eventually(PATIENCE, "the offset to be stable", || {
        native::group_offset(target, &group, &topic, true).is_ok_and(|(offset, _)| offset == 5).then_some(())
    });
}

pub fn a_new_owner_fences_the_old_one(target: &Target) {
    let (topic, id) = (target.topic("owner", 1, &[]), unique("owner"));
    let old = target.transactional(&id);
    old.begin_transaction().unwrap();
    send(&old, &topic, 0, "old", 5);
    old.flush(PATIENCE).unwrap();
    let new = target.transactional(&id);
    let refused = old.commit_transaction(PATIENCE).unwrap_err();
    assert_eq!(refused.rdkafka_error_code(), Some(RDKafkaErrorCode::Fenced), "{refused}");
    assert_eq!(old.client().fatal_error().map(|(code, _)| code), Some(RDKafkaErrorCode::Fenced));
    new.begin_transaction().unwrap();
    send(&new, &topic, 0, "new", 5);
    new.commit_transaction(PATIENCE).unwrap();
    eventually(PATIENCE, "the new owner's messages", || {
        (initials(&target.read_all(&topic, 1, "read_committed")) == [('n', 5)].into()).then_some(())
    });
}

pub fn transactions_follow_each_other(target: &Target) {
    let topic = target.topic("chain", 3, &[]);
    let producer = target.transactional(&unique("chain"));
    for number in 0..60 {
        producer.begin_transaction().unwrap();
        let prefix = if number % 3 == 0 { "a" } else { "c" };
        send(&producer, &topic, number % 3, &format!("{prefix}{number}-"), 4);
        // An abort does not poll for what is under way.
        producer.flush(PATIENCE).unwrap();
        if prefix == "a" { producer.abort_transaction(PATIENCE) } else { producer.commit_transaction(PATIENCE) }.unwrap();
    }
    let seen = eventually(PATIENCE, "all transactions", || {
        let seen = values(&target.read_all(&topic, 3, "read_committed"));
        (seen.len() >= 160).then_some(seen)
    });
    let sent = |partition: i32| (0..60).filter(move |number| number % 3 == partition).collect::<Vec<i32>>();
    let expected: Vec<String> =
        [1, 2].into_iter().flat_map(sent).flat_map(|number| (0..4).map(move |index| format!("c{number}-{index}"))).collect();
    assert_eq!(seen, expected);
}

pub fn one_that_takes_too_long_is_aborted(target: &Target) {
    let topic = target.topic("late", 1, &[]);
    let producer = target.producer(&[
        ("transactional.id", &unique("late")),
        ("transaction.timeout.ms", "1500"),
        ("delivery.timeout.ms", "1400"),
    ]);
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 0, "late", 3);
    producer.flush(PATIENCE).unwrap();
    target.fill(&topic, 0, "other", 2);
    eventually(PATIENCE, "readers to get past it", || {
        (initials(&target.read_all(&topic, 1, "read_committed")) == [('o', 2)].into()).then_some(())
    });
    assert!(producer.commit_transaction(Duration::from_secs(10)).is_err());
}

pub fn a_transaction_must_be_open_to_end(target: &Target) {
    let mut raw = Raw::connect(target);
    let (topic, id) = (target.topic("closed", 1, &[]), unique("closed"));
    let producer = raw.init_transactional(&id);
    assert_eq!(raw.end_transaction(&id, producer, true), code::INVALID_TXN_STATE);
    assert_eq!(raw.add_partition(&id, producer, &topic), code::NONE);
    assert_eq!(raw.end_transaction(&id, producer, true), code::NONE);
    // The same again is the repeat of a call whose answer got lost; the opposite is an error.
    eventually(PATIENCE, "the end of the transaction", || {
        let error = raw.end_transaction(&id, producer, true);
        assert!([code::NONE, code::CONCURRENT_TRANSACTIONS].contains(&error), "{error}");
        (error == code::NONE).then_some(())
    });
    assert_eq!(raw.end_transaction(&id, producer, false), code::INVALID_TXN_STATE);
    let stranger = (producer.0 + 1_000_000, 0);
    assert_eq!(raw.end_transaction(&id, stranger, true), code::INVALID_PRODUCER_ID_MAPPING);
}

pub fn a_partition_must_be_announced(target: &Target) {
    let mut raw = Raw::connect(target);
    let (topic, id) = (target.topic("announced", 1, &[]), unique("announced"));
    let producer = raw.init_transactional(&id);
    let batch = |sequence| raw::batch(Batch { producer, sequence, transactional: true, ..Batch::default() });
    assert_eq!(raw.produce(&topic, Some(&id), -1, &batch(0)).0, code::INVALID_TXN_STATE);
    assert_eq!(raw.add_partition(&id, producer, &unique("nowhere")), code::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(raw.add_partition(&id, producer, &topic), code::NONE);
    assert_eq!(raw.produce(&topic, Some(&id), -1, &batch(0)).0, code::NONE);
    assert_eq!(raw.end_transaction(&id, producer, true), code::NONE);
    eventually(PATIENCE, "the message", || (target.read_all(&topic, 1, "read_committed").len() == 1).then_some(()));
}
