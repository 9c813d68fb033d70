//! `corelane topics`: lists, creates, describes and deletes topics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exit::{Exit, Failure, OrExit};
use crate::kafka::{Admin, ClientSettings, KafkaError, NewTopic, PartitionDescription, TopicDescription};

const EXAMPLES: &str = "Examples:
  corelane topics list --brokers 127.0.0.1:9092
  corelane topics create device-data --partitions 12 --config retention.ms=604800000
  corelane topics describe device-data --format json
  corelane topics delete device-data --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the topics and how many partitions each has
    List,
    /// Creates topics
    Create(Create),
    /// Shows a topic's id, leaders and offsets
    Describe {
        /// The topics
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
    },
    /// Deletes topics and all their messages
    Delete {
        /// The topics
        #[arg(required = true, value_name = "TOPIC")]
        topics: Vec<String>,
        /// Says that you mean it
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Partitions of each
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// Copies of each partition; without it the broker's default
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
    replication: Option<i16>,
    /// A setting of the topic, may be given often
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = key_value)]
    configs: Vec<(String, String)>,
}

/// How to reach Kafka from the command line.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// Brokers to begin with, host:port, separated by commas
    #[arg(long, global = true, env = "CORELANE_BROKERS", default_value = "127.0.0.1:9092", value_delimiter = ',')]
    brokers: Vec<String>,
    /// A librdkafka property (security.protocol=SASL_SSL), may be given often
    #[arg(long = "property", global = true, value_name = "NAME=VALUE", value_parser = key_value)]
    properties: Vec<(String, String)>,
    /// Seconds to wait for Kafka's answers
    #[arg(long, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// How to print
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Columns, for people
    Table,
    /// JSON, for programs
    Json,
}

impl Connection {
    /// An admin client, and the moment until which it may take.
    pub(super) fn open(&self) -> Result<(Admin, Instant), Failure> {
        let settings = ClientSettings {
            brokers: self.brokers.clone(),
            client_id: "corelane-cli".to_owned(),
            properties: self.properties.iter().cloned().collect(),
            ..ClientSettings::default()
        };
        let admin = Admin::new(&settings).map_err(failure)?;
        Ok((admin, Instant::now() + Duration::from_secs(self.timeout)))
    }
}

/// An error of Kafka with the exit code that it means.
pub(super) fn failure(error: KafkaError) -> Failure {
    let exit = match error {
        KafkaError::Protected { .. } | KafkaError::Create { .. } | KafkaError::Nul { .. } => Exit::Usage,
        KafkaError::Thread { .. } => Exit::Software,
        _ => Exit::Unavailable,
    };
    Failure { exit, error: error.into() }
}

/// `NAME=VALUE`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let (admin, deadline) = args.connection.open()?;
    let format = args.connection.format;
    match args.action {
        Action::List => {
            let topics = admin.list_topics(deadline).map_err(failure)?;
            let rows = topics.into_iter().map(|topic| vec![json!(topic.name), json!(topic.partitions)]).collect();
            print_rows(format, &["topic", "partitions"], rows);
        }
        Action::Create(create) => create_all(&admin, &create, deadline)?,
        Action::Describe { topics } => {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            let described = admin.describe_topics(&names, deadline).map_err(failure)?;
            print_rows(format, &DESCRIBED, described.iter().flat_map(description_rows).collect());
        }
        Action::Delete { topics, yes } => {
            if !yes {
                let refusal = anyhow::anyhow!("this deletes {} with all messages; say --yes", topics.join(", "));
                return Err(refusal).or_exit(Exit::Usage);
            }
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            admin.delete_topics(&names, deadline).map_err(failure)?;
            for topic in &topics {
                println!("deleted {topic}");
            }
        }
    }
    Ok(())
}

fn create_all(admin: &Admin, create: &Create, deadline: Instant) -> Result<(), Failure> {
    let configs: BTreeMap<String, String> = create.configs.iter().cloned().collect();
    for name in &create.topics {
        let topic = NewTopic {
            name: name.clone(),
            partitions: create.partitions,
            replication: create.replication,
            configs: configs.clone(),
        };
        admin.create_topic(&topic, deadline).map_err(failure)?;
        println!("created {name} with {} partitions", create.partitions);
    }
    let names: Vec<&str> = create.topics.iter().map(String::as_str).collect();
    admin.wait_for_leaders(&names, deadline).map_err(failure)
}

const DESCRIBED: [&str; 8] = ["topic", "id", "partition", "leader", "replicas", "in_sync", "low", "high"];

fn description_rows(topic: &TopicDescription) -> Vec<Vec<Value>> {
    let row_of = |partition: &PartitionDescription| {
        let PartitionDescription { partition, leader, replicas, in_sync, low, high } = partition;
        vec![
            json!(topic.name),
            json!(topic.id),
            json!(partition),
            json!(leader),
            json!(replicas),
            json!(in_sync),
            json!(low),
            json!(high),
        ]
    };
    topic.partitions.iter().map(row_of).collect()
}

/// Prints rows as aligned columns, or as one JSON array of objects.
pub(super) fn print_rows(format: Format, names: &[&str], rows: Vec<Vec<Value>>) {
    if format == Format::Json {
        let object = |row: Vec<Value>| names.iter().map(|name| (*name).to_owned()).zip(row).collect::<serde_json::Map<_, _>>();
        println!("{}", rows.into_iter().map(object).collect::<Value>());
        return;
    }
    let mut texts = vec![names.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>()];
    texts.extend(rows.into_iter().map(|row| row.iter().map(cell).collect()));
    let width =
        |column: usize| texts.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    for row in &texts {
        let line: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        println!("{}", line.join("  ").trim_end());
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
