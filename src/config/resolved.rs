//! The resolved configuration: what the rest of the program reads. Everything is checked, nothing is optional that has a default, and
//! nothing changes after the start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::batch::SensorCatalog;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub kafka: Kafka,
    pub lanes: Lanes,
    pub cores: Cores,
    pub memory: Memory,
    /// In the order of the columns.
    pub sensors: Arc<SensorCatalog>,
    pub windows: Windows,
    pub epoch: Epoch,
    pub lake: Lake,
    pub serve: Serve,
    pub telemetry: Telemetry,
    pub simulate: Simulate,
}

/// Where messages come from, and where results go.
#[derive(Clone, PartialEq)]
pub struct Kafka {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// Input topics, at least one, none twice.
    pub topics: Vec<Arc<str>>,
    /// The consumer group, and the first part of every writer's name.
    pub group: String,
    /// Output topics are `<prefix>.rejects`, `<prefix>.epochs` and so on.
    pub prefix: String,
    pub delivery: Delivery,
    /// Properties of librdkafka by their own names: `security.protocol`, `sasl.*`, `ssl.*`. Holds secrets; `Debug` hides them.
    pub security: BTreeMap<String, String>,
    /// Where a group without committed offsets starts.
    pub start: Start,
    /// Whether missing output topics are created. Input topics never are.
    pub create_topics: bool,
    pub session_timeout: Duration,
    /// Further properties of librdkafka, for every client; none that the protocol relies on.
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("group", &self.group)
            .field("prefix", &self.prefix)
            .field("delivery", &self.delivery)
            .field("security", &masked(&self.security))
            .field("start", &self.start)
            .field("create_topics", &self.create_topics)
            .field("session_timeout", &self.session_timeout)
            .field("properties", &masked(&self.properties))
            .finish()
    }
}

/// The properties with the values of secret ones replaced.
fn masked(properties: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let mask = |name: &str, value| if is_secret_property(name) { Secret::MASK } else { value };
    properties.iter().map(|(name, value)| (name.as_str(), mask(name, value))).collect()
}

/// Whether the value of a property of librdkafka must not be printed.
pub(super) fn is_secret_property(name: &str) -> bool {
    ["password", "secret", "token", ".pem"].iter().any(|word| name.contains(word)) || name == "sasl.oauthbearer.config"
}

/// What is promised about each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Offsets and records commit in one Kafka transaction.
    ExactlyOnce,
    /// For brokers without transactions.
    AtLeastOnce,
}

/// Where a group without committed offsets starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Earliest,
    Latest,
    /// At the first message with a Kafka time of at least this: milliseconds since 1970 (UTC).
    Time {
        ms: i64,
    },
}

/// The lanes, one a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    /// Ids of the cores, one a lane, ascending; at least one, none twice.
    pub cores: Vec<usize>,
    pub runtime: Runtime,
    /// The middle of the writers' names. None: made at the first start and kept in the lake.
    pub instance: Option<String>,
    /// How long a lane may stand still although there are messages.
    pub stall_timeout: Duration,
}

/// What a lane's future runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// glommio where the host allows io_uring, else epoll.
    Auto,
    Glommio,
    Epoll,
}

/// Ids of the cores of all other threads; each list has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// librdkafka's threads.
    pub kafka: Vec<usize>,
    /// The control plane: HTTP, uploads.
    pub control: Vec<usize>,
}

/// What buffers may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of all buffers of the process: at 80 % lanes settle early, at 100 % they pause.
    pub budget_bytes: u64,
}

/// Event-time windows. `rolling` + (`grace` + `future_skew`) / `size` is at most 70.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Length of a window.
    pub size: Duration,
    /// How many windows the rolling statistics combine (N).
    pub rolling: u32,
    /// How long after its end (by the partition's clock) a window stays open.
    pub grace: Duration,
    /// How far after its Kafka time an event time is still trusted.
    pub future_skew: Duration,
    /// How far before its Kafka time an event time is still trusted.
    pub age_max: Duration,
    /// Devices in one open window of a partition; what is beyond is flagged `over_limit`.
    pub devices_max: u64,
}

/// When an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub interval: Duration,
    /// Bytes of encoded Parquet and pending output.
    pub bytes: u64,
}

/// Where Parquet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lake {
    /// As written; a relative path is relative to the working directory.
    pub path: PathBuf,
    pub compression: Compression,
}

/// Compression of Parquet pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// The level, 1 to 22.
    Zstd(i32),
    Snappy,
    None,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// None: no server.
    pub listen: Option<SocketAddr>,
    /// What a client must send as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// Someone else asks who the client is, so an address other than loopback needs no token.
    pub behind_proxy: bool,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives of tracing (`info,corelane::lane=debug`).
    pub log_level: String,
    pub log_format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// Defaults of `simulate` and `demo`; their flags win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simulate {
    /// Number of devices.
    pub fleet: u32,
    /// Time between two messages of a device.
    pub interval: Duration,
    /// The same seed and start give the same bytes.
    pub seed: u64,
}

/// A text that no log and no `config show` prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What stands in the place of a secret.
    pub const MASK: &str = "********";

    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that compares or sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}
