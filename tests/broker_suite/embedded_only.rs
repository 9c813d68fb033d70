//! What only the embedded broker is asked: to survive garbage, to stay within its memory, to serve kcat, to stop.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use corelane::broker::{Broker, BrokerOptions};
use rand::{Rng as _, SeedableRng as _};
use rdkafka::Offset;
use rdkafka::message::Message;

use crate::client::{PATIENCE, send, take, unique};
use crate::raw::{self, Batch, Raw, code};
use crate::target::Target;
use rdkafka::producer::Producer as _;

fn start(options: BrokerOptions) -> (Broker, Target) {
    let broker = Broker::start(options).unwrap();
    let target = Target { bootstrap: broker.address().to_string() };
    (broker, target)
}

#[test]
fn garbage_closes_a_connection_and_nothing_else() {
    let (_broker, target) = start(BrokerOptions::default());
    let topic = target.topic("garbage", 1, &[]);
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let mut raw = Raw::connect(&target);
    for round in 0..3000 {
        if round % 100 == 0 {
            raw = Raw::connect(&target);
        }
        let mut frame = vec![0_u8; random.random_range(0..200)];
        random.fill(frame.as_mut_slice());
        // Mostly frames whose beginning is right, so that what comes after it is looked at.
        if random.random_bool(0.9) && frame.len() >= 14 {
            let length = u32::try_from(frame.len() - 4).unwrap();
            frame[..4].copy_from_slice(&length.to_be_bytes());
            let key: i16 = random.random_range(0..62);
            frame[4..6].copy_from_slice(&key.to_be_bytes());
            let version: i16 = random.random_range(0..14);
            frame[6..8].copy_from_slice(&version.to_be_bytes());
            frame[12..14].copy_from_slice(&(-1_i16).to_be_bytes());
        }
        raw.write(&frame);
        if random.random_bool(0.7) {
            raw = Raw::connect(&target);
        }
    }
    target.fill(&topic, 0, "v", 5);
    assert_eq!(target.read_all(&topic, 1, "read_committed").len(), 5);
}

#[test]
fn claims_of_two_billion_rows_are_not_believed() {
    let (_broker, target) = start(BrokerOptions::default());
    let topic = target.topic("claims", 1, &[]);
    let count = [0x7f, 0xff, 0xff, 0xff];
    // Metadata of i32::MAX topics; Fetch; a flexible Metadata with a varint of 2^32 - 1 and one with tagged fields without end.
    let requests: [(i16, i16, &[u8]); 4] = [
        (3, 1, &count),
        (1, 4, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0x7f, 0xff, 0xff, 0xff]),
        (3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        (3, 9, &[0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]),
    ];
    for (key, version, body) in requests {
        assert!(Raw::connect(&target).call(key, version, body).is_none(), "API key {key} version {version}");
    }
    // A frame that says it is larger than any, one smaller than its own head, and one of an unknown call.
    for frame in [&[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0, 0, 0, 0, 0][..], &[0; 12], &[0, 0, 0, 10, 0x33, 0x33, 0, 0, 0, 0, 0, 0]] {
        let mut raw = Raw::connect(&target);
        raw.write(frame);
        assert!(raw.is_closed_within(PATIENCE));
    }
    target.fill(&topic, 0, "v", 5);
    assert_eq!(target.read_all(&topic, 1, "read_committed").len(), 5);
}

#[test]
fn versions_from_the_future_are_told_the_present_ones() {
    let (_broker, target) = start(BrokerOptions::default());
    let answer = Raw::connect(&target).call(18, 99, &[]).expect("an answer to ApiVersions");
    // UNSUPPORTED_VERSION, and the list in version 0.
    assert_eq!(answer[..2], 35_i16.to_be_bytes());
    assert!(answer.len() > 100);
}

