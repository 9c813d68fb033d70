//! What an audit asks of Kafka, as a trait: the real one is [`KafkaCluster`](super::KafkaCluster), and tests have one in memory.

use crate::batch::RawRow;
use crate::batch::TopicPartition;
use crate::kafka::{Committed, KafkaError, Stretch};

/// A topic at the moment when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    pub id: String,
    /// `(partition, low, high)`: offsets `[low, high)` are there, transactions under way included.
    pub partitions: Vec<(i32, i64, i64)>,
    /// Kafka removes messages whose key came again.
    pub compacted: bool,
}

impl TopicView {
    /// `(low, high)` of a partition.
    pub fn bounds(&self, partition: i32) -> Option<(i64, i64)> {
        self.partitions.iter().find(|(number, ..)| *number == partition).map(|(_, low, high)| (*low, *high))
    }
}

/// Sees one committed record.
pub type Visit<'v> = dyn FnMut(&TopicPartition, &RawRow<'_>) + 'v;

/// Kafka, as far as an audit looks at it. Nothing is changed by any call.
pub trait Cluster {
    fn cluster_id(&mut self) -> Result<String, KafkaError>;

    /// None: there is no such topic.
    fn topic(&mut self, name: &str) -> Result<Option<TopicView>, KafkaError>;

    /// The committed, stable offsets of the group.
    fn committed(&mut self, group: &str) -> Result<Vec<Committed>, KafkaError>;

    /// Visits the committed records of these stretches, in order within a partition.
    fn read(&mut self, stretches: Vec<Stretch>, visit: &mut Visit<'_>) -> Result<(), KafkaError>;
}
