//! Every row of `aggregates` and `groups` is, bit for bit, the fold of the readings that it names; and every counted reading is in one part.
//!
//! A partition at a time, an epoch after the other: its readings are folded into the parts that rows name, in offset order; then the rows of
//! windows that stand with this epoch are held against what was folded, and the parts are given up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::eras::Eras;
use super::marks::Runs;
use super::open_parts::{OpenParts, Recomputed};
use super::parts::{Cursor, PartKey, PartsOf, TABLES, check_disjoint, collect};
use super::places::Names;
use super::readings::ReadingRows;
use super::rolling::OnTimeRows;
use super::stored::{StoredRow, Subject, rows_of};
use super::{Matter, Outcome};
use crate::audit::finding::{FindingKind, Place};
use crate::audit::partitions::{History, SpanOf};
use crate::audit::run::{Progress, Step};
use crate::batch::{CommitNote, ReplayState, Table, TopicPartition};

pub(super) fn check(matter: &Matter<'_>, outcome: &mut Outcome<'_>, progress: &mut Progress<'_>) {
    let (mut parts, unread) = collect(matter, outcome);
    let of = matter.histories.len();
    for (partitions, history) in matter.histories.iter().enumerate() {
        let parts = parts.remove(&history.source).unwrap_or_default();
        let reach = Reach::of(matter, history);
        if let Some(why) = reason_not_to_look(history, &parts, &reach) {
            outcome.findings.add(FindingKind::WindowsUnchecked, Place::of(&history.source), why);
            continue;
        }
        PartitionWindows::new(matter, history, (parts, &unread), reach).run(outcome, &mut |rows| {
            progress(Step::Windows { partitions, of, rows });
        });
    }
}

/// How far the windows of a partition can be told: up to a committed offset whose note lists those that are open.
struct Reach<'a> {
    spans: usize,
    replay: Option<&'a ReplayState>,
}

impl<'a> Reach<'a> {
    fn of(matter: &'a Matter<'a>, history: &History<'_>) -> Self {
        for notes in &matter.notes {
            let Some((_, Some(CommitNote::Epoch { epoch, replay, .. }))) = notes.get(&history.source) else { continue };
            if let Some(at) = history.spans.iter().rposition(|span| span.epoch.id == *epoch) {
                return Self { spans: at + 1, replay: replay.as_ref() };
            }
        }
        Self { spans: history.spans.len(), replay: None }
    }

    /// Whether a reading may still be in an open window.
    fn is_open(&self, offset: i64, time_us: i64) -> bool {
        self.replay.is_some_and(|replay| {
            replay.open.iter().any(|window| {
                let start_us = window.start_ms.saturating_mul(1_000);
                let end_us = window.start_ms.saturating_add(replay.size_ms).saturating_mul(1_000);
                window.from <= offset && (start_us..end_us).contains(&time_us)
            })
        })
    }
}

fn reason_not_to_look(history: &History<'_>, parts: &PartsOf, reach: &Reach<'_>) -> Option<String> {
    let spans = &history.spans;
    if spans.windows(2).any(|pair| pair[1].start() < pair[0].next()) {
        return (!parts.is_empty()).then(|| "its spans overlap: readings are there twice, and rows name both".to_owned());
    }
    let measures = spans.iter().any(|span| span.epoch.windows.is_some() && span.part.entry.readings > 0);
    (measures && reach.replay.is_none()).then(|| {
        "which windows are still open is not known: the group's offset has no note of its last epoch (see offset_moved)"
            .to_owned()
    })
}

/// What could not be looked at, counted.
#[derive(Default)]
struct Unchecked {
    /// Rows that say `partial`, and are not what the readings give.
    partial: u64,
    /// Rows of which some readings could not be seen.
    unseen: u64,
    /// Rolling values of rows whose predecessors, or settings, could not be seen.
    rolling: u64,
    /// Readings whose part may be where it could not be seen.
    readings: u64,
}

