//! Timestamps: whose they are, and offsets found by them.

use rdkafka::consumer::Consumer;
use rdkafka::message::{Message, Timestamp};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{PATIENCE, now_ms};
use crate::target::Target;

/// A hundred messages, a second apart, the last of them now; sent in batches of the codec. The time of the first.
fn fill_seconds(target: &Target, topic: &str, codec: &str) -> i64 {
    let first_ms = now_ms() - 99_000;
    let producer = target.producer(&[("compression.type", codec), ("linger.ms", "100")]);
    for number in 0..100 {
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload("v").timestamp(first_ms + number * 1000);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer.context().all_delivered(100);
    first_ms
}

fn offset_at(target: &Target, topic: &str, time_ms: i64) -> Offset {
    let consumer = target.reader(topic, 1, Offset::End, &[]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic, 0, Offset::Offset(time_ms)).unwrap();
    consumer.offsets_for_times(asked, PATIENCE).unwrap().elements()[0].offset()
}

pub fn create_time_is_kept(target: &Target) {
    let topic = target.topic("create-time", 1, &[]);
    let first_ms = fill_seconds(target, &topic, "none");
    let messages = target.read_all(&topic, 1, "read_committed");
    let times: Vec<Timestamp> = messages.iter().map(Message::timestamp).collect();
    let sent: Vec<Timestamp> = (0..100).map(|number| Timestamp::CreateTime(first_ms + number * 1000)).collect();
    assert_eq!(times, sent);
}

pub fn append_time_replaces_it(target: &Target) {
    let topic = target.topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let before_ms = now_ms();
    fill_seconds(target, &topic, "lz4");
    let after_ms = now_ms();
    for message in target.read_all(&topic, 1, "read_committed") {
        let Timestamp::LogAppendTime(time_ms) = message.timestamp() else { panic!("{:?}", message.timestamp()) };
        assert!((before_ms..=after_ms).contains(&time_ms), "{before_ms} {time_ms} {after_ms}");
    }
    assert_eq!(offset_at(target, &topic, before_ms), Offset::Offset(0));
    assert_eq!(offset_at(target, &topic, after_ms + 1000), Offset::End);
}

fn a_time_finds_its_offset_in(target: &Target, codec: &str) {
    let topic = target.topic("by-time", 1, &[]);
    let first_ms = fill_seconds(target, &topic, codec);
    assert_eq!(offset_at(target, &topic, first_ms - 10_000), Offset::Offset(0));
    assert_eq!(offset_at(target, &topic, first_ms + 50_000), Offset::Offset(50));
    assert_eq!(offset_at(target, &topic, first_ms + 50_001), Offset::Offset(51));
    assert_eq!(offset_at(target, &topic, first_ms + 99_000), Offset::Offset(99));
    assert_eq!(offset_at(target, &topic, first_ms + 99_001), Offset::End);
}

pub fn a_time_finds_its_offset(target: &Target) {
    a_time_finds_its_offset_in(target, "none");
}

pub fn a_time_is_found_inside_compressed_batches(target: &Target) {
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        a_time_finds_its_offset_in(target, codec);
    }
}
