//! What a log lets go: by age, by size, on demand.

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use std::time::Duration;

use crate::client::{PATIENCE, admin_options, block_on, now_ms, take};
use crate::support::wait::eventually;
use crate::target::Target;

/// Watermarks of partition 0.
fn watermarks(target: &Target, topic: &str) -> (i64, i64) {
    target.admin().inner().fetch_watermarks(topic, 0, PATIENCE).unwrap()
}

pub fn old_records_go(target: &Target) {
    let topic = target.topic("age", 1, &[("retention.ms", "3600000")]);
    let producer = target.producer(&[]);
    let old_ms = now_ms() - 2 * 3_600_000;
    for _ in 0..10 {
        let record = BaseRecord::<(), str>::to(&topic).partition(0).payload("old").timestamp(old_ms);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    eventually(PATIENCE, "old records to go", || (watermarks(target, &topic) == (10, 10)).then_some(()));
    target.fill(&topic, 0, "new", 3);
    let messages = target.read_all(&topic, 1, "read_committed");
    assert_eq!(messages.iter().map(Message::offset).collect::<Vec<_>>(), [10, 11, 12]);
}

pub fn large_partitions_shrink(target: &Target) {
    const BYTES: i64 = 500_000;
    const COUNT: i64 = 12;
    // Kafka lets whole segments go, and a segment has at least a mebibyte.
    let topic = target.topic("size", 1, &[("retention.bytes", "1500000"), ("segment.bytes", "1048576")]);
    let producer = target.producer(&[("linger.ms", "0"), ("compression.type", "none")]);
    let value = vec![b'x'; usize::try_from(BYTES).unwrap()];
    for _ in 0..COUNT {
        let record = BaseRecord::<(), [u8]>::to(&topic).partition(0).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }
    let (low, high) = eventually(PATIENCE, "a partition to shrink", || {
        let (low, high) = watermarks(target, &topic);
        // At most the limit and a segment are left.
        ((high - low) * BYTES <= 1_500_000 + 1_048_576).then_some((low, high))
    });
    assert_eq!(high, COUNT);
    assert!((high - low) * BYTES >= 1_000_000, "the newest stay: {low} to {high}");
    // It may have shrunk further meanwhile.
    assert!(target.read_all(&topic, 1, "read_committed")[0].offset() >= low);
}

pub fn records_are_deleted_on_demand(target: &Target) {
    let topic = target.topic("delete-records", 1, &[]);
    target.fill(&topic, 0, "v", 20);
    let delete_before = |offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, offset).unwrap();
        let deleted = block_on(target.admin().delete_records(&list, &admin_options())).unwrap();
        deleted.elements()[0].error().map_err(|error| error.rdkafka_error_code().unwrap())
    };
    assert_eq!(delete_before(Offset::Offset(5)), Ok(()));
    assert_eq!(watermarks(target, &topic), (5, 20));
    assert_eq!(delete_before(Offset::Offset(21)), Err(RDKafkaErrorCode::OffsetOutOfRange));

    // A reader of what is gone is told so, or begins where it is told to.
    let reader = target.reader(&topic, 1, Offset::Offset(0), &[("auto.offset.reset", "error")]);
    let told = eventually(PATIENCE, "an error", || match reader.poll(Duration::from_millis(50)) {
        Some(Err(error)) => Some(error),
        Some(Ok(message)) => panic!("read offset {}", message.offset()),
        None => None,
    });
    // `_AUTO_OFFSET_RESET`, with the broker's OFFSET_OUT_OF_RANGE in its text.
    assert!(matches!(told, KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)), "{told:?}");
    let reader = target.reader(&topic, 1, Offset::Offset(0), &[("auto.offset.reset", "earliest")]);
    assert_eq!(take(&reader, 15)[0].offset(), 5);

    assert_eq!(delete_before(Offset::End), Ok(()));
    assert_eq!(watermarks(target, &topic), (20, 20));
    let _ = reader.unassign();
}