struct PartitionWindows<'a> {
    matter: &'a Matter<'a>,
    source: TopicPartition,
    spans: &'a [SpanOf<'a>],
    reach: Reach<'a>,
    eras: Eras,
    parts: PartsOf,
    cursor: Cursor,
    open: OpenParts,
    on_time: OnTimeRows,
    names: Names,
    /// Spans with a file that could not be read.
    unseen: Vec<(i64, i64)>,
    /// Where the last span ends in which windows could not be rebuilt whole: before it, a window may have no row left.
    partial_until: i64,
    /// On-time windows that start here or later have all their predecessors in sight; None: all of them.
    known_from_us: Option<i64>,
    unchecked: Unchecked,
}

impl<'a> PartitionWindows<'a> {
    fn new(
        matter: &'a Matter<'a>,
        history: &'a History<'a>,
        (mut parts, unread): (PartsOf, &BTreeSet<usize>),
        reach: Reach<'a>,
    ) -> Self {
        let spans = &history.spans[..reach.spans];
        let looked_at: BTreeSet<usize> = spans.iter().map(|span| span.index).collect();
        parts.retain(|_, info| info.epochs.iter().any(|epoch| looked_at.contains(epoch)));
        let is_unseen = |span: &&SpanOf<'_>| !matter.states.is_whole(span.index) || unread.contains(&span.index);
        let unseen = spans.iter().filter(is_unseen).map(|span| (span.start(), span.next())).collect();
        let first = parts.keys().filter(|key| key.on_time && key.from >= history.start()).map(|key| key.start_us).min();
        Self {
            matter,
            source: history.source.clone(),
            spans,
            reach,
            eras: Eras::of(spans),
            cursor: Cursor::new(&parts),
            parts,
            partial_until: spans.iter().filter(|span| span.part.partial).map(SpanOf::next).max().unwrap_or(i64::MIN),
            open: OpenParts::default(),
            on_time: OnTimeRows::default(),
            names: Names::default(),
            unseen,
            known_from_us: (!matter.is_complete).then(|| first.unwrap_or(i64::MAX)),
            unchecked: Unchecked::default(),
        }
    }

    fn run(mut self, outcome: &mut Outcome<'_>, progress: &mut dyn FnMut(u64)) {
        check_disjoint(&self.source, &self.parts, outcome.findings);
        let (holding, mut ending) = self.parts_by_span();
        for (number, span) in self.spans.iter().enumerate() {
            self.fold_readings(span, outcome);
            if holding.contains(&number) {
                self.hold_rows(span, outcome);
            }
            for key in ending.remove(&number).unwrap_or_default() {
                self.end_part(key, span, outcome);
            }
            progress(outcome.looked.aggregates + outcome.looked.groups);
        }
        self.tell_unchecked(outcome);
    }

    /// The spans whose epochs have rows of windows, and the parts that are over with each. Where rows of a part stand with several epochs,
    /// it is over with the last of them.
    fn parts_by_span(&self) -> (BTreeSet<usize>, BTreeMap<usize, Vec<PartKey>>) {
        let numbers: BTreeMap<usize, usize> = self.spans.iter().enumerate().map(|(number, span)| (span.index, number)).collect();
        let (mut holding, mut ending) = (BTreeSet::new(), BTreeMap::<usize, Vec<PartKey>>::new());
        for (key, info) in &self.parts {
            let spans = || info.epochs.iter().filter_map(|epoch| numbers.get(epoch).copied());
            holding.extend(spans());
            if let Some(last) = spans().max() {
                ending.entry(last).or_default().push(*key);
            }
        }
        (holding, ending)
    }

    /// The readings of an epoch, in offset order, into the parts that name them.
    fn fold_readings(&mut self, span: &SpanOf<'_>, outcome: &mut Outcome<'_>) {
        let mut readings = ReadingRows::default();
        if span.part.entry.readings > 0 {
            for path in self.matter.files(span.index, span.epoch, Table::Readings) {
                if let Err(what) = readings.add_file(&path, &self.source, &mut self.names) {
                    let place = Place::path(path.display().to_string()).epoch(span.epoch.id);
                    outcome.findings.add(FindingKind::Unreadable, place, what);
                    self.unseen.push((span.start(), span.next()));
                }
            }
        }
        readings.sort();
        let mut lost = Runs::default();
        for reading in &readings.rows {
            if let Some(key) = self.cursor.find(reading.offset, reading.time_us) {
                self.open.add(key, reading, &readings.sensors);
            } else if reading.says_anything() && !self.reach.is_open(reading.offset, reading.time_us) {
                self.note_stray(span, reading.offset, &mut lost);
            }
        }
        if let Some((from, to)) = lost.kept.first() {
            let place = Place::of(&self.source).span(*from, *to).epoch(span.epoch.id);
            let what = format!("{} counted readings, the first at offset {from}, are in no part of a window", lost.offsets);
            outcome.findings.add(FindingKind::ReadingInNoPart, place, what);
        }
    }

