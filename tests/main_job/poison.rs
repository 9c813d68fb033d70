//! Messages that want to do harm by what they are, by how many there are, or by whom they are from.
//!
//! CI runs small figures; `CORELANE_E2E_POISON` is the number of malformed messages, `CORELANE_E2E_CROWD=1000000` the issue's number of
//! devices that appear at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;
use serde::Deserialize;

use crate::records::visit;
use crate::stage::{Kind, PATIENCE, Stage, figure, said, seed};
use crate::support::process::Process;
use crate::support::readers::{python, read_lake};
use crate::verified::audit;
use crate::watched::Watched;
use crate::window_report::{Asked, read_windows};

/// What tests/readers/lake_flags.py counts.
#[derive(Debug, Deserialize)]
pub(crate) struct Flags {
    pub(crate) readings: u64,
    pub(crate) devices: u64,
    over_limit: u64,
    /// Readings of the device that has most.
    busiest: u64,
    formats: BTreeMap<String, u64>,
    /// Characters of the longest `extra`.
    longest_extra: u64,
}

pub(crate) fn read_flags(stage: &Stage) -> Flags {
    serde_json::from_str(&python("lake_flags.py", &[stage.lake().as_os_str()])).expect("lake_flags.py prints a report")
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A producer of the test's own, which knows no limit: the broker's counts.
pub(crate) fn producer(stage: &Stage) -> BaseProducer {
    stage.client().set("message.max.bytes", "100000000").set("linger.ms", "20").create().unwrap()
}

pub(crate) fn send(producer: &BaseProducer, stage: &Stage, key: &str, value: &str) {
    let mut record = BaseRecord::to(stage.topic()).key(key).payload(value);
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
        producer.poll(Duration::from_millis(10));
        record = back;
    }
}

/// As many a second as the simulator sends, all of them malformed: what is rejected is in the table and a dead letter, the rest is flagged.
#[test]
fn nothing_but_malformed_messages_at_full_speed_is_kept_and_told() {
    for kind in [Kind::Apache, Kind::Embedded] {
        let (seed, messages) = (seed(), figure("CORELANE_E2E_POISON", 40_000));
        let stage = Stage::new(kind, "malformed", 4);
        let all = messages.to_string();
        let mut args = vec!["--rate", "max", "--messages", &all, "--malformed", "1.0"];
        for other in ["--late", "--future-clock", "--duplicates", "--unknown-sensors", "--other-units", "--events"] {
            args.extend([other, "0"]); // all shares together are at most 1
        }
        Process::spawn(stage.simulate_just(seed, &args)).wait_success(PATIENCE);
        let output = stage.run_to_end(&["--set", "epoch.interval=1s"]);
        println!("{kind:?}, seed {seed}: consumed {}; {}", said(&output, "consumed"), audit(&stage, messages).line());
    }
}

