//! kill -9 of `run`, again and again while messages come in: nothing is lost, nothing is double.
//!
//! Every second kill follows the appearance of a staged file by some milliseconds, so that it falls into a settle, before or after the
//! commit; the others come at any moment, recovery and joining included. Which kills fell into a settle is seen in the staging folder
//! before the next start.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::records::committed;
use crate::stage::{Kind, PATIENCE, Stage, figure, seed, sent};
use crate::support::process::{Process, files_below};
use crate::support::readers::read_labels;
use crate::verified::audit;

/// The figure is 20.
const KILLS: u64 = 8;
/// Of this many kills at least one must fall into a settle: 5 of 20.
const KILLS_A_SETTLE: u64 = 4;
/// Kafka ends a dead writer's transaction after 15 s and more, and keeps the group's offsets back until then. A start ends it by itself.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(12);
const SETTINGS: [&str; 5] = ["--quiet", "--set", "epoch.interval=500ms", "--set", "lanes.count=2"];

/// What the kills met.
#[derive(Debug, Default)]
struct Tally {
    inside_settle: u64,
    /// Epochs that recovery found committed, and found not to be.
    revealed: u64,
    discarded: u64,
    /// The longest from a start to its first staged file.
    slowest_start: Duration,
}

/// Kills runs in a row while the simulator sends, until enough kills fell into a settle, then lets one run to the end. Gives how many
/// messages there were.
fn disturb(stage: &Stage, seed: u64, kills: u64, settings: &[&str]) -> (Tally, u64) {
    let settings = [&SETTINGS[..], settings].concat();
    let mut random = SmallRng::seed_from_u64(seed);
    println!("{:?}, {kills} kills, seed {seed}", stage.kind());
    let began = Instant::now();
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", "3000"]));
    let mut tally = Tally::default();
    // A busy machine wakes us late, after the settle: then there are some kills more.
    let is_enough =
        |kill: u64, tally: &Tally| kill >= kills && (tally.inside_settle >= kills / KILLS_A_SETTLE || kill >= 3 * kills);
    for kill in 0.. {
        if is_enough(kill, &tally) {
            break;
        }
        // What the last kill left staged proves nothing about this one.
        let before = staged(stage);
        let mut run = Process::spawn(stage.run(&settings));
        if kill % 2 == 0 {
            tally.slowest_start = tally.slowest_start.max(follow_a_settle(stage, &mut run, &mut random));
        } else {
            any_moment(&mut run, &mut random);
        }
        assert!(run.is_running(), "ended by itself:\n{}", run.stderr());
        run.kill9();
        let fresh = staged(stage).difference(&before).count();
        tally.inside_settle += u64::from(fresh > 0);
        tally.count(&run.stderr());
        println!("kill {kill}: {fresh} freshly staged files; since the start {:.1} s", began.elapsed().as_secs_f64());
    }
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    let mut last = Process::spawn(stage.run(&[&["--until-end"], &settings[..]].concat()));
    last.wait_success(PATIENCE);
    tally.count(&last.stderr());
    assert!(tally.slowest_start < TRANSACTION_TIMEOUT, "a start waited until its predecessor's transaction timed out: {tally:?}");
    (tally, messages)
}

fn survives(kind: Kind) {
    let (seed, kills) = (seed(), figure("CORELANE_E2E_KILLS", KILLS));
    let stage = Stage::new(kind, "killed", 4);
    let (tally, messages) = disturb(&stage, seed, kills, &[]);
    println!("{kind:?}, {kills} kills, seed {seed}: {tally:?}; {}", audit(&stage, messages).line());
    assert!(tally.inside_settle >= kills / KILLS_A_SETTLE, "too few kills fell into a settle: {tally:?} of {kills}");
}