    /// A reading that no part names and that no window waits for.
    fn note_stray(&mut self, span: &SpanOf<'_>, offset: i64, lost: &mut Runs) {
        if span.epoch.windows.is_none() {
            // Its program measured no windows.
            return;
        }
        if offset < self.partial_until || !self.unseen.is_empty() {
            self.unchecked.readings += 1;
        } else {
            lost.push(offset);
        }
    }

    /// The rows that stand with this epoch, against what was folded.
    fn hold_rows(&mut self, span: &SpanOf<'_>, outcome: &mut Outcome<'_>) {
        let mut files: Vec<(Table, PathBuf)> = Vec::new();
        let mut rows: Vec<(usize, StoredRow)> = Vec::new();
        for table in TABLES {
            for path in self.matter.files(span.index, span.epoch, table) {
                // What cannot be read was told when its parts were collected.
                let found = rows_of(&path, table, &self.source, &mut self.names).unwrap_or_default();
                rows.extend(found.into_iter().map(|row| (files.len(), row)));
                files.push((table, path));
            }
        }
        // First all, then each: the windows of one epoch roll over one another.
        let mut twins = BTreeSet::new();
        for (number, (_, row)) in rows.iter().enumerate().filter(|(_, (_, row))| row.part.on_time) {
            let era = self.eras.at(row.part.from).map_or(0, |(number, _)| number);
            if !self.on_time.keep(row, era) {
                twins.insert(number);
            }
        }
        for (number, (file, row)) in rows.iter().enumerate() {
            let (table, path) = &files[*file];
            match table {
                Table::Aggregates => outcome.looked.aggregates += 1,
                _ => outcome.looked.groups += 1,
            }
            let found = if twins.contains(&number) {
                [Some((FindingKind::AggregateTwice, "its window was written on time before".to_owned())), None]
            } else {
                [self.hold_values(row), self.hold_rolling(row)]
            };
            for (kind, what) in found.into_iter().flatten() {
                let place = Place::of(&self.source).span(row.part.from, row.part.to).epoch(span.epoch.id);
                let name = format!("{}, {}", self.name_of_series(row.subject, row.sensor), row.part);
                outcome.findings.add(kind, place.at_path(path.display().to_string()).row(name), what);
            }
        }
    }

    fn name_of_series(&self, subject: Subject, sensor: u32) -> String {
        let text = |name: Option<&std::sync::Arc<str>>| name.map_or_else(|| "?".to_owned(), ToString::to_string);
        let sensor = text(self.names.sensors.get(sensor));
        match subject {
            Subject::Device(device) => format!("device {}, {sensor}", text(self.names.devices.get(device))),
            Subject::Group(group) => {
                let (building, floor) = self.names.group_of(group);
                let floor = floor.map_or_else(|| "null".to_owned(), |floor| floor.to_string());
                format!("building {}, floor {floor}, {sensor}", building.as_deref().unwrap_or("null"))
            }
        }
    }

    /// Whether all readings that a part may name were there to be folded.
    fn is_seen(&self, key: PartKey) -> bool {
        let begin = self.spans.first().map_or(0, SpanOf::start);
        let is_apart = |(start, next): &(i64, i64)| *next <= key.from || key.to <= *start;
        (self.matter.is_complete || key.from >= begin) && self.unseen.iter().all(is_apart)
    }

