//! Windows from end to end: half an hour of a simulated fleet through kills, and what DuckDB computes from `readings` is what the view
//! of docs/windows.md makes of `aggregates`.
//!
//! CI runs some hundred devices; `CORELANE_E2E_DEVICES=10000 CORELANE_E2E_KILLS=10` is the size.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;

use crate::records::{committed, watermarks};
use crate::stage::{Kind, PATIENCE, Stage, figure, said, seed, sent};
use crate::support::process::Process;
use crate::support::readers::python;
use crate::verified::audit;
use crate::window_report::{Asked, read_windows};

/// The figures are 10,000 devices and 10 kills.
const DEVICES: u64 = 300;
const KILLS: u64 = 3;
/// Messages a second while the runs are killed: what a debug build on a shared core keeps up with.
const RATE: u64 = 6_000;
const SIMULATED: Duration = Duration::from_mins(30);
const DEVICE_INTERVAL: Duration = Duration::from_secs(10);
const CLOSED_MIN: u64 = 20;
const DRAINED_SHARE_MAX: f64 = 0.05;

/// How far windows were closed before the drain.
#[derive(Debug, Deserialize)]
struct Closed {
    rows: u64,
    devices: u64,
    closed_min: u64,
}

fn read_closed(lake: &Path) -> Closed {
    serde_json::from_str(&python("lake_closed.py", &[lake.as_os_str()])).expect("lake_closed.py prints a report")
}

/// The start of a minute, so long ago that all of the simulation lies in the past.
fn start_of_simulation() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let start = (now - SIMULATED.as_secs() - 60) / 60 * 60;
    jiff::Timestamp::from_second(start as i64).unwrap().to_string()
}

/// Half an hour of a fleet, at `RATE` messages a second of the wall: 1 % late, 0.1 % ahead by up to a day.
fn simulate(stage: &Stage, seed: u64, devices: u64) -> Process {
    let messages_a_second = devices as f64 / DEVICE_INTERVAL.as_secs_f64();
    let speed = format!("{:.1}", RATE as f64 / messages_a_second);
    let devices = devices.to_string();
    let args = ["--devices", &devices, "--interval", "10s", "--duration", "30m", "--late", "0.01", "--future-clock", "0.001"];
    let past = ["--start", &start_of_simulation(), "--speed", &speed];
    Process::spawn(stage.simulate(seed, &[&args[..], &past[..]].concat()))
}

/// The sum of the committed offsets.
fn committed_of(stage: &Stage) -> i64 {
    committed(stage).iter().filter_map(|(offset, _)| *offset).sum()
}

/// Kills a run at a random moment while it works; gives what it logged. `goal`: not before it has committed something, and so much is
/// committed in all, so that its successor has windows to rebuild, however slow the machine. Nothing is left to commit at the end only.
fn run_and_kill(stage: &Stage, random: &mut SmallRng, settings: &[&str], goal: Option<i64>) -> String {
    let before = committed_of(stage);
    let mut run = Process::spawn(stage.run(settings));
    run.wait_line(PATIENCE, "partitions assigned");
    if let Some(goal) = goal {
        run.wait_for(PATIENCE, "a commit", |_| {
            std::thread::sleep(Duration::from_millis(100)); // each question makes a client
            let now = committed_of(stage);
            let ends = || watermarks(stage).iter().map(|(_, high)| high).sum::<i64>();
            (now >= goal && (now > before || now == ends())).then_some(())
        });
    }
    let moment = Instant::now() + Duration::from_millis(random.random_range(100..1_500));
    while Instant::now() < moment && run.is_running() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(run.is_running(), "ended by itself:\n{}", run.stderr());
    run.kill9();
    run.stderr()
}

fn through_kills(kind: Kind, lanes: usize, devices: u64, kills: u64) {
    let seed = seed();
    let stage = Stage::new(kind, "windows", 4);
    let mut random = SmallRng::seed_from_u64(seed);
    let lanes_setting = format!("lanes.count={lanes}");
    let settings = ["--quiet", "--set", "epoch.interval=300ms", "--set", &lanes_setting];
    println!("{kind:?}, {lanes} lanes, {devices} devices, {kills} kills, seed {seed}");
    let mut simulator = simulate(&stage, seed, devices);
    // Every second kill waits for its share of the half hour; the one after it comes as it comes, into a replay as well.
    let all = (devices * SIMULATED.as_secs() / DEVICE_INTERVAL.as_secs()) as i64;
    let mut killed_at = Vec::new();
    let mut replays = 0;
    for kill in 0..kills {
        let goal = (kill % 2 == 0).then(|| all * kill as i64 / kills as i64);
        let log = run_and_kill(&stage, &mut random, &settings, goal);
        replays += log.lines().filter(|line| line.contains("reading again")).count();
        killed_at.push(committed_of(&stage));
    }
    println!("of {all} messages these were committed at the kills: {killed_at:?}");
    for pair in killed_at.chunks(2).collect::<Vec<_>>().windows(2) {
        assert!(pair[0][0] < pair[1][0] || pair[0][0] >= all, "nothing was committed between two kills: {killed_at:?}");
    }
    let messages = sent(&simulator.wait_success(PATIENCE));
    stage.run_to_end(&settings[1..]);
    let before = read_closed(&stage.lake());
    let last = stage.run_to_end(&[&settings[1..], &["--drain"]].concat());
    let report = read_windows(&stage, &Asked { sizes_ms: "60000", labels: true, ..Asked::default() });
    println!("{}", report.line());
    println!("{before:?}, {replays} replays after kills; {}; {}", said(&last, "windows"), audit(&stage, messages).line());
    report.assert_right();
    assert!(report.number("ahead") > 0 && report.number("late") > 0 && report.number("repeats") > 0, "{report:?}");
    assert_eq!(report.partial_rows, 0);
    assert_eq!(before.devices, devices);
    assert!(before.closed_min >= CLOSED_MIN, "{before:?}");
    let rows = report.all["rows"]["aggregates"].as_u64().unwrap();
    let drained = (rows - before.rows) as f64 / rows as f64;
    assert!(drained > 0.0 && drained <= DRAINED_SHARE_MAX, "{drained} of the rows are from the drain");
    assert!(kills == 0 || replays > 0, "no run had anything to read again");
}

#[test]
fn merged_windows_are_what_readings_say_on_apache_kafka_through_kills() {
    through_kills(Kind::Apache, 2, figure("CORELANE_E2E_DEVICES", DEVICES), figure("CORELANE_E2E_KILLS", KILLS));
}

#[test]
fn merged_windows_are_what_readings_say_beside_the_embedded_broker_through_kills() {
    through_kills(Kind::Embedded, 1, figure("CORELANE_E2E_DEVICES", DEVICES), figure("CORELANE_E2E_KILLS", KILLS));
}
