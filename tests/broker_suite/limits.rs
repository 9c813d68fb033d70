//! Limits, and the error codes behind them.

use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{Deliveries, PATIENCE, now_ms, unique};
use crate::raw::{Raw, code};
use crate::target::Target;

const HOUR_MS: i64 = 3_600_000;

/// What becomes of one message of so many bytes, with a timestamp.
fn send_one(target: &Target, topic: &str, bytes: usize, timestamp_ms: i64) -> Deliveries {
    let producer = target.producer(&[("message.max.bytes", "5000000")]);
    let value = vec![b'x'; bytes];
    let record = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(&value).timestamp(timestamp_ms);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    producer.context().as_ref().clone()
}

pub fn a_message_over_a_mebibyte_is_refused(target: &Target) {
    let topic = target.topic("large", 1, &[]);
    send_one(target, &topic, 1_000_000, now_ms()).all_delivered(1);
    assert_eq!(send_one(target, &topic, 1_100_000, now_ms()).failures(), [RDKafkaErrorCode::MessageSizeTooLarge]);
}

pub fn a_topic_may_allow_less(target: &Target) {
    let topic = target.topic("small", 1, &[("max.message.bytes", "10000")]);
    send_one(target, &topic, 9_000, now_ms()).all_delivered(1);
    assert_eq!(send_one(target, &topic, 11_000, now_ms()).failures(), [RDKafkaErrorCode::MessageSizeTooLarge]);
    let topic = target.topic("larger", 1, &[("max.message.bytes", "3000000")]);
    send_one(target, &topic, 2_500_000, now_ms()).all_delivered(1);
    assert_eq!(target.read_all(&topic, 1, "read_committed").len(), 1);
}

pub fn a_time_too_far_ahead_is_refused(target: &Target) {
    let topic = target.topic("ahead", 1, &[]);
    let failures = send_one(target, &topic, 10, now_ms() + HOUR_MS + 60_000).failures();
    assert_eq!(failures, [RDKafkaErrorCode::InvalidTimestamp]);
    send_one(target, &topic, 10, now_ms() + HOUR_MS - 60_000).all_delivered(1);
    let stamped = target.topic("ahead", 1, &[("message.timestamp.type", "LogAppendTime")]);
    send_one(target, &stamped, 10, now_ms() + 48 * HOUR_MS).all_delivered(1);
}

pub fn offset_metadata_has_a_length(target: &Target) {
    let (topic, group) = (target.topic("metadata", 1, &[]), unique("metadata"));
    let mut raw = Raw::connect(target);
    assert_eq!(raw.commit_offset(&group, &topic, 0, &"m".repeat(4096)), code::NONE);
    assert_eq!(raw.commit_offset(&group, &topic, 0, &"m".repeat(4097)), code::OFFSET_METADATA_TOO_LARGE);
}

pub fn offsets_of_missing_partitions_are_refused(target: &Target) {
    let (topic, group) = (target.topic("missing", 1, &[]), unique("missing"));
    let mut raw = Raw::connect(target);
    assert_eq!(raw.commit_offset(&group, &topic, 1, ""), code::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(raw.commit_offset(&group, &unique("nowhere"), 0, ""), code::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(raw.commit_offset(&group, &topic, 0, ""), code::NONE);
}

pub fn missing_topics_are_not_made(target: &Target) {
    let topic = unique("nowhere");
    let admin = target.admin();
    let metadata = admin.inner().fetch_metadata(Some(&topic), PATIENCE).unwrap();
    let error = metadata.topics()[0].error().map(RDKafkaErrorCode::from);
    assert_eq!(error, Some(RDKafkaErrorCode::UnknownTopicOrPartition));
    let all = admin.inner().fetch_metadata(None, PATIENCE).unwrap();
    assert!(all.topics().iter().all(|one| one.name() != topic));
}

pub fn a_transaction_has_a_longest_time(target: &Target) {
    let mut raw = Raw::connect(target);
    let id = unique("long");
    raw.init_transactional(&id);
    assert_eq!(raw.init_producer(Some(&id), 900_001).0, code::INVALID_TRANSACTION_TIMEOUT);
    assert_eq!(raw.init_producer(Some(&id), 0).0, code::INVALID_TRANSACTION_TIMEOUT);
    assert_eq!(raw.init_producer(Some(&id), 900_000).0, code::NONE);
}