/// Waits for a file that this run has staged, and then some milliseconds. Gives how long the file was waited for.
pub(crate) fn follow_a_settle(stage: &Stage, run: &mut Process, random: &mut SmallRng) -> Duration {
    let before = staged(stage);
    let began = Instant::now();
    while staged(stage).is_subset(&before) {
        assert!(run.is_running() && began.elapsed() < PATIENCE, "no settle:\n{}", run.stderr());
        // A settle is a matter of milliseconds: looked at more often than `wait_for` does.
        std::thread::sleep(Duration::from_micros(200));
    }
    let waited = began.elapsed();
    // About as long as a settle takes there.
    let length_us = if stage.kind() == Kind::Apache { 15_000 } else { 2_000 };
    std::thread::sleep(Duration::from_micros(random.random_range(0..length_us)));
    waited
}

/// The moment itself is what is random here; nothing is waited for.
fn any_moment(run: &mut Process, random: &mut SmallRng) {
    let moment = Instant::now() + Duration::from_millis(random.random_range(50..4_000));
    while Instant::now() < moment && run.is_running() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn staged(stage: &Stage) -> BTreeSet<PathBuf> {
    files_below(&stage.staging(), ".parquet").into_iter().collect()
}

impl Tally {
    /// Adds what a run logged of its recovery: `epochs recovered … revealed=1 discarded=0`.
    fn count(&mut self, log: &str) {
        let number = |line: &str, name: &str| -> u64 {
            let text = line.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {line}"));
            text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
        };
        for line in log.lines().filter(|line| line.contains("epochs recovered")) {
            self.revealed += number(line, "revealed=");
            self.discarded += number(line, "discarded=");
        }
    }
}

/// What a transaction would have prevented may happen: rows that are there twice. Nothing is lost.
#[test]
fn kill_9_with_at_least_once_loses_nothing() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "killed-plain", 4);
    let (tally, messages) = disturb(&stage, seed, KILLS / 2, &["--set", "kafka.delivery=at_least_once"]);
    let report = read_labels(&stage.lake(), &stage.labels());
    println!("at_least_once, seed {seed}: {tally:?}; {messages} messages, missing {}, double {}", report.missing, report.double);
    assert_eq!((report.delivered, report.missing, report.unlabelled), (messages, 0, 0));
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
}

/// Between commit and reveal lies a moment that no kill from outside hits. A file in the place of a folder makes it last.
fn revealed_after_the_kill(kind: Kind) {
    let (seed, messages) = (seed(), 5_000);
    let stage = Stage::new(kind, "unrevealed", 2);
    stage.run_to_end(&[]); // makes the lake
    stage.fill(seed, messages);
    let in_the_way = stage.lake().join("readings");
    fs::write(&in_the_way, "").unwrap();
    let mut run = Process::spawn(stage.run(&SETTINGS));
    let all = |_: &mut Process| {
        (committed(&stage).iter().filter_map(|(offset, _)| *offset).sum::<i64>() == messages as i64).then_some(())
    };
    run.wait_for(PATIENCE, "all to be committed", all);
    run.kill9();
    let staged = staged(&stage).len();
    fs::remove_file(in_the_way).unwrap();
    let mut tally = Tally::default();
    let mut last = Process::spawn(stage.run(&[&["--until-end"], &SETTINGS[..]].concat()));
    last.wait_success(PATIENCE);
    tally.count(&last.stderr());
    println!("{kind:?}, seed {seed}: {staged} staged files of committed epochs, {tally:?}; {}", audit(&stage, messages).line());
    assert!(staged > 0 && tally.revealed > 0 && tally.discarded == 0, "{tally:?}");
}

#[test]
fn what_was_committed_is_revealed_after_the_kill_on_apache_kafka() {
    revealed_after_the_kill(Kind::Apache);
}

#[test]
fn what_was_committed_is_revealed_after_the_kill_beside_the_embedded_broker() {
    revealed_after_the_kill(Kind::Embedded);
}

#[test]
fn kill_9_on_apache_kafka_loses_and_doubles_nothing() {
    survives(Kind::Apache);
}

#[test]
fn kill_9_beside_the_embedded_broker_loses_and_doubles_nothing() {
    survives(Kind::Embedded);
}
