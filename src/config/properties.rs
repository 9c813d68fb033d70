//! Properties of librdkafka that nobody may set by name, because the protocol of epochs relies on them or the program has a key of its
//! own for them. All others go through `kafka.properties` untouched.

/// A property that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protected {
    pub name: &'static str,
    /// Why the program keeps it to itself.
    pub why: &'static str,
    /// The key of the configuration to use in its place; empty where there is none.
    pub instead: &'static str,
}

const fn protected(name: &'static str, why: &'static str, instead: &'static str) -> Protected {
    Protected { name, why, instead }
}

const OWN_KEY: &str = "it has a key of its own";
const OFFSETS: &str = "offsets are committed with their epoch, never by the client itself";
const MEMBER: &str = "a lane is a static member of the group by its writer's name";
const ASSIGNOR: &str =
    "a lane gives back and takes whole assignments (range): in 50 rebalances it aborted no epoch, cooperative-sticky 14";
const PROTOCOL: &str = "a lane is a static member, and under KIP-848 the restart of one waits until its old session ends";
const EXACTLY_ONCE: &str = "an epoch is one transaction of an idempotent producer that waits for all replicas";
const SETTLE: &str = "the deadline of a settle lies below it, and its successor waits for it";
const BUDGET: &str = "the memory budget counts on the size of the queues";
const CLIENT: &str = "the program's own binding to librdkafka uses it";
const TRANSPORT: &str = "encryption and login are one setting for all clients";

/// Every refused property, with its aliases.
pub const PROTECTED: &[Protected] = &[
    protected("bootstrap.servers", OWN_KEY, "kafka.brokers"),
    protected("metadata.broker.list", OWN_KEY, "kafka.brokers"),
    protected("group.id", OWN_KEY, "kafka.group"),
    protected("group.instance.id", MEMBER, "lanes.instance"),
    protected("group.protocol", PROTOCOL, ""),
    protected("group.protocol.type", MEMBER, ""),
    protected("group.remote.assignor", PROTOCOL, ""),
    protected("partition.assignment.strategy", ASSIGNOR, ""),
    protected("session.timeout.ms", OWN_KEY, "kafka.session_timeout"),
    protected("heartbeat.interval.ms", "it is kept below a third of the session", "kafka.session_timeout"),
    protected("max.poll.interval.ms", "it is 60 s, and bounds how long a lane that hangs keeps its partitions", ""),
    protected("enable.auto.commit", OFFSETS, ""),
    protected("auto.commit.interval.ms", OFFSETS, ""),
    protected("enable.auto.offset.store", OFFSETS, ""),
    protected("offset.store.method", OFFSETS, ""),
    protected("auto.offset.reset", "an offset out of range stops the partition instead of losing messages", "kafka.start"),
    protected("isolation.level", "messages of aborted transactions must not be read", ""),
    protected("enable.partition.eof", "the ends of partitions are what the watchdog and silent clocks go by", ""),
    protected("allow.auto.create.topics", "a mistyped topic would simply appear", "kafka.create_topics"),
    protected("transactional.id", "it is the writer's name, by which a crashed epoch is judged", "lanes.instance"),
    protected("transaction.timeout.ms", SETTLE, ""),
    protected("message.timeout.ms", SETTLE, ""),
    protected("delivery.timeout.ms", SETTLE, ""),
    protected("enable.idempotence", EXACTLY_ONCE, "kafka.delivery"),
    protected("enable.gapless.guarantee", EXACTLY_ONCE, ""),
    protected("acks", EXACTLY_ONCE, "kafka.delivery"),
    protected("request.required.acks", EXACTLY_ONCE, "kafka.delivery"),
    protected("retries", EXACTLY_ONCE, ""),
    protected("message.send.max.retries", EXACTLY_ONCE, ""),
    protected("max.in.flight", EXACTLY_ONCE, ""),
    protected("max.in.flight.requests.per.connection", EXACTLY_ONCE, ""),
    protected("delivery.report.only.error", "every record sent is counted when it is acknowledged", ""),
    protected("message.max.bytes", "dead letters need 64 KiB more than the input's largest message", ""),
    protected("partitioner", "the place of a key is the Java client's, so that other programs find it", ""),
    protected("queued.max.messages.kbytes", BUDGET, "memory.budget_bytes"),
    protected("queued.min.messages", BUDGET, "memory.budget_bytes"),
    protected("fetch.message.max.bytes", BUDGET, "memory.budget_bytes"),
    protected("max.partition.fetch.bytes", BUDGET, "memory.budget_bytes"),
    protected("fetch.max.bytes", BUDGET, "memory.budget_bytes"),
    protected("queue.buffering.max.messages", BUDGET, "memory.budget_bytes"),
    protected("queue.buffering.max.kbytes", BUDGET, "memory.budget_bytes"),
    protected("security.protocol", TRANSPORT, "kafka.security.protocol"),
    protected("sasl.mechanism", TRANSPORT, "kafka.security.mechanism"),
    protected("sasl.mechanisms", TRANSPORT, "kafka.security.mechanism"),
    protected("sasl.username", TRANSPORT, "kafka.security.username"),
    protected("sasl.password", TRANSPORT, "kafka.security.password_file"),
    protected("ssl.ca.location", TRANSPORT, "kafka.security.ca_file"),
    protected("ssl.certificate.location", TRANSPORT, "kafka.security.certificate_file"),
    protected("ssl.key.location", TRANSPORT, "kafka.security.key_file"),
    protected("ssl.key.password", TRANSPORT, "kafka.security.key_password_file"),
    protected("ssl.endpoint.identification.algorithm", TRANSPORT, "kafka.security.verify_hostname"),
    protected("enable.ssl.certificate.verification", "a broker that is not verified may be anyone", "kafka.security.ca_file"),
    protected("plugin.library.paths", "it loads foreign code into the process", ""),
    protected("enabled_events", CLIENT, ""),
    protected("log.queue", CLIENT, ""),
    protected("opaque", CLIENT, ""),
    protected("default_topic_conf", CLIENT, ""),
    protected("statistics.interval.ms", CLIENT, ""),
    protected("internal.termination.signal", CLIENT, ""),
];

/// The entry of `name`, if it is refused. Callback properties (`…_cb`) are pointers, which no text can be.
pub fn protected_property(name: &str) -> Option<Protected> {
    if let Some(found) = PROTECTED.iter().find(|entry| entry.name == name) {
        return Some(*found);
    }
    name.ends_with("_cb").then_some(Protected { name: "*_cb", why: CLIENT, instead: "" })
}
