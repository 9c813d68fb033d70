//! Topics: their ids, partitions, names and settings.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Fault;
use super::log::{Partition, Rules};

/// The longest name of a topic, and the most partitions that one may have here: each costs memory whether it is used or not.
const NAME_BYTES_MAX: usize = 249;
const PARTITIONS_MAX: i32 = 10_000;

/// A setting of a topic: its name, Kafka's default, and what values it takes.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: &'static str,
    pub(super) kind: Kind,
}

/// The values that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    /// An integer, at least this.
    Int(i64),
    Float,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A comma-separated list of these words.
    List(&'static [&'static str]),
    Text,
}

const fn setting(name: &'static str, default: &'static str, kind: Kind) -> Setting {
    Setting { name, default, kind }
}

const LONG_MAX: &str = "9223372036854775807";

/// What Kafka 4.1 knows. Those that `Settings` reads have an effect; the others concern disks and replicas.
pub(super) const SETTINGS: &[Setting] = &[
    setting("cleanup.policy", "delete", Kind::List(&["delete", "compact"])),
    setting("compression.gzip.level", "-1", Kind::Int(-1)),
    setting("compression.lz4.level", "9", Kind::Int(1)),
    setting("compression.type", "producer", Kind::Word(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"])),
    setting("compression.zstd.level", "3", Kind::Int(-131_072)),
    setting("delete.retention.ms", "86400000", Kind::Int(0)),
    setting("file.delete.delay.ms", "60000", Kind::Int(0)),
    setting("flush.messages", LONG_MAX, Kind::Int(1)),
    setting("flush.ms", LONG_MAX, Kind::Int(0)),
    setting("follower.replication.throttled.replicas", "", Kind::Text),
    setting("index.interval.bytes", "4096", Kind::Int(0)),
    setting("leader.replication.throttled.replicas", "", Kind::Text),
    setting("local.retention.bytes", "-2", Kind::Int(-2)),
    setting("local.retention.ms", "-2", Kind::Int(-2)),
    setting("max.compaction.lag.ms", LONG_MAX, Kind::Int(1)),
    setting("max.message.bytes", "1048588", Kind::Int(0)),
    setting("message.timestamp.after.max.ms", "3600000", Kind::Int(0)),
    setting("message.timestamp.before.max.ms", LONG_MAX, Kind::Int(0)),
    setting("message.timestamp.type", "CreateTime", Kind::Word(&["CreateTime", "LogAppendTime"])),
    setting("min.cleanable.dirty.ratio", "0.5", Kind::Float),
    setting("min.compaction.lag.ms", "0", Kind::Int(0)),
    setting("min.insync.replicas", "1", Kind::Int(1)),
    setting("preallocate", "false", Kind::Flag),
    setting("remote.log.copy.disable", "false", Kind::Flag),
    setting("remote.log.delete.on.disable", "false", Kind::Flag),
    setting("remote.storage.enable", "false", Kind::Flag),
    setting("retention.bytes", "-1", Kind::Int(i64::MIN)),
    setting("retention.ms", "604800000", Kind::Int(-1)),
    setting("segment.bytes", "1073741824", Kind::Int(1 << 20)),
    setting("segment.index.bytes", "10485760", Kind::Int(4)),
    setting("segment.jitter.ms", "0", Kind::Int(0)),
    setting("segment.ms", "604800000", Kind::Int(1)),
    setting("unclean.leader.election.enable", "false", Kind::Flag),
];

impl Kind {
    fn takes(self, value: &str) -> bool {
        match self {
            Kind::Flag => matches!(value, "true" | "false"),
            Kind::Int(least) => value.parse::<i64>().is_ok_and(|value| value >= least),
            Kind::Float => value.parse::<f64>().is_ok_and(|value| (0.0..=1.0).contains(&value)),
            Kind::Word(words) => words.contains(&value),
            Kind::List(words) => !value.is_empty() && value.split(',').all(|word| words.contains(&word.trim())),
            Kind::Text => true,
        }
    }
}

/// The settings of a topic: what was given, and what follows for the log.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    given: BTreeMap<String, String>,
    pub(super) rules: Rules,
    pub(super) retention_ms: Option<i64>,
    pub(super) retention_bytes: Option<usize>,
}

impl Settings {
    /// Checks settings; a wrong one is named in the error.
    pub(super) fn parse(given: BTreeMap<String, String>) -> Result<Self, String> {
        for (name, value) in &given {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                return Err(format!("Unknown topic config name: {name}"));
            };
            if !setting.kind.takes(value) {
                return Err(format!("Invalid value {value} for configuration {name}"));
            }
        }
        let int = |name| value(&given, name).parse::<i64>().unwrap_or(-1);
        let cleanup = value(&given, "cleanup.policy");
        let deletes = cleanup.contains("delete");
        let rules = Rules {
            bytes_max: usize::try_from(int("max.message.bytes")).unwrap_or(usize::MAX),
            append_time: value(&given, "message.timestamp.type") == "LogAppendTime",
            behind_max_ms: int("message.timestamp.before.max.ms"),
            ahead_max_ms: int("message.timestamp.after.max.ms"),
            keyed: cleanup.contains("compact"),
        };
        let retention_ms = Some(int("retention.ms")).filter(|ms| deletes && *ms >= 0);
        let retention_bytes = usize::try_from(int("retention.bytes")).ok().filter(|_| deletes);
        Ok(Self { given, rules, retention_ms, retention_bytes })
    }

    /// A setting's value, and whether it was given for the topic.
    pub(super) fn get(&self, setting: &Setting) -> (String, bool) {
        match self.given.get(setting.name) {
            Some(value) => (value.clone(), true),
            None => (setting.default.to_owned(), false),
        }
    }
}

