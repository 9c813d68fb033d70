//! The parts that the rows of windows name: of each partition which intervals of offsets of which windows, and in which epoch they stand.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::path::Path;

use arrow::array::{BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::tables::{TableFile, column};
use super::{Matter, Outcome};
use crate::audit::epochs::Epoch;
use crate::audit::finding::{FindingKind, Findings, Place};
use crate::batch::{Table, TopicPartition};

/// Both tables of windows.
pub(super) const TABLES: [Table; 2] = [Table::Aggregates, Table::Groups];

/// The columns that say which part a row is of.
pub(super) const PART: [&str; 8] =
    ["window_start", "window_end", "offset_from", "offset_to", "on_time", "partial", "topic", "partition"];

/// A part: the readings of one window with offsets in `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartKey {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) on_time: bool,
}

impl std::fmt::Display for PartKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PartKey { from, to, start_us, end_us, on_time } = self;
        let kind = if *on_time { "on time" } else { "late or early" };
        write!(f, "window {} to {}, {kind}, offsets [{from}, {to})", time(*start_us), time(*end_us))
    }
}

/// RFC 3339, or the bare number where that has no word for it.
fn time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| format!("{us} µs"), |time| time.to_string())
}

/// What is known of a part before its rows are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PartInfo {
    pub(super) partial: bool,
    /// The epochs whose files have rows of it: one, if all is well. Numbers in the log.
    pub(super) epochs: BTreeSet<usize>,
}

/// The parts of one partition.
pub(super) type PartsOf = BTreeMap<PartKey, PartInfo>;

/// The parts of all partitions, from the few columns that name them. Files that cannot be read are told.
pub(super) fn collect(matter: &Matter<'_>, outcome: &mut Outcome<'_>) -> (HashMap<TopicPartition, PartsOf>, BTreeSet<usize>) {
    let mut parts = HashMap::new();
    let mut unread = BTreeSet::new();
    for (index, epoch) in matter.log.epochs().iter().enumerate() {
        for path in TABLES.iter().flat_map(|table| matter.files(index, epoch, *table)) {
            if let Err(what) = collect_file(&path, (index, epoch), &mut parts, outcome.findings) {
                outcome.findings.add(FindingKind::Unreadable, Place::path(path.display().to_string()).epoch(epoch.id), what);
                unread.insert(index);
            }
        }
    }
    (parts, unread)
}

fn collect_file(
    path: &Path,
    (index, epoch): (usize, &Epoch),
    parts: &mut HashMap<TopicPartition, PartsOf>,
    findings: &mut Findings,
) -> Result<(), String> {
    let mut last: Option<(TopicPartition, PartKey, bool)> = None;
    for batch in TableFile::open(path)?.read(&PART, None)? {
        let batch = batch.map_err(|error| error.to_string())?;
        let columns = PartColumns::of(&batch)?;
        let topics = column::<StringArray>(&batch, "topic")?;
        let partitions = column::<Int32Array>(&batch, "partition")?;
        for row in 0..batch.num_rows() {
            let (key, partial) = columns.get(row);
            // The rows of a part stand together.
            let is_same = last.as_ref().is_some_and(|(source, known, known_partial)| {
                (*known, *known_partial) == (key, partial)
                    && source.partition == partitions.value(row)
                    && *source.topic == *topics.value(row)
            });
            if is_same {
                continue;
            }
            let source = TopicPartition::new(topics.value(row), partitions.value(row));
            let info: &mut PartInfo = parts.entry(source.clone()).or_default().entry(key).or_default();
            info.partial |= partial;
            if info.epochs.insert(index)
                && let Some(what) = broken(&source, key, epoch)
            {
                let place = Place::of(&source).span(key.from, key.to).epoch(epoch.id).at_path(path.display().to_string());
                findings.add(FindingKind::PartBroken, place.row(key.to_string()), what);
            }
            last = Some((source, key, partial));
        }
    }
    Ok(())
}

