//! For as long as one likes, a fault a minute: does anything grow in a process that lives through all of them?
//!
//! The process that is watched has two lanes and is never killed, so that what it gathers stays. All else comes and goes: another process
//! of its group joins and leaves, or is killed; the broker is stopped, ended and killed; the process itself is stopped for longer than its
//! session, and wakes up fenced.

use std::fs;
use std::time::{Duration, Instant};

use super::stage::{Stage, number_after};
use super::support::kafka::ApacheKafka;
use super::support::process::{Process, corelane};
use super::support::wait::{eventually, free_port};
use super::web::{get, sum};
use super::{PATIENCE, group_of};

/// Of the broker: what retention lets go is gone soon.
pub(crate) const BROKER: [(&str, &str); 1] = [("log.retention.check.interval.ms", "5000")];
/// Of the topic: many times what open windows need, and little enough for a disk in memory.
const TOPIC: [&str; 4] = ["--config", "retention.bytes=1000000000", "--config", "segment.bytes=100000000"];
/// A fault a minute makes the lanes read again what open and rolling windows need, each time. With the default windows that is up to six
/// minutes: they would do nothing else. Simulator, Kafka and lanes share two cores, so it has to be some seconds.
const WINDOWS: [&str; 8] =
    ["--set", "windows.size=5s", "--set", "windows.rolling=1", "--set", "windows.grace=2s", "--set", "windows.future_skew=2s"];
const SAMPLES_EVERY: Duration = Duration::from_secs(5);
const FAULTS_EVERY: Duration = Duration::from_mins(1);
/// The first fault comes after half of that, so that each minute of the report has one.
const FIRST_FAULT: Duration = Duration::from_secs(30);
/// What is compared: the first so many minutes and the last.
const COMPARED_MINUTES: u64 = 10;

/// What goes wrong, in turn, and for how long.
const FAULTS: [(Fault, Duration); 6] = [
    (Fault::GuestLeaves, Duration::from_secs(15)),
    (Fault::BrokerStall, Duration::from_secs(5)),
    (Fault::GuestIsKilled, Duration::from_secs(15)),
    (Fault::BrokerRestart, Duration::from_secs(1)),
    (Fault::Stall, Duration::from_secs(13)),
    (Fault::BrokerKill, Duration::from_secs(1)),
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    GuestLeaves,
    GuestIsKilled,
    BrokerStall,
    BrokerRestart,
    BrokerKill,
    /// Of the process itself, for longer than its session.
    Stall,
}

/// What a look at the process gives.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    /// Resident, bytes.
    memory: f64,
    files: f64,
    threads: f64,
    /// Messages behind, over all partitions.
    lag: f64,
    /// Memory of open windows, bytes.
    windows: f64,
    messages: f64,
    settles: f64,
    settle_seconds: f64,
    cpu_seconds: f64,
}

/// The plot: who is there, and what is broken right now.
struct Soak<'a> {
    kafka: &'a ApacheKafka,
    stage: &'a Stage,
    lake: String,
    process: Process,
    port: u16,
    guest: Option<Process>,
    broken: Option<(Fault, Instant)>,
}

pub(crate) fn measure(kafka: &ApacheKafka, rate: u64, minutes: u64) {
    let stage = Stage::with(&kafka.bootstrap(), "soak", &TOPIC);
    // An hour of readings is larger than a disk in memory.
    let disk = tempfile::tempdir().expect("a temporary directory");
    let lake = format!("lake.path={}", disk.path().join("lake").display());
    let mut simulator = Process::spawn(stage.simulate(&["--devices", "10000", "--rate", &rate.to_string()]));
    let port = free_port();
    let serve = format!("serve.listen=127.0.0.1:{port}");
    let settings = ["--quiet", "--set", &lake, "--set", "lanes.instance=soaked", "--set", "lanes.count=2", "--set", &serve];
    let process = Process::spawn(stage.run(&[&settings[..], &WINDOWS].concat()));
    let mut soak = Soak { kafka, stage: &stage, lake, process, port, guest: None, broken: None };
    let (samples, faults) = soak.play(Duration::from_secs(60 * minutes));
    assert!(simulator.is_running(), "the simulator ended:\n{}", simulator.stderr());
    simulator.signal(libc::SIGINT);
    let sent = number_after(&simulator.wait_success(PATIENCE), "sent");
    println!("soak: {minutes} minutes, {faults} faults, {:.0} messages a second sent", sent as f64 / 60.0 / minutes as f64);
    report(&samples, minutes);
    soak.end(sent);
}

