//! `corelane broker`: the embedded broker alone, for clients of any kind.

use std::net::SocketAddr;

use anyhow::Context as _;

use super::exit::OrExit as _;
use super::{Exit, Failure};
use crate::broker::{Broker, BrokerError, BrokerOptions};

/// An in-memory Kafka broker of one node: for trying things out and for tests. Its records are gone when it ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  corelane broker --topic telemetry:4
  corelane broker --listen 0.0.0.0:9092 --topic in:8,message.timestamp.type=LogAppendTime --topic state:1,cleanup.policy=compact
  corelane broker --listen 127.0.0.1:0 --auto-create --memory 2GiB

Ends on Ctrl-C or SIGTERM with exit code 0.")]
pub(super) struct Args {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9092", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Creates a topic at the start: its name, partitions, settings as Kafka names them; may be repeated
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS][,SETTING=VALUE]...")]
    topics: Vec<NewTopic>,
    /// Partitions of a topic whose number is not given
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    /// Creates a topic when a client asks for it
    #[arg(long)]
    auto_create: bool,
    /// What all records together may take; beyond it the largest partition loses its oldest. Bytes, or with KiB, MiB, GiB
    #[arg(long, default_value = "512MiB", value_name = "SIZE", value_parser = parse_size)]
    memory: usize,
}

/// A topic as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NewTopic {
    name: String,
    partitions: Option<i32>,
    settings: Vec<(String, String)>,
}

impl std::str::FromStr for NewTopic {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        let mut parts = argument.split(',');
        let first = parts.next().unwrap_or_default();
        let (name, partitions) = match first.split_once(':') {
            None => (first, None),
            Some((name, partitions)) => {
                let wrong = |_| format!("`{partitions}` is no number of partitions; write NAME:4");
                (name, Some(partitions.parse().map_err(wrong)?))
            }
        };
        let setting = |part: &str| match part.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("`{part}` is no setting; write NAME:4,retention.ms=60000")),
        };
        let settings = parts.map(setting).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), partitions, settings })
    }
}

fn parse_size(argument: &str) -> Result<usize, String> {
    let digits = argument.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &argument[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("`{other}` is no unit; write KiB, MiB or GiB")),
    };
    let number: usize = digits.parse().map_err(|_| format!("`{argument}` is no size; write 512MiB"))?;
    let bytes = number.checked_mul(unit).ok_or_else(|| format!("`{argument}` is more than this machine can count"))?;
    if bytes < 1 << 20 { Err("less than 1MiB does not hold one batch of records".to_owned()) } else { Ok(bytes) }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let options = BrokerOptions {
        listen: args.listen,
        partitions: args.partitions,
        auto_create: args.auto_create,
        memory_bytes_max: args.memory,
        ..BrokerOptions::default()
    };
    // Before anything is started, so that no signal finds the program without an answer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(Exit::Io)?;
    let stopped = runtime.block_on(async { Signals::new() }).context("cannot listen for signals").or_exit(Exit::Io)?;
    let broker = Broker::start(options).or_exit(Exit::Unavailable)?;
    for topic in &args.topics {
        create(&broker, topic, args.partitions).or_exit(Exit::Usage)?;
    }
    println!("broker ready at {}, {} topics, cluster {}", broker.address(), args.topics.len(), broker.cluster_id());
    runtime.block_on(stopped.wait());
    broker.stop();
    Ok(())
}

fn create(broker: &Broker, topic: &NewTopic, partitions: i32) -> Result<(), BrokerError> {
    let settings: Vec<(&str, &str)> = topic.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    broker.create_topic(&topic.name, topic.partitions.unwrap_or(partitions), &settings)
}

/// The two signals that end the program.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
