//! The simulator's producer: every record has one delivery, a full queue slows, keys meet the Java client's partitions.

use std::sync::{Arc, Mutex};

use corelane::kafka::{Delivered, DeliveryError, PlainProducer, PlainRecord};

use crate::support::wait::eventually;
use crate::{PATIENCE, settings, soon, topic};

type Seen = Arc<Mutex<Vec<Delivered>>>;

fn collector() -> (Seen, impl Fn(Delivered) + Send + Sync + 'static) {
    let seen = Seen::default();
    let writer = Arc::clone(&seen);
    (seen, move |delivered| writer.lock().unwrap().push(delivered))
}

#[test]
fn each_record_is_delivered_once_also_when_the_queue_is_always_full() {
    let topic = topic("full", 2);
    let mut settings = settings();
    settings.properties.insert("queue.buffering.max.messages".into(), "50".into());
    let (seen, deliveries) = collector();
    let producer = PlainProducer::new(&settings, deliveries).unwrap();
    for opaque in 0..5_000_u64 {
        let record = PlainRecord {
            topic: &topic,
            partition: Some(i32::from(opaque % 2 == 1)),
            value: Some(b"v"),
            opaque,
            ..PlainRecord::default()
        };
        producer.send(&record).unwrap();
    }
    producer.flush(soon()).unwrap();
    producer.close(soon()).unwrap();
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort_by_key(|delivered| delivered.opaque);
    assert_eq!(seen.len(), 5_000);
    for (opaque, delivered) in (0_i64..).zip(&seen) {
        // In order: a partition's n-th record has offset n.
        let place = (i32::from(opaque % 2 == 1), opaque / 2);
        assert_eq!((delivered.opaque, &delivered.outcome), (opaque.unsigned_abs(), &Ok(place)));
    }
}

#[test]
fn keys_go_where_the_java_client_sends_them() {
    let topic = topic("keys", 8);
    let (seen, deliveries) = collector();
    let producer = PlainProducer::new(&settings(), deliveries).unwrap();
    // murmur2 of these keys stands in Apache Kafka's UtilsTest: -973932308, -790332482, -985981536, -1486304829.
    let keys = ["21", "foobar", "a-little-bit-long-string", "a-little-bit-longer-string"];
    for (key, opaque) in keys.iter().zip(0..) {
        producer.send(&PlainRecord { topic: &topic, key: Some(key.as_bytes()), opaque, ..PlainRecord::default() }).unwrap();
    }
    producer.flush(soon()).unwrap();
    let mut partitions = [-1; 4];
    for delivered in seen.lock().unwrap().iter() {
        partitions[usize::try_from(delivered.opaque).unwrap()] = delivered.outcome.as_ref().unwrap().0;
    }
    let wanted = [-973_932_308_i32, -790_332_482, -985_981_536, -1_486_304_829].map(|hash| (hash & 0x7fff_ffff) % 8);
    assert_eq!(partitions, wanted);
}

#[test]
fn what_can_never_be_sent_is_refused_at_once_or_by_its_delivery() {
    let topic = topic("refused", 1);
    let (seen, deliveries) = collector();
    let producer = PlainProducer::new(&settings(), deliveries).unwrap();
    let value = vec![b'x'; 2_000_000];
    let refused = producer.send(&PlainRecord { topic: &topic, value: Some(&value), ..PlainRecord::default() });
    assert!(matches!(refused, Err(DeliveryError::Refused(_))), "{refused:?}");
    // Too far ahead: Kafka says so.
    let ahead = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap() + 7_200_000;
    producer.send(&PlainRecord { topic: &topic, timestamp_ms: Some(ahead), opaque: 9, ..PlainRecord::default() }).unwrap();
    producer.flush(soon()).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].opaque == 9 && matches!(seen[0].outcome, Err(DeliveryError::Refused(_))), "{seen:?}");
}

#[test]
fn the_clients_threads_run_on_their_cores_and_the_maker_is_left_alone() {
    let mut pinned = settings();
    pinned.cores = vec![0];
    let before = allowed_cores("self");
    let (_, deliveries) = collector();
    let producer = PlainProducer::new(&pinned, deliveries).unwrap();
    assert_eq!(allowed_cores("self"), before);
    // A thread names itself once it runs.
    for wanted in ["rdk:main", "rdk:broker", "kafka-deliver"] {
        let runs = || names_of_pinned().iter().any(|name| name.starts_with(wanted)).then_some(());
        eventually(PATIENCE, &format!("a thread {wanted} on its core"), runs);
    }
    drop(producer);
}

/// Threads that may run on core 0 alone. No other test pins its clients.
fn names_of_pinned() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ids = tasks.map(|task| task.file_name().into_string().unwrap()).filter(|id| allowed_cores(id) == "0");
    ids.map(|id| std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default()).collect()
}

fn allowed_cores(task: &str) -> String {
    let path = if task == "self" { "/proc/thread-self/status".to_owned() } else { format!("/proc/self/task/{task}/status") };
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default().trim().to_owned()
}
