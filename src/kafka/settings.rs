//! How clients are configured: what the user says, and in one table a role what we set for everybody, each with its reason.
//!
//! The order is: the table, then the user's security and properties, then what the caller fixes (group, transactional.id). A property
//! that the protocol relies on cannot be set by the user: [`PROTECTED_PROPERTIES`].

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::error::KafkaError;

/// How to reach Kafka, and where the clients' threads run.
#[derive(Clone, Default)]
pub struct ClientSettings {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// The name in the broker's logs and quotas.
    pub client_id: String,
    /// `security.protocol`, `sasl.*`, `ssl.*`, as librdkafka names them. Never printed.
    pub security: BTreeMap<String, String>,
    /// Any other librdkafka property but the protected ones.
    pub properties: BTreeMap<String, String>,
    /// The cores of the clients' own threads; empty: wherever the maker of the client runs.
    pub cores: Vec<usize>,
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSettings")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("security", &self.security.keys().collect::<Vec<_>>())
            .field("properties", &self.properties)
            .field("cores", &self.cores)
            .finish()
    }
}

/// One librdkafka property that we set, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub value: &'static str,
    pub reason: &'static str,
}

const fn set(name: &'static str, value: &'static str, reason: &'static str) -> Setting {
    Setting { name, value, reason }
}

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A lane's consumer: a static member of the group.
    Lane,
    /// A lane's producer, with transactions or without.
    LaneProducer,
    /// The simulator's producer.
    PlainProducer,
    /// The short-lived reader that judges an epoch.
    Judge,
    /// Topics, groups, offsets.
    Admin,
}

impl Role {
    /// The properties of this role, beside those of every client.
    pub fn settings(self) -> &'static [Setting] {
        match self {
            Role::Lane => LANE,
            Role::LaneProducer => LANE_PRODUCER,
            Role::PlainProducer => PLAIN_PRODUCER,
            Role::Judge => JUDGE,
            Role::Admin => ADMIN,
        }
    }

    fn consumes(self) -> bool {
        matches!(self, Role::Lane | Role::Judge | Role::Admin)
    }
}

/// For every client.
pub const EVERY_CLIENT: &[Setting] = &[
    set("reconnect.backoff.max.ms", "1000", "a broker that returns is used again within a second (default 10 s)"),
    set("log.connection.close", "false", "brokers close idle connections; that is no news"),
];

const LANE: &[Setting] = &[
    set(
        "partition.assignment.strategy",
        "range",
        "no aborted epoch in 50 rebalances, cooperative had 14; commit on revoke stays simple",
    ),
    set("session.timeout.ms", "10000", "takeover of a dead lane; 45000 where a broker restart must not cause a rebalance"),
    set("heartbeat.interval.ms", "3000", "three tries within a session"),
    set("max.poll.interval.ms", "60000", "bounds how long a stalled lane keeps its partitions"),
    set("enable.auto.commit", "false", "offsets are committed with the epoch"),
    set("enable.auto.offset.store", "false", "nothing is ever committed from the client's own store"),
    set("auto.offset.reset", "error", "a lost position must stop the lane, never skip or repeat by itself"),
    set("isolation.level", "read_committed", "aborted messages never happened; and it makes committed offsets the stable ones"),
    set("enable.partition.eof", "true", "the clock of silent partitions, the watchdog and --until-end need it"),
    set("allow.auto.create.topics", "false", "a mistyped topic must be missed, not made"),
    set("fetch.queue.backoff.ms", "5", "with the default of 1000 a small queue starves the lane: 63 k/s instead of 2.0 M/s"),
    set("queued.max.messages.kbytes", "8192", "29 MB and 2.3 M/s a lane; 2048 gives 18 MB and 2.0 M/s"),
    set("fetch.message.max.bytes", "262144", "a fetch a partition; larger messages still come, one by one"),
    set("fetch.wait.max.ms", "500", "a waiting fetch wakes at once when something comes"),
    set("fetch.min.bytes", "1", "the same"),
];

const LANE_PRODUCER: &[Setting] = &[
    set("enable.idempotence", "true", "a resend after a lost answer must not write twice"),
    set("linger.ms", "5", "measured: batches fill, and a commit does not wait for it"),
    set("compression.type", "lz4", "measured: least CPU a byte"),
    set("retry.backoff.ms", "10", "back-to-back commits cost 105 ms with the default of 100, 9 ms with 5 to 20"),
    set(
        "transaction.timeout.ms",
        "15000",
        "how long the next owner of a partition waits after kill -9; above the settle's own deadline",
    ),
    set("partitioner", "murmur2_random", "the Java client's choice of partition: a dead letter goes where its key went"),
    set(
        "message.max.bytes",
        "104857600",
        "the topic's own limit counts: a dead letter is as large as its message, and some more",
    ),
    set(
        "queue.buffering.max.kbytes",
        "131072",
        "holds one record of the largest size; the rest of an epoch waits in our own budget",
    ),
    set("allow.auto.create.topics", "false", "output topics are made with their settings, or missed"),
];

