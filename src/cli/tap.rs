//! `corelane tap`: prints what the messages of a topic decode to, with their flags, or why they are refused.
//!
//! It reads as a lane does, through the same decoder and inspector, as the only member of a group of its own; it commits nothing.

mod follow;
mod row;

#[cfg(test)]
mod tests;

use std::io::{BufWriter, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::follow::{Course, FollowError, From};
use self::row::{Content, Row};
use super::exit::OrExit as _;
use super::{Exit, Failure};
use crate::batch::{Dictionaries, RawBatch, SensorCatalog};
use crate::config::{self, Config, Machine};
use crate::journey::decode::Decoder;
use crate::journey::inspect::{InspectSettings, Inspector};
use crate::kafka::{ClientSettings, GroupMember, LaneConsumer};

/// Strings of one kind that are remembered: enough for any fleet, and a bound for what bad input can fill.
const WORDS_MAX: usize = 1_000_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  corelane tap --brokers 127.0.0.1:9092 --topic device-data\n  \
                        corelane tap --brokers 127.0.0.1:9092 --topic device-data --until-end --rejects-only\n  \
                        corelane tap --config conf/minimal.yaml --partition 0 --from 4711 -n 1 --json\n\n\
                        Aborted messages are not shown. Exit codes: 0 all is well, 69 Kafka or the topic is not available")]
pub(super) struct Args {
    /// Where Kafka is, host:port, several with commas
    #[arg(long, value_delimiter = ',', required_unless_present = "config")]
    brokers: Vec<String>,
    /// The topic to read; with --config its topics are the default
    #[arg(long, required_unless_present = "config")]
    topic: Option<String>,
    /// Where to begin: beginning, end or an offset [default: end; with --until-end beginning]
    #[arg(long, value_parser = parse_from)]
    from: Option<From>,
    /// Only this partition
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Stop after so many printed messages
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
    /// Stop where each partition ends
    #[arg(long)]
    until_end: bool,
    /// Print refused messages only
    #[arg(long)]
    rejects_only: bool,
    /// Print a JSON object a message instead of a line for people
    #[arg(long)]
    json: bool,
    /// A configuration: its brokers, security, topics, sensors and limits of time
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn parse_from(text: &str) -> Result<From, String> {
    match (text, text.parse()) {
        ("beginning", _) => Ok(From::Beginning),
        ("end", _) => Ok(From::End),
        (_, Ok(offset)) if offset >= 0 => Ok(From::Offset(offset)),
        _ => Err("give beginning, end, or an offset from 0 on".to_owned()),
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.load()?;
    let mut consumer = LaneConsumer::join(&client(&config), &member(&config)).or_exit(Exit::Unavailable)?;
    let out = BufWriter::new(std::io::stdout().lock());
    let mut printer = Printer::new(&config, args.selection(), out);
    let outcome = follow::follow(&mut consumer, &args.course(), &mut |run| printer.print(run));
    // Leaves the group now, rather than after the session's time-out. Nobody waits for more of it.
    if let Err(late) = consumer.close(Instant::now() + Duration::from_secs(5)) {
        tracing::warn!("{late}");
    }
    match outcome {
        Ok(()) => Ok(()),
        // Who reads has enough: `corelane tap | head`.
        Err(FollowError::Print(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error @ FollowError::Print(_)) => Err(error).or_exit(Exit::Io),
        Err(error @ FollowError::NoPartition { .. }) => Err(error).or_exit(Exit::Usage),
        Err(error) => Err(error).or_exit(Exit::Unavailable),
    }
}

impl Args {
    /// The file with what the command line says over it; without a file the defaults.
    fn load(&self) -> Result<Config, Failure> {
        let topics: Vec<String> = self.topic.iter().cloned().collect();
        let Some(file) = &self.config else {
            // Nothing is written, so the lake's place is never looked at.
            return config::from_minimal(&self.brokers, &topics, Path::new("lake"), &Machine::detect()).or_exit(Exit::Usage);
        };
        let set = |key: &str, items: &[String]| (!items.is_empty()).then(|| format!("{key}={}", serde_json::Value::from(items)));
        let sets: Vec<String> =
            [set("kafka.brokers", &self.brokers), set("kafka.topics", &topics)].into_iter().flatten().collect();
        config::load_files(std::slice::from_ref(file), &sets).or_exit(Exit::Config)
    }

    fn course(&self) -> Course {
        let usual = if self.until_end { From::Beginning } else { From::End };
        Course {
            from: self.from.unwrap_or(usual),
            partition: self.partition,
            until_end: self.until_end,
            patience: Duration::from_secs(15),
        }
    }

    fn selection(&self) -> Selection {
        Selection { rejects_only: self.rejects_only, json: self.json, left: self.count.unwrap_or(u64::MAX) }
    }
}

fn client(config: &Config) -> ClientSettings {
    ClientSettings {
        brokers: config.kafka.brokers.clone(),
        client_id: "corelane-tap".to_owned(),
        security: config.kafka.security.clone(),
        properties: config.kafka.properties.clone(),
        cores: Vec::new(),
    }
}

/// Alone in its group, so that it gets every partition and takes none from anybody.
fn member(config: &Config) -> GroupMember {
    let topics = config.kafka.topics.iter().map(ToString::to_string).collect();
    GroupMember { group: format!("corelane-tap-{}", Uuid::now_v7()), instance: None, topics }
}

/// What is printed of what is read, and how.
#[derive(Clone, Copy, Debug)]
struct Selection {
    rejects_only: bool,
    json: bool,
    /// How many more.
    left: u64,
}

struct Printer<W: Write> {
    decoder: Decoder,
    inspector: Inspector,
    dictionaries: Dictionaries,
    catalog: Arc<SensorCatalog>,
    selection: Selection,
    out: W,
}

impl<W: Write> Printer<W> {
    fn new(config: &Config, selection: Selection, out: W) -> Self {
        let catalog = Arc::clone(&config.sensors);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let inspector = Inspector::new(InspectSettings {
            catalog: Arc::clone(&catalog),
            future_skew_ms: millis(config.windows.future_skew),
            age_max_ms: millis(config.windows.age_max),
        });
        let decoder = Decoder::new(Arc::clone(&catalog));
        Self { decoder, inspector, dictionaries: Dictionaries::default(), catalog, selection, out }
    }

    /// Prints a run; Break when as many were printed as were asked for.
    fn print(&mut self, raw: &RawBatch<'_>) -> std::io::Result<ControlFlow<()>> {
        self.dictionaries.trim(WORDS_MAX);
        let decoded = self.decoder.decode(raw, &mut self.dictionaries);
        let batch = self.inspector.inspect(decoded, &self.dictionaries);
        for row in row::rows(&batch, raw, &self.dictionaries, &self.catalog) {
            if self.selection.left == 0 {
                break;
            }
            if !self.selection.rejects_only || matches!(row.content, Content::Reject(_)) {
                print_row(&mut self.out, &row, self.selection.json)?;
                self.selection.left -= 1;
            }
        }
        // A run at a time, so that what came last is seen when nothing follows.
        self.out.flush()?;
        Ok(if self.selection.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

fn print_row(out: &mut impl Write, row: &Row<'_>, json: bool) -> std::io::Result<()> {
    if !json {
        return writeln!(out, "{row}");
    }
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}
