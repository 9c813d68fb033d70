//! What was sent, kept; and a Deliver that stores messages in memory.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::{Deliver, DeliverError, Delivery, DeliveryReport, Fleet, Label, Message};

/// One message and its label, owned.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) label: Label,
}

impl Sent {
    pub(super) fn of(fleet: &Fleet) -> Self {
        let message = fleet.message();
        Self { key: message.key.to_vec(), value: message.value.map(<[u8]>::to_vec), label: fleet.label().clone() }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value as JSON, read by another library than any of ours.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().unwrap()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// Stores what comes, a vector a partition; reports in an order of its own, some time later.
#[derive(Default)]
pub(super) struct MemoryKafka {
    pub(super) partitions: Vec<Vec<(u64, Option<Vec<u8>>)>>,
    pub(super) reports: VecDeque<DeliveryReport>,
    /// Each message whose number is a multiple of it fails.
    pub(super) fail_every: Option<u64>,
    /// From this one on nothing can be sent.
    pub(super) refuse_from: Option<u64>,
    pub(super) largest_queue: usize,
}

impl MemoryKafka {
    pub(super) fn with_partitions(count: usize) -> Self {
        Self { partitions: vec![Vec::new(); count], ..Self::default() }
    }
}

impl Deliver for MemoryKafka {
    fn send(&mut self, message: &Message<'_>) -> Result<(), DeliverError> {
        if self.refuse_from.is_some_and(|seq| message.seq >= seq) {
            return Err(DeliverError { seq: message.seq, reason: "the topic is gone".into() });
        }
        let delivery = if self.fail_every.is_some_and(|every| message.seq.is_multiple_of(every)) {
            Delivery::Failed { reason: "message timed out".into() }
        } else {
            let partition = (murmur2(message.key) & 0x7FFF_FFFF) as usize % self.partitions.len();
            let log = &mut self.partitions[partition];
            log.push((message.seq, message.value.map(<[u8]>::to_vec)));
            Delivery::Stored { partition: i32::try_from(partition).unwrap(), offset: i64::try_from(log.len()).unwrap() - 1 }
        };
        let report = DeliveryReport { seq: message.seq, delivery };
        if message.seq.is_multiple_of(3) {
            self.reports.push_front(report);
        } else {
            self.reports.push_back(report);
        }
        self.largest_queue = self.largest_queue.max(self.reports.len());
        Ok(())
    }

    fn reports(&mut self, _wait: Duration, visit: &mut dyn FnMut(DeliveryReport)) {
        let keep = self.reports.len().min(3);
        let ready = if self.reports.len() > 10 { self.reports.len() - keep } else { self.reports.len() };
        self.reports.drain(..ready).for_each(visit);
    }
}

/// The hash of Kafka's Java client (`org.apache.kafka.common.utils.Utils.murmur2`).
pub(crate) fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(data.len()).unwrap();
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Vectors of Kafka's own `UtilsTest.testMurmur2`.
#[test]
fn murmur2_is_that_of_java() {
    let vectors: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ];
    for (data, hash) in vectors {
        assert_eq!(murmur2(data).cast_signed(), hash, "{data:?}");
    }
}
