//! Each partition's history: its spans join, its ledgers balance, and the group stands where the last span ends.

use std::collections::BTreeMap;

use super::contract::TopicView;
use super::epochs::{Epoch, EpochLog, PartitionPart, Said, Witness};
use super::finding::{FindingKind, Findings, Place};
use super::report::PartitionSeen;
use crate::batch::{CommitNote, LedgerEntry, Table, TopicPartition};
use crate::kafka::Committed;

/// An epoch's share of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanOf<'a> {
    /// In [`EpochLog::epochs`].
    pub(super) index: usize,
    pub(super) epoch: &'a Epoch,
    pub(super) part: &'a PartitionPart,
}

impl SpanOf<'_> {
    pub(super) fn start(&self) -> i64 {
        self.part.entry.span.start
    }

    pub(super) fn next(&self) -> i64 {
        self.part.entry.span.next
    }
}

/// The epochs of one partition in the order of their spans.
#[derive(Debug)]
pub(super) struct History<'a> {
    pub(super) source: TopicPartition,
    /// Never empty.
    pub(super) spans: Vec<SpanOf<'a>>,
}

impl History<'_> {
    pub(super) fn start(&self) -> i64 {
        self.spans.first().map_or(0, SpanOf::start)
    }

    /// Where the last span ends.
    pub(super) fn next(&self) -> i64 {
        self.spans.iter().map(SpanOf::next).max().unwrap_or(0)
    }

    /// What the report says of it.
    pub(super) fn seen(&self, committed: Option<i64>) -> PartitionSeen {
        let sum =
            |term: fn(&LedgerEntry) -> u64| self.spans.iter().fold(0_u64, |sum, span| sum.saturating_add(term(&span.part.entry)));
        PartitionSeen {
            topic: self.source.topic.to_string(),
            partition: self.source.partition,
            start: self.start(),
            next: self.next(),
            committed,
            epochs: self.spans.len() as u64,
            consumed: sum(|entry| entry.consumed),
            gaps: sum(|entry| entry.gaps),
            readings: sum(|entry| entry.readings),
            events: sum(|entry| entry.events),
            rejects: sum(|entry| entry.rejects),
        }
    }
}

/// The histories of all partitions that records name.
pub(super) fn histories(log: &EpochLog) -> Vec<History<'_>> {
    let mut spans: BTreeMap<&TopicPartition, Vec<SpanOf<'_>>> = BTreeMap::new();
    for (index, epoch) in log.epochs().iter().enumerate() {
        for part in &epoch.partitions {
            spans.entry(&part.source).or_default().push(SpanOf { index, epoch, part });
        }
    }
    // Windows that close while nothing comes give spans without an offset: several may begin where one ends.
    for spans in spans.values_mut() {
        spans.sort_by_key(|span| (span.start(), span.next(), span.epoch.id));
    }
    spans.into_iter().map(|(source, spans)| History { source: source.clone(), spans }).collect()
}

/// Every span begins where the one before it ends.
pub(super) fn check_spans(history: &History<'_>, findings: &mut Findings) {
    let mut end: Option<i64> = None;
    for span in &history.spans {
        let (start, next) = (span.start(), span.next());
        let place = |from, to| Place::of(&history.source).span(from, to).epoch(span.epoch.id);
        match end {
            Some(end) if start > end => {
                let what = format!(
                    "offsets [{end}, {start}) are in no epoch: the spans before end at {end}, this one begins at {start}"
                );
                findings.add(FindingKind::SpanGap, place(end, start), what);
            }
            Some(end) if start < end => {
                let to = next.min(end).max(start);
                let what = format!("span [{start}, {next}) begins before {end}, where the spans before it end");
                findings.add(FindingKind::SpanOverlap, place(start, to), what);
            }
            _ => {}
        }
        end = Some(end.map_or(next, |end| end.max(next)));
    }
}

/// `consumed = readings + events + rejects` and `span length = consumed + gaps`, for each partition of each epoch; and over the
/// partitions of an epoch, the segments have as many rows as the ledger says.
pub(super) fn check_ledgers(log: &EpochLog, findings: &mut Findings) {
    for epoch in log.epochs() {
        for part in &epoch.partitions {
            if let Some(what) = imbalance(&part.entry) {
                let span = part.entry.span;
                let place = Place::of(&part.source).span(span.start, span.next).epoch(epoch.id);
                findings.add(FindingKind::LedgerImbalance, place, what);
            }
        }
        for (table, term) in TERMS {
            let told: u128 = epoch.partitions.iter().map(|part| u128::from(term(&part.entry))).sum();
            let segments = epoch.segments.iter().filter(|segment| segment.table == table);
            let named: u128 = segments.map(|segment| u128::from(segment.rows)).sum();
            if told != named {
                let what = format!("the ledger has {told} {}, the segments that the record names have {named}", table.name());
                findings.add(FindingKind::LedgerDiffers, Place::default().epoch(epoch.id), what);
            }
        }
    }
}

