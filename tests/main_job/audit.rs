//! Does everything agree: the lake, the labels, the epoch records, the dead letters, and the group's offsets?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use crate::records::{committed, visit, watermarks};
use crate::stage::Stage;
use crate::support::process::files_below;
use crate::support::readers::{LabelReport, read_labels, read_lake};

/// An epoch record as docs/schemas/epoch.v1.json has it; read with types of our own, so that a slip in the program's is seen.
#[derive(Debug, Deserialize)]
struct Epoch {
    version: u32,
    writer: String,
    epoch: String,
    partitions: Vec<Entry>,
    segments: Vec<Segment>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    topic: String,
    partition: i32,
    start: i64,
    next: i64,
    consumed: u64,
    gaps: u64,
    readings: u64,
    events: u64,
    rejects: u64,
}

#[derive(Debug, Deserialize)]
struct Segment {
    path: String,
    table: String,
    rows: u64,
    bytes: u64,
    crc32c: u32,
}

/// What an audit found to be right.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) epochs: usize,
    pub(crate) files: usize,
    pub(crate) report: LabelReport,
}

impl Audit {
    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let LabelReport { rows, missing, double, by_table, by_reason, by_fault, .. } = &self.report;
        let faulty: u64 = by_fault.iter().filter(|(name, _)| !name.is_empty()).map(|(_, fault)| fault.messages).sum();
        format!(
            "{rows} rows {by_table:?}, missing {missing}, double {double}; {} kinds of faults in {faulty} messages, {} reasons of rejects; \
             {} epochs, {} files",
            by_fault.len() - usize::from(by_fault.contains_key("")),
            by_reason.len(),
            self.epochs,
            self.files,
        )
    }
}

/// Panics unless each of `messages` messages is in the lake exactly once as its label says, and all records agree with it.
pub(crate) fn audit(stage: &Stage, messages: u64) -> Audit {
    let report = read_labels(&stage.lake(), &stage.labels());
    report.assert_exactly_once(messages);
    let epochs = epochs(stage);
    spans_join(stage, &epochs);
    ledgers_balance(&epochs, &report, messages);
    let files = segments_are_the_files(stage, &epochs, &report);
    dead_letters_are_the_rejects(stage, &report);
    Audit { epochs: epochs.len(), files, report }
}

fn epochs(stage: &Stage) -> Vec<Epoch> {
    let mut epochs = Vec::new();
    visit(stage, &stage.output_topic("epochs"), |record| {
        let epoch: Epoch = serde_json::from_slice(&record.value.unwrap()).unwrap();
        assert_eq!(epoch.version, 1);
        assert_eq!(epoch.writer.as_bytes(), record.key.unwrap());
        assert!(epoch.writer.starts_with(&format!("{}.", stage.group())), "{}", epoch.writer);
        epochs.push(epoch);
    });
    let ids: BTreeSet<&str> = epochs.iter().map(|epoch| epoch.epoch.as_str()).collect();
    assert_eq!(ids.len(), epochs.len(), "an epoch has two records");
    epochs
}

/// The spans of each partition follow one on the other from its start to its end, and the group stands where they end.
fn spans_join(stage: &Stage, epochs: &[Epoch]) {
    let watermarks = watermarks(stage);
    let committed = committed(stage);
    for partition in 0..stage.partitions() {
        let index = usize::try_from(partition).unwrap();
        let mut spans: Vec<(i64, i64)> = Vec::new();
        for entry in epochs.iter().flat_map(|epoch| &epoch.partitions).filter(|entry| entry.partition == partition) {
            assert_eq!(entry.topic, stage.topic());
            spans.push((entry.start, entry.next));
        }
        spans.sort_unstable();
        let (low, high) = watermarks[index];
        let end = spans.iter().fold(low, |end, (start, next)| {
            assert!(*start == end && *next >= end, "partition {partition}: [{start}, {next}) follows on {end}");
            *next
        });
        assert_eq!(end, high, "partition {partition}: the last span ends before the partition");
        let (offset, note) = &committed[index];
        assert_eq!(*offset, Some(end), "partition {partition}: the group's offset");
        assert!(note.starts_with("corelane/1 epoch "), "partition {partition}: {note:?}");
    }
}

fn ledgers_balance(epochs: &[Epoch], report: &LabelReport, messages: u64) {
    let entries = || epochs.iter().flat_map(|epoch| &epoch.partitions);
    for entry in entries() {
        assert_eq!(entry.consumed, entry.readings + entry.events + entry.rejects, "{entry:?}");
        assert_eq!(u64::try_from(entry.next - entry.start).unwrap(), entry.consumed + entry.gaps, "{entry:?}");
    }
    let sum = |term: fn(&Entry) -> u64| entries().map(term).sum::<u64>();
    let stored = |table: &str| report.by_table.get(table).copied().unwrap_or(0);
    assert_eq!((sum(|e| e.consumed), sum(|e| e.gaps)), (messages, 0), "consumed and gaps");
    assert_eq!(sum(|e| e.readings), stored("readings"));
    assert_eq!(sum(|e| e.events), stored("events"));
    assert_eq!(sum(|e| e.rejects), stored("rejects"));
}

/// What epochs name is there, byte for byte, and nothing else is; nothing is staged any more.
fn segments_are_the_files(stage: &Stage, epochs: &[Epoch], report: &LabelReport) -> usize {
    let mut named = BTreeSet::new();
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for segment in epochs.iter().flat_map(|epoch| &epoch.segments) {
        let path = stage.lake().join(&segment.path);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((bytes.len() as u64, crc32c::crc32c(&bytes)), (segment.bytes, segment.crc32c), "{}", path.display());
        *rows.entry(&segment.table).or_default() += segment.rows;
        assert!(named.insert(path), "{} is named twice", segment.path);
    }
    // All three readers see as many rows, those of the windows too.
    let seen = read_lake(&stage.lake());
    let expected: BTreeMap<&str, u64> =
        seen.iter().map(|(table, report)| (table.as_str(), report.rows)).filter(|(_, rows)| *rows > 0).collect();
    assert_eq!(rows, expected, "rows of the segments by table");
    for (table, rows) in &report.by_table {
        assert_eq!(seen[table].rows, *rows, "rows of {table}, and messages that belong there");
    }
    let visible: BTreeSet<PathBuf> = seen.keys().flat_map(|table| files_below(&stage.lake().join(table), "")).collect();
    assert_eq!(visible, named, "visible files, and those that epochs name");
    assert_eq!(files_below(&stage.staging(), ""), Vec::<PathBuf>::new(), "still staged");
    assert_eq!(files_below(&stage.lake().join("_quarantine"), ""), Vec::<PathBuf>::new(), "in quarantine");
    named.len()
}

/// One dead letter a reject, but for expired ones.
fn dead_letters_are_the_rejects(stage: &Stage, report: &LabelReport) {
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut places = BTreeSet::new();
    visit(stage, &stage.output_topic("rejects"), |record| {
        let header = |name: &str| record.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", record.headers)).to_owned();
        *reasons.entry(header("corelane-reason")).or_default() += 1;
        let place = (header("corelane-topic"), header("corelane-partition"), header("corelane-offset"));
        assert!(places.insert(place.clone()), "two dead letters of {place:?}");
    });
    let mut expected = report.by_reason.clone();
    expected.remove("expired");
    assert_eq!(reasons, expected, "dead letters by reason, and rejects");
}
