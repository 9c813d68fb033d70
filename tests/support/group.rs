//! How far a group has come, asked again and again by somebody who is not of it, also while brokers are down.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};

/// An answer that is late is none.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks at the offsets of one group on one topic.
pub struct Group {
    consumer: BaseConsumer,
    name: String,
    topic: String,
    partitions: i32,
}

impl Group {
    pub fn new(brokers: &str, name: &str, topic: &str, partitions: i32) -> Group {
        let mut config = ClientConfig::new();
        // Without waiting for open transactions: this is a look, and nobody goes on from it.
        config.set("bootstrap.servers", brokers).set("group.id", name).set("isolation.level", "read_uncommitted");
        config.set("log_level", "0");
        Group { consumer: config.create().expect("a client"), name: name.to_owned(), topic: topic.to_owned(), partitions }
    }

    /// How far each partition is committed, -1 where nothing is; None while Kafka does not answer.
    pub fn committed(&self) -> Option<Vec<i64>> {
        let mut all = TopicPartitionList::new();
        all.add_partition_range(&self.topic, 0, self.partitions - 1);
        let committed = self.consumer.committed_offsets(all, ANSWER).ok()?;
        Some(committed.elements().iter().map(|element| element.offset().to_raw().unwrap_or(-1)).collect())
    }

    /// Where each partition ends; None while Kafka does not answer.
    pub fn ends(&self) -> Option<Vec<i64>> {
        let mut ends = self.unknown_ends();
        self.note_ends(&mut ends);
        ends.into_iter().collect()
    }

    /// One a partition, for [`Group::note_ends`].
    pub fn unknown_ends(&self) -> Vec<Option<i64>> {
        (0..self.partitions).map(|_| None).collect()
    }

    /// Asks for the ends that are not known yet: what one node has answered stands, while another is being started.
    pub fn note_ends(&self, ends: &mut [Option<i64>]) {
        for (partition, end) in (0..).zip(&mut *ends).filter(|(_, end)| end.is_none()) {
            *end = self.consumer.fetch_watermarks(&self.topic, partition, ANSWER).ok().map(|(_, high)| high);
        }
        if ends.contains(&None) {
            // This client reads nothing, so by itself it may go on asking a node that leads no more for as long as its cache lives.
            let _ = self.consumer.fetch_metadata(Some(&self.topic), ANSWER);
        }
    }

    /// How many members the group has; None while Kafka does not answer.
    pub fn members(&self) -> Option<usize> {
        let list = self.consumer.fetch_group_list(Some(&self.name), ANSWER).ok()?;
        Some(list.groups().iter().map(|group| group.members().len()).sum())
    }
}

/// Whether every partition is committed up to `ends`.
pub fn has_reached(committed: &[i64], ends: &[i64]) -> bool {
    committed.len() == ends.len() && committed.iter().zip(ends).all(|(committed, end)| committed >= end)
}
