//! `corelane verify`: holds epoch records, lakes and Kafka against each other, and says what does not agree, where, and what helps.

mod progress;
mod text;

#[cfg(test)]
mod tests;

use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;

use self::progress::ProgressLine;
use super::exit::OrExit as _;
use super::topics::{failure, key_value};
use super::{Exit, Failure};
use crate::audit::{AuditError, AuditOptions, Beginning, KafkaCluster, RepairOptions, Report, Verdict, audit, repair};
use crate::config::{self, Config, Delivery, Start};
use crate::kafka::ClientSettings;
use crate::lake::LakeIdentity;

const EXAMPLES: &str = "Examples:
  corelane verify --config plant.yaml
  corelane verify --config plant.yaml --lake /mnt/host-2/lake --deep
  corelane verify --brokers kafka-1:9092 --lake ./lake --format json > report.json
  corelane verify --config plant.yaml --repair

All lakes of the group are wanted; what it cannot see is `unchecked`. It changes nothing, but for --repair, which finishes renames and
removes orphans in the staging folders of instances that do not run. Exit codes: 0 all holds and all was seen, 1 something does not hold
or could not be seen, 64 the command line is wrong, 69 Kafka or a lake is not available or refused, 78 the configuration is wrong.";

/// Without a configuration: its default.
const DEFAULT_PREFIX: &str = "corelane";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A configuration: its brokers, security, group, prefix, topics, start and lake; may be given often, later ones win
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Sets one key of the configuration
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "config")]
    sets: Vec<String>,
    /// Where Kafka is, host:port, several with commas
    #[arg(long, env = "CORELANE_BROKERS", value_delimiter = ',', required_unless_present = "config")]
    brokers: Vec<String>,
    /// The group; without it and without a configuration that of the lake
    #[arg(long)]
    group: Option<String>,
    /// The prefix of the output topics [default: corelane]
    #[arg(long)]
    prefix: Option<String>,
    /// A lake of the group, beside that of the configuration; as often as there are lakes
    #[arg(long = "lake", value_name = "PATH", required_unless_present = "config")]
    lakes: Vec<PathBuf>,
    /// Also looks at every row and every message, and recomputes every row of windows
    #[arg(long)]
    deep: bool,
    /// First finishes renames and removes orphans; nothing that is not certain is touched
    #[arg(long)]
    repair: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A librdkafka property (security.protocol=SASL_SSL), may be given often
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = key_value)]
    properties: Vec<(String, String)>,
    /// Seconds to wait for an answer of Kafka's, and for the next message while reading
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// Prints no progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: docs/schemas/verify.v1.json
    Json,
}

/// What is looked at, once the command line and the configuration are read.
#[derive(Debug)]
struct Target {
    clients: ClientSettings,
    lakes: Vec<PathBuf>,
    options: AuditOptions,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let target = args.target()?;
    let patience = Duration::from_secs(args.timeout);
    let repaired =
        if args.repair { Some(repair(&target.lakes, &target.repair_options(patience)).map_err(refused)?) } else { None };
    let mut cluster = KafkaCluster::connect(target.clients.clone(), &target.options.group, patience).map_err(failure)?;
    let mut progress = ProgressLine::begin(!args.quiet);
    let report = audit(&mut cluster, &target.lakes, &target.options, &mut |step| progress.tick(step)).map_err(refused);
    progress.end();
    let report = Report { repaired, ..report? };
    print(&report, args.format)?;
    conclude(&report)
}

/// Exit code 0 only if all holds.
fn conclude(report: &Report) -> Result<(), Failure> {
    match report.verdict() {
        Verdict::Holds => Ok(()),
        Verdict::Found | Verdict::Unchecked => Err(anyhow!(text::summary(report))).or_exit(Exit::Findings),
    }
}

fn print(report: &Report, format: Format) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let printed = match format {
        Format::Text => text::write(&mut out, report),
        Format::Json => serde_json::to_writer_pretty(&mut out, report).map_err(Into::into).and_then(|()| out.write_all(b"\n")),
    };
    match printed.and_then(|()| out.flush()) {
        // Who reads has enough; the exit code still says how it ended.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).or_exit(Exit::Io),
        _ => Ok(()),
    }
}