    /// What is wrong with the values of a row.
    fn hold_values(&mut self, row: &StoredRow) -> Option<(FindingKind, String)> {
        let recomputed = self.open.tell(row.part, row.subject, row.sensor, &self.names);
        if !self.is_seen(row.part) {
            self.unchecked.unseen += 1;
            return None;
        }
        let (kind, what) = match &recomputed {
            Recomputed::Values(values) => (FindingKind::AggregateDiffers, row.values.difference(values)?),
            Recomputed::Nothing => (FindingKind::AggregateDiffers, "no counted reading gives this row".to_owned()),
            Recomputed::Twice => (FindingKind::AggregateTwice, "the same row of the same part stands twice".to_owned()),
        };
        if row.partial && kind == FindingKind::AggregateDiffers {
            self.unchecked.partial += 1;
            return None;
        }
        Some((kind, what))
    }

    /// What is wrong with the rolling values of a row.
    fn hold_rolling(&mut self, row: &StoredRow) -> Option<(FindingKind, String)> {
        let stored = (row.rolling_mean, row.rolling_stddev, row.rolling_windows);
        if !row.part.on_time {
            let what = "a late or early row has no rolling values, this one has";
            return (stored != (None, None, None)).then(|| (FindingKind::RollingDiffers, what.to_owned()));
        }
        let settings = self.eras.at(row.part.from).and_then(|(number, era)| Some((number, era.windows.as_ref()?.rolling)));
        let Some((era, windows)) = settings else {
            self.unchecked.rolling += 1;
            return None;
        };
        let (mean, stddev, count) = self.on_time.rolling(row, era, windows);
        if stored == (mean, stddev, Some(count)) {
            return None;
        }
        let size_us = row.part.end_us.saturating_sub(row.part.start_us);
        let oldest_us = row.part.start_us.saturating_sub(size_us.saturating_mul(i64::from(windows) - 1));
        let is_known = self.known_from_us.is_none_or(|known| era > 0 || oldest_us >= known);
        if row.partial || !is_known || !self.unseen.is_empty() {
            self.unchecked.rolling += 1;
            return None;
        }
        let float = |bits: Option<u64>| bits.map(f64::from_bits);
        let what = format!(
            "rolling mean, stddev and windows are {:?}, {:?} and {:?}; the on-time rows of the last {windows} windows give {:?}, {:?} and {count}",
            float(stored.0),
            float(stored.1),
            stored.2,
            float(mean),
            float(stddev),
        );
        Some((FindingKind::RollingDiffers, what))
    }

    /// All rows of a part were seen: what says something and has no row is missing.
    fn end_part(&mut self, key: PartKey, span: &SpanOf<'_>, outcome: &mut Outcome<'_>) {
        let untold = self.open.end(key);
        let is_partial = self.parts.get(&key).is_some_and(|info| info.partial);
        for (subject, sensor) in untold {
            if is_partial {
                self.unchecked.partial += 1;
            } else if !self.is_seen(key) || !self.unseen.is_empty() {
                self.unchecked.unseen += 1;
            } else {
                let place = Place::of(&self.source).span(key.from, key.to).epoch(span.epoch.id);
                let row = format!("{}, {key}", self.name_of_series(subject, sensor));
                let what = "readings count in this part, and it has no row of them";
                outcome.findings.add(FindingKind::AggregateMissing, place.row(row), what);
            }
        }
    }

    fn tell_unchecked(&self, outcome: &mut Outcome<'_>) {
        let Unchecked { partial, unseen, rolling, readings } = self.unchecked;
        let told = [
            (partial, "rows say that they are partial, and are not what the readings give"),
            (unseen, "rows name readings that could not all be seen"),
            (rolling, "rows have rolling values that stand on rows or settings that could not be seen"),
            (readings, "readings are in no part that could be seen"),
        ];
        for (count, what) in told.iter().filter(|(count, _)| *count > 0) {
            outcome.findings.add(FindingKind::WindowsUnchecked, Place::of(&self.source), format!("{count} {what}"));
        }
        if !self.eras.any() && self.parts.is_empty() && self.spans.iter().any(|span| span.part.entry.readings > 0) {
            outcome.notes.push(format!("{}: its records are of a program that measured no windows", self.source));
        }
    }
}
