//! A topic, a lake and a configuration of one measurement.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::support::process::{Process, corelane};
use super::support::scratch::Scratch;

pub(crate) const PARTITIONS: usize = 4;

pub(crate) struct Stage {
    brokers: String,
    topic: String,
    scratch: Scratch,
}

impl Stage {
    /// Makes the topic and the configuration: one lane, no port taken.
    pub(crate) fn new(brokers: &str, topic: &str) -> Self {
        Self::with(brokers, topic, &[])
    }

    /// The same; `create` are further arguments of `corelane topics create`.
    pub(crate) fn with(brokers: &str, topic: &str, create: &[&str]) -> Self {
        let stage = Self { brokers: brokers.to_owned(), topic: topic.to_owned(), scratch: Scratch::new("windows") };
        let partitions = PARTITIONS.to_string();
        let mut command = corelane(["topics", "--brokers", brokers, "create", topic, "--partitions", &partitions]);
        command.args(create);
        Process::spawn(command).wait_success(Duration::from_mins(1));
        let text = format!(
            "kafka:\n  brokers: [\"{brokers}\"]\n  topics: [{topic}]\n  group: {topic}\n  prefix: {topic}\nlake:\n  path: {}\nlanes:\n  \
             count: 1\nserve:\n  listen: off\n",
            stage.lake().display()
        );
        fs::write(stage.configuration(), text).expect("a file in scratch");
        stage
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.scratch.path().join("lake")
    }

    /// Of the topic, and also of the group and the prefix of output topics.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.scratch.path().join("corelane.yaml")
    }

    pub(crate) fn run(&self, args: &[&str]) -> Command {
        let mut command = corelane(["run"]);
        command.arg(self.configuration()).args(args);
        command
    }

    /// The project's own format, nothing faulty.
    pub(crate) fn simulate(&self, args: &[&str]) -> Command {
        let mut command = corelane(["simulate", "--quiet", "--brokers", &self.brokers, "--topic", &self.topic]);
        command.args(["--seed", "7", "--mix", "nested=1", "--clean"]).args(args);
        command
    }

    /// Messages of the last full hour but one, from its start on.
    pub(crate) fn simulate_past(&self, devices: &str, interval: &str, messages: u64) {
        let hour = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 3_600 - 1;
        let start = jiff::Timestamp::from_second(i64::try_from(hour * 3_600).expect("before the year 292277026596"));
        let start = start.expect("a time of these centuries").to_string();
        let messages = messages.to_string();
        let args = ["--devices", devices, "--interval", interval, "--start", &start, "--messages", &messages];
        Process::spawn(self.simulate(&args)).wait_success(Duration::from_mins(20));
    }
}

/// The embedded broker on a port of its own, and its address.
pub(crate) fn embedded_broker() -> (Process, String) {
    let mut broker = Process::spawn(corelane(["broker", "--listen", "127.0.0.1:0", "--memory", "1GiB"]));
    let ready = broker.wait_line(Duration::from_mins(1), "broker ready at ");
    let address = ready.split("ready at ").nth(1).and_then(|rest| rest.split(',').next()).expect("it says where");
    (broker, address.to_owned())
}

/// The number after a label at the beginning of a line: `consumed   20,000 messages`.
pub(crate) fn number_after(output: &str, label: &str) -> u64 {
    let rest = output.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("no {label} in {output}"));
    rest.split_whitespace().next().and_then(|word| word.replace(',', "").parse().ok()).expect("a number after its label")
}

/// The time of a line of the log, seconds since 1970.
pub(crate) fn seconds_of(line: &str) -> f64 {
    let word = line.split_whitespace().next().unwrap_or_default();
    let time: jiff::Timestamp = word.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    Duration::from_micros(time.as_microsecond().unsigned_abs()).as_secs_f64()
}
