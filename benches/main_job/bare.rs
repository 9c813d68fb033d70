//! librdkafka with nothing of ours around it: the floor under every figure. Only the settings are those of the product, so that what
//! differs is the work. Each runs in a process of its own, a child of the comparison.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

use corelane::kafka::{BATCH_MESSAGES, EVERY_CLIENT, Role};
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Code;
use serde::{Deserialize, Serialize};

use super::contender::PARTITIONS;
use super::data::next_record;
use super::measured::duration;

const WAIT_MS: i32 = 1_000;
const DEADLINE: Duration = Duration::from_mins(5);
/// Records between two looks at the delivery reports.
const SERVE_EVERY: u64 = 1_000;

/// What a drain counted.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Drained {
    pub(crate) messages: u64,
    /// Of all values.
    pub(crate) bytes: u64,
    /// Highest offset by partition.
    pub(crate) ends: BTreeMap<i32, i64>,
}

fn config(brokers: &str, role: Role) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for setting in EVERY_CLIENT.iter().chain(role.settings()) {
        // A consumer's; a producer would only warn about it.
        if setting.name != "allow.auto.create.topics" || role == Role::Lane {
            config.set(setting.name, setting.value);
        }
    }
    config
}

/// Takes every message of the topic in batches, counts and drops it; prints [`Drained`] as JSON.
pub(crate) fn drain(brokers: &str, topic: &str) {
    let consumer: BaseConsumer = config(brokers, Role::Lane).set("group.id", "bare-drain").create().expect("a consumer");
    let name = std::ffi::CString::new(topic).expect("a name without zeros");
    // SAFETY: the client is alive; the queue is destroyed below, before it.
    let queue = unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) };
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).expect("an offset");
        // SAFETY: client and queue are alive; the handle of the partition's queue goes at once.
        unsafe {
            let of_partition = sys::rd_kafka_queue_get_partition(consumer.client().native_ptr(), name.as_ptr(), partition);
            sys::rd_kafka_queue_forward(of_partition, queue);
            sys::rd_kafka_queue_destroy(of_partition);
        }
    }
    consumer.assign(&list).expect("our own topic");
    let drained = take_all(&consumer, queue);
    // SAFETY: ours, and all its messages are destroyed.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    drop(consumer);
    println!("{}", serde_json::to_string(&drained).expect("numbers"));
}

fn take_all(consumer: &BaseConsumer, queue: *mut sys::rd_kafka_queue_t) -> Drained {
    let mut drained = Drained::default();
    let mut ended = 0;
    let mut slots: Vec<*mut sys::rd_kafka_message_t> = vec![ptr::null_mut(); BATCH_MESSAGES];
    let deadline = Instant::now() + DEADLINE;
    while ended < PARTITIONS {
        assert!(Instant::now() < deadline, "{ended} of {PARTITIONS} partitions were read");
        // SAFETY: the queue is alive; there are as many slots as it is told.
        let count = unsafe { sys::rd_kafka_consume_batch_queue(queue, WAIT_MS, slots.as_mut_ptr(), slots.len()) };
        for &message in &slots[..usize::try_from(count).expect("a queue of our own")] {
            // SAFETY: handed over to us, alive until destroyed.
            let fields = unsafe { &*message };
            match fields.err {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    drained.messages += 1;
                    drained.bytes += fields.len as u64;
                    drained.ends.insert(fields.partition, fields.offset);
                }
                Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => ended += 1,
                error => panic!("{error:?}"),
            }
            // SAFETY: ours, destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        // As a consumer must; there is never anything but client events.
        let _ = consumer.poll(Duration::ZERO);
    }
    drained
}

/// Sends the records of a file as fast as they are taken. Prints its CPU and wall time before the first one, in µs.
pub(crate) fn produce(brokers: &str, topic: &str, records: &Path) {
    let began = Instant::now();
    let bytes = fs::read(records).expect("the comparison has written it");
    let mut rest = bytes.as_slice();
    println!("{} {}", own_cpu().as_micros(), began.elapsed().as_micros());
    let producer: BaseProducer = config(brokers, Role::PlainProducer).create().expect("a producer");
    let mut sent = 0_u64;
    while let Some(record) = next_record(&mut rest) {
        let mut out = BaseRecord::to(topic).key(record.key).payload(record.value).timestamp(record.time_ms);
        while let Err((error, back)) = producer.send(out) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), "record {sent}");
            producer.poll(Duration::from_millis(10));
            out = back;
        }
        sent += 1;
        if sent.is_multiple_of(SERVE_EVERY) {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(DEADLINE).expect("a broker that answers");
    assert_eq!(producer.in_flight_count(), 0);
}

/// CPU time of this process so far.
fn own_cpu() -> Duration {
    // SAFETY: an rusage is plain numbers and valid when zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the out-parameter is ours.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(result, 0, "getrusage: {}", std::io::Error::last_os_error());
    duration(usage.ru_utime) + duration(usage.ru_stime)
}
