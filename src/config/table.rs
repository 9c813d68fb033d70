//! THE TABLE: every key with its kind, its limits and the reason for them, its default, and what it means. The checks, the JSON Schema
//! and the reference in the docs are all made of it, so they cannot disagree.

/// One key of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Dotted; every part but the last is a section.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// What it means, one or two sentences.
    pub(super) doc: &'static str,
    /// Why the limits are where they are; empty where there are none.
    pub(super) why: &'static str,
}

/// What stands where a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// It must be given.
    Required,
    /// Nothing; `null` may be written.
    None,
    /// This YAML.
    Yaml(&'static str),
    /// The sensors of the project's own fleet.
    Sensors,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[A-Za-z0-9._-]`, 1 to `length_max` characters.
    Name {
        length_max: usize,
    },
    /// Any text but the empty one.
    Text,
    /// A text that is never printed.
    Secret,
    /// The path of a file or folder.
    Path,
    /// `host:port`, a list or one text with commas; at least one.
    Brokers,
    /// Names of topics, a list or one text with commas; at least one, none twice.
    Topics,
    Choice(&'static [&'static str]),
    Flag,
    Integer {
        min: u64,
        max: u64,
    },
    Duration {
        min: &'static str,
        max: &'static str,
    },
    Size {
        min: &'static str,
        max: &'static str,
    },
    /// `auto`, or a list of core ids, at least one, none twice.
    Cores,
    /// `earliest`, `latest`, or an RFC 3339 time with a zone.
    Start,
    /// `address:port`, or `off`.
    Listen,
    /// `zstd`, `zstd(level)`, `snappy`, `none`.
    Compression,
    /// A level, or directives of tracing.
    LogLevel,
    /// A map of names to scalars, by librdkafka's names.
    Properties,
    /// A list of maps, see `sensors.rs`.
    Sensors,
}

const fn key(path: &'static str, kind: Kind, default: Default, doc: &'static str, why: &'static str) -> Key {
    Key { path, kind, default, doc, why }
}

use self::Default::{None as Unset, Required, Yaml};
use self::Kind::{
    Brokers, Choice, Compression, Cores, Duration, Flag, Integer, Listen, LogLevel, Name, Path, Properties, Secret, Sensors,
    Size, Start, Text, Topics,
};

/// Later versions bring these; until then they are refused like any unknown key, with a better remedy.
pub(super) const LATER: &[&str] = &["rules", "redis"];

/// Every key, in the order of the documentation.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("kafka.brokers", Brokers, Required, "Brokers to ask for the others, as host:port.", "the client needs at least one to begin with"),
    key("kafka.topics", Topics, Required, "Input topics. They must exist; the formats of messages may be mixed.", "Kafka allows [A-Za-z0-9._-] and 249 characters; a topic twice would be a mistake"),
    key("kafka.group", Name { length_max: 200 }, Yaml("corelane"), "The consumer group, and the first part of each writer's name.", "<group>.<instance>.<lane> is a transactional id, a folder and part of each file's name, at most 200 characters"),
    key("kafka.prefix", Name { length_max: 237 }, Yaml("corelane"), "Output topics are <prefix>.rejects, <prefix>.epochs and so on.", "<prefix>.open_alerts must be a topic name, at most 249 characters"),
    key("kafka.delivery", Choice(&["exactly_once", "at_least_once"]), Yaml("exactly_once"), "exactly_once commits records and offsets in one transaction; at_least_once is for brokers without transactions.", ""),
    key("kafka.start", Start, Yaml("earliest"), "Where a group without committed offsets starts: earliest, latest, or a time such as 2026-11-21T00:00:00Z (the first message at or after it).", "a time without a zone means something else on each machine"),
    key("kafka.create_topics", Flag, Yaml("true"), "Whether missing output topics are created. Input topics never are.", ""),
    key("kafka.session_timeout", Duration { min: "9s", max: "1m" }, Yaml("10s"), "How long the group waits for a lane that says nothing. 45s where one machine must survive the restart of a broker without a rebalance.", "a settle may take 8s and must end within the session; a lane's poll interval of 1m must not be shorter than it"),
    key("kafka.security.protocol", Choice(&["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]), Yaml("plaintext"), "How clients connect and log in.", ""),
    key("kafka.security.mechanism", Choice(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]), Unset, "How clients log in; needed by sasl_plaintext and sasl_ssl.", "this librdkafka is built without Kerberos"),
    key("kafka.security.username", Text, Unset, "Name of the login.", ""),
    key("kafka.security.password", Secret, Unset, "Password of the login; better in a file.", ""),
    key("kafka.security.password_file", Path, Unset, "File with the password; line ends at its end are dropped.", ""),
    key("kafka.security.ca_file", Path, Unset, "PEM file of the authorities that brokers are verified with; unset: the system's.", ""),
    key("kafka.security.certificate_file", Path, Unset, "PEM file of the client's certificate.", ""),
    key("kafka.security.key_file", Path, Unset, "PEM file of the client's private key.", ""),
    key("kafka.security.key_password", Secret, Unset, "Password of the private key; better in a file.", ""),
    key("kafka.security.key_password_file", Path, Unset, "File with the password of the private key.", ""),
    key("kafka.security.verify_hostname", Flag, Yaml("true"), "Whether a broker's certificate must name the host that was called.", ""),
    key("kafka.properties", Properties, Yaml("{}"), "Any other property of librdkafka, for all clients.", "those that the protocol relies on are refused by name, see below"),

    key("lanes.cores", Cores, Yaml("auto"), "Cores to run a lane on, by id. auto: all but the first, at least one; with lanes.count the last ones.", "a lane is one pinned core: two on one core, or one on a core that is not there, would wait for each other"),
    key("lanes.count", Integer { min: 1, max: 1024 }, Unset, "How many lanes, in place of a list of cores.", "at most one lane a core"),
    key("lanes.runtime", Choice(&["auto", "glommio", "epoll"]), Yaml("auto"), "What a lane runs on. auto: glommio where the host allows io_uring, else epoll.", ""),
    key("lanes.instance", Name { length_max: 200 }, Unset, "The middle of the writers' names. Unset: made at the first start and kept in the lake.", "<group>.<instance>.<lane> is a transactional id, a folder and part of each file's name, at most 200 characters"),
    key("lanes.stall_timeout", Duration { min: "10s", max: "1h" }, Yaml("60s"), "How long a lane may stand still although there are messages; then its consumer is rebuilt.", "a settle alone may take 8s"),

    key("cores.kafka", Cores, Yaml("auto"), "Cores of librdkafka's threads. auto: those without a lane, or all where none is left.", "only cores that the process may use"),
    key("cores.control", Cores, Yaml("auto"), "Cores of the HTTP server and other slow work. auto: as cores.kafka.", "only cores that the process may use"),

    key("memory.budget_bytes", Size { min: "32MiB", max: "1TiB" }, Yaml("256MiB"), "What all buffers together may take: at 80 % lanes settle early, at 100 % they pause.", "the queues of one client alone take up to 30 MB"),

    key("sensors", Sensors, Default::Sensors, "The sensors, each a column with its status and quality. A list here replaces the default one.", "each sensor is three columns of every file"),

    key("windows.size", Duration { min: "1s", max: "1d" }, Yaml("60s"), "Length of a window, by event time.", "a row a device, sensor and window: shorter ones would outnumber the readings"),
    key("windows.rolling", Integer { min: 1, max: 69 }, Yaml("5"), "How many windows rolling statistics combine.", "rolling + (grace + future_skew) / size is at most 70: the open windows must fit the 4 KiB of Kafka's commit metadata"),
    key("windows.grace", Duration { min: "0s", max: "1d" }, Yaml("30s"), "How long after its end a window stays open; later readings go into parts of their own.", "as windows.rolling"),
    key("windows.future_skew", Duration { min: "0s", max: "1d" }, Yaml("30s"), "How far after its Kafka time an event time is trusted.", "as windows.rolling"),
    key("windows.age_max", Duration { min: "1m", max: "3650d" }, Yaml("7d"), "How far before its Kafka time an event time is trusted.", "a gateway may store for days; a clock at 1970 must not pass"),
    key("windows.devices_max", Integer { min: 1, max: 10_000_000 }, Yaml("100000"), "Devices in one open window of a partition; readings of others are flagged over_limit.", "it bounds the state of a lane, about 1 KB a device and window"),

    key("epoch.interval", Duration { min: "100ms", max: "1h" }, Yaml("30s"), "How often a lane commits, at the latest.", "a transaction right behind another costs 105 ms; an hour of work may have to be done again"),
    key("epoch.bytes", Size { min: "1MiB", max: "64GiB" }, Yaml("64MiB"), "Bytes of encoded Parquet and pending output after which a lane commits.", "at most 80 % of memory.budget_bytes, where lanes settle anyway; files below 1 MiB are slow to read"),

    key("lake.path", Path, Required, "Folder of the Parquet files; created when missing. What is promised is bounded by its disk.", ""),
    key("lake.compression", Compression, Yaml("zstd(1)"), "Of Parquet pages: zstd, zstd(level), snappy, none.", "zstd has levels 1 to 22; above 3 it costs more than all else"),

    key("serve.listen", Listen, Yaml("127.0.0.1:8089"), "Address of the HTTP server (/livez, /readyz, /metrics, /version), or off.", "other than loopback it needs serve.token or serve.behind_proxy"),
    key("serve.token", Secret, Unset, "What clients must send as Authorization: Bearer; better in a file.", "at least 16 characters, so that it cannot be guessed"),
    key("serve.token_file", Path, Unset, "File with the token; line ends at its end are dropped.", ""),
    key("serve.behind_proxy", Flag, Yaml("false"), "Whether a reverse proxy asks who the client is, so that other addresses than loopback need no token.", ""),

    key("telemetry.log_level", LogLevel, Yaml("info"), "error, warn, info, debug, trace, or directives such as info,corelane::lane=debug.", ""),
    key("telemetry.log_format", Choice(&["human", "json"]), Yaml("human"), "How a line of the log looks.", ""),

    key("simulate.fleet", Integer { min: 1, max: 10_000_000 }, Yaml("1000"), "Number of simulated devices.", "as `corelane simulate --devices`"),
    key("simulate.interval", Duration { min: "1ms", max: "1d" }, Yaml("5s"), "Time between two messages of a simulated device.", ""),
    key("simulate.seed", Integer { min: 0, max: i64::MAX as u64 }, Yaml("1"), "The same seed and start give the same bytes.", ""),
];

/// The key with this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether some key lies below this path; the root is the empty path.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| below(key.path, path).is_some())
}

/// The names directly below a section, each once, in the order of the table.
pub(super) fn children(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        if let Some(name) = below(key.path, section).and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// What stands after `section` and its dot.
fn below<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}

/// The path of the map of properties that `path` is a name in (`kafka.properties` of `kafka.properties.linger.ms`).
pub(super) fn pairs_key(path: &str) -> Option<&'static str> {
    KEYS.iter().find(|key| key.kind == Properties && below(path, key.path).is_some()).map(|key| key.path)
}

/// `section.name`, or the name alone at the root.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}
