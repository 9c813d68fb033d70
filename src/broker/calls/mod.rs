//! The calls: one file a family. Each takes a decoded request and gives the response; the lock is theirs to take.

mod admin;
mod cluster;
mod fetch;
mod group_admin;
mod groups;
mod offsets;
mod produce;
mod topics;
mod transactions;

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::Fault;
use super::state::Shared;
use super::wire::frame::{Head, Refusal, Reply, put_header};

/// The only node has this id.
const NODE: i32 = 1;

/// Who calls.
#[derive(Debug)]
pub(super) struct Client {
    /// The address by which it reached the broker, and by which it is told to reach it again.
    pub(super) local: SocketAddr,
    pub(super) host: String,
    pub(super) id: String,
}

/// What the broker answers: call, first version, last version.
///
/// Produce is announced from version 0 as Kafka 4 does: older librdkafka takes its absence for a broker without compression. The
/// decoder begins with 3. Last versions stop before what the broker lacks: transactions of KIP-890 (Produce 12, EndTxn 5,
/// AddPartitionsToTxn 4), produce by topic id (Produce 13), fetch of followers.
const OFFERED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 0, 11),
    (ApiKey::Fetch, 4, 16),
    (ApiKey::ListOffsets, 1, 7),
    (ApiKey::Metadata, 0, 12),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 4),
    (ApiKey::JoinGroup, 0, 7),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 5),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 4),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 3),
    (ApiKey::EndTxn, 0, 3),
    (ApiKey::TxnOffsetCommit, 0, 3),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 1),
];

/// The error code of a result: 0 if there is none.
fn code<T>(result: &Result<T, Fault>) -> i16 {
    result.as_ref().map_or_else(Fault::code, |_| 0)
}

/// Text for a response.
fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Whether a call was announced in this version.
pub(super) fn is_offered(head: Head) -> bool {
    let decodable = head.key != ApiKey::Produce || head.version >= 3;
    decodable && OFFERED.iter().any(|(key, first, last)| *key == head.key && (*first..=*last).contains(&head.version))
}

/// To ApiVersions of a version from the future the answer is the list in version 0, so that the client can choose; anything else
/// closes the connection.
pub(super) fn not_offered(head: Head) -> Result<Reply, Refusal> {
    if head.key != ApiKey::ApiVersions {
        return Err(Refusal::NotOffered { key: head.key as i16, version: head.version });
    }
    let head = Head { version: 0, ..head };
    encode(head, &cluster::api_versions(Fault::UnsupportedVersion.code()))
}

/// Answers a request that passed `is_offered` and `shape::check`. `frame` begins after the header.
pub(super) fn answer(shared: &Shared, client: &Client, head: Head, frame: Bytes) -> Result<Reply, Refusal> {
    let version = head.version;
    match head.key {
        ApiKey::Produce => produce::answer(shared, head, decode(head, frame)?),
        ApiKey::Fetch => Ok(fetch::answer(shared, head, decode(head, frame)?)),
        ApiKey::ListOffsets => encode(head, &offsets::list(shared, decode(head, frame)?, version)),
        ApiKey::OffsetForLeaderEpoch => encode(head, &offsets::leader_epoch(shared, decode(head, frame)?)),
        ApiKey::DeleteRecords => encode(head, &offsets::delete_records(shared, decode(head, frame)?)),
        ApiKey::Metadata => encode(head, &cluster::metadata(shared, client, decode(head, frame)?, version)),
        ApiKey::FindCoordinator => encode(head, &cluster::find_coordinator(client, decode(head, frame)?, version)),
        ApiKey::DescribeCluster => encode(head, &cluster::describe_cluster(shared, client)),
        ApiKey::ApiVersions => encode(head, &cluster::api_versions(0)),
        ApiKey::CreateTopics => encode(head, &topics::create(shared, decode(head, frame)?)),
        ApiKey::DeleteTopics => encode(head, &topics::delete(shared, decode(head, frame)?, version)),
        ApiKey::CreatePartitions => encode(head, &topics::create_partitions(shared, decode(head, frame)?)),
        ApiKey::DescribeConfigs => encode(head, &admin::describe_configs(shared, decode(head, frame)?)),
        ApiKey::JoinGroup => encode(head, &groups::join(shared, client, decode(head, frame)?, version)),
        ApiKey::SyncGroup => encode(head, &groups::sync(shared, decode(head, frame)?)),
        ApiKey::Heartbeat => encode(head, &groups::heartbeat(shared, decode(head, frame)?)),
        ApiKey::LeaveGroup => encode(head, &groups::leave(shared, decode(head, frame)?, version)),
        ApiKey::OffsetCommit => encode(head, &group_admin::commit(shared, decode(head, frame)?)),
        ApiKey::OffsetFetch => encode(head, &group_admin::fetch(shared, decode(head, frame)?, version)),
        ApiKey::OffsetDelete => encode(head, &group_admin::delete_offsets(shared, decode(head, frame)?)),
        ApiKey::ListGroups => encode(head, &group_admin::list(shared, decode(head, frame)?)),
        ApiKey::DescribeGroups => encode(head, &group_admin::describe(shared, decode(head, frame)?)),
        ApiKey::DeleteGroups => encode(head, &group_admin::delete(shared, decode(head, frame)?)),
        ApiKey::InitProducerId => encode(head, &transactions::init_producer(shared, decode(head, frame)?, version)),
        ApiKey::AddPartitionsToTxn => encode(head, &transactions::add_partitions(shared, decode(head, frame)?, version)),
        ApiKey::AddOffsetsToTxn => encode(head, &transactions::add_offsets(shared, decode(head, frame)?, version)),
        ApiKey::TxnOffsetCommit => encode(head, &transactions::commit_offsets(shared, decode(head, frame)?)),
        ApiKey::EndTxn => encode(head, &transactions::end(shared, decode(head, frame)?, version)),
        _ => Err(Refusal::NotOffered { key: head.key as i16, version }),
    }
}

fn decode<T: Decodable>(head: Head, mut frame: Bytes) -> Result<T, Refusal> {
    T::decode(&mut frame, head.version).map_err(|_| Refusal::Malformed { key: head.key, version: head.version })
}

fn encode(head: Head, response: &impl Encodable) -> Result<Reply, Refusal> {
    let mut out = BytesMut::new();
    put_header(&mut out, head);
    response.encode(&mut out, head.version).map_err(|_| Refusal::Unencodable { key: head.key, version: head.version })?;
    Ok(Reply::Whole(out))
}
