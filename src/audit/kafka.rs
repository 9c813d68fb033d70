//! Kafka itself, as an audit asks it.

use std::time::{Duration, Instant};

use super::contract::{Cluster, TopicView, Visit};
use crate::kafka::{Admin, ClientSettings, Committed, KafkaError, Patience, Stretch, read_stretches};

/// A topic of this policy keeps the last message of each key.
const COMPACT: &str = "compact";

/// A [`Cluster`] behind clients of Kafka. It joins no group and changes nothing.
pub struct KafkaCluster {
    admin: Admin,
    settings: ClientSettings,
    /// Readers need the name of a group, and rights to it.
    group: String,
    patience: Duration,
}

impl KafkaCluster {
    /// `patience`: of each answer, and of each step of reading.
    pub fn connect(settings: ClientSettings, group: &str, patience: Duration) -> Result<Self, KafkaError> {
        Ok(Self { admin: Admin::new(&settings)?, settings, group: group.to_owned(), patience })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }
}

impl Cluster for KafkaCluster {
    fn cluster_id(&mut self) -> Result<String, KafkaError> {
        self.admin.cluster_id(self.deadline())
    }

    fn topic(&mut self, name: &str) -> Result<Option<TopicView>, KafkaError> {
        let deadline = self.deadline();
        if self.admin.list_topics(deadline)?.iter().all(|topic| topic.name != name) {
            return Ok(None);
        }
        let Some(described) = self.admin.describe_topics(&[name], deadline)?.pop() else { return Ok(None) };
        let policy = self.admin.topic_config(name, "cleanup.policy", deadline)?;
        let bounds = described.partitions.iter().filter_map(|entry| Some((entry.partition, entry.low?, entry.high?)));
        let partitions: Vec<_> = bounds.collect();
        if partitions.len() < described.partitions.len() {
            let subject = name.to_owned();
            return Err(KafkaError::NotReady { call: "ListOffsets", subject, name: "LEADER_NOT_AVAILABLE".to_owned() });
        }
        Ok(Some(TopicView { id: described.id, partitions, compacted: policy.is_some_and(|policy| policy.contains(COMPACT)) }))
    }

    fn committed(&mut self, group: &str) -> Result<Vec<Committed>, KafkaError> {
        self.admin.committed(group, None, self.deadline())
    }

    fn read(&mut self, stretches: Vec<Stretch>, visit: &mut Visit<'_>) -> Result<(), KafkaError> {
        let reading = (stretches, Patience::SinceProgress(self.patience));
        read_stretches(&self.settings, &self.group, reading, "reading for the audit", visit)
    }
}
