//! What this binary is asked to do.

use std::path::PathBuf;

/// What is compared, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `--messages N`
    pub(crate) messages: u64,
    /// `--rounds N`: of drain, lane and script.
    pub(crate) rounds: u32,
    /// `--producer-rounds N`
    pub(crate) producer_rounds: u32,
    /// `--mix nested|mixed`, both without.
    pub(crate) mixes: Vec<Mix>,
    /// `--smoke`: few messages, one round, no Apache Kafka.
    pub(crate) embedded: bool,
}

/// Which formats the devices send. Five of a hundred messages have their members shuffled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    Nested,
    /// All five, in the simulator's own proportions.
    Mixed,
}

impl Mix {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mix::Nested => "nested",
            Mix::Mixed => "mixed",
        }
    }

    /// As `corelane simulate --mix` has it.
    pub(crate) fn shares(self) -> &'static str {
        match self {
            Mix::Nested => "nested=1",
            Mix::Mixed => "nested=40,device=20,envelope=20,flat=10,single=10",
        }
    }
}

pub(crate) enum Mode {
    Compare(Options),
    /// Children of the comparison.
    Drain {
        brokers: String,
        topic: String,
    },
    Produce {
        brokers: String,
        topic: String,
        records: PathBuf,
    },
    /// `cargo test NAME` is about something else.
    NotMeant,
}

/// Cargo says `--bench` when it runs a benchmark and nothing when it runs a test; then the small comparison is meant.
pub(crate) fn mode() -> Mode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["drain", brokers, topic] => Mode::Drain { brokers: brokers.to_owned(), topic: topic.to_owned() },
        ["produce", brokers, topic, records] => {
            Mode::Produce { brokers: brokers.to_owned(), topic: topic.to_owned(), records: records.into() }
        }
        _ if words.contains(&"--list") => Mode::NotMeant,
        _ if words.contains(&"--bench") => Mode::Compare(options(&words)),
        _ if words.first().is_some_and(|word| !word.starts_with('-') && !"main_job".contains(word)) => Mode::NotMeant,
        _ => Mode::Compare(smoke()),
    }
}

fn smoke() -> Options {
    Options { messages: 20_000, rounds: 1, producer_rounds: 1, mixes: vec![Mix::Nested, Mix::Mixed], embedded: true }
}

fn options(words: &[&str]) -> Options {
    let full =
        Options { messages: 1_000_000, rounds: 5, producer_rounds: 3, mixes: vec![Mix::Nested, Mix::Mixed], embedded: false };
    let mut options = if words.contains(&"--smoke") { smoke() } else { full };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || *words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word {
            "--messages" => options.messages = value().parse().expect("a number of messages"),
            "--rounds" => options.rounds = value().parse().expect("a number of rounds"),
            "--producer-rounds" => options.producer_rounds = value().parse().expect("a number of rounds"),
            "--mix" => options.mixes = vec![mix(value())],
            "--bench" | "--smoke" => {}
            other => panic!("`{other}`: only --messages, --rounds, --producer-rounds, --mix and --smoke are known"),
        }
    }
    options
}

fn mix(name: &str) -> Mix {
    let known = [Mix::Nested, Mix::Mixed].into_iter().find(|mix| mix.name() == name);
    known.unwrap_or_else(|| panic!("no mix is called {name}: nested or mixed"))
}
