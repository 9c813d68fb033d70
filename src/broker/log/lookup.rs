//! Looks inside batches: the first record at or after a time, and whether all records have keys.

use std::io::Read as _;

use bytes::{Buf as _, Bytes};
use kafka_protocol::compression::{Decompressor, Gzip, Lz4, Snappy, Zstd};

use super::batch::{HEADER_BYTES, Header};
use super::{Batch, Partition};

/// A record as far as the broker reads it.
struct Record {
    offset_delta: i64,
    timestamp_delta: i64,
    has_key: bool,
}

impl Partition {
    /// The first record with a timestamp at or after `time_ms` that lies before `end`: (offset, timestamp).
    pub(in crate::broker) fn first_at(&self, time_ms: i64, end: i64) -> Option<(i64, i64)> {
        self.batches
            .iter()
            .filter(|batch| batch.max_timestamp >= time_ms)
            .find_map(|batch| batch.first_at(time_ms, self.start))
            .filter(|(offset, _)| *offset < end)
    }

    /// The record with the highest timestamp, the first of them: (offset, timestamp).
    pub(in crate::broker) fn latest_time(&self) -> Option<(i64, i64)> {
        let highest = self.batches.iter().map(|batch| batch.max_timestamp).max()?;
        self.first_at(highest, self.next)
    }
}

impl Batch {
    fn first_at(&self, time_ms: i64, start: i64) -> Option<(i64, i64)> {
        let header = Header::read(&self.data)?;
        if header.stamped_on_append() {
            return Some((self.base.max(start), header.max_timestamp));
        }
        let records = open(&self.data)?;
        let mut rest = records.as_ref();
        for _ in 0..header.count {
            let record = next(&mut rest)?;
            let found = (self.base + record.offset_delta, header.base_timestamp.saturating_add(record.timestamp_delta));
            if found.1 >= time_ms && found.0 >= start {
                return Some(found);
            }
        }
        None
    }
}

/// Whether every record of a batch has a key; a batch that cannot be read counts as one that has not.
pub(super) fn all_keyed(batch: &[u8]) -> bool {
    let Some(count) = Header::read(batch).map(|header| header.count) else { return false };
    let Some(records) = open(batch) else { return false };
    let mut rest = records.as_ref();
    (0..count).all(|_| next(&mut rest).is_some_and(|record| record.has_key))
}

/// The records of a batch, decompressed.
fn open(batch: &[u8]) -> Option<Bytes> {
    let header = Header::read(batch)?;
    let mut packed = Bytes::copy_from_slice(batch.get(HEADER_BYTES..)?);
    match header.compression() {
        0 => Some(packed),
        1 => Gzip::decompress(&mut packed, |unpacked| Ok(unpacked.copy_to_bytes(unpacked.remaining()))).ok(),
        2 => Snappy::decompress(&mut packed, |unpacked| Ok(unpacked.copy_to_bytes(unpacked.remaining()))).ok(),
        3 => Lz4::decompress(&mut packed, |unpacked| Ok(unpacked.copy_to_bytes(unpacked.remaining()))).ok(),
        4 => Zstd::decompress(&mut packed, |unpacked| Ok(unpacked.copy_to_bytes(unpacked.remaining()))).ok(),
        _ => None,
    }
}

/// Reads one record and moves past it; none if the bytes are no record.
fn next(rest: &mut &[u8]) -> Option<Record> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (mut record, after) = rest.split_at_checked(length)?;
    *rest = after;
    let mut attributes = [0];
    record.read_exact(&mut attributes).ok()?;
    let timestamp_delta = varint(&mut record)?;
    let offset_delta = varint(&mut record)?;
    let key_length = varint(&mut record)?;
    Some(Record { offset_delta, timestamp_delta, has_key: key_length >= 0 })
}

/// A zigzag varint of at most ten bytes.
fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for index in 0..10 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
    }
    None
}
