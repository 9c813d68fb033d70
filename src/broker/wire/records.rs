//! The response to Fetch, written by hand: kafka-protocol would copy every record twice, here the batches of the log go to the
//! socket as they are.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::FetchTopic;

use super::frame::{Head, Reply, put_header};

/// From this version on lengths are varints and rows end with tagged fields.
const FLEXIBLE: i16 = 12;
/// From this version on topics are named by their ids.
const BY_ID: i16 = 13;

/// What one partition answers.
#[derive(Debug, Default)]
pub(in crate::broker) struct Fetched {
    pub(in crate::broker) partition: i32,
    pub(in crate::broker) error: i16,
    pub(in crate::broker) high_watermark: i64,
    pub(in crate::broker) last_stable: i64,
    pub(in crate::broker) log_start: i64,
    /// (producer id, first offset) of the aborted transactions in the range; none for who reads uncommitted.
    pub(in crate::broker) aborted: Option<Vec<(i64, i64)>>,
    pub(in crate::broker) batches: Vec<Bytes>,
}

impl Fetched {
    pub(in crate::broker) fn bytes(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}

/// Builds the response: bytes of our own in between, batches by reference.
struct Pieces {
    done: Vec<Bytes>,
    open: BytesMut,
    version: i16,
}

/// Encodes the response to a Fetch request of versions 4 to 16: one list of partitions for each topic of the request.
pub(in crate::broker) fn fetch_response(head: Head, topics: &[FetchTopic], fetched: Vec<Vec<Fetched>>) -> Reply {
    let mut out = Pieces { done: Vec::new(), open: BytesMut::with_capacity(512), version: head.version };
    put_header(&mut out.open, head);
    out.open.put_i32(0); // throttle time
    if head.version >= 7 {
        out.open.put_i16(0); // error of the whole
        out.open.put_i32(0); // no session: every request is complete in itself
    }
    out.count(topics.len());
    for (topic, partitions) in topics.iter().zip(fetched) {
        if head.version >= BY_ID {
            out.open.put_slice(topic.topic_id.as_bytes());
        } else {
            out.text(&topic.topic);
        }
        out.count(partitions.len());
        for partition in partitions {
            out.partition(partition);
        }
        out.no_tags();
    }
    out.no_tags();
    if !out.open.is_empty() {
        out.done.push(out.open.freeze());
    }
    Reply::Pieces(out.done)
}

impl Pieces {
    fn partition(&mut self, partition: Fetched) {
        self.open.put_i32(partition.partition);
        self.open.put_i16(partition.error);
        self.open.put_i64(partition.high_watermark);
        self.open.put_i64(partition.last_stable);
        if self.version >= 5 {
            self.open.put_i64(partition.log_start);
        }
        match &partition.aborted {
            None if self.version >= FLEXIBLE => self.open.put_u8(0),
            None => self.open.put_i32(-1),
            Some(aborted) => {
                self.count(aborted.len());
                for (producer, first) in aborted {
                    self.open.put_i64(*producer);
                    self.open.put_i64(*first);
                    self.no_tags();
                }
            }
        }
        if self.version >= 11 {
            self.open.put_i32(-1); // no other replica to read from
        }
        self.count(partition.bytes());
        if !partition.batches.is_empty() {
            self.done.push(self.open.split().freeze());
            self.done.extend(partition.batches);
        }
        self.no_tags();
    }

    /// The length of an array, or of bytes.
    fn count(&mut self, count: usize) {
        // A response is bounded by the int that a client gives as its maximum, and one batch.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.version >= FLEXIBLE {
            self.varint(count.saturating_add(1));
        } else {
            self.open.put_u32(count);
        }
    }

    fn text(&mut self, text: &str) {
        if self.version >= FLEXIBLE {
            self.varint(u32::try_from(text.len() + 1).unwrap_or(u32::MAX));
        } else {
            self.open.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
        }
        self.open.put_slice(text.as_bytes());
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value.to_le_bytes()[0]);
    }

    fn no_tags(&mut self) {
        if self.version >= FLEXIBLE {
            self.open.put_u8(0);
        }
    }
}

#[cfg(test)]
mod tests;
