//! The audit in its order. Records are read before files are looked at, and once more after it: a group at work goes on meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::AuditError;
use super::contract::{Cluster, TopicView};
use super::deep;
use super::epochs::{EpochLog, Reading, Said, Witness};
use super::finding::{FindingKind, Findings, Place};
use super::held::check_held;
use super::lakes::{LakeDir, Origin, check_origin};
use super::partitions::{History, Offsets, check_ledgers, check_offsets, check_spans, foreign, histories};
use super::report::{Looked, PartitionSeen, Report};
use super::segments::{SegmentStates, Walk, check_missing, check_unknown, check_visible, tell_missing};
use crate::batch::{CommitNote, RawRow, TopicPartition};
use crate::kafka::{Committed, Stretch};

/// Where a group without committed offsets was to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At the first message that Kafka had.
    Earliest,
    /// Somewhere else, on purpose.
    Later,
    /// Nobody said.
    Unknown,
}

/// What to look at, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    pub group: String,
    pub epochs_topic: String,
    /// Input topics beside those that records name.
    pub topics: Vec<String>,
    pub beginning: Beginning,
    /// `at_least_once`: the same epoch record may stand twice.
    pub repeats: bool,
    /// Look at every row and every message, and recompute the windows.
    pub deep: bool,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Records { done: u64 },
    Segments { done: u64, bytes: u64 },
    Rows { done: u64 },
    Messages { done: u64 },
    Windows { partitions: usize, of: usize, rows: u64 },
}

/// Hears how far an audit is, often.
pub type Progress<'p> = dyn FnMut(Step) + 'p;

/// Holds epoch records, lakes and Kafka against each other. Changes nothing.
pub fn audit(
    cluster: &mut dyn Cluster,
    lakes: &[PathBuf],
    options: &AuditOptions,
    progress: &mut Progress<'_>,
) -> Result<Report, AuditError> {
    let lakes = LakeDir::open_all(lakes, &options.group)?;
    let mut findings = Findings::default();
    let mut looked = Looked::default();
    let mut records = Records::default();

    let cluster_id = cluster.cluster_id()?;
    let before = cluster.committed(&options.group)?;
    records.read(cluster, options, &mut findings, progress)?;
    records.log.close();
    let after = cluster.committed(&options.group)?;
    looked.epochs = records.log.epochs().len() as u64;

    let topics = views(cluster, options, &records.log)?;
    check_origin(&Origin { cluster_id: &cluster_id, topics: &topics }, &lakes, &records.log, &mut findings)?;
    tell_absent_lakes(&lakes, &records.log, &mut findings);
    check_ledgers(&records.log, &mut findings);

    let states = look_at_lakes(cluster, &lakes, (&mut records, options), (&mut findings, &mut looked, &mut *progress))?;
    let witness = records.witness();

    let histories = histories(&records.log);
    let mut partitions: Vec<PartitionSeen> = Vec::new();
    for history in &histories {
        check_spans(history, &mut findings);
        let offsets = Offsets { before: of(&before, &history.source), after: of(&after, &history.source) };
        check_offsets(history, offsets, &witness, view_of(&topics, &history.source.topic), &mut findings);
        partitions.push(history.seen(offsets.after.and_then(|committed| committed.offset)));
    }
    check_strangers(&histories, &topics, &after, &witness, &mut findings);

    let mut notes = Vec::new();
    if histories.is_empty() {
        notes.push(format!("{} has no epoch of group {} yet", options.epochs_topic, options.group));
    }
    if options.deep {
        let matter = deep::Matter {
            log: &records.log,
            lakes: &lakes,
            states: &states,
            histories: &histories,
            notes: [&after, &before].map(|committed| notes_of(committed)),
            topics: &topics,
            beginning: options.beginning,
            is_complete: witness.since_ms.is_none(),
        };
        deep::check(
            cluster,
            &matter,
            &mut deep::Outcome { findings: &mut findings, looked: &mut looked, notes: &mut notes },
            progress,
        )?;
    }
    Ok(Report {
        group: options.group.clone(),
        cluster_id,
        deep: options.deep,
        lakes: lakes.iter().map(LakeDir::seen).collect(),
        looked,
        partitions,
        findings,
        notes,
        repaired: None,
    })
}