impl Soak<'_> {
    /// Looks and breaks until the time is over, and heals.
    fn play(&mut self, lasts: Duration) -> (Vec<Sample>, usize) {
        let began = Instant::now();
        let (mut samples, mut faults) = (Vec::<Sample>::new(), 0);
        let mut told = Duration::ZERO;
        while began.elapsed() < lasts {
            std::thread::sleep(SAMPLES_EVERY);
            assert!(self.process.is_running(), "it ended:\n{}", self.process.stderr());
            self.heal_when_over();
            if self.broken.is_none() && began.elapsed() > FIRST_FAULT + FAULTS_EVERY * u32::try_from(faults).expect("a few") {
                self.strike(FAULTS[faults % FAULTS.len()]);
                faults += 1;
            }
            if !matches!(self.broken, Some((Fault::Stall, _))) {
                samples.extend(self.look(began.elapsed()));
            }
            if began.elapsed() > told + Duration::from_mins(1) {
                told = began.elapsed();
                if let Some(sample) = samples.last() {
                    println!("soak: {:>4.0} s {sample:?}", told.as_secs_f64());
                }
            }
        }
        while self.broken.is_some() {
            std::thread::sleep(Duration::from_millis(100));
            self.heal_when_over();
        }
        (samples, faults)
    }

    fn strike(&mut self, (fault, lasts): (Fault, Duration)) {
        println!("soak: {fault:?}");
        match fault {
            Fault::GuestLeaves | Fault::GuestIsKilled => {
                let settings = ["--quiet", "--set", &self.lake, "--set", "lanes.instance=guest", "--set", "lanes.count=1"];
                self.guest = Some(Process::spawn(self.stage.run(&[&settings[..], &WINDOWS].concat())));
            }
            Fault::BrokerStall => self.kafka.stop_signal(1),
            Fault::BrokerRestart => self.kafka.terminate(1),
            Fault::BrokerKill => self.kafka.kill9(1),
            Fault::Stall => self.process.signal(libc::SIGSTOP),
        }
        self.broken = Some((fault, Instant::now() + lasts));
    }

    fn heal_when_over(&mut self) {
        let Some((fault, until)) = self.broken else { return };
        if Instant::now() < until {
            return;
        }
        match fault {
            Fault::GuestLeaves => {
                let mut guest = self.guest.take().expect("it came with the fault");
                guest.signal(libc::SIGTERM);
                guest.wait_success(PATIENCE);
            }
            Fault::GuestIsKilled => {
                self.guest.take().expect("it came with the fault").kill9();
            }
            Fault::BrokerStall => self.kafka.continue_signal(1),
            Fault::BrokerRestart | Fault::BrokerKill => {
                self.kafka.restart_without_waiting(1);
            }
            Fault::Stall => self.process.signal(libc::SIGCONT),
        }
        self.broken = None;
    }

    /// None: the process did not answer.
    fn look(&self, at: Duration) -> Option<Sample> {
        let (_, body) = get(self.port, "/metrics")?;
        let pid = self.process.pid();
        let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0.0, |entries| entries.count() as f64);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let memory =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse::<f64>().ok()?;
        let sum = |name: &str| sum(&body, name);
        Some(Sample {
            at,
            memory: memory * 1024.0,
            files: count("fd"),
            threads: count("task"),
            lag: sum("corelane_partition_lag_messages"),
            windows: sum("corelane_window_bytes"),
            messages: sum("corelane_messages_total"),
            settles: sum("corelane_settle_duration_seconds_count"),
            settle_seconds: sum("corelane_settle_duration_seconds_sum"),
            cpu_seconds: sum("process_cpu_seconds_total"),
        })
    }

    /// All stop, their successors finish what is left, and every message that was sent is counted.
    fn end(mut self, sent: u64) {
        self.process.signal(libc::SIGTERM);
        self.process.wait_success(PATIENCE);
        for instance in ["lanes.instance=soaked", "lanes.instance=guest"] {
            let settings = ["--quiet", "--until-end", "--set", &self.lake, "--set", instance, "--set", "lanes.count=2"];
            Process::spawn(self.stage.run(&[&settings[..], &WINDOWS].concat())).wait_success(PATIENCE);
        }
        let group = group_of(self.stage);
        let all: i64 = eventually(PATIENCE, "the group's offsets", || group.committed()).iter().sum();
        // No transaction writes the input, so each offset is a message.
        assert_eq!(u64::try_from(all), Ok(sent), "committed against sent");
        let mut verify = corelane(["verify", "--quiet", "--config"]);
        verify.arg(self.stage.configuration()).args(["--set", &self.lake]);
        let said = Process::spawn(verify).wait_success(PATIENCE);
        println!("soak: {sent} sent, {all} committed; corelane verify:\n{said}");
    }
}

