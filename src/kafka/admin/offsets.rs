//! Offsets of partitions, asked from their leaders, and which partitions a topic has.

use std::collections::BTreeSet;
use std::time::Instant;

use rdkafka::client::ClientContext;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::error::{KafkaError, NativeError, code_name, code_text};
use super::super::native::{PartitionList, millis_left};
use super::request::{Call, NOT_READY, Requester, elements, when_ready};
use crate::batch::TopicPartition;

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    Earliest,
    /// The offset that the next message gets; with read_committed the last stable offset.
    Latest,
    /// The first message with a Kafka time of at least so many ms since the epoch.
    At(i64),
}

/// Whose offsets: with or without those of transactions under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

impl OffsetSpec {
    fn native(self) -> i64 {
        match self {
            OffsetSpec::Earliest => -2,
            OffsetSpec::Latest => -1,
            OffsetSpec::At(ms) => ms.max(0),
        }
    }
}

impl<C: ClientContext> Requester<'_, C> {
    /// One offset a partition, in the order asked; None where no message is that young.
    pub(in super::super) fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        deadline: Instant,
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaError> {
        when_ready(deadline, || {
            let answer = self.offsets_once(partitions, spec, isolation, deadline);
            if let Err(KafkaError::NotReady { .. }) = answer {
                self.ask_for_leaders(partitions, deadline);
            }
            answer
        })
    }

    /// This librdkafka asks leaders as it has them in its cache, and goes on with a leader that moved or was started again until the
    /// cache is 15 minutes old. Asking for a topic's metadata replaces what the cache has.
    fn ask_for_leaders(&self, partitions: &[TopicPartition], deadline: Instant) {
        let topics: BTreeSet<&str> = partitions.iter().map(|partition| &*partition.topic).collect();
        for topic in topics {
            // No answer: then the next question has none either, and says so.
            let _ = self.metadata(Some(topic), deadline);
        }
    }

    fn offsets_once(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        deadline: Instant,
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let subject = partitions[0].topic.to_string();
        let call = Call { name: "ListOffsets", operation: Operation::RD_KAFKA_ADMIN_OP_LISTOFFSETS, subject: &subject, deadline };
        let starts: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec.native())).collect();
        let list = PartitionList::of_starts(&starts)?;
        let level = match isolation {
            Isolation::ReadUncommitted => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
            Isolation::ReadCommitted => sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        };
        let answer = self.ask(call, |client, options, queue| {
            // SAFETY: client, list, options and queue are alive; the list is copied.
            unsafe {
                if let Some(error) = NativeError::take(sys::rd_kafka_AdminOptions_set_isolation_level(options.as_ptr(), level)) {
                    return Err(call.refused_by(&error));
                }
                sys::rd_kafka_ListOffsets(client, list.as_ptr(), options.as_ptr(), queue);
            }
            Ok(())
        })?;
        let mut found = Vec::with_capacity(partitions.len());
        let mut count = 0;
        // SAFETY: the answer is of ListOffsets and alive; it owns its results and their partitions.
        unsafe {
            let result = sys::rd_kafka_event_ListOffsets_result(answer.as_ptr());
            for &info in elements(sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count), count) {
                let entry = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info);
                found.push((super::super::error::text_of(entry.topic), entry.partition, entry.offset, entry.err));
            }
        }
        let offset_of = |wanted: &TopicPartition| {
            let entry = found.iter().find(|(topic, partition, ..)| *topic == *wanted.topic && *partition == wanted.partition);
            match entry {
                Some((.., offset, Code::RD_KAFKA_RESP_ERR_NO_ERROR)) => Ok((wanted.clone(), (*offset >= 0).then_some(*offset))),
                Some((.., Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)) | None => {
                    Err(KafkaError::PartitionMissing(wanted.clone()))
                }
                Some((.., code)) if NOT_READY.contains(code) => Err(call.not_ready(*code)),
                Some((.., code)) => Err(call.refused(&code_name(*code), &code_text(*code))),
            }
        };
        partitions.iter().map(offset_of).collect()
    }

    /// The partitions of a topic, in order.
    pub(in super::super) fn partitions_of(&self, topic: &str, deadline: Instant) -> Result<Vec<TopicPartition>, KafkaError> {
        let metadata = self.metadata(Some(topic), deadline)?;
        let missing = || KafkaError::TopicMissing { topic: topic.to_owned() };
        let found = metadata.topics().iter().find(|found| found.name() == topic).ok_or_else(missing)?;
        if found.error().is_some() || found.partitions().is_empty() {
            return Err(missing());
        }
        let name: std::sync::Arc<str> = topic.into();
        let mut partitions: Vec<_> =
            found.partitions().iter().map(|partition| TopicPartition::new(name.clone(), partition.id())).collect();
        partitions.sort();
        Ok(partitions)
    }

    pub(super) fn metadata(&self, topic: Option<&str>, deadline: Instant) -> Result<rdkafka::metadata::Metadata, KafkaError> {
        let asked = Instant::now();
        let wait = std::time::Duration::from_millis(u64::try_from(millis_left(deadline)).unwrap_or(0));
        self.client().fetch_metadata(topic, wait).map_err(|error| {
            tracing::debug!(%error, "metadata");
            self.no_answer("Metadata", asked.elapsed())
        })
    }
}
