//! Record batches (magic 2): what the broker reads of them, what it refuses, what it writes into them, and control batches.
//!
//! ```text
//!  0 base offset   8 length   12 leader epoch   16 magic   17 CRC-32C of all that follows
//! 21 attributes   23 last offset delta   27 base timestamp   35 max timestamp
//! 43 producer id  51 producer epoch      53 base sequence    57 record count   61 records
//! ```
//! Offsets and leader epoch lie outside the checksum, so a batch gets its place without being summed again.

use bytes::{BufMut, Bytes, BytesMut};

use super::super::{Fault, Producer};
use super::lookup;

pub(super) const HEADER_BYTES: usize = 61;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

const COMPRESSION: i16 = 0x07;
const APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// A batch in the log: offsets `[base, next)`.
#[derive(Debug)]
pub(in crate::broker) struct Batch {
    pub(super) base: i64,
    pub(super) next: i64,
    /// The highest timestamp of its records, -1 for none.
    pub(super) max_timestamp: i64,
    /// What retention by time goes by: the highest timestamp, or the time of appending where records have none.
    pub(super) time_ms: i64,
    pub(super) data: Bytes,
}

/// A checked batch that has no place yet.
#[derive(Debug)]
pub(in crate::broker) struct Incoming {
    data: BytesMut,
    pub(super) count: i32,
    max_timestamp: i64,
    /// Of an idempotent producer.
    pub(in crate::broker) producer: Option<Producer>,
    pub(super) sequence: i32,
    pub(in crate::broker) transactional: bool,
}

/// What a topic asks of a batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Rules {
    /// `max.message.bytes`
    pub(in crate::broker) bytes_max: usize,
    /// `message.timestamp.type` is LogAppendTime.
    pub(in crate::broker) append_time: bool,
    /// `message.timestamp.before.max.ms`
    pub(in crate::broker) behind_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub(in crate::broker) ahead_max_ms: i64,
    /// The topic is compacted: records without a key are refused.
    pub(in crate::broker) keyed: bool,
}

/// The numbers of a batch's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    attributes: i16,
    pub(super) base_timestamp: i64,
    last_offset_delta: i32,
    pub(super) max_timestamp: i64,
    producer: Producer,
    sequence: i32,
    pub(super) count: i32,
}

impl Header {
    /// Reads the header of a batch that is complete; none if it is shorter than a header.
    pub(super) fn read(batch: &[u8]) -> Option<Self> {
        Some(Self {
            attributes: i16::from_be_bytes(bytes_at(batch, ATTRIBUTES_AT)?),
            last_offset_delta: i32::from_be_bytes(bytes_at(batch, 23)?),
            base_timestamp: i64::from_be_bytes(bytes_at(batch, 27)?),
            max_timestamp: i64::from_be_bytes(bytes_at(batch, MAX_TIMESTAMP_AT)?),
            producer: Producer { id: i64::from_be_bytes(bytes_at(batch, 43)?), epoch: i16::from_be_bytes(bytes_at(batch, 51)?) },
            sequence: i32::from_be_bytes(bytes_at(batch, 53)?),
            count: i32::from_be_bytes(bytes_at(batch, 57)?),
        })
    }

    pub(super) fn compression(self) -> i16 {
        self.attributes & COMPRESSION
    }

