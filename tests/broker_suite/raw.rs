//! A client of a few lines, for what librdkafka would never send: requests by hand, in old versions without varints.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::client::{PATIENCE, now_ms};
use crate::target::Target;

/// API keys.
const PRODUCE: i16 = 0;
const OFFSET_COMMIT: i16 = 8;
const FIND_COORDINATOR: i16 = 10;
const INIT_PRODUCER_ID: i16 = 22;
const ADD_PARTITIONS: i16 = 24;
const END_TXN: i16 = 26;

/// Error codes of the protocol.
pub mod code {
    pub const NONE: i16 = 0;
    pub const CORRUPT_MESSAGE: i16 = 2;
    pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    pub const OFFSET_METADATA_TOO_LARGE: i16 = 12;
    pub const INVALID_REQUIRED_ACKS: i16 = 21;
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
    pub const INVALID_PRODUCER_EPOCH: i16 = 47;
    pub const INVALID_TXN_STATE: i16 = 48;
    pub const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
    pub const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
    pub const CONCURRENT_TRANSACTIONS: i16 = 51;
    pub const INVALID_RECORD: i16 = 87;
}

pub struct Raw(TcpStream);

/// A producer id and its epoch.
pub type Producer = (i64, i16);

/// What a batch says of its producer; the rest of it is one record.
#[derive(Clone, Copy)]
pub struct Batch {
    pub producer: Producer,
    pub sequence: i32,
    pub transactional: bool,
    pub timestamp: i64,
    pub with_key: bool,
}

impl Default for Batch {
    fn default() -> Self {
        Self { producer: (-1, -1), sequence: -1, transactional: false, timestamp: now_ms(), with_key: true }
    }
}

