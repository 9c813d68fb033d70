//! What windows cost from end to end, with real processes (docs/performance.md, "Windows, end to end").
//!
//! ```text
//! cargo bench --bench windows                       all of the below, on Apache Kafka 4.1
//! cargo bench --bench windows -- rows               rows and bytes of windows a million messages
//! cargo bench --bench windows -- replay             messages a second while a restarted lane reads a million messages again
//! cargo bench --bench windows -- memory 10000       peak of memory with so many devices; may be given often
//! cargo bench --bench windows -- live 50000 420     time to live after kill -9 at so many messages a second, after so many seconds
//! ```
//! `cargo test` runs small ones on the embedded broker. Every run is checked: what is committed, and what was read again.

// As in a test, what is unexpected ends the run where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_precision_loss)] // counts of messages are far below 2^52

mod asked;
#[path = "../main_job/measured.rs"]
mod measured;
#[allow(dead_code, reason = "the bench of the guarantees shares it and uses more of it")]
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "tests share it and use more of it")]
#[path = "../../tests/main_job/web.rs"]
mod web;

use std::time::{Duration, Instant};

use asked::asked;
use stage::{Stage, number_after, seconds_of};
use support::kafka::ApacheKafka;
use support::process::Process;
use support::wait::free_port;
use web::metric;

/// Whatever a process is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// Half a second of messages: with less behind, a lane has caught up.
const BEHIND: Duration = Duration::from_millis(500);

/// What is measured.
enum Job {
    Rows { messages: u64 },
    Replay { messages: u64 },
    Memory { devices: u64 },
    Live { rate: u64, seconds: u64 },
}

fn main() {
    let Some((is_bench, words)) = asked("windows") else { return };
    if is_bench {
        let kafka = ApacheKafka::start(1, &[]);
        measure_all(&kafka.bootstrap(), &jobs(&words));
    } else {
        let (_broker, address) = stage::embedded_broker();
        measure_all(
            &address,
            &[Job::Rows { messages: 20_000 }, Job::Replay { messages: 20_000 }, Job::Memory { devices: 1_000 }],
        );
    }
}

fn measure_all(brokers: &str, jobs: &[Job]) {
    println!("load average {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    for (number, job) in jobs.iter().enumerate() {
        let stage = Stage::new(brokers, &format!("bench-{number}"));
        match job {
            Job::Rows { messages } => rows(&stage, *messages),
            Job::Replay { messages } => replay(&stage, *messages),
            Job::Memory { devices } => memory(&stage, *devices),
            Job::Live { rate, seconds } => live(&stage, *rate, *seconds),
        }
    }
}

fn jobs(words: &[String]) -> Vec<Job> {
    let all = [
        Job::Rows { messages: 1_000_000 },
        Job::Replay { messages: 1_000_000 },
        Job::Memory { devices: 10_000 },
        Job::Memory { devices: 100_000 },
        Job::Memory { devices: 1_000_000 },
        Job::Live { rate: 50_000, seconds: 420 },
    ];
    let mut jobs = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let mut number = |default| asked::number(&mut words, default);
        jobs.push(match word.as_str() {
            "rows" => Job::Rows { messages: number(1_000_000) },
            "replay" => Job::Replay { messages: number(1_000_000) },
            "memory" => Job::Memory { devices: number(10_000) },
            "live" => Job::Live { rate: number(50_000), seconds: number(420) },
            other => panic!("`{other}`: only rows, replay, memory and live are known, each with numbers"),
        });
    }
    if jobs.is_empty() { Vec::from(all) } else { jobs }
}

/// 10,000 devices, a message each in ten seconds, written as they close and at last by a drain.
fn rows(stage: &Stage, messages: u64) {
    stage.simulate_past("10000", "10s", messages);
    let cost = measured::run(stage.run(&["--until-end", "--drain", "--quiet"]));
    assert_eq!(number_after(&cost.stdout, "consumed"), messages, "{}", cost.stdout);
    let windows = cost.stdout.lines().find(|line| line.starts_with("windows")).expect("the summary has a line of windows");
    let millions = messages as f64 / 1e6;
    println!("rows: {messages} messages of 10,000 devices, {windows}");
    for table in ["readings", "aggregates", "groups"] {
        let bytes = measured::bytes_below(&stage.lake().join(table));
        println!("rows: {table}: {:.2} MB a million messages", bytes as f64 / 1e6 / millions);
    }
    println!("rows: CPU {:.2} s a million messages, peak {} MiB", cost.cpu.as_secs_f64() / millions, cost.peak_bytes >> 20);
}