/// The first minutes beside the last, as a table of Markdown.
fn report(samples: &[Sample], minutes: u64) {
    let compared = Duration::from_secs(60 * COMPARED_MINUTES.min(minutes / 2).max(1));
    let end = Duration::from_secs(60 * minutes);
    let first: Vec<&Sample> = samples.iter().filter(|sample| sample.at < compared).collect();
    let last: Vec<&Sample> = samples.iter().filter(|sample| sample.at + compared >= end).collect();
    println!(
        "| | first {0} minutes: median, highest | last {0} minutes: median, highest |\n|---|---|---|",
        compared.as_secs() / 60
    );
    let row = |name: &str, of: &dyn Fn(&Sample) -> f64| {
        let cell = |samples: &[&Sample]| {
            let mut values: Vec<f64> = samples.iter().map(|sample| of(sample)).collect();
            values.sort_by(f64::total_cmp);
            let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
            format!("{:.0}, {:.0}", at(values.len() / 2), at(values.len().saturating_sub(1)))
        };
        println!("| {name} | {} | {} |", cell(&first), cell(&last));
    };
    row("resident memory, MiB", &|sample| sample.memory / f64::from(1 << 20));
    row("memory of open windows, MiB", &|sample| sample.windows / f64::from(1 << 20));
    row("open files", &|sample| sample.files);
    row("threads", &|sample| sample.threads);
    row("messages behind", &|sample| sample.lag);
    let rate = |samples: &[&Sample], of: fn(&Sample) -> f64, per: fn(&Sample) -> f64| match (samples.first(), samples.last()) {
        (Some(begin), Some(end)) => (of(end) - of(begin)) / (per(end) - per(begin)),
        _ => f64::NAN,
    };
    let both = |of: fn(&Sample) -> f64, per: fn(&Sample) -> f64, times: f64| {
        [rate(&first, of, per) * times, rate(&last, of, per) * times]
    };
    let [before, after] = both(|sample| sample.settle_seconds, |sample| sample.settles, 1e3);
    println!("| settle of an epoch, mean, ms | {before:.0} | {after:.0} |");
    let [before, after] = both(|sample| sample.messages, |sample| sample.at.as_secs_f64(), 1.0);
    println!("| messages a second, with those read again | {before:.0} | {after:.0} |");
    let [before, after] = both(|sample| sample.cpu_seconds, |sample| sample.messages, 1e6);
    println!("| CPU-s a million messages | {before:.2} | {after:.2} |");
}