/// An audit that could not be made, with the exit code that it means.
fn refused(error: AuditError) -> Failure {
    let exit = match error {
        AuditError::Kafka(error) => return failure(error),
        AuditError::OtherGroup { .. } | AuditError::Twins { .. } | AuditError::NoLake { .. } => Exit::Usage,
        AuditError::Lake(_) | AuditError::NoEpochs { .. } => Exit::Unavailable,
    };
    Failure { exit, error: error.into() }
}

impl Args {
    fn target(&self) -> Result<Target, Failure> {
        match self.load()? {
            Some(config) => Ok(self.target_of(&config)),
            None => self.target_of_flags(),
        }
    }

    /// The configuration with what the command line says over it.
    fn load(&self) -> Result<Option<Config>, Failure> {
        if self.config.is_empty() {
            return Ok(None);
        }
        let list = |key: &str, items: &[String]| (!items.is_empty()).then(|| format!("{key}={}", serde_json::Value::from(items)));
        let text = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{key}={}", serde_json::Value::from(value.as_str())))
        };
        let flags = [list("kafka.brokers", &self.brokers), text("kafka.group", &self.group), text("kafka.prefix", &self.prefix)];
        let sets: Vec<String> = self.sets.iter().cloned().chain(flags.into_iter().flatten()).collect();
        config::load_files(&self.config, &sets).or_exit(Exit::Config).map(Some)
    }

    fn target_of(&self, config: &Config) -> Target {
        let kafka = &config.kafka;
        let mut properties = kafka.properties.clone();
        properties.extend(self.properties.iter().cloned());
        let lakes = [&config.lake.path].into_iter().chain(&self.lakes).cloned().collect();
        let clients = ClientSettings {
            brokers: kafka.brokers.clone(),
            client_id: "corelane-verify".to_owned(),
            security: kafka.security.clone(),
            properties,
            cores: Vec::new(),
        };
        let options = AuditOptions {
            group: kafka.group.clone(),
            epochs_topic: epochs_topic(&kafka.prefix),
            topics: kafka.topics.iter().map(ToString::to_string).collect(),
            beginning: if kafka.start == Start::Earliest { Beginning::Earliest } else { Beginning::Later },
            repeats: kafka.delivery == Delivery::AtLeastOnce,
            deep: self.deep,
        };
        Target { clients, lakes, options }
    }

    fn target_of_flags(&self) -> Result<Target, Failure> {
        let group = match (&self.group, self.lakes.first()) {
            (Some(group), _) => group.clone(),
            (None, Some(lake)) => group_of(lake)?,
            (None, None) => return Err(anyhow!("give --lake, or --config")).or_exit(Exit::Usage),
        };
        let clients = ClientSettings {
            brokers: self.brokers.clone(),
            client_id: "corelane-verify".to_owned(),
            properties: self.properties.iter().cloned().collect(),
            ..ClientSettings::default()
        };
        let options = AuditOptions {
            group,
            epochs_topic: epochs_topic(self.prefix.as_deref().unwrap_or(DEFAULT_PREFIX)),
            topics: Vec::new(),
            beginning: Beginning::Unknown,
            repeats: false,
            deep: self.deep,
        };
        Ok(Target { clients, lakes: self.lakes.clone(), options })
    }
}

impl Target {
    fn repair_options(&self, patience: Duration) -> RepairOptions {
        RepairOptions {
            group: self.options.group.clone(),
            epochs_topic: self.options.epochs_topic.clone(),
            clients: self.clients.clone(),
            exactly_once: !self.options.repeats,
            patience,
        }
    }
}

fn epochs_topic(prefix: &str) -> String {
    format!("{prefix}.epochs")
}

fn group_of(lake: &Path) -> Result<String, Failure> {
    let identity = LakeIdentity::read(lake).or_exit(Exit::Unavailable)?;
    let missing = || anyhow!("{}: no lake is here. Give the folder that lake.path names", lake.display());
    identity.map(|identity| identity.group).ok_or_else(missing).or_exit(Exit::Usage)
}