/// One window of an hour holds all messages, so that a successor has to read every one again.
fn replay(stage: &Stage, messages: u64) {
    stage.simulate_past("10000", "10s", messages);
    let hour = ["--quiet", "--set", "windows.size=1h"];
    let cost = measured::run(stage.run(&[&["--until-end"], &hour[..]].concat()));
    assert_eq!(number_after(&cost.stdout, "consumed"), messages, "{}", cost.stdout);
    let port = free_port();
    let serve = format!("serve.listen=127.0.0.1:{port}");
    let mut run = Process::spawn(stage.run(&[&["--set", &serve], &hour[..]].concat()));
    let (began, ended) = wait_live(&mut run);
    let replayed = metric(port, "corelane_replayed_messages_total").expect("the server answers");
    let cpu = metric(port, "process_cpu_seconds_total").expect("the server answers");
    run.signal(libc::SIGTERM);
    run.wait_success(PATIENCE);
    assert!((replayed - messages as f64).abs() < 1.0, "{replayed} of {messages} were read again");
    println!(
        "replay: {replayed} messages in {:.2} s, {:.0} a second; CPU {:.2} s a million, the start of the process included; the first \
         time {:.2} CPU-s a million",
        ended - began,
        replayed / (ended - began),
        cpu / replayed * 1e6,
        cost.cpu.as_secs_f64() / messages as f64 * 1e6
    );
}

/// Every device has a message a minute, eight minutes long: rolling values and open windows are all there.
fn memory(stage: &Stage, devices: u64) {
    stage.simulate_past(&devices.to_string(), "60s", devices * 8);
    let limit = format!("windows.devices_max={}", devices.max(100_000));
    let cost = measured::run(stage.run(&["--until-end", "--quiet", "--set", &limit]));
    assert_eq!(number_after(&cost.stdout, "consumed"), devices * 8, "{}", cost.stdout);
    assert!(cost.stdout.contains(" 0 over the limit"), "{}", cost.stdout);
    println!(
        "memory: {devices} devices, {} messages: peak {} MiB, {:.0} bytes a device; {:.2} CPU-s a million messages",
        devices * 8,
        cost.peak_bytes >> 20,
        cost.peak_bytes as f64 / devices as f64,
        cost.cpu.as_secs_f64() / (devices * 8) as f64 * 1e6
    );
}

/// kill -9 in a stream of `rate` messages a second that ran so long that all windows are as full as they get.
fn live(stage: &Stage, rate: u64, seconds: u64) {
    let mut simulator = Process::spawn(stage.simulate(&["--devices", "10000", "--rate", &rate.to_string()]));
    let running = Instant::now();
    let port = free_port();
    let serve = format!("serve.listen=127.0.0.1:{port}");
    let args = ["--quiet", "--set", &serve];
    let mut run = Process::spawn(stage.run(&args));
    std::thread::sleep(Duration::from_secs(seconds));
    assert!(simulator.is_running(), "the simulator ended:\n{}", simulator.stderr());
    let behind = |port| metric(port, "corelane_partition_lag_messages");
    let before = behind(port).expect("the server answers");
    run.kill9();
    let killed = Instant::now();
    let mut run = Process::spawn(stage.run(&args));
    let (began, ended) = wait_live(&mut run);
    let live = killed.elapsed();
    let replayed = metric(port, "corelane_replayed_messages_total").expect("the server answers");
    let lag = behind(port).expect("the server answers");
    let caught_up = rate as f64 * BEHIND.as_secs_f64();
    run.wait_for(PATIENCE, "the lane to catch up", |_| behind(port).filter(|lag| *lag < caught_up));
    println!(
        "live: {rate} messages a second for {seconds} s ({before:.0} behind when killed); live {:.1} s after the kill: {replayed:.0} \
         messages read again in {:.1} s, {:.0} a second; {lag:.0} behind then, caught up {:.1} s after the kill",
        live.as_secs_f64(),
        ended - began,
        replayed / (ended - began),
        killed.elapsed().as_secs_f64()
    );
    simulator.signal(libc::SIGINT);
    let seconds = running.elapsed().as_secs_f64();
    let sent = number_after(&simulator.wait_success(PATIENCE), "sent");
    println!("live: the simulator sent {:.0} messages a second in fact", sent as f64 / seconds);
}

/// Waits until every partition is live; gives when reading again began and ended, in seconds by the log's own times.
fn wait_live(run: &mut Process) -> (f64, f64) {
    run.wait_for(PATIENCE, "all partitions to be live", |run| {
        let log = run.stderr();
        let times = |what: &str| -> Vec<f64> {
            let says = |line: &&str| line.split(" corelane::").nth(1).is_some_and(|rest| rest.contains(what));
            log.lines().filter(says).map(seconds_of).collect()
        };
        let (began, live) = (times(": reading again"), times(": live"));
        (began.len() == stage::PARTITIONS && live.len() == began.len()).then(|| (began[0], live[live.len() - 1]))
    })
}