/// The largest message that the topic takes, once as a reading with an enormous unknown member and once as bytes that are nothing. The dead
/// letter is larger than its message, and still goes out whole.
fn at_the_size_limit(kind: Kind) {
    const LIMIT: usize = 1_048_588; // Kafka's default of max.message.bytes
    let stage = Stage::new(kind, "limit", 1);
    let producer = producer(&stage);
    let (head, tail) = (format!(r#"{{"device_id":"huge","timestamp":{},"temperature":20.5,"junk":""#, now_ms()), r#""}"#);
    let reading = |size: usize| format!("{head}{}{tail}", "x".repeat(size - head.len() - tail.len()));
    let garbage = |size: usize| "\u{7f}".repeat(size);
    // Key, framing and the batch's header, 70 bytes or so, are part of the limit.
    let largest = (LIMIT - 90..LIMIT - 60).rev().find(|size| {
        send(&producer, &stage, "k", &garbage(*size));
        producer.flush(PATIENCE).unwrap();
        high(&stage) > 0
    });
    let largest = largest.expect("some size passes");
    send(&producer, &stage, "k", &reading(largest));
    producer.flush(PATIENCE).unwrap();
    assert_eq!(high(&stage), 2);
    stage.run_to_end(&[]);
    let (flags, tables) = (read_flags(&stage), read_lake(&stage.lake()));
    let mut letters = Vec::new();
    visit(&stage, &stage.output_topic("rejects"), |record| letters.push(record.value.map(|value| value.len())));
    println!("{kind:?}: the largest message has {largest} bytes; {flags:?}; dead letters of {letters:?} bytes");
    assert_eq!((flags.readings, tables["rejects"].rows), (1, 1));
    assert_eq!(tables["rejects"].columns["raw"].values["bytes"], largest);
    assert!(flags.longest_extra > (largest - head.len() - tail.len()) as u64);
    assert_eq!(letters, [Some(largest)]);
}

fn high(stage: &Stage) -> i64 {
    crate::records::watermarks(stage)[0].1
}

#[test]
fn messages_at_the_size_limit_pass_whole_on_apache_kafka() {
    at_the_size_limit(Kind::Apache);
}

#[test]
fn messages_at_the_size_limit_pass_whole_beside_the_embedded_broker() {
    at_the_size_limit(Kind::Embedded);
}

/// So many devices at once, one message each, that most find no place in the windows: they are stored with their flag, and memory is that of
/// those which found one.
#[test]
fn a_crowd_of_new_devices_is_stored_flagged_and_bounded() {
    const PARTITIONS: i32 = 2;
    const DEVICES_MAX: u64 = 500;
    const PEAK_BYTES: f64 = 400e6;
    let (seed, crowd) = (seed(), figure("CORELANE_E2E_CROWD", 50_000));
    let stage = Stage::new(Kind::Embedded, "crowd", PARTITIONS);
    let all = crowd.to_string();
    let args = ["--rate", "max", "--devices", &all, "--messages", &all, "--clean"];
    Process::spawn(stage.simulate_just(seed, &args)).wait_success(PATIENCE);
    let limit = format!("windows.devices_max={DEVICES_MAX}");
    let began = Instant::now();
    let mut run = Watched::start(&stage, &["--set", &limit]);
    run.wait_metric("corelane_messages_total", crowd as f64);
    let took = began.elapsed();
    run.wait_committed(&stage, crowd);
    let left_out = run.metric("corelane_window_readings_left_out_total").unwrap();
    let (peak, windows) =
        (run.metric("corelane_process_resident_memory_peak_bytes").unwrap(), run.metric("corelane_window_bytes").unwrap());
    run.stop();
    let flags = read_flags(&stage);
    println!(
        "seed {seed}: {crowd} devices in {took:.1?}, {left_out} left out, windows {:.1} MB, peak {:.1} MB; {flags:?}; {}",
        windows / 1e6,
        peak / 1e6,
        audit(&stage, crowd).line()
    );
    assert_eq!((flags.readings, flags.devices), (crowd, crowd));
    assert_eq!(left_out, flags.over_limit as f64);
    // The simulator's time may touch several windows, each of which has its own places.
    let found_a_place = crowd - flags.over_limit;
    assert!(found_a_place >= DEVICES_MAX && found_a_place <= crowd / 5, "{found_a_place} found a place");
    assert!(peak < PEAK_BYTES, "{peak} bytes at the peak");
}

/// The same reading in each of the five formats.
fn in_format(format: u64, device: &str, time_ms: u64, value: f64) -> String {
    let sensors = format!(r#""sensors":{{"temperature":{{"value":{value},"unit":"°C","status":"normal"}}}}"#);
    let place = r#""location":{"building":"B1","floor":3,"room":"301"}"#;
    match format {
        0 => format!(r#"{{"device_id":"{device}","timestamp":{time_ms},{place},{sensors}}}"#),
        1 => format!(
            r#"{{"device_id":"{device}","device_type":"temperature","timestamp":{time_ms},"created_at":"2025-11-20T06:46:40Z",{place},{sensors},"last_seen":{time_ms}}}"#
        ),
        2 => format!(
            r#"{{"message_id":"m-{time_ms}-{value}","message_type":"device_data","timestamp":"{}","source":"p","payload":{{"device":{{"device_id":"{device}","timestamp":{time_ms},{place},{sensors}}}}}}}"#,
            time_ms / 1_000
        ),
        3 => format!(r#"{{"device_id":"{device}","location":"B1","temperature":{value},"timestamp":{time_ms}}}"#),
        _ => format!(
            r#"{{"device_id":"{device}","device_type":"temperature_sensor","timestamp":{time_ms},"value":{value},"unit":"°C",{place}}}"#
        ),
    }
}

/// One device sends every second message, and each message is of another format than the one before, so that nothing learned from a message
/// helps with the next. Windows merge to what the readings say all the same.
fn one_device_and_all_formats(kind: Kind) {
    const MESSAGES: u64 = 20_000;
    const STEP_MS: u64 = 5;
    let stage = Stage::new(kind, "hot", 3);
    let producer = producer(&stage);
    let begin_ms = now_ms() - MESSAGES * STEP_MS - 1_000;
    for i in 0..MESSAGES {
        let cold = format!("cold-{}", i % 97);
        let device = if i % 2 == 0 { "hot" } else { &cold };
        send(&producer, &stage, device, &in_format(i % 5, device, begin_ms + i * STEP_MS, 20.0 + (i % 1_000) as f64 / 100.0));
    }
    producer.flush(PATIENCE).unwrap();
    let windows = ["--set", "windows.size=10s", "--set", "epoch.interval=500ms"];
    let output = stage.run_to_end(&[&windows[..], &["--drain"]].concat());
    let (flags, report) = (read_flags(&stage), read_windows(&stage, &Asked { sizes_ms: "10000", ..Asked::default() }));
    println!("{kind:?}: consumed {}; {flags:?}; {}", said(&output, "consumed"), report.line());
    assert_eq!((flags.readings, flags.busiest), (MESSAGES, MESSAGES / 2));
    let each: Vec<(&str, u64)> = flags.formats.iter().map(|(format, count)| (format.as_str(), *count)).collect();
    let fifth = MESSAGES / 5;
    assert_eq!(each, ["device", "envelope", "flat", "nested", "single"].map(|format| (format, fifth)));
    report.assert_right();
}

#[test]
fn one_device_that_sends_half_of_all_in_alternating_formats_on_apache_kafka() {
    one_device_and_all_formats(Kind::Apache);
}

#[test]
fn one_device_that_sends_half_of_all_in_alternating_formats_beside_the_embedded_broker() {
    one_device_and_all_formats(Kind::Embedded);
}

/// One device whose messages go to two partitions, by turns and with equal event times, some of them far too late. Each partition has its own
/// clock and its own parts; the view makes one window of all, and between equal times the partition decides.
fn one_device_on_two_partitions(kind: Kind) {
    const PAIRS: u64 = 3_000;
    const STEP_MS: u64 = 20;
    const SIZE_MS: u64 = 2_000;
    const LATE_MS: u64 = 10_000;
    let stage = Stage::new(kind, "twice", 2);
    let producer = producer(&stage);
    // The first times of a window are equal, too.
    let begin_ms = (now_ms() - PAIRS * STEP_MS - SIZE_MS) / SIZE_MS * SIZE_MS;
    for i in 0..2 * PAIRS {
        let (pair, partition) = (i / 2, i32::try_from(i % 2).unwrap());
        let kafka_ms = begin_ms + pair * STEP_MS;
        let late_ms = if pair > LATE_MS / STEP_MS && pair % 25 == 7 { LATE_MS } else { 0 };
        let value = 20.0 + (i % 997) as f64 / 100.0;
        let message = in_format(i % 5, "twice", kafka_ms - late_ms, value);
        let mut record = BaseRecord::to(stage.topic()).key("twice").payload(message.as_str()).partition(partition);
        record = record.timestamp(kafka_ms as i64);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(10));
            record = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
    let settings = ["--set", "windows.size=2s", "--set", "windows.grace=1s", "--set", "epoch.interval=300ms", "--drain"];
    let output = stage.run_to_end(&settings);
    let (flags, report) = (read_flags(&stage), read_windows(&stage, &Asked { sizes_ms: "2000", ..Asked::default() }));
    println!("{kind:?}: consumed {}; {}", said(&output, "consumed"), report.line());
    assert_eq!((flags.readings, flags.devices), (2 * PAIRS, 1));
    report.assert_right();
    // Parts of both partitions in each, and late ones besides.
    let parts = &report.all["parts"];
    assert_eq!(report.windows_of_parts, report.windows);
    assert!(parts["loose"].as_u64() > Some(0) && parts["on_time"].as_u64() >= Some(2 * report.windows), "{parts}");
}

#[test]
fn one_device_on_two_partitions_has_one_window_of_both_on_apache_kafka() {
    one_device_on_two_partitions(Kind::Apache);
}

#[test]
fn one_device_on_two_partitions_has_one_window_of_both_beside_the_embedded_broker() {
    one_device_on_two_partitions(Kind::Embedded);
}
