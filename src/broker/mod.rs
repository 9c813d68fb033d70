//! The embedded broker: one Kafka node in memory, for `demo`, for fast tests, for trying things out. It imports nothing of ours.
//!
//! ```text
//!  client ──TCP──▶ connection (a thread each) ─▶ wire: frame, shape, decode ─▶ calls ─▶ state (one lock)
//!                                                                                         ├─ topics ─ log (a partition each)
//!  sweeper (one thread): sessions, rebalances, transaction                                ├─ groups
//!  markers and time-outs, retention ───────────────────────────────────────────────────▶ └─ transactions
//! ```
//! One lock guards the whole state. It is held for short: record batches are checked, summed and copied before it is taken, and go
//! to sockets by reference after it is released. A reader at the end of a partition waits on a condition of its own that the next
//! append notifies.
//!
//! It behaves as Apache Kafka 4.1 does towards librdkafka and kcat, error codes and limits included; `tests/broker_suite.rs` holds
//! both against one list of behaviours. Absent on purpose: KIP-848 groups, AlterConfigs, ACLs, TLS, quotas, replicas, a disk.
//! Compacted topics are accepted and keep everything; Kafka does not promise when it cleans either.

mod calls;
mod connection;
mod groups;
mod listener;
mod log;
mod state;
mod topics;
mod transactions;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use kafka_protocol::ResponseError as Fault;

use listener::Listener;

/// A producer as the protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    id: i64,
    epoch: i16,
}

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// Where to listen; port 0 takes a free one. Clients are sent to the address that they reached the broker by.
    pub listen: SocketAddr,
    /// Partitions of a topic that is created without saying how many.
    pub partitions: i32,
    /// Create a topic when a client asks for its metadata.
    pub auto_create: bool,
    /// What all logs may hold together. Beyond it, the largest partition loses its oldest records, whatever its retention.
    pub memory_bytes_max: usize,
    /// How long the first member of an empty group waits for others (`group.initial.rebalance.delay.ms`).
    pub group_delay: Duration,
    /// How long the markers of a decided transaction take; meanwhile its producer gets CONCURRENT_TRANSACTIONS.
    pub marker_delay: Duration,
    /// How often retention is looked after (`log.retention.check.interval.ms`).
    pub retention_interval: Duration,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            partitions: 1,
            auto_create: false,
            memory_bytes_max: 512 << 20,
            group_delay: Duration::from_millis(50),
            marker_delay: Duration::from_millis(1),
            retention_interval: Duration::from_mins(5),
        }
    }
}

/// Why a broker cannot be started, or a topic not be created.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("cannot listen on {address}; is the port taken? Port 0 takes a free one")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start a thread of the broker; is a limit on threads reached (`ulimit -u`)?")]
    Thread { source: std::io::Error },
    #[error("cannot create topic `{topic}`: {reason}")]
    Topic { topic: String, reason: String },
}

/// A running broker. It stops when dropped; its records go with it.
#[derive(Debug)]
pub struct Broker {
    listener: Listener,
}

impl Broker {
    /// Starts a broker. It is ready for clients when this returns.
    pub fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        Listener::start(options).map(|listener| Self { listener })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The id of this cluster of one: another with each start.
    pub fn cluster_id(&self) -> &str {
        self.listener.shared().cluster_id()
    }

    /// Creates a topic, as CreateTopics would: `settings` are those of Kafka's topics (`retention.ms`, `message.timestamp.type`, …).
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), BrokerError> {
        let settings: BTreeMap<String, String> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let failed = |reason| BrokerError::Topic { topic: name.to_owned(), reason };
        let settings = topics::Settings::parse(settings).map_err(failed)?;
        let mut state = self.listener.shared().lock();
        state.topics.create(name, partitions, settings).map_err(|fault| failed(topics::reason(fault)))?;
        Ok(())
    }

    /// Ends all connections and threads, and waits for them. Dropping the broker does the same.
    pub fn stop(mut self) {
        self.listener.stop();
    }
}

#[cfg(test)]
mod tests;