    pub(super) fn stamped_on_append(self) -> bool {
        self.attributes & APPEND_TIME != 0
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Checks what a producer sent for one partition, and copies it: exactly one batch, whole, with a right checksum.
///
/// Done before the broker's lock is taken: the checksum and the copy are the costly part of an append.
pub(in crate::broker) fn check(records: &[u8], rules: &Rules, now_ms: i64) -> Result<Incoming, Fault> {
    let header = Header::read(records).ok_or(Fault::InvalidRecord)?;
    let length = i32::from_be_bytes(bytes_at(records, 8).ok_or(Fault::InvalidRecord)?);
    if records[16] != 2 {
        return Err(Fault::UnsupportedForMessageFormat);
    }
    if usize::try_from(length).ok().and_then(|length| length.checked_add(12)) != Some(records.len()) {
        return Err(Fault::InvalidRecord);
    }
    if u32::from_be_bytes(bytes_at(records, CRC_AT).ok_or(Fault::InvalidRecord)?) != crc32c::crc32c(&records[ATTRIBUTES_AT..]) {
        return Err(Fault::CorruptMessage);
    }
    if records.len() > rules.bytes_max {
        return Err(Fault::MessageTooLarge);
    }
    let idempotent = header.producer.id >= 0;
    if header.attributes & CONTROL != 0
        || header.count < 1
        || header.count.checked_sub(1) != Some(header.last_offset_delta)
        || (idempotent && (header.sequence < 0 || header.producer.epoch < 0))
    {
        return Err(Fault::InvalidRecord);
    }
    if !rules.append_time && header.max_timestamp != -1 {
        let ahead_ms = header.max_timestamp.saturating_sub(now_ms);
        if header.max_timestamp < 0 || ahead_ms > rules.ahead_max_ms || -ahead_ms > rules.behind_max_ms {
            return Err(Fault::InvalidTimestamp);
        }
    }
    if rules.keyed && !lookup::all_keyed(records) {
        return Err(Fault::InvalidRecord);
    }
    let mut incoming = Incoming {
        data: BytesMut::from(records),
        count: header.count,
        max_timestamp: header.max_timestamp,
        producer: idempotent.then_some(header.producer),
        sequence: header.sequence,
        transactional: idempotent && header.attributes & TRANSACTIONAL != 0,
    };
    if rules.append_time {
        incoming.stamp(header.attributes, now_ms);
    }
    Ok(incoming)
}

impl Incoming {
    /// Gives the batch the broker's time. The records keep their deltas: readers go by the header.
    fn stamp(&mut self, attributes: i16, now_ms: i64) {
        self.max_timestamp = now_ms;
        self.data[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&(attributes | APPEND_TIME).to_be_bytes());
        self.data[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&now_ms.to_be_bytes());
        let crc = crc32c::crc32c(&self.data[ATTRIBUTES_AT..]);
        self.data[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    }

    /// Writes the offset and the leader epoch (always 0) into the batch.
    pub(super) fn place(mut self, base: i64, now_ms: i64) -> Batch {
        self.data[0..8].copy_from_slice(&base.to_be_bytes());
        self.data[12..16].copy_from_slice(&0_i32.to_be_bytes());
        Batch {
            base,
            next: base + i64::from(self.count),
            max_timestamp: self.max_timestamp,
            time_ms: if self.max_timestamp >= 0 { self.max_timestamp } else { now_ms },
            data: self.data.freeze(),
        }
    }
}

/// A control batch that ends a producer's transaction.
pub(super) fn marker(base: i64, producer: Producer, commit: bool, now_ms: i64) -> Batch {
    const RECORD: [u8; 16] = [0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0];
    // Attributes, timestamp and offset delta 0; a key of 4 bytes (version, type); a value of 6 (version, coordinator epoch);
    // no headers. Type 1 commits, 0 aborts. Lengths are zigzag varints.
    let mut record = RECORD;
    record[7] = u8::from(commit);
    let mut sealed = BytesMut::with_capacity(64);
    sealed.put_i16(TRANSACTIONAL | CONTROL);
    sealed.put_i32(0);
    sealed.put_i64(now_ms);
    sealed.put_i64(now_ms);
    sealed.put_i64(producer.id);
    sealed.put_i16(producer.epoch);
    sealed.put_i32(-1);
    sealed.put_i32(1);
    sealed.put_u8(32);
    sealed.put_slice(&record);
    let mut data = BytesMut::with_capacity(ATTRIBUTES_AT + sealed.len());
    data.put_i64(base);
    // The length counts from the leader epoch on: epoch, magic, checksum, and what is sealed. 66 bytes in all.
    data.put_i32(9 + 57);
    data.put_i32(0);
    data.put_u8(2);
    data.put_u32(crc32c::crc32c(&sealed));
    data.put_slice(&sealed);
    Batch { base, next: base + 1, max_timestamp: now_ms, time_ms: now_ms, data: data.freeze() }
}