#[test]
fn memory_is_bounded_and_the_largest_gives() {
    let (_broker, target) = start(BrokerOptions { memory_bytes_max: 4 << 20, ..BrokerOptions::default() });
    let (large, small) = (target.topic("large", 1, &[]), target.topic("small", 1, &[]));
    target.fill(&small, 0, "s", 100);
    let producer = target.producer(&[("compression.type", "none"), ("batch.size", "100000")]);
    let prefix = "x".repeat(1000);
    send(&producer, &large, 0, &prefix, 20_000);
    producer.flush(PATIENCE).unwrap();
    producer.context().all_delivered(20_000);
    let (low, high) = target.admin().inner().fetch_watermarks(&large, 0, PATIENCE).unwrap();
    assert_eq!(high, 20_000);
    let kept = high - low;
    assert!((2_000..=4_200).contains(&kept), "of 20 MB in 4 MiB {kept} messages are left");
    assert_eq!(target.read_all(&small, 1, "read_committed").len(), 100);
    let reader = target.reader(&large, 1, Offset::Offset(0), &[]);
    assert_eq!(take(&reader, 1)[0].offset(), low);
}

#[test]
fn between_decision_and_markers_the_producer_has_to_wait() {
    /// Long enough for three calls on a machine that does much else.
    const DELAY: Duration = Duration::from_secs(2);
    let (_broker, target) = start(BrokerOptions { marker_delay: DELAY, ..BrokerOptions::default() });
    let (topic, id) = (target.topic("window", 1, &[]), unique("window"));
    let mut raw = Raw::connect(&target);
    let producer = raw.init_transactional(&id);
    assert_eq!(raw.add_partition(&id, producer, &topic), code::NONE);
    let batch = raw::batch(Batch { producer, sequence: 0, transactional: true, ..Batch::default() });
    assert_eq!(raw.produce(&topic, Some(&id), -1, &batch).0, code::NONE);
    let start = Instant::now();
    assert_eq!(raw.end_transaction(&id, producer, true), code::NONE);
    assert_eq!(raw.add_partition(&id, producer, &topic), code::CONCURRENT_TRANSACTIONS);
    assert_eq!(raw.end_transaction(&id, producer, true), code::CONCURRENT_TRANSACTIONS);
    let reader = target.reader(&topic, 1, Offset::Beginning, &[("isolation.level", "read_committed")]);
    assert_eq!(take(&reader, 1).len(), 1);
    assert!(start.elapsed() >= DELAY, "seen before its marker: {:?}", start.elapsed());
    assert_eq!(raw.add_partition(&id, producer, &topic), code::NONE);
}

#[test]
fn a_stopped_broker_is_gone_at_once() {
    let (broker, target) = start(BrokerOptions::default());
    let topic = target.topic("stop", 1, &[]);
    let address = broker.address();
    // One that waits for records, and one that waits for nothing.
    let _reader = target.reader(&topic, 1, Offset::Beginning, &[("fetch.wait.max.ms", "30000"), ("socket.timeout.ms", "60000")]);
    let mut idle = Raw::connect(&target);
    let start = Instant::now();
    broker.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(idle.is_closed_within(Duration::from_secs(5)));
    assert!(std::net::TcpStream::connect(address).is_err());
}

fn kcat(target: &Target, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kcat")
        .args(["-b", &target.bootstrap])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kcat is not installed: run `./dev setup`");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "kcat {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn kcat_produces_and_consumes() {
    let (_broker, target) = start(BrokerOptions::default());
    let topic = target.topic("kcat", 3, &[]);
    let lines: String = (0..500).map(|number| format!("k{number}:v{number}")).collect::<Vec<_>>().join("\n") + "\n";
    kcat(&target, &["-P", "-t", &topic, "-K:", "-z", "lz4", "-H", "from=kcat"], &lines);
    let mut read: Vec<String> = kcat(&target, &["-C", "-t", &topic, "-e", "-q", "-K:"], "").lines().map(str::to_owned).collect();
    let mut sent: Vec<String> = lines.lines().map(str::to_owned).collect();
    read.sort_unstable();
    sent.sort_unstable();
    assert_eq!(read, sent);
    let group = unique("kcat");
    let read = kcat(&target, &["-G", &group, "-e", "-q", "-X", "auto.offset.reset=earliest", &topic], "");
    assert_eq!(read.lines().count(), 500);
    let listed = kcat(&target, &["-L", "-t", &topic], "");
    assert!(listed.contains(&format!("topic \"{topic}\" with 3 partitions")), "{listed}");
    let at = kcat(&target, &["-Q", "-t", &format!("{topic}:0:-1")], "");
    assert!(at.contains("offset"), "{at}");
}
