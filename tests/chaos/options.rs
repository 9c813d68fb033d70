//! What a play is asked to be: from the command line of `./dev chaos`, or as CI has it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum as _};

use crate::schedule::FaultKind;
use crate::stage::{Kind, seed};

/// `./dev chaos` hands its arguments on in this variable, one a line.
const ARGUMENTS: &str = "CORELANE_CHAOS";

/// Breaks processes, brokers and the network at random while messages come in, heals, drains, and counts every message.
#[derive(Clone, Debug, Parser)]
#[command(name = "./dev chaos", bin_name = "./dev chaos")]
pub(crate) struct Options {
    /// How many faults
    #[arg(long, default_value_t = 20)]
    pub(crate) faults: usize,
    /// No new fault after this time, such as 10m
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Of schedule and fleet; another one each time where none is given
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Apache Kafka, or the embedded broker, which knows no faults of brokers and network
    #[arg(long, value_enum, default_value_t = KafkaKind::Apache)]
    pub(crate) kafka: KafkaKind,
    /// Nodes of Apache Kafka: 1, or 3 with replication factor 3 and min ISR 2
    #[arg(long, default_value_t = 1, value_parser = parse_brokers)]
    pub(crate) brokers: usize,
    /// Processes of the group
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub(crate) processes: u8,
    /// One lake for all processes, or one each
    #[arg(long, value_enum, default_value_t = Lakes::Shared)]
    pub(crate) lakes: Lakes,
    /// Only these kinds of faults, such as kill,broker-kill
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<FaultKind>,
    /// Messages a second
    #[arg(long, default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// Writes the report here, as Markdown, and beside it as JSON; a relative path begins at the checkout
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KafkaKind {
    Apache,
    Embedded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lakes {
    Shared,
    Own,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("{text:?}: write 90s, 10m or 1h")),
    };
    digits.parse::<u64>().map(|count| Duration::from_secs(count * seconds)).map_err(|error| format!("{text:?}: {error}"))
}

fn parse_brokers(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err(format!("{text:?}: 1 or 3")),
    }
}

impl Options {
    /// As `./dev chaos` was called; without it what CI runs on `kafka`. Ends the process on a wrong call, as any command does.
    pub(crate) fn asked(default: &str) -> Options {
        let asked = std::env::var(ARGUMENTS).ok();
        let words = asked.as_deref().map_or_else(|| default.split(' ').collect(), |lines| lines.lines().collect::<Vec<_>>());
        let words = words.into_iter().filter(|word| !word.is_empty());
        Self::parse_from(["./dev chaos"].into_iter().chain(words)).resolved()
    }

    /// As the words say.
    pub(crate) fn of(words: &str) -> Options {
        Self::parse_from(["./dev chaos"].into_iter().chain(words.split(' ').filter(|word| !word.is_empty()))).resolved()
    }

    fn resolved(mut self) -> Options {
        self.seed.get_or_insert_with(seed);
        if self.kafka == KafkaKind::Embedded {
            self.brokers = 1;
        }
        self
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.kafka {
            KafkaKind::Apache => Kind::Apache,
            KafkaKind::Embedded => Kind::Embedded,
        }
    }

    pub(crate) fn processes(&self) -> usize {
        usize::from(self.processes)
    }

    /// The command that plays the same schedule with the same messages again.
    pub(crate) fn command(&self) -> String {
        let kafka = if self.kafka == KafkaKind::Apache { "apache" } else { "embedded" };
        let lakes = if self.lakes == Lakes::Own { " --lakes own" } else { "" };
        let duration = self.duration.map_or_else(String::new, |duration| format!(" --duration {}s", duration.as_secs()));
        let only = self.only.iter().map(|kind| kind.to_possible_value().unwrap().get_name().to_owned()).collect::<Vec<_>>();
        let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
        let Options { faults, brokers, processes, rate, .. } = self;
        let seed = self.seed();
        format!(
            "./dev chaos --faults {faults} --seed {seed} --kafka {kafka} --brokers {brokers} --processes {processes}{lakes} --rate {rate}{duration}{only}"
        )
    }
}

#[test]
fn the_command_of_a_report_asks_for_the_same() {
    let asked = Options::of(
        "--faults 7 --seed 9 --kafka apache --brokers 3 --processes 3 --lakes own --rate 500 --duration 2m --only kill,half-open",
    );
    let again = Options::of(asked.command().trim_start_matches("./dev chaos "));
    assert_eq!(format!("{asked:?}"), format!("{again:?}"));
    assert_eq!(again.duration, Some(Duration::from_mins(2)));
}