type Term = fn(&LedgerEntry) -> u64;

/// The terms that are rows of tables.
pub(super) const TERMS: [(Table, Term); 3] =
    [(Table::Readings, |entry| entry.readings), (Table::Events, |entry| entry.events), (Table::Rejects, |entry| entry.rejects)];

/// Both equations, in numbers that no record can overflow.
fn imbalance(entry: &LedgerEntry) -> Option<String> {
    let LedgerEntry { span, consumed, gaps, readings, events, rejects } = *entry;
    let stored = u128::from(readings) + u128::from(events) + u128::from(rejects);
    let length = i128::from(span.next) - i128::from(span.start);
    let passed = i128::from(consumed) + i128::from(gaps);
    if u128::from(consumed) == stored && length == passed && span.start >= 0 {
        return None;
    }
    Some(format!(
        "span {span} has {length} offsets; {consumed} consumed + {gaps} gaps; {readings} readings + {events} events + {rejects} rejects"
    ))
}

/// What is said of an offset without a note.
pub(super) fn foreign(offset: i64) -> String {
    format!("the group's offset {offset} was committed by a program that is not corelane; a start refuses that")
}

/// The group's offsets of a partition, asked before and after the records were read: in a group at work they move.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offsets<'a> {
    pub(super) before: Option<&'a Committed>,
    pub(super) after: Option<&'a Committed>,
}

/// The group stands where the last span ends, by the epoch of that span, and Kafka has got that far.
pub(super) fn check_offsets(
    history: &History<'_>,
    offsets: Offsets<'_>,
    witness: &Witness<'_>,
    topic: Option<&TopicView>,
    findings: &mut Findings,
) {
    let next = history.next();
    let place = Place::of(&history.source).span(next, next);
    let remedy = format!(
        "`corelane groups reset --topic {} --partition {} --to {next} --reason WHY` sets it back; where the group was moved on purpose, \
         what is read again is stored again: take another lake for it",
        history.source.topic, history.source.partition
    );
    let Some(after) = offsets.after.and_then(|committed| committed.offset) else {
        let what = format!("the group has no committed offset, and its last epoch ended at {next}");
        return findings.add_with(FindingKind::OffsetMissing, place, what, remedy);
    };
    let before = offsets.before.and_then(|committed| committed.offset).unwrap_or(after);
    let is_at_work = before != after;
    // Records were read between the two questions.
    let holds = if is_at_work { before <= next && next <= after } else { next == after };
    let note = offsets.after.and_then(|committed| CommitNote::parse(committed.metadata.as_deref()?));
    if !holds {
        let reason = match &note {
            Some(CommitNote::Reset { reason }) => format!(", by `groups reset` with the reason {reason:?}"),
            Some(CommitNote::Start { from }) => format!(", as a start ({from})"),
            Some(CommitNote::Epoch { epoch, .. }) => format!(", by epoch {epoch}"),
            None => ", by a program that is not corelane".to_owned(),
        };
        let what = format!("the group's committed offset is {after}{reason}; its last epoch ended at {next}");
        return findings.add_with(FindingKind::OffsetMoved, place, what, remedy);
    }
    if note.is_none() {
        return findings.add_with(FindingKind::OffsetMoved, place, foreign(after), remedy);
    }
    if let Some((_, high)) = topic.and_then(|topic| topic.bounds(history.source.partition))
        && high < next
    {
        let what = format!("Kafka has this partition up to {high}, and {next} is committed");
        findings.add(FindingKind::KafkaTruncated, Place::of(&history.source).span(high, next), what);
    }
    if let Some(CommitNote::Epoch { epoch, .. }) = note
        && !is_at_work
        && witness.says(epoch) == Said::Never
    {
        let what = format!("the group's offset {after} was committed by epoch {epoch}, which has no record");
        findings.add(FindingKind::EpochUnrecorded, place.epoch(epoch), what);
    }
}
