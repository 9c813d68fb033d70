//! `corelane groups`: shows a group's committed offsets, and sets them with a reason that is recorded.

use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use serde_json::json;

use super::exit::{Exit, Failure, OrExit};
use super::topics::{Connection, failure, print_rows};
use crate::batch::{CommitNote, TopicPartition};
use crate::kafka::{Admin, CommitOffset, Isolation, OffsetSpec};

const EXAMPLES: &str = "Examples:
  corelane groups offsets --group corelane
  corelane groups reset --group corelane --topic device-data --to earliest --reason 'read all again, ticket 42'
  corelane groups reset --group corelane --topic device-data --partition 3 --to 120000 --reason 'skip poison'
  corelane groups reset --group corelane --topic device-data --to 2026-11-20T06:00:00Z --reason 'bad rules since 6'";

/// Commit metadata may have 4,096 bytes; a reason needs a fraction of that.
const REASON_CHARS_MAX: usize = 1_000;

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
    /// Shows what the group has committed, and how far behind it is
    Offsets {
        /// The group
        #[arg(long)]
        group: String,
        /// Only this topic
        #[arg(long)]
        topic: Option<String>,
    },
    /// Sets committed offsets; the group must have no members
    Reset(Reset),
}

#[derive(Debug, clap::Args)]
struct Reset {
    /// The group
    #[arg(long)]
    group: String,
    /// The topic
    #[arg(long)]
    topic: String,
    /// Only this partition; without it all
    #[arg(long)]
    partition: Option<i32>,
    /// earliest, latest, an offset, or a time with a zone (RFC 3339)
    #[arg(long, value_parser = target)]
    to: Target,
    /// Why; it is recorded with the offsets and shown by `groups offsets`
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Found(OffsetSpec),
    Offset(i64),
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "earliest" => Ok(Target::Found(OffsetSpec::Earliest)),
        "latest" => Ok(Target::Found(OffsetSpec::Latest)),
        _ => {
            if let Ok(offset) = text.parse::<i64>() {
                return if offset >= 0 { Ok(Target::Offset(offset)) } else { Err("an offset is at least 0".to_owned()) };
            }
            let time = text.parse::<jiff::Timestamp>();
            let time =
                time.map_err(|_| format!("`{text}` is none of earliest, latest, an offset, a time like 2026-11-20T06:00:00Z"))?;
            Ok(Target::Found(OffsetSpec::At(time.as_millisecond())))
        }
    }
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > REASON_CHARS_MAX {
        return Err(format!("say why, in 1 to {REASON_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let (admin, deadline) = args.connection.open()?;
    match args.action {
        Action::Offsets { group, topic } => {
            let (names, rows) = offsets(&admin, &group, topic.as_deref(), deadline)?;
            print_rows(args.connection.format, &names, rows);
            Ok(())
        }
        Action::Reset(order) => {
            let changed = reset(&admin, &order, deadline)?;
            let rows = changed.iter().map(|(source, before, after)| {
                vec![json!(source.topic.as_ref()), json!(source.partition), json!(before), json!(after)]
            });
            print_rows(args.connection.format, &["topic", "partition", "before", "after"], rows.collect());
            Ok(())
        }
    }
}

type Rows = ([&'static str; 6], Vec<Vec<serde_json::Value>>);

fn offsets(admin: &Admin, group: &str, topic: Option<&str>, deadline: Instant) -> Result<Rows, Failure> {
    let mut committed = admin.committed(group, None, deadline).map_err(failure)?;
    committed.retain(|one| topic.is_none_or(|topic| *one.source.topic == *topic));
    committed.sort_by(|a, b| a.source.cmp(&b.source));
    if committed.is_empty() {
        let nothing = anyhow!("group `{group}` has committed nothing; it begins where kafka.start says");
        return Err(nothing).or_exit(Exit::Unavailable);
    }
    let sources: Vec<TopicPartition> = committed.iter().map(|one| one.source.clone()).collect();
    let ends = admin.offsets(&sources, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline).map_err(failure)?;
    let rows = committed.into_iter().zip(ends).map(|(one, (_, end))| {
        let lag = end.zip(one.offset).map(|(end, next)| (end - next).max(0));
        let metadata = one.metadata.filter(|metadata| !metadata.is_empty());
        vec![
            json!(one.source.topic.as_ref()),
            json!(one.source.partition),
            json!(one.offset),
            json!(end),
            json!(lag),
            json!(metadata),
        ]
    });
    Ok((["topic", "partition", "committed", "end", "lag", "metadata"], rows.collect()))
}

type Change = (TopicPartition, Option<i64>, i64);

/// Sets the offsets and says what they were.
fn reset(admin: &Admin, order: &Reset, deadline: Instant) -> Result<Vec<Change>, Failure> {
    let state = admin.group_state(&order.group, deadline).map_err(failure)?;
    if state.members > 0 {
        return Err(failure(crate::kafka::KafkaError::GroupHasMembers { group: order.group.clone() }));
    }
    let mut partitions = admin.partitions_of(&order.topic, deadline).map_err(failure)?;
    partitions.retain(|source| order.partition.is_none_or(|partition| source.partition == partition));
    if partitions.is_empty() {
        let wanted = TopicPartition::new(order.topic.as_str(), order.partition.unwrap_or(0));
        return Err(failure(crate::kafka::KafkaError::PartitionMissing(wanted)));
    }
    let targets = resolve(admin, &partitions, order.to, deadline)?;
    let before = admin.committed(&order.group, Some(&partitions), deadline).map_err(failure)?;
    let metadata = CommitNote::Reset { reason: order.reason.clone() }.to_metadata();
    let commit_of =
        |(source, next): &(TopicPartition, i64)| CommitOffset { source: source.clone(), next: *next, metadata: metadata.clone() };
    let commits: Vec<CommitOffset> = targets.iter().map(commit_of).collect();
    admin.alter_group_offsets(&order.group, &commits, deadline).map_err(failure)?;
    let was = |source: &TopicPartition| before.iter().find(|one| one.source == *source).and_then(|one| one.offset);
    Ok(targets.into_iter().map(|(source, next)| (source.clone(), was(&source), next)).collect())
}

/// The offset of each partition. A time after the last message means the end.
fn resolve(
    admin: &Admin,
    partitions: &[TopicPartition],
    to: Target,
    deadline: Instant,
) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let ask = |spec| admin.offsets(partitions, spec, Isolation::ReadUncommitted, deadline).map_err(failure);
    let ends = ask(OffsetSpec::Latest)?;
    let found = match to {
        Target::Found(spec) => ask(spec)?,
        Target::Offset(offset) => partitions.iter().map(|source| (source.clone(), Some(offset))).collect(),
    };
    let starts = ask(OffsetSpec::Earliest)?;
    let mut targets = Vec::with_capacity(partitions.len());
    for (((source, offset), (_, start)), (_, end)) in found.into_iter().zip(starts).zip(ends) {
        let (start, end) = start
            .zip(end)
            .with_context(|| format!("{source} has no offsets; is its leader there?"))
            .or_exit(Exit::Unavailable)?;
        let offset = offset.unwrap_or(end);
        let check = || {
            ensure!((start..=end).contains(&offset), "{source} holds offsets {start} to {end}, not {offset}");
            Ok(())
        };
        check().or_exit(Exit::Usage)?;
        targets.push((source, offset));
    }
    Ok(targets)
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
