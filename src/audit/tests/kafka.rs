//! Kafka in memory, as far as an audit asks: plain data, changed at will.

use std::collections::BTreeMap;

use super::world::EPOCHS;
use crate::audit::{Cluster, TopicView, Visit};
use crate::batch::{Headers, RawRow, TopicPartition};
use crate::kafka::{Committed, KafkaError, Stretch};

/// A message of the input topic.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Message {
    pub(in crate::audit) offset: i64,
    pub(in crate::audit) kafka_time_ms: i64,
    pub(in crate::audit) value: Vec<u8>,
}

/// A record of the epochs topic.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Record {
    pub(in crate::audit) time_ms: i64,
    pub(in crate::audit) key: Vec<u8>,
    pub(in crate::audit) value: Vec<u8>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::audit) struct Kafka {
    pub(in crate::audit) cluster_id: String,
    pub(in crate::audit) topics: BTreeMap<String, TopicView>,
    /// Of partition 0 of the epochs topic, the first one at `expired`.
    pub(in crate::audit) records: Vec<Record>,
    pub(in crate::audit) expired: i64,
    pub(in crate::audit) messages: BTreeMap<TopicPartition, Vec<Message>>,
    pub(in crate::audit) committed: BTreeMap<TopicPartition, (i64, String)>,
}

impl Cluster for Kafka {
    fn cluster_id(&mut self) -> Result<String, KafkaError> {
        Ok(self.cluster_id.clone())
    }

    fn topic(&mut self, name: &str) -> Result<Option<TopicView>, KafkaError> {
        let mut view = self.topics.get(name).cloned();
        if let Some(view) = view.as_mut().filter(|_| name == EPOCHS) {
            view.partitions = vec![(0, self.expired, self.expired + i64::try_from(self.records.len()).unwrap())];
        }
        Ok(view)
    }

    fn committed(&mut self, _group: &str) -> Result<Vec<Committed>, KafkaError> {
        let entry = |(source, (offset, note)): (&TopicPartition, &(i64, String))| Committed {
            source: source.clone(),
            offset: Some(*offset),
            first: None,
            metadata: Some(note.clone()),
        };
        Ok(self.committed.iter().map(entry).collect())
    }

    fn read(&mut self, stretches: Vec<Stretch>, visit: &mut Visit<'_>) -> Result<(), KafkaError> {
        let row = |offset, kafka_time_ms, key, value| RawRow { offset, kafka_time_ms, key, value, headers: Headers::NONE };
        for Stretch { source, next, end } in stretches {
            if *source.topic == *EPOCHS {
                for (offset, record) in (self.expired..).zip(&self.records).filter(|(offset, _)| (next..end).contains(offset)) {
                    visit(&source, &row(offset, record.time_ms, Some(&record.key), Some(&record.value)));
                }
                continue;
            }
            let messages = self.messages.get(&source).into_iter().flatten();
            for message in messages.filter(|message| (next..end).contains(&message.offset)) {
                visit(&source, &row(message.offset, message.kafka_time_ms, None, Some(&message.value)));
            }
        }
        Ok(())
    }
}
