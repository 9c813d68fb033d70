//! What stands in a topic for a consumer that sees committed records only.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::stage::{PATIENCE, Stage};
use crate::support::wait::eventually;

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    /// The last header of the name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Visits each committed record from the start to the end of now, in order within a partition.
pub(crate) fn visit(stage: &Stage, topic: &str, mut see: impl FnMut(Record)) {
    let mut config = stage.client();
    config.set("group.id", "reads-only").set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let partitions = partitions_of(&consumer, topic);
    let mut assignment = TopicPartitionList::new();
    for partition in &partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut left: BTreeSet<i32> = partitions.into_iter().collect();
    let deadline = Instant::now() + PATIENCE;
    while !left.is_empty() {
        assert!(Instant::now() < deadline, "partitions {left:?} of {topic} do not come to their end");
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(message)) => see(owned(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(left.remove(&partition)),
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => panic!("{topic}: {error}"),
        }
    }
}

/// A node that is being started again; the client asks once more, or another one.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure, OperationTimedOut};
    matches!(error, KafkaError::MessageConsumption(BrokerTransportFailure | AllBrokersDown | OperationTimedOut))
}

pub(crate) fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.client().fetch_metadata(Some(topic), Duration::from_secs(30)).unwrap();
    metadata.topics()[0].partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect()
}

fn owned(message: &rdkafka::message::BorrowedMessage<'_>) -> Record {
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    let headers =
        message.headers().map(|headers| headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect());
    Record {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp_ms: message.timestamp().to_millis(),
        headers: headers.unwrap_or_default(),
    }
}

/// Low and high watermark of each partition of the input topic, in order.
pub(crate) fn watermarks(stage: &Stage) -> Vec<(i64, i64)> {
    let consumer: BaseConsumer = stage.client().create().unwrap();
    (0..stage.partitions()).map(|p| consumer.fetch_watermarks(stage.topic(), p, Duration::from_secs(30)).unwrap()).collect()
}

/// Committed offset and its metadata of each partition of the input topic, in order. A coordinator that has just begun is asked again.
pub(crate) fn committed(stage: &Stage) -> Vec<(Option<i64>, String)> {
    let consumer: BaseConsumer = stage.client().set("group.id", stage.group()).create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range(stage.topic(), 0, stage.partitions() - 1);
    let committed = eventually(PATIENCE, "the group's offsets", || {
        consumer.committed_offsets(partitions.clone(), Duration::from_secs(30)).ok()
    });
    let elements = committed.elements();
    elements.iter().map(|element| (element.offset().to_raw().filter(|raw| *raw >= 0), element.metadata().to_owned())).collect()
}
