//! Offsets of partitions, asked from their leaders, and which partitions a topic has.

use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::error::{KafkaError, NativeError, code_name, code_text};
use super::super::native::{PartitionList, millis_left};
use super::request::{Call, Requester, elements};
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

/// How long a leader that changes is left alone.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// What a leader said of one partition.
struct Found {
    topic: String,
    partition: i32,
    offset: i64,
    code: Code,
}

fn call_of(partitions: &[TopicPartition], deadline: Instant) -> Call<'_> {
    let subject = partitions.first().map_or("", |partition| &partition.topic);
    Call { name: "ListOffsets", operation: Operation::RD_KAFKA_ADMIN_OP_LISTOFFSETS, subject, deadline }
}

fn leader_changes(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
            | Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
    )
}

fn offset_of(call: Call<'_>, found: &[Found], wanted: &TopicPartition) -> Result<(TopicPartition, Option<i64>), KafkaError> {
    match found.iter().find(|entry| *entry.topic == *wanted.topic && entry.partition == wanted.partition) {
        Some(Found { offset, code: Code::RD_KAFKA_RESP_ERR_NO_ERROR, .. }) => {
            Ok((wanted.clone(), (*offset >= 0).then_some(*offset)))
        }
        Some(Found { code: Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, .. }) | None => {
            Err(KafkaError::PartitionMissing(wanted.clone()))
        }
        Some(Found { code, .. }) => Err(call.refused(&code_name(*code), &code_text(*code))),
    }
}

impl<C: ClientContext> Requester<'_, C> {
    /// One offset a partition, in the order asked; None where no message is that young. Asks again while a leader changes: a topic that
    /// was just made has leaders that do not all know it yet.
    pub(in super::super) fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        deadline: Instant,
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, KafkaError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        loop {
            let found = self.offsets_now(partitions, spec, isolation, deadline)?;
            let moves = found.iter().any(|entry| leader_changes(entry.code));
            if moves && Instant::now() + LEADER_PAUSE < deadline {
                std::thread::sleep(LEADER_PAUSE);
                continue;
            }
            let call = call_of(partitions, deadline);
            return partitions.iter().map(|wanted| offset_of(call, &found, wanted)).collect();
        }
    }

    /// The leaders' answers, an entry a partition.
    fn offsets_now(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        isolation: Isolation,
        deadline: Instant,
    ) -> Result<Vec<Found>, KafkaError> {
        let call = call_of(partitions, deadline);
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
                let topic = super::super::error::text_of(entry.topic);
                found.push(Found { topic, partition: entry.partition, offset: entry.offset, code: entry.err });
            }
        }
        Ok(found)
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