fn value<'a>(given: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let default = || SETTINGS.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
    given.get(name).map_or_else(default, String::as_str)
}

/// A topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// Made at creation: a topic made again has another.
    pub(super) id: Uuid,
    pub(super) settings: Settings,
    pub(super) partitions: Vec<Partition>,
}

/// All topics, by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    by_name: BTreeMap<String, Topic>,
    names: BTreeMap<Uuid, String>,
}

impl Topics {
    pub(super) fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.by_name.get_mut(name)
    }

    pub(super) fn name_of(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Topic)> {
        self.by_name.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Topic)> {
        self.by_name.iter_mut()
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Result<&Partition, Fault> {
        let topic = self.by_name.get(topic).ok_or(Fault::UnknownTopicOrPartition)?;
        usize::try_from(partition).ok().and_then(|index| topic.partitions.get(index)).ok_or(Fault::UnknownTopicOrPartition)
    }

    pub(super) fn partition_mut(&mut self, topic: &str, partition: i32) -> Result<&mut Partition, Fault> {
        let topic = self.by_name.get_mut(topic).ok_or(Fault::UnknownTopicOrPartition)?;
        usize::try_from(partition).ok().and_then(|index| topic.partitions.get_mut(index)).ok_or(Fault::UnknownTopicOrPartition)
    }

    /// Whether a topic could be made: the name is free and legal, the number of partitions is.
    pub(super) fn check_new(&self, name: &str, partitions: i32) -> Result<(), Fault> {
        check_name(name)?;
        // In metrics `.` and `_` fall together, so Kafka refuses names that differ only there.
        let alike = |other: &String| other != name && other.replace('.', "_") == name.replace('.', "_");
        if self.by_name.contains_key(name) {
            Err(Fault::TopicAlreadyExists)
        } else if self.by_name.keys().any(alike) {
            Err(Fault::InvalidTopicException)
        } else if !(1..=PARTITIONS_MAX).contains(&partitions) {
            Err(Fault::InvalidPartitions)
        } else {
            Ok(())
        }
    }

    /// Makes a topic that `check_new` passed.
    pub(super) fn create(&mut self, name: &str, partitions: i32, settings: Settings) -> Result<Uuid, Fault> {
        self.check_new(name, partitions)?;
        let id = Uuid::new_v4();
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        self.by_name.insert(name.to_owned(), Topic { id, settings, partitions });
        self.names.insert(id, name.to_owned());
        Ok(id)
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<Topic, Fault> {
        let topic = self.by_name.remove(name).ok_or(Fault::UnknownTopicOrPartition)?;
        self.names.remove(&topic.id);
        Ok(topic)
    }
}

impl Topic {
    /// Adds partitions up to a number, which must be higher than the present one.
    pub(super) fn check_grow(&self, count: i32) -> Result<usize, Fault> {
        let present = self.partitions.len();
        let wanted = usize::try_from(count).map_err(|_| Fault::InvalidPartitions)?;
        if wanted > present && count <= PARTITIONS_MAX { Ok(wanted) } else { Err(Fault::InvalidPartitions) }
    }
}

/// A name is 1 to 249 characters of `[A-Za-z0-9._-]`, and neither `.` nor `..`.
pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || matches!(name, "." | "..") || !name.bytes().all(legal) {
        return Err(Fault::InvalidTopicException);
    }
    Ok(())
}

/// Why a topic could not be made, for people.
pub(super) fn reason(fault: Fault) -> String {
    match fault {
        Fault::TopicAlreadyExists => "it exists already".to_owned(),
        Fault::InvalidTopicException => format!(
            "a name has 1 to {NAME_BYTES_MAX} characters of A-Z, a-z, 0-9, `.`, `_` and `-`, and may not differ from another only in `.` and `_`"
        ),
        Fault::InvalidPartitions => format!("a topic has 1 to {PARTITIONS_MAX} partitions"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
