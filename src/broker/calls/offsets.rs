//! Offsets of a log: first, last, by time; and deleting what lies before one.

use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use super::code;
use crate::broker::Fault;
use crate::broker::state::Shared;
use crate::broker::topics::Topics;

/// Special times of ListOffsets.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const HIGHEST_TIME: i64 = -3;

pub(super) fn list(shared: &Shared, request: ListOffsetsRequest, version: i16) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == 1;
    let state = shared.lock();
    let topics = request.topics.into_iter().map(|topic| {
        let rows = topic.partitions.iter().map(|asked| {
            let row = list_row(&state.topics, &topic.name, asked, committed_only);
            // Not to be said to clients that do not know leader epochs.
            if version < 4 { row.with_leader_epoch(-1) } else { row }
        });
        let partitions = rows.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn list_row(topics: &Topics, topic: &str, asked: &ListOffsetsPartition, committed_only: bool) -> ListOffsetsPartitionResponse {
    let found = find(topics, topic, asked, committed_only);
    let response =
        ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index).with_error_code(code(&found));
    match found {
        Ok(Some((offset, timestamp))) => response.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(0),
        Ok(None) | Err(_) => response.with_offset(-1).with_timestamp(-1).with_leader_epoch(-1),
    }
}

/// (offset, timestamp), or nothing when no record is that late.
fn find(topics: &Topics, topic: &str, asked: &ListOffsetsPartition, committed_only: bool) -> Result<Option<(i64, i64)>, Fault> {
    let log = topics.partition(topic, asked.partition_index)?;
    if asked.current_leader_epoch > 0 {
        return Err(Fault::UnknownLeaderEpoch);
    }
    let end = log.end(committed_only);
    match asked.timestamp {
        LATEST => Ok(Some((end, -1))),
        EARLIEST => Ok(Some((log.start(), -1))),
        HIGHEST_TIME => Ok(log.latest_time()),
        time if time >= 0 => Ok(log.first_at(time, end)),
        _ => Err(Fault::UnsupportedVersion),
    }
}

/// There was only ever epoch 0, and it ends where the log ends.
pub(super) fn leader_epoch(shared: &Shared, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let state = shared.lock();
    let topics = request.topics.into_iter().map(|topic| {
        let row = |asked: &OffsetForLeaderPartition| {
            let log = state.topics.partition(&topic.topic, asked.partition);
            let log = log.and_then(|log| if asked.current_leader_epoch > 0 { Err(Fault::UnknownLeaderEpoch) } else { Ok(log) });
            let row = EpochEndOffset::default().with_partition(asked.partition).with_error_code(code(&log));
            match log {
                Ok(log) if asked.leader_epoch == 0 => row.with_leader_epoch(0).with_end_offset(log.next()),
                _ => row.with_leader_epoch(-1).with_end_offset(-1),
            }
        };
        let partitions = topic.partitions.iter().map(row).collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

pub(super) fn delete_records(shared: &Shared, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut state = shared.lock();
    let topics = request.topics.into_iter().map(|topic| {
        let rows = topic.partitions.iter().map(|asked| {
            let start = state.delete_records(&topic.name, asked.partition_index, asked.offset);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code(&start))
                .with_low_watermark(start.unwrap_or(-1))
        });
        let partitions = rows.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}
