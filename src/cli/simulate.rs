//! `corelane simulate`: a fleet of devices that sends to a topic, with labels of what must become of each message.

pub(super) mod deliver;
pub(super) mod plan;
pub(super) mod report;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::deliver::KafkaDeliver;
use self::plan::{Plan, RateArg};
use self::report::LiveReport;
use super::exit::OrExit as _;
use super::{Exit, Failure, signals};
use crate::config::{self, Config, Machine};
use crate::kafka::ClientSettings;
use crate::simulate::{Fleet, LabelWriter, Mix, Speed, drive};

const EXAMPLES: &str = "\
Examples:
  corelane simulate --brokers 127.0.0.1:9092 --topic device-data
  corelane simulate --brokers 127.0.0.1:9092 --topic device-data --fleet 10000 --interval 10s --duration 5m
  corelane simulate --brokers 127.0.0.1:9092 --topic device-data --rate max --messages 1000000 \\
      --malformed 0.01 --duplicates 0.01 --labels labels.parquet
  corelane simulate --brokers 127.0.0.1:9092 --topic history --start 2026-11-20T00:00:00Z --duration 6h --seed 7
  corelane simulate --config conf/corelane.yaml --mix flat=1

Rates of anomalies and faults are shares of messages: 0.01 is one per cent. docs/simulator.md has all kinds of faults and the columns
of the labels. Ctrl-C stops: what was sent is waited for and the labels are closed.
Exit codes: 0 all was delivered, 69 Kafka or the topic is not available or deliveries failed, 74 labels cannot be written";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Where Kafka is, host:port, several with commas
    #[arg(long, value_delimiter = ',', required_unless_present = "config")]
    brokers: Vec<String>,
    /// The topic to send to; it must exist. With --config its first topic is the default
    #[arg(long, required_unless_present = "config")]
    topic: Option<String>,
    /// A configuration: its brokers, security, topic, limits of time, and what it says of `simulate`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Write the ground truth, a row a message, as Parquet
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Print no live line
    #[arg(long)]
    quiet: bool,
}

/// What is sent, and when.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Number of devices, as a preset
    #[arg(long, value_name = "N", value_parser = plan::parse_preset, conflicts_with = "devices")]
    fleet: Option<u32>,
    /// Number of devices, any [default: 1000]
    #[arg(long, value_name = "N")]
    devices: Option<u32>,
    /// Time between two messages of a device: 3s, 5s, 10s or any [default: 5s]
    #[arg(long, value_parser = plan::parse_duration, conflicts_with = "rate")]
    interval: Option<Duration>,
    /// Messages a second of the whole fleet, or max: as fast as Kafka takes them
    #[arg(long, value_name = "N|max", value_parser = plan::parse_rate)]
    rate: Option<RateArg>,
    /// Stop after this time; with --start simulated time
    #[arg(long, value_parser = plan::parse_duration)]
    duration: Option<Duration>,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// The same seed and start give the same bytes [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Simulate the past from this time on (RFC 3339), up to the present at most
    #[arg(long, value_name = "TIME", value_parser = plan::parse_time)]
    start: Option<i64>,
    /// With --start: simulated seconds a second, or max
    #[arg(long, value_name = "N|max", value_parser = plan::parse_speed, requires = "start", default_value = "max")]
    speed: Speed,
    /// Shares of the five formats among devices
    #[arg(long, value_parser = plan::parse_mix, default_value = "nested=40,device=20,envelope=20,flat=10,single=10")]
    mix: Mix,
    #[command(flatten)]
    rates: RateArgs,
}

/// Shares of messages.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "What goes wrong, in shares of messages")]
struct RateArgs {
    /// Anomalies begun: spike, drift, stuck, out of range, drop-out
    #[arg(long, value_name = "SHARE", default_value_t = 0.0005)]
    anomalies: f64,
    /// Event times minutes to weeks before the time of sending
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    late: f64,
    /// Event times minutes to a day ahead
    #[arg(long, value_name = "SHARE", default_value_t = 0.0005)]
    future_clock: f64,
    /// Readings sent once more
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    duplicates: f64,
    /// Malformed messages, of all kinds in turn
    #[arg(long, value_name = "SHARE", default_value_t = 0.001)]
    malformed: f64,
    /// Messages of almost a megabyte
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    oversized: f64,
    /// Sensors that nobody configured
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    unknown_sensors: f64,
    /// Other units, known and unknown
    #[arg(long, value_name = "SHARE", default_value_t = 0.002)]
    other_units: f64,
    /// Alerts, heartbeats and states of the system
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    events: f64,
    /// Pretty-printed messages
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pretty: f64,
    /// Messages with their members in random order
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    shuffled: f64,
    /// Nothing goes wrong, all is compact, no events: the other shares do not count
    #[arg(long)]
    clean: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.load()?;
    let topic = args.topic(&config)?;
    let plan = Plan::new(&args.plan, &config, plan::now_ms()).or_exit(Exit::Usage)?;
    let mut fleet = Fleet::new(plan.fleet).or_exit(Exit::Usage)?;
    let stop = signals::stop_on_signals().or_exit(Exit::Io)?;
    let mut kafka = KafkaDeliver::connect(&client(&config), &topic).or_exit(Exit::Unavailable)?;
    let labels = match &args.labels {
        Some(path) => Some(LabelWriter::create(path, &topic).or_exit(Exit::Io)?),
        None => None,
    };
    let live = LiveReport::begin(fleet.metrics(), !args.quiet);
    let outcome = drive(&mut fleet, &mut kafka, &plan.pace, &stop, labels);
    live.end();
    if let Err(late) = kafka.close(Instant::now() + Duration::from_secs(5)) {
        tracing::warn!("{late}");
    }
    let summary = outcome.or_exit(Exit::Io)?;
    report::print(&summary, &topic);
    if let Some(error) = summary.ended_by {
        return Err(error).or_exit(Exit::Unavailable);
    }
    if summary.failed > 0 {
        return Err(anyhow::anyhow!("{} of {} messages were not delivered", summary.failed, summary.sent))
            .or_exit(Exit::Unavailable);
    }
    Ok(())
}

impl Args {
    /// The file with what the command line says over it; without a file the defaults.
    fn load(&self) -> Result<Config, Failure> {
        let topics: Vec<String> = self.topic.iter().cloned().collect();
        let Some(file) = &self.config else {
            // Nothing is written there, so the lake's place is never looked at.
            return config::from_minimal(&self.brokers, &topics, Path::new("lake"), &Machine::detect()).or_exit(Exit::Usage);
        };
        let brokers =
            (!self.brokers.is_empty()).then(|| format!("kafka.brokers={}", serde_json::Value::from(self.brokers.as_slice())));
        let sets: Vec<String> = brokers.into_iter().collect();
        config::load_files(std::slice::from_ref(file), &sets).or_exit(Exit::Config)
    }

    fn topic(&self, config: &Config) -> Result<String, Failure> {
        let first = || config.kafka.topics.first().map(ToString::to_string);
        let none = || anyhow::anyhow!("no topic to send to: give --topic, or kafka.topics in the configuration");
        self.topic.clone().or_else(first).ok_or_else(none).or_exit(Exit::Usage)
    }
}

fn client(config: &Config) -> ClientSettings {
    ClientSettings {
        brokers: config.kafka.brokers.clone(),
        client_id: "corelane-simulate".to_owned(),
        security: config.kafka.security.clone(),
        properties: config.kafka.properties.clone(),
        cores: Vec::new(),
    }
}
