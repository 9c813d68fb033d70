//! Topics, groups' offsets, cluster and topic ids. Every call blocks up to its deadline: it is used at start, and by the command line.

mod configs;
mod groups;
mod offsets;
mod request;
mod topics;

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::client::{QuietContext, on_client_cores};
use super::contract::{CommitOffset, Committed};
use super::error::KafkaError;
use super::native::millis_left;
use super::settings::{ClientSettings, Role};
use crate::batch::TopicPartition;

pub use self::groups::GroupState;
pub use self::offsets::{Isolation, OffsetSpec};
pub(super) use self::request::Requester;
pub use self::topics::{NewTopic, PartitionDescription, TopicDescription, TopicSummary};

/// A client for questions and for changes outside of the data's way.
pub struct Admin {
    consumer: BaseConsumer<QuietContext>,
    brokers: String,
}

impl Admin {
    /// Makes the client. It connects when it is asked something.
    pub fn new(settings: &ClientSettings) -> Result<Admin, KafkaError> {
        let config = settings.config(Role::Admin, &[])?;
        let client = format!("{}-admin", settings.client_id);
        let consumer = on_client_cores(settings, || {
            let made = config.create_with_context(QuietContext { client: client.clone() });
            made.map_err(|error| KafkaError::Create { client: client.clone(), reason: error.to_string() })
        })?;
        Ok(Admin { consumer, brokers: settings.brokers_text() })
    }

    fn requester(&self) -> Requester<'_, QuietContext> {
        // What the client had to say since the last call goes to the log.
        while self.consumer.poll(std::time::Duration::ZERO).is_some() {}
        Requester::new(self.consumer.client(), self.brokers.clone())
    }

    /// Kafka's own id of the cluster.
    pub fn cluster_id(&self, deadline: Instant) -> Result<String, KafkaError> {
        let asked = Instant::now();
        let requester = self.requester();
        let wait = std::time::Duration::from_millis(u64::try_from(millis_left(deadline)).unwrap_or(0));
        let id = requester.client().fetch_cluster_id(wait);
        id.ok_or_else(|| requester.no_answer("cluster id", asked.elapsed()))
    }

    /// Creates one topic; one that exists is an error.
    pub fn create_topic(&self, topic: &NewTopic, deadline: Instant) -> Result<(), KafkaError> {
        let outcomes = self.requester().create_topics(std::slice::from_ref(topic), deadline)?;
        outcomes.into_iter().try_for_each(|(_, outcome)| outcome)
    }

    /// Creates those that are not there yet, and names them.
    pub fn create_missing(&self, topics: &[NewTopic], deadline: Instant) -> Result<Vec<String>, KafkaError> {
        let mut made = Vec::new();
        for (name, outcome) in self.requester().create_topics(topics, deadline)? {
            match outcome {
                Ok(()) => made.push(name),
                Err(KafkaError::TopicExists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    pub fn delete_topics(&self, topics: &[&str], deadline: Instant) -> Result<(), KafkaError> {
        self.requester().delete_topics(topics, deadline)
    }

    /// All topics but Kafka's own, by name.
    pub fn list_topics(&self, deadline: Instant) -> Result<Vec<TopicSummary>, KafkaError> {
        self.requester().list_topics(deadline)
    }

    /// Ids, leaders and offsets of topics, in the order asked. The id changes when a topic is deleted and made again.
    pub fn describe_topics(&self, topics: &[&str], deadline: Instant) -> Result<Vec<TopicDescription>, KafkaError> {
        self.requester().describe_topics(topics, deadline)
    }

    /// The ids of those of these topics that exist.
    pub fn topic_ids(&self, topics: &[&str], deadline: Instant) -> Result<BTreeMap<String, String>, KafkaError> {
        self.requester().topic_ids(topics, deadline)
    }

    /// One setting of a topic (`max.message.bytes`) as it is in force; None where the broker knows no such setting.
    pub fn topic_config(&self, topic: &str, setting: &str, deadline: Instant) -> Result<Option<String>, KafkaError> {
        self.requester().topic_config(topic, setting, deadline)
    }

    /// The partitions of a topic, in order.
    pub fn partitions_of(&self, topic: &str, deadline: Instant) -> Result<Vec<TopicPartition>, KafkaError> {
        self.requester().partitions_of(topic, deadline)
    }

    /// Waits until every partition of these topics has a leader.
    pub fn wait_for_leaders(&self, topics: &[&str], deadline: Instant) -> Result<(), KafkaError> {
        self.requester().wait_for_leaders(topics, deadline)
    }

    /// One offset a partition, in the order asked; None where no message is that young.
    pub fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        deadline: Instant,
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaError> {
        self.requester().offsets(partitions, spec, isolation, deadline)
    }

    /// The group's committed, stable offsets: of these partitions, or of all that it has.
    pub fn committed(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        deadline: Instant,
    ) -> Result<Vec<Committed>, KafkaError> {
        self.requester().committed(group, partitions, deadline)
    }

    /// Commits offsets for a group that has no members; [`KafkaError::GroupHasMembers`] where it has.
    pub fn alter_group_offsets(&self, group: &str, offsets: &[CommitOffset], deadline: Instant) -> Result<(), KafkaError> {
        self.requester().alter_group_offsets(group, offsets, deadline)
    }

    /// Whether the group has members, and what it is doing.
    pub fn group_state(&self, group: &str, deadline: Instant) -> Result<GroupState, KafkaError> {
        self.requester().group_state(group, deadline)
    }
}
