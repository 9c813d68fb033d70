//! Limits of the host and of the configuration: file descriptors, memory, a clock that jumps, a Kafka that says nothing.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::producer::Producer;

use crate::poison::{now_ms, producer, read_flags, send};
use crate::records::committed;
use crate::stage::{Kind, PATIENCE, RATE, SHORT_SESSION, Stage, figure, seed, sent};
use crate::support::process::Process;
use crate::verified::{audit, verify};
use crate::watched::Watched;
use crate::window_report::{Asked, read_windows};

/// Messages that no machine has read by the time a metric, half a second old, says that reading has begun.
const MORE_THAN_IS_READ: u64 = 400_000;

fn prlimit(pid: u32, files: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string(), &format!("--nofile={files}")]);
    Process::spawn(command).wait_success(PATIENCE);
}

/// Below what is open already: not one file more, and no connection either.
#[test]
fn without_file_descriptors_it_waits_and_goes_on() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "files", 2);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = Watched::start(&stage, &[]);
    run.wait_epochs(3.0);
    let pid = run.process().pid();
    prlimit(pid, "8:4096");
    let line = run.process().wait_line(PATIENCE, "Too many files are open");
    run.lasts(Duration::from_secs(3));
    prlimit(pid, "4096:4096");
    run.wait_ready();
    run.wait_epochs(3.0);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    run.stop();
    println!("seed {seed}: {}; {line}", audit(&stage, messages).line());
}

/// All of the topic at full speed, while the disk is away: the least budget is reached, the lane pauses, and nothing grows.
#[test]
fn the_memory_budget_pauses_a_lane_and_bounds_the_process() {
    const BUDGET_BYTES: f64 = 33_554_432.0;
    /// What a run takes beside its buffers: the program, its threads' heaps, librdkafka's queues.
    const BESIDE_BYTES: f64 = 220e6;
    const JUNK_BYTES: usize = 4_000;
    let (seed, messages) = (seed(), figure("CORELANE_E2E_MEMORY_MESSAGES", 30_000));
    let stage = Stage::new(Kind::Embedded, "memory", 4);
    stage.run_to_end(&SHORT_SESSION); // makes the lake
    let away = stage.scratch_file("away");
    let settings = ["--set", "memory.budget_bytes=32MiB", "--set", "epoch.bytes=24MiB", "--set", "epoch.interval=60s"];
    let mut run = Watched::start(&stage, &settings);
    fs::rename(stage.lake(), &away).unwrap();
    let producer = producer(&stage);
    let mut random = SmallRng::seed_from_u64(seed);
    for i in 0..messages {
        // Half of it is chance, which no compression takes away.
        let digits = (0..JUNK_BYTES).filter_map(|_| char::from_digit(random.random_range(0..16), 16));
        let junk: String = digits.collect();
        let value = format!(r#"{{"device_id":"d{i}","timestamp":{},"temperature":20.5,"junk":"{junk}"}}"#, now_ms());
        send(&producer, &stage, &i.to_string(), &value);
    }
    producer.flush(PATIENCE).unwrap();
    run.wait_metric("corelane_paused", 1.0);
    run.lasts(Duration::from_secs(1)); // what is shown may be half a second old
    let buffered = run.metric("corelane_buffer_bytes").unwrap();
    let taken = run.metric("corelane_messages_total").unwrap();
    run.lasts(Duration::from_secs(2));
    assert_eq!(run.metric("corelane_messages_total"), Some(taken), "a lane that is paused takes nothing");
    fs::rename(&away, stage.lake()).unwrap();
    run.wait_metric("corelane_messages_total", messages as f64);
    let peak = run.metric("corelane_process_resident_memory_peak_bytes").unwrap();
    run.stop();
    assert_eq!(committed(&stage).iter().filter_map(|(offset, _)| *offset).sum::<i64>(), messages as i64);
    let flags = read_flags(&stage);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    println!(
        "seed {seed}: paused with {:.1} MiB in buffers after {taken} messages; peak {:.1} MiB; {flags:?}",
        mib(buffered),
        mib(peak),
    );
    assert_eq!((flags.readings, flags.devices), (messages, messages));
    assert!(buffered < 1.25 * BUDGET_BYTES, "{:.1} MiB in buffers", mib(buffered));
    assert!(taken < messages as f64, "all of it was taken in spite of the budget");
    assert!(peak < BUDGET_BYTES + BESIDE_BYTES, "{:.1} MiB at its peak", mib(peak));
}

/// The wall clock of a process, which the test can set: tests/support/clock.c, loaded before it.
struct WallClock {
    library: PathBuf,
    offset: PathBuf,
}

impl WallClock {
    fn new(stage: &Stage) -> WallClock {
        let clock = WallClock { library: stage.scratch_file("clock.so"), offset: stage.scratch_file("clock") };
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clock.library);
        compiler.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock.c")).arg("-lpthread");
        Process::spawn(compiler).wait_success(PATIENCE);
        clock.set(0);
        clock
    }

    /// So many seconds ahead of the host's.
    fn set(&self, seconds: i64) {
        // In place: the process has the file mapped.
        let file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(&self.offset).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn prepare(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_OFFSET_FILE", &self.offset);
        command
    }
}

/// Set forward and back by an hour while it works, also over a restart.
#[test]
fn a_clock_that_is_set_by_an_hour_changes_no_window() {
    const HOUR: i64 = 3_600;
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "clock", 2);
    let clock = WallClock::new(&stage);
    let windows = ["--set", "windows.size=5s", "--set", "windows.grace=1s"];
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE, "--devices", "100"]));
    let mut run = Watched::start_as(&stage, &windows, |command| clock.prepare(command));
    for seconds in [0, HOUR, -HOUR, HOUR] {
        clock.set(seconds);
        run.wait_epochs(4.0);
    }
    run.stop();
    // Its own last epochs are an hour ahead now.
    clock.set(0);
    let mut run = Watched::start_as(&stage, &windows, |command| clock.prepare(command));
    run.wait_epochs(5.0);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    run.stop();
    // The members' session has passed: what is committed is held against the epochs.
    std::thread::sleep(Duration::from_secs(10));
    stage.run_to_end(&[&windows[..], &SHORT_SESSION, &["--drain"]].concat());
    let report = read_windows(&stage, &Asked { sizes_ms: "5000", ..Asked::default() });
    println!("seed {seed}: {}; {}", report.line(), audit(&stage, messages).line());
    report.assert_right();
}