const PLAIN_PRODUCER: &[Setting] = &[
    set("enable.idempotence", "true", "a resend after a lost answer must not write twice, nor out of order"),
    set("linger.ms", "5", "measured: batches fill"),
    set("compression.type", "lz4", "measured: least CPU a byte"),
    set("partitioner", "murmur2_random", "the Java client's choice of partition, so that keys meet other programs' keys"),
    set("queue.buffering.max.kbytes", "65536", "a full queue slows the sender; this is a quarter of a second at 400 k/s"),
    set("allow.auto.create.topics", "false", "a mistyped topic must be missed, not made"),
];

const JUDGE: &[Setting] = &[
    set("isolation.level", "read_committed", "an aborted epoch must not be found"),
    set("enable.auto.commit", "false", "it only looks"),
    set("auto.offset.reset", "error", "it must not jump over what it is asked for"),
    set("enable.partition.eof", "true", "the end may be a marker, which no message shows"),
    set("allow.auto.create.topics", "false", "it only looks"),
    set("fetch.wait.max.ms", "20", "the wait is for markers, each a few ms away"),
    set("fetch.queue.backoff.ms", "5", "the same"),
];

const ADMIN: &[Setting] = &[set("allow.auto.create.topics", "false", "asking for a topic must not make it")];

/// Properties that the protocol relies on, or that have a key of their own, and why a user may not set them.
pub const PROTECTED_PROPERTIES: &[(&str, &str)] = &[
    ("acks", "an epoch is settled only when all in-sync replicas have it"),
    ("allow.auto.create.topics", "a mistyped topic must be missed, not made"),
    ("auto.offset.reset", "a lost position must stop the lane; kafka.start says where a group begins"),
    ("auto.commit.interval.ms", "offsets are committed with the epoch"),
    ("bootstrap.servers", "it is kafka.brokers"),
    ("delivery.report.only.error", "each delivery is counted"),
    ("delivery.timeout.ms", "a record's time is bounded by its transaction"),
    ("enable.auto.commit", "offsets are committed with the epoch"),
    ("enable.auto.offset.store", "offsets are committed with the epoch"),
    ("enable.gapless.guarantee", "it turns delivery errors into fatal ones"),
    ("enable.idempotence", "a resend must not write twice"),
    ("enable.partition.eof", "silent partitions and the watchdog need it"),
    ("group.id", "it is kafka.group"),
    ("group.instance.id", "it is the writer's name"),
    ("group.protocol", "KIP-848 with static members makes a restart wait for the old session"),
    ("group.remote.assignor", "it belongs to KIP-848"),
    ("isolation.level", "aborted messages must not be read, and unstable offsets not be used"),
    ("log.queue", "logs are read from the client's queue"),
    ("max.in.flight", "order within a partition relies on it"),
    ("max.in.flight.requests.per.connection", "order within a partition relies on it"),
    ("message.send.max.retries", "a record is tried until its time is over"),
    ("message.timeout.ms", "a record's time is bounded by its transaction"),
    ("metadata.broker.list", "it is kafka.brokers"),
    ("partition.assignment.strategy", "the lane gives back and takes whole assignments (range)"),
    ("partitioner", "keys must meet the partitions that other programs choose"),
    ("request.required.acks", "an epoch is settled only when all in-sync replicas have it"),
    ("retries", "a record is tried until its time is over"),
    ("transaction.timeout.ms", "the settle's deadline lies below it, the recovery of others waits for it"),
    ("transactional.id", "it is the writer's name"),
];

/// Why a property is protected, if it is.
pub fn protection_of(name: &str) -> Option<&'static str> {
    PROTECTED_PROPERTIES.iter().find(|(protected, _)| *protected == name).map(|(_, reason)| *reason)
}

impl ClientSettings {
    /// The brokers as one text, for librdkafka and for messages.
    pub fn brokers_text(&self) -> String {
        self.brokers.join(",")
    }

    /// The whole configuration of one client. `fixed` comes last and wins.
    pub(super) fn config(&self, role: Role, fixed: &[(&str, &str)]) -> Result<ClientConfig, KafkaError> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers_text());
        if !self.client_id.is_empty() {
            config.set("client.id", &self.client_id);
        }
        for setting in EVERY_CLIENT.iter().chain(role.settings()) {
            // The property is a consumer's; a producer would only warn about it.
            if setting.name != "allow.auto.create.topics" || role.consumes() {
                config.set(setting.name, setting.value);
            }
        }
        for (name, value) in self.security.iter().chain(&self.properties) {
            if let Some(reason) = protection_of(name) {
                return Err(KafkaError::Protected { name: name.clone(), reason });
            }
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        Ok(config)
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