/// What is wrong with a part of an epoch, by itself.
fn broken(source: &TopicPartition, key: PartKey, epoch: &Epoch) -> Option<String> {
    let Some(part) = epoch.part_of(source) else {
        return Some("its partition has no share of the epoch that it stands in".to_owned());
    };
    let span = part.entry.span;
    if key.from >= key.to || key.start_us >= key.end_us {
        return Some("it names no offsets, or its window has no length".to_owned());
    }
    if key.to > span.next {
        return Some(format!("it names offsets after {}, where its epoch ends", span.next));
    }
    if !key.on_time && key.from < span.start {
        return Some(format!("a late or early part stands with its epoch, which begins at {}", span.start));
    }
    None
}

/// The columns of [`PART`], typed.
pub(super) struct PartColumns<'a> {
    starts: &'a TimestampMicrosecondArray,
    ends: &'a TimestampMicrosecondArray,
    from: &'a Int64Array,
    to: &'a Int64Array,
    on_time: &'a BooleanArray,
    partial: &'a BooleanArray,
}

impl<'a> PartColumns<'a> {
    pub(super) fn of(batch: &'a RecordBatch) -> Result<Self, String> {
        Ok(Self {
            starts: column(batch, "window_start")?,
            ends: column(batch, "window_end")?,
            from: column(batch, "offset_from")?,
            to: column(batch, "offset_to")?,
            on_time: column(batch, "on_time")?,
            partial: column(batch, "partial")?,
        })
    }

    /// The part of a row, and whether it says that it is not whole.
    pub(super) fn get(&self, row: usize) -> (PartKey, bool) {
        let key = PartKey {
            from: self.from.value(row),
            to: self.to.value(row),
            start_us: self.starts.value(row),
            end_us: self.ends.value(row),
            on_time: self.on_time.value(row),
        };
        (key, self.partial.value(row))
    }
}

/// No two parts of a partition have a reading in common: their windows or their offsets are apart.
pub(super) fn check_disjoint(source: &TopicPartition, parts: &PartsOf, findings: &mut Findings) {
    let mut by_start: Vec<&PartKey> = parts.keys().collect();
    by_start.sort_by_key(|key| (key.start_us, key.from));
    // Windows that have begun and not ended: with one grid those of one start.
    let mut open: Vec<&PartKey> = Vec::new();
    for key in by_start {
        open.retain(|other| other.end_us > key.start_us);
        if let Some(other) = open.iter().find(|other| other.from < key.to && key.from < other.to) {
            let what = format!("it overlaps with {other}");
            findings.add(FindingKind::PartsOverlap, Place::of(source).span(key.from, key.to).row(key.to_string()), what);
        }
        open.push(key);
    }
}

/// Finds the part of a reading, while readings come in offset order.
pub(super) struct Cursor {
    /// By their first offset.
    keys: Vec<PartKey>,
    next: usize,
    /// Parts that have begun: by the start of their window.
    begun: BTreeMap<i64, Vec<PartKey>>,
    /// Those that end first, first.
    ends: BinaryHeap<Reverse<(i64, PartKey)>>,
    longest_us: i64,
}

impl Cursor {
    pub(super) fn new(parts: &PartsOf) -> Self {
        let longest_us = parts.keys().map(|key| key.end_us.saturating_sub(key.start_us)).max().unwrap_or(0);
        let keys = parts.keys().copied().collect();
        Self { keys, next: 0, begun: BTreeMap::new(), ends: BinaryHeap::new(), longest_us }
    }

    /// `offset` never falls.
    pub(super) fn find(&mut self, offset: i64, time_us: i64) -> Option<PartKey> {
        while let Some(key) = self.keys.get(self.next).filter(|key| key.from <= offset) {
            self.begun.entry(key.start_us).or_default().push(*key);
            self.ends.push(Reverse((key.to, *key)));
            self.next += 1;
        }
        while let Some(Reverse((_, key))) = self.ends.peek().filter(|end| end.0.0 <= offset).copied() {
            self.ends.pop();
            if let Some(keys) = self.begun.get_mut(&key.start_us) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    self.begun.remove(&key.start_us);
                }
            }
        }
        let windows = self.begun.range(time_us.saturating_sub(self.longest_us)..=time_us).rev();
        windows.flat_map(|(_, keys)| keys).find(|key| time_us < key.end_us).copied()
    }
}