/// Where the broker stamps what it appends, its clock is the one that counts: a host that is two minutes behind it closes windows in time.
#[test]
fn a_host_that_is_behind_its_broker_goes_by_the_stamps_of_the_log() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "appended", 2);
    stage.set_topic("message.timestamp.type", "LogAppendTime");
    let clock = WallClock::new(&stage);
    clock.set(-120);
    // What comes late because the machine does much else is no matter here: a wrong clock closes windows before their time.
    let windows = ["--set", "windows.size=2s", "--set", "windows.grace=10s"];
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE, "--devices", "100", "--late", "0"]));
    let mut run = Watched::start_as(&stage, &windows, |command| clock.prepare(command));
    run.wait_metric("corelane_window_rows_total", 2_000.0);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    run.stop();
    let report = read_windows(&stage, &Asked { sizes_ms: "2000", ..Asked::default() });
    println!("seed {seed}: {} sent; {}", messages, report.line());
    // The labels tell of another Kafka time.
    verify(&stage).assert_holds();
    assert_eq!(report.all["parts"].get("loose"), None, "parts that are late or early: {:?}", report.all["parts"]);
}

/// A Kafka that keeps its connections and answers nothing, for longer than a session and a settle: the run says so, and goes on when Kafka
/// does.
#[test]
fn a_kafka_that_stands_still_is_outlived() {
    let (seed, messages) = (seed(), MORE_THAN_IS_READ);
    let mut stage = Stage::new(Kind::Embedded, "silent", 4);
    stage.fill(seed, messages);
    let mut run = Watched::start(&stage, &["--set", "lanes.stall_timeout=10s"]);
    let before = run.wait_metric("corelane_messages_total", 1_000.0);
    stage.broker().signal(libc::SIGSTOP);
    let began = Instant::now();
    let reason = run.wait_unready("kafka: ");
    let noticed = began.elapsed();
    stage.broker().signal(libc::SIGCONT);
    run.wait_committed(&stage, messages);
    run.wait_ready();
    run.stop();
    println!(
        "seed {seed}: silent after {before} messages, told after {noticed:.1?}; {}; {reason}",
        audit(&stage, messages).line()
    );
}

/// The same for longer than a lane may stand still, between two epochs and within a long session, so that neither a settle nor the group
/// is what finds it: the lane is told to stand still, gets a new client, and reads on once Kafka answers.
#[test]
fn a_lane_that_stands_still_gets_a_new_client() {
    let (seed, messages) = (seed(), MORE_THAN_IS_READ);
    let mut stage = Stage::new(Kind::Embedded, "still", 4);
    let settings = ["lanes.stall_timeout=10s", "epoch.interval=30s", "kafka.session_timeout=45s"];
    let mut run = Watched::start(&stage, &settings.map(|setting| ["--set", setting]).concat());
    let rate = ["--rate", "40000", "--messages", &messages.to_string()];
    let mut simulator = Process::spawn(stage.simulate(seed, &rate));
    run.wait_epochs(1.0); // a partition's first epoch is short; this one lasts 30 s
    // All the rest is in Kafka before the lane sees more of it: however fast it reads, Kafka is stopped before its end.
    let before = run.metric("corelane_messages_total").expect("the server answers");
    run.process().signal(libc::SIGSTOP);
    simulator.wait_success(PATIENCE);
    run.process().signal(libc::SIGCONT);
    let read = run.wait_metric("corelane_messages_total", before + 20_000.0);
    stage.broker().signal(libc::SIGSTOP);
    let began = Instant::now();
    let reason = run.wait_unready("stands at offset");
    let noticed = began.elapsed();
    run.process().wait_line(PATIENCE, "the lane gets a new client");
    stage.broker().signal(libc::SIGCONT);
    run.wait_committed(&stage, messages);
    run.wait_ready();
    run.stop();
    let line = audit(&stage, messages).line();
    println!("seed {seed}: Kafka stopped after {read} messages, found after {noticed:.1?}; {line}; {reason}");
    assert!(noticed > Duration::from_secs(9), "{reason}");
}
