//! Who is compared: how each is started, and how what it made is summed up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use corelane::kafka::{Admin, ClientSettings, NewTopic};
use serde::Deserialize;

use super::bare::Drained;
use super::data::Data;
use super::measured::{self, Cost};
use super::options::{Mix, Options};
use super::support::cache_dir;
use super::support::process::corelane;

pub(crate) const PARTITIONS: i32 = 4;
const ADMIN: Duration = Duration::from_mins(1);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/main_job");

/// A broker, what is sent to it, and a folder of our own.
pub(crate) struct Setup {
    pub(crate) brokers: String,
    pub(crate) mix: Mix,
    pub(crate) options: Options,
    pub(crate) root: PathBuf,
}

/// What a table of readings holds, as DuckDB sums it up. Decimals are summed as whole numbers: no order of adding changes them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) rows: u64,
    /// Highest offset by partition; empty for a table without offsets.
    pub(crate) ends: BTreeMap<i32, i64>,
    /// By name: rows, devices, last event time, count and sum of each sensor.
    pub(crate) values: BTreeMap<String, i64>,
}

impl Checksum {
    pub(crate) fn line(&self) -> String {
        let values: Vec<String> = self.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let ends: Vec<String> = self.ends.values().map(ToString::to_string).collect();
        format!("{}; highest offsets {}", values.join(", "), ends.join(" "))
    }
}

impl Setup {
    pub(crate) fn client(&self) -> ClientSettings {
        ClientSettings { brokers: vec![self.brokers.clone()], client_id: "main-job".to_owned(), ..ClientSettings::default() }
    }

    /// Topics of different mixes lie beside each other on one broker.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.mix.name())
    }

    pub(crate) fn create_topic(&self, name: &str) {
        let (topic, deadline) = (self.topic(name), Instant::now() + ADMIN);
        let admin = Admin::new(&self.client()).expect("an admin client");
        admin.create_topic(&NewTopic::new(&topic, PARTITIONS), deadline).expect("a topic");
        admin.wait_for_leaders(&[&topic], deadline).expect("a leader");
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        let admin = Admin::new(&self.client()).expect("an admin client");
        admin.delete_topics(&[&self.topic(name)], Instant::now() + ADMIN).expect("our own topic");
    }

    /// Ten thousand devices, a message each in ten seconds, from the last full hour but one on: the same bytes at every call within it,
    /// and one hour of the lake. Anomalies and shuffled members are in it, faults are not: the script has no answer to them.
    pub(crate) fn simulate(&self, topic: &str) -> Cost {
        let mut command = corelane(["simulate", "--quiet", "--brokers", &self.brokers, "--topic", &self.topic(topic)]);
        command.args(["--devices", "10000", "--interval", "10s", "--seed", "7", "--start", &start_time(), "--shuffled", "0.05"]);
        command.args(["--messages", &self.options.messages.to_string(), "--mix", self.mix.shares()]);
        for none in ["malformed", "duplicates", "late", "future-clock", "unknown-sensors", "other-units", "events", "pretty"] {
            command.args([&format!("--{none}"), "0"]);
        }
        measured::run(command)
    }

    /// The same bytes through a bare producer. What it took to read the file is subtracted.
    pub(crate) fn produce(&self, topic: &str, data: &Data) -> Cost {
        let mut command = this_binary();
        command.args(["produce", &self.brokers, &self.topic(topic)]).arg(&data.records);
        let mut cost = measured::run(command);
        let before: Vec<u64> = cost.stdout.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [cpu_us, wall_us] = before[..] else { panic!("what the producer says of its start: {:?}", cost.stdout) };
        cost.cpu -= Duration::from_micros(cpu_us);
        cost.wall -= Duration::from_micros(wall_us);
        cost.peak_bytes = 0; // mostly the file
        cost
    }

    pub(crate) fn drain(&self, topic: &str) -> (Cost, Drained) {
        let mut command = this_binary();
        command.args(["drain", &self.brokers, &self.topic(topic)]);
        let cost = measured::run(command);
        let drained = serde_json::from_str(&cost.stdout).expect("a drain says what it counted");
        (cost, drained)
    }

    /// The main job as shipped, in a fresh lake and a fresh group; one lane, and no port of the machine taken.
    pub(crate) fn run_lanes(&self, lake: &Path, round: u32) -> Cost {
        let config = self.root.join("corelane.yaml");
        let brokers = &self.brokers;
        let group = format!("main-job-{}-{round}", self.mix.name());
        let text = format!(
            "kafka:\n  brokers: [\"{brokers}\"]\n  topics: [{}]\n  group: {group}\n  prefix: {group}\nlake:\n  path: {}\nlanes:\n  count: 1\n\
             serve:\n  listen: off\n",
            self.topic("input"),
            lake.display()
        );
        fs::write(&config, text).expect("a file in scratch");
        let mut command = corelane(["run", "--until-end", "--quiet"]);
        command.arg(config);
        measured::run(command)
    }

    /// What a person would write for the same readings, on files, on one thread.
    pub(crate) fn script(&self, data: &Data, to: &Path) -> Cost {
        let sql = Path::new(FOLDER).join(format!("readings_{}.sql", self.mix.name()));
        let mut command = python("script.py");
        command.arg(sql).arg(&data.folder).arg(to);
        measured::run(command)
    }
}

/// Of all Parquet files that a pattern names.
pub(crate) fn checksum(files: &Path) -> Checksum {
    let mut command = python("checksum.py");
    command.arg(files);
    serde_json::from_str(&measured::run(command).stdout).expect("checksum.py prints a checksum")
}

fn python(script: &str) -> Command {
    let interpreter = cache_dir().join("venv/bin/python");
    assert!(interpreter.exists(), "{} is missing: run `./dev setup`", interpreter.display());
    let mut command = Command::new(interpreter);
    // No byte code in the checkout, and nothing from the user's own packages.
    command.args(["-B", "-s"]).arg(Path::new(FOLDER).join(script));
    command
}

fn this_binary() -> Command {
    Command::new(std::env::current_exe().expect("Linux says which program this is"))
}

/// The last full hour but one: a million messages are a thousand seconds, and every one of them lies in the past. Fixed at the first
/// call, so that a run over the turn of the hour sends the same bytes throughout.
fn start_time() -> String {
    static START: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    START
        .get_or_init(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            let start = i64::try_from((now / 3_600 - 1) * 3_600).expect("before the year 292277026596");
            jiff::Timestamp::from_second(start).expect("a time of these centuries").to_string()
        })
        .clone()
}