/// Every file of the lakes, against the records; and those that the records do not name against what came meanwhile.
fn look_at_lakes(
    cluster: &mut dyn Cluster,
    lakes: &[LakeDir],
    (records, options): (&mut Records, &AuditOptions),
    (findings, looked, progress): (&mut Findings, &mut Looked, &mut Progress<'_>),
) -> Result<SegmentStates, AuditError> {
    let mut states = SegmentStates::unseen(&records.log);
    let mut walk = Walk::default();
    for lake in lakes.iter().enumerate() {
        check_visible(lake, &records.log, (&mut states, &mut walk), (&mut *findings, &mut *looked, &mut *progress));
    }
    check_missing(lakes, &records.log, &mut states, (&mut *findings, &mut *looked))?;
    records.read(cluster, options, findings, progress)?;
    let witness = records.witness();
    check_unknown(lakes, &walk, &witness, findings);
    for lake in lakes {
        check_held(lake, &witness, (&records.log, &mut states), (&mut *findings, &mut *looked))?;
    }
    tell_missing(lakes, &records.log, &states, findings);
    Ok(states)
}

/// The epoch records, and how far they were read.
#[derive(Debug, Default)]
struct Records {
    log: EpochLog,
    /// Of each partition of the epochs topic.
    next: BTreeMap<i32, i64>,
    /// See [`Witness::since_ms`].
    since_ms: Option<i64>,
}

impl Records {
    /// Reads what stands there now and was not read before, up to the high watermark: the last stable offset may lie before a record of
    /// a commit that was acknowledged.
    fn read(
        &mut self,
        cluster: &mut dyn Cluster,
        options: &AuditOptions,
        findings: &mut Findings,
        progress: &mut Progress<'_>,
    ) -> Result<(), AuditError> {
        let topic = &options.epochs_topic;
        let view = cluster.topic(topic)?.ok_or_else(|| AuditError::NoEpochs { topic: topic.clone() })?;
        let is_first = self.next.is_empty();
        let mut stretches = Vec::new();
        for (partition, low, high) in &view.partitions {
            let next = self.next.get(partition).copied().unwrap_or(*low).max(*low);
            if is_first && *low > 0 {
                // Until its first record says since when: nothing is attested.
                self.since_ms = Some(i64::MAX);
            }
            stretches.push(Stretch { source: TopicPartition::new(topic.as_str(), *partition), next, end: *high });
            self.next.insert(*partition, *high);
        }
        let reading = Reading { group: &options.group, repeats: options.repeats };
        let mut firsts: BTreeMap<i32, i64> = BTreeMap::new();
        let mut done = 0;
        let log = &mut self.log;
        let mut see = |source: &TopicPartition, row: &RawRow<'_>| {
            // A record without a time says nothing of since when.
            firsts.entry(source.partition).or_insert(if row.kafka_time_ms < 0 { i64::MAX } else { row.kafka_time_ms });
            let place = Place::of(source).span(row.offset, row.offset + 1);
            log.take(reading, (row.key, row.value), place, findings);
            done += 1;
            progress(Step::Records { done });
        };
        cluster.read(stretches, &mut see)?;
        if is_first && self.since_ms.is_some() {
            let cut = view.partitions.iter().filter(|(_, low, _)| *low > 0);
            self.since_ms = cut.map(|(partition, ..)| firsts.get(partition).copied().unwrap_or(i64::MAX)).max();
        }
        Ok(())
    }

    fn witness(&self) -> Witness<'_> {
        Witness { log: &self.log, since_ms: self.since_ms }
    }
}

/// The input topics, those of the configuration and those that records name.
fn views(
    cluster: &mut dyn Cluster,
    options: &AuditOptions,
    log: &EpochLog,
) -> Result<Vec<(String, Option<TopicView>)>, AuditError> {
    let names: BTreeSet<&String> = options.topics.iter().chain(log.topic_ids.keys()).chain([&options.epochs_topic]).collect();
    names.into_iter().map(|name| Ok((name.clone(), cluster.topic(name)?))).collect()
}

pub(super) fn view_of<'a>(topics: &'a [(String, Option<TopicView>)], name: &str) -> Option<&'a TopicView> {
    topics.iter().find(|(topic, _)| topic == name).and_then(|(_, view)| view.as_ref())
}

fn of<'a>(committed: &'a [Committed], source: &TopicPartition) -> Option<&'a Committed> {
    committed.iter().find(|entry| entry.source == *source)
}

/// Offsets with the notes that they carry.
fn notes_of(committed: &[Committed]) -> BTreeMap<TopicPartition, (i64, Option<CommitNote>)> {
    let note = |entry: &Committed| {
        let note = entry.metadata.as_deref().and_then(CommitNote::parse);
        Some((entry.source.clone(), (entry.offset?, note)))
    };
    committed.iter().filter_map(note).collect()
}

fn tell_absent_lakes(lakes: &[LakeDir], log: &EpochLog, findings: &mut Findings) {
    let mut absent: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for epoch in log.epochs().iter().filter(|epoch| lakes.iter().all(|lake| *lake.id != *epoch.lake)) {
        let seen = absent.entry(&epoch.lake).or_default();
        seen.0 += 1;
        seen.1 += epoch.segments.len() as u64;
    }
    for (lake, (epochs, segments)) in absent {
        let what = format!("{epochs} epochs with {segments} segments are in lake {lake}, which was not given");
        findings.add(FindingKind::LakeAbsent, Place::path(format!("the lake {lake}")), what);
    }
}

/// Offsets of partitions that no record names: set by somebody, or by epochs whose records are gone. (What lies before one that a start or a
/// reset set, the deep part counts.)
fn check_strangers(
    histories: &[History<'_>],
    topics: &[(String, Option<TopicView>)],
    committed: &[Committed],
    witness: &Witness<'_>,
    findings: &mut Findings,
) {
    let is_ours = |source: &TopicPartition| topics.iter().any(|(name, _)| **name == *source.topic);
    let is_known = |source: &TopicPartition| histories.iter().any(|history| history.source == *source);
    for entry in committed.iter().filter(|entry| !is_known(&entry.source)) {
        let Some(offset) = entry.offset else { continue };
        let place = Place::of(&entry.source).span(offset, offset);
        let (epoch, place) = match entry.metadata.as_deref().and_then(CommitNote::parse) {
            Some(CommitNote::Epoch { epoch, .. }) => (epoch, place.epoch(epoch)),
            Some(CommitNote::Start { .. } | CommitNote::Reset { .. }) => continue,
            // A group without any epoch may be taken over as it is, and what it read beside our topics is not ours.
            None if histories.is_empty() || !is_ours(&entry.source) => continue,
            None => {
                findings.add(FindingKind::OffsetMoved, place, foreign(offset));
                continue;
            }
        };
        let what = format!("the group's offset {offset} was committed by epoch {epoch}");
        match witness.says(epoch) {
            Said::Never => findings.add(FindingKind::EpochUnrecorded, place, format!("{what}, which has no record")),
            Said::Unknown => findings.add(FindingKind::RecordsExpired, place, format!("{what}, whose record has expired")),
            // Committed after the records were read.
            Said::Committed(_) => {}
        }
    }
}