impl Raw {
    pub fn connect(target: &Target) -> Self {
        let stream = TcpStream::connect(&target.bootstrap).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Sends a request and gives the body of its response; none if the broker closed the connection.
    pub fn call(&mut self, key: i16, version: i16, body: &[u8]) -> Option<Bytes> {
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(body.len() + 10).unwrap());
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_i32(7);
        frame.put_i16(-1); // no client id
        frame.put_slice(body);
        self.write(&frame);
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut response = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut response).ok()?;
        let mut response = Bytes::from(response);
        assert_eq!(response.get_i32(), 7, "the correlation id");
        Some(response)
    }

    /// Any bytes. The broker may have closed the connection already.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Whether the broker closes the connection within a time.
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).unwrap();
        match self.0.read(&mut [0; 1024]) {
            Ok(read) => read == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }

    /// Produces one batch with so many acks: (error, base offset).
    pub fn produce(&mut self, topic: &str, transaction: Option<&str>, acks: i16, batch: &[u8]) -> (i16, i64) {
        let mut body = BytesMut::new();
        put_text(&mut body, transaction);
        body.put_i16(acks);
        body.put_i32(10_000);
        body.put_i32(1);
        put_text(&mut body, Some(topic));
        body.put_i32(1);
        body.put_i32(0);
        body.put_i32(i32::try_from(batch.len()).unwrap());
        body.put_slice(batch);
        let mut response = self.call(PRODUCE, 3, &body).expect("an answer to Produce");
        response.advance(4 + 2 + topic.len() + 4 + 4);
        (response.get_i16(), response.get_i64())
    }

    /// InitProducerId: (error, producer).
    pub fn init_producer(&mut self, transaction: Option<&str>, timeout_ms: i32) -> (i16, Producer) {
        let mut body = BytesMut::new();
        put_text(&mut body, transaction);
        body.put_i32(timeout_ms);
        let mut response = self.call(INIT_PRODUCER_ID, 0, &body).expect("an answer to InitProducerId");
        response.advance(4);
        (response.get_i16(), (response.get_i64(), response.get_i16()))
    }

    /// The same, tried again while the coordinator is not ready for it.
    pub fn init_transactional(&mut self, transaction: &str) -> Producer {
        crate::support::wait::eventually(PATIENCE, "a transactional id", || {
            self.find_coordinator(transaction, 1);
            let (error, producer) = self.init_producer(Some(transaction), 60_000);
            // 14, 15, 16, 51: loading, not available, not the coordinator, concurrent transactions.
            assert!(matches!(error, 0 | 14..=16 | 51), "InitProducerId gave {error}");
            (error == code::NONE).then_some(producer)
        })
    }

    /// Asks for the coordinator of a group (0) or of a transaction (1). Apache Kafka makes its own topics when first asked.
    pub fn find_coordinator(&mut self, name: &str, kind: u8) {
        let mut body = BytesMut::new();
        put_text(&mut body, Some(name));
        body.put_u8(kind);
        self.call(FIND_COORDINATOR, 1, &body).expect("an answer to FindCoordinator");
    }

    /// AddPartitionsToTxn of partition 0 of a topic.
    pub fn add_partition(&mut self, transaction: &str, producer: Producer, topic: &str) -> i16 {
        let mut body = BytesMut::new();
        put_text(&mut body, Some(transaction));
        body.put_i64(producer.0);
        body.put_i16(producer.1);
        body.put_i32(1);
        put_text(&mut body, Some(topic));
        body.put_i32(1);
        body.put_i32(0);
        let mut response = self.call(ADD_PARTITIONS, 2, &body).expect("an answer to AddPartitionsToTxn");
        response.advance(4 + 4 + 2 + topic.len() + 4 + 4);
        response.get_i16()
    }

    pub fn end_transaction(&mut self, transaction: &str, producer: Producer, commit: bool) -> i16 {
        let mut body = BytesMut::new();
        put_text(&mut body, Some(transaction));
        body.put_i64(producer.0);
        body.put_i16(producer.1);
        body.put_u8(u8::from(commit));
        let mut response = self.call(END_TXN, 2, &body).expect("an answer to EndTxn");
        response.advance(4);
        response.get_i16()
    }

    /// Commits an offset as a client without membership does: the partition's error, once the coordinator is there.
    pub fn commit_offset(&mut self, group: &str, topic: &str, partition: i32, metadata: &str) -> i16 {
        crate::support::wait::eventually(PATIENCE, "the coordinator of a group", || {
            self.find_coordinator(group, 0);
            let error = self.try_commit_offset(group, topic, partition, metadata);
            (!matches!(error, 14..=16)).then_some(error)
        })
    }

    fn try_commit_offset(&mut self, group: &str, topic: &str, partition: i32, metadata: &str) -> i16 {
        let mut body = BytesMut::new();
        put_text(&mut body, Some(group));
        body.put_i32(-1);
        put_text(&mut body, Some(""));
        body.put_i64(-1);
        body.put_i32(1);
        put_text(&mut body, Some(topic));
        body.put_i32(1);
        body.put_i32(partition);
        body.put_i64(1);
        put_text(&mut body, Some(metadata));
        let mut response = self.call(OFFSET_COMMIT, 2, &body).expect("an answer to OffsetCommit");
        response.advance(4 + 2 + topic.len() + 4 + 4);
        response.get_i16()
    }
}

fn put_text(out: &mut BytesMut, text: Option<&str>) {
    match text {
        None => out.put_i16(-1),
        Some(text) => {
            out.put_i16(i16::try_from(text.len()).unwrap());
            out.put_slice(text.as_bytes());
        }
    }
}

/// A batch of one record, value `value`.
pub fn batch(what: Batch) -> Vec<u8> {
    // Lengths are zigzag varints: the double of a small number.
    let mut record = vec![0, 0, 0];
    if what.with_key {
        record.extend_from_slice(&[6, b'k', b'e', b'y']);
    } else {
        record.push(1);
    }
    record.extend_from_slice(&[10, b'v', b'a', b'l', b'u', b'e', 0]);
    let mut sealed = BytesMut::new();
    sealed.put_i16(if what.transactional { 0x10 } else { 0 });
    sealed.put_i32(0);
    sealed.put_i64(what.timestamp);
    sealed.put_i64(what.timestamp);
    sealed.put_i64(what.producer.0);
    sealed.put_i16(what.producer.1);
    sealed.put_i32(what.sequence);
    sealed.put_i32(1);
    sealed.put_u8(u8::try_from(record.len() * 2).unwrap());
    sealed.put_slice(&record);
    let mut batch = BytesMut::new();
    batch.put_i64(0);
    batch.put_i32(i32::try_from(sealed.len() + 9).unwrap());
    batch.put_i32(-1);
    batch.put_u8(2);
    batch.put_u32(crc32c::crc32c(&sealed));
    batch.put_slice(&sealed);
    batch.to_vec()
}
