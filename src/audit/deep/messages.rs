//! Every offset in Kafka is in exactly one of readings, events and rejects: rows set a bit an offset, messages take it out again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use arrow::array::{Int32Array, Int64Array, StringArray};

use super::marks::{Marks, Runs};
use super::tables::{TableFile, column};
use super::{Matter, Outcome};
use crate::audit::AuditError;
use crate::audit::contract::Cluster;
use crate::audit::epochs::Epoch;
use crate::audit::finding::{FindingKind, Place};
use crate::audit::partitions::{History, TERMS};
use crate::audit::run::{Beginning, Progress, Step, view_of};
use crate::batch::{CommitNote, RawRow, Table, TopicPartition};
use crate::kafka::Stretch;

const ORIGIN: [&str; 3] = ["topic", "partition", "offset"];

/// How many rows that are there twice are looked for in other files.
const TWINS_FOUND: usize = 20;

pub(super) fn check(
    cluster: &mut dyn Cluster,
    matter: &Matter<'_>,
    outcome: &mut Outcome<'_>,
    progress: &mut Progress<'_>,
) -> Result<(), AuditError> {
    let mut lake = LakeRows { matter, marks: HashMap::new(), twins: Vec::new(), unread: BTreeMap::new() };
    for (index, epoch) in matter.log.epochs().iter().enumerate() {
        lake.take_epoch(index, epoch, outcome);
        progress(Step::Rows { done: outcome.looked.deep_rows });
    }
    lake.tell_twins(outcome);
    let LakeRows { mut marks, unread, .. } = lake;
    let mut partitions: Vec<PartitionCheck<'_>> = Vec::new();
    for history in matter.histories {
        let marks = marks.remove(&history.source).unwrap_or_default();
        partitions.extend(PartitionCheck::of_history(matter, history, &unread, marks));
    }
    for (source, (offset, note)) in &matter.notes[0] {
        let is_known = matter.histories.iter().any(|history| history.source == *source);
        if !is_known && !matches!(note, Some(CommitNote::Epoch { .. })) {
            partitions.extend(PartitionCheck::of_offset(matter, source, *offset));
        }
    }
    let stretches = partitions.iter().map(PartitionCheck::stretch).collect();
    let (mut messages, mut last) = (0, 0);
    let mut see = |source: &TopicPartition, row: &RawRow<'_>| {
        // Neighbours mostly are of one partition.
        if partitions.get(last).is_none_or(|partition| partition.source != source) {
            last = partitions.iter().position(|partition| partition.source == source).unwrap_or(usize::MAX);
        }
        if let Some(partition) = partitions.get_mut(last) {
            partition.see(row.offset);
        }
        messages += 1;
        if messages % 1_024 == 0 {
            progress(Step::Messages { done: messages });
        }
    };
    cluster.read(stretches, &mut see)?;
    outcome.looked.messages = messages;
    for partition in partitions {
        partition.tell(matter.beginning, outcome);
    }
    Ok(())
}

/// The rows of the lakes, taken an epoch at a time.
struct LakeRows<'a> {
    matter: &'a Matter<'a>,
    marks: HashMap<TopicPartition, Marks>,
    /// Offsets of which a second row came, with its file.
    twins: Vec<Twins>,
    /// Epochs with a file that turned out to be unreadable.
    unread: BTreeMap<usize, PathBuf>,
}

/// Rows of one file and partition that are there twice.
struct Twins {
    epoch: uuid::Uuid,
    path: PathBuf,
    source: TopicPartition,
    runs: Runs,
}

impl LakeRows<'_> {
    fn take_epoch(&mut self, index: usize, epoch: &Epoch, outcome: &mut Outcome<'_>) {
        let mut counts: BTreeMap<(TopicPartition, Table), u64> = BTreeMap::new();
        let mut is_whole = self.matter.states.is_whole(index);
        for (table, _) in TERMS {
            for path in self.matter.files(index, epoch, table) {
                match self.take_file(epoch, table, &path, &mut counts, outcome) {
                    Ok(rows) => outcome.looked.deep_rows += rows,
                    Err(what) => {
                        is_whole = false;
                        let place = Place::path(path.display().to_string()).epoch(epoch.id);
                        outcome.findings.add(FindingKind::Unreadable, place, what);
                        self.unread.insert(index, path);
                    }
                }
            }
        }
        if !is_whole {
            return;
        }
        for part in &epoch.partitions {
            for (table, term) in TERMS {
                let found = counts.get(&(part.source.clone(), table)).copied().unwrap_or(0);
                let told = term(&part.entry);
                if found != told {
                    let place = Place::of(&part.source).span(part.entry.span.start, part.entry.span.next).epoch(epoch.id);
                    let what = format!("the ledger has {told} {} of this partition, the files have {found}", table.name());
                    outcome.findings.add(FindingKind::LedgerDiffers, place, what);
                }
            }
        }
    }

    fn take_file(
        &mut self,
        epoch: &Epoch,
        table: Table,
        path: &Path,
        counts: &mut BTreeMap<(TopicPartition, Table), u64>,
        outcome: &mut Outcome<'_>,
    ) -> Result<u64, String> {
        let mut outside: BTreeMap<TopicPartition, Runs> = BTreeMap::new();
        let mut twins: BTreeMap<TopicPartition, Runs> = BTreeMap::new();
        let mut rows = 0;
        each_run(path, |source, offsets| {
            let span = epoch.part_of(source).map(|part| part.entry.span);
            let marks = self.marks.entry(source.clone()).or_default();
            for offset in offsets {
                if !span.is_some_and(|span| span.contains(*offset)) {
                    outside.entry(source.clone()).or_default().push(*offset);
                } else if !marks.set(*offset) {
                    twins.entry(source.clone()).or_default().push(*offset);
                }
            }
            *counts.entry((source.clone(), table)).or_insert(0) += offsets.len() as u64;
            rows += offsets.len() as u64;
        })?;
        for (source, runs) in outside {
            let (from, to) = runs.kept.first().copied().unwrap_or_default();
            let place = Place::of(&source).span(from, to).epoch(epoch.id).at_path(path.display().to_string());
            let what = format!("{} rows, the first at offset {from}, are outside of the span of their epoch", runs.offsets);
            outcome.findings.add(FindingKind::RowOutsideSpan, place, what);
        }
        let told = twins.into_iter().map(|(source, runs)| Twins { epoch: epoch.id, path: path.to_owned(), source, runs });
        self.twins.extend(told);
        Ok(rows)
    }

    /// Says of the rows that are there twice where the first of them is, too.
    fn tell_twins(&mut self, outcome: &mut Outcome<'_>) {
        for (number, Twins { epoch, path, source, runs }) in std::mem::take(&mut self.twins).into_iter().enumerate() {
            let (from, to) = runs.kept.first().copied().unwrap_or_default();
            let place = Place::of(&source).span(from, to).epoch(epoch).at_path(path.display().to_string());
            let others = if number < TWINS_FOUND { self.files_with(&source, from, &path) } else { Vec::new() };
            let other = match others.as_slice() {
                [] => "elsewhere, or in this file twice".to_owned(),
                [one, ..] => format!("in {}", one.display()),
            };
            let what = format!("{} rows, the first at offset {from}, are also {other}", runs.offsets);
            outcome.findings.add(FindingKind::RowTwice, place, what);
        }
    }

    /// Other files with a row of this offset.
    fn files_with(&self, source: &TopicPartition, offset: i64, but: &Path) -> Vec<PathBuf> {
        let history = self.matter.histories.iter().find(|history| history.source == *source);
        let spans = history.into_iter().flat_map(|history| &history.spans);
        let epochs = spans.filter(|span| span.part.entry.span.contains(offset));
        let files = epochs.flat_map(|span| TERMS.iter().flat_map(|(table, _)| self.matter.files(span.index, span.epoch, *table)));
        let has_it = |path: &PathBuf| {
            let mut found = false;
            // Unreadable files have a finding of their own.
            let read = each_run(path, |of, offsets| found |= of == source && offsets.contains(&offset));
            read.is_ok() && found
        };
        files.filter(|path| path != but).filter(has_it).collect()
    }
}

/// The rows of a file as runs of one partition.
fn each_run(path: &Path, mut visit: impl FnMut(&TopicPartition, &[i64])) -> Result<(), String> {
    let mut source = TopicPartition::new("", -1);
    for batch in TableFile::open(path)?.read(&ORIGIN, None)? {
        let batch = batch.map_err(|error| error.to_string())?;
        let topics = column::<StringArray>(&batch, "topic")?;
        let partitions = column::<Int32Array>(&batch, "partition")?;
        let offsets = column::<Int64Array>(&batch, "offset")?.values();
        let mut begin = 0;
        for row in 0..=batch.num_rows() {
            let goes_on =
                row < batch.num_rows() && partitions.value(row) == source.partition && *topics.value(row) == *source.topic;
            if goes_on {
                continue;
            }
            if begin < row {
                visit(&source, &offsets[begin..row]);
            }
            if row < batch.num_rows() {
                source = TopicPartition::new(topics.value(row), partitions.value(row));
            }
            begin = row;
        }
    }
    Ok(())
}

/// One partition, while its messages are read.
struct PartitionCheck<'a> {
    source: &'a TopicPartition,
    /// Where the first epoch begins and the last one ends; without any, the group's offset for both.
    start: i64,
    next: i64,
    /// What begins at `start`, for people.
    begins: &'static str,
    marks: Marks,
    from: i64,
    compacted: bool,
    /// Spans whose rows could not all be seen.
    unseen: Vec<(i64, i64)>,
    before_start: Runs,
    lost: Runs,
}

impl<'a> PartitionCheck<'a> {
    fn of_history(
        matter: &Matter<'_>,
        history: &'a History<'a>,
        unread: &BTreeMap<usize, PathBuf>,
        marks: Marks,
    ) -> Option<Self> {
        let is_unseen = |index: &usize| !matter.states.is_whole(*index) || unread.contains_key(index);
        let unseen = history.spans.iter().filter(|span| is_unseen(&span.index)).map(|span| (span.start(), span.next())).collect();
        let check = Self::begin(matter, &history.source, history.start(), history.next())?;
        Some(Self { marks, unseen, begins: "the group's first epoch begins", ..check })
    }

    /// Of a partition that no epoch names: what lies before the group's offset there is in no table.
    fn of_offset(matter: &Matter<'_>, source: &'a TopicPartition, offset: i64) -> Option<Self> {
        Self::begin(matter, source, offset, offset)
    }

    /// None: Kafka's messages are not those of the records, or not there at all; that is found already.
    fn begin(matter: &Matter<'_>, source: &'a TopicPartition, start: i64, next: i64) -> Option<Self> {
        let view = view_of(matter.topics, &source.topic)?;
        let is_another = matter.log.topic_ids.get(&*source.topic).is_some_and(|ids| ids.iter().any(|id| *id != view.id));
        let (low, _) = view.bounds(source.partition).filter(|_| !is_another)?;
        Some(Self {
            source,
            start,
            next,
            begins: "the group stands without any epoch",
            marks: Marks::default(),
            from: if matter.beginning == Beginning::Later { low.max(start) } else { low },
            compacted: view.compacted,
            unseen: Vec::new(),
            before_start: Runs::default(),
            lost: Runs::default(),
        })
    }

    fn stretch(&self) -> Stretch {
        Stretch { source: self.source.clone(), next: self.from, end: self.next }
    }

    fn see(&mut self, offset: i64) {
        if offset < self.start {
            self.before_start.push(offset);
        } else if !self.marks.take(offset) && !self.is_unseen(offset) {
            self.lost.push(offset);
        }
    }

    fn is_unseen(&self, offset: i64) -> bool {
        self.unseen.iter().any(|(start, next)| (*start..*next).contains(&offset))
    }

    fn tell(self, beginning: Beginning, outcome: &mut Outcome<'_>) {
        let Self { source, start, next, begins, .. } = self;
        if !self.before_start.is_empty() {
            let kind = if beginning == Beginning::Earliest { FindingKind::BeforeStart } else { FindingKind::StartUnknown };
            let what = format!("{} messages before offset {start}, where {begins}, are in no table", self.before_start.offsets);
            outcome.findings.add(kind, Place::of(source).span(self.from, start), what);
        }
        for (from, to) in &self.lost.kept {
            let what = format!("{} messages are in none of readings, events and rejects", to - from);
            outcome.findings.add(FindingKind::RowLost, Place::of(source).span(*from, *to), what);
        }
        let kept: i64 = self.lost.kept.iter().map(|(from, to)| to - from).sum();
        let more = (self.lost.offsets.saturating_sub(kept.unsigned_abs()), self.lost.count - self.lost.kept.len() as u64);
        if more.1 > 0 {
            let what = format!("{} messages in {} more runs are lost, too", more.0, more.1);
            outcome.findings.add(FindingKind::RowLost, Place::of(source).span(start, next), what);
        }
        let mut strangers = Runs::default();
        for offset in self.marks.within(self.from.max(start), next) {
            strangers.push(offset);
        }
        if !strangers.is_empty() && self.compacted {
            let count = strangers.offsets;
            outcome.notes.push(format!("{source}: {count} rows are of messages that compaction has removed since"));
        } else if let Some((from, to)) = strangers.kept.first() {
            let what = format!("{} rows, the first at offset {from}, are of no message in Kafka", strangers.offsets);
            outcome.findings.add(FindingKind::RowWithoutMessage, Place::of(source).span(*from, *to), what);
        }
        if self.from > start && start < next {
            let from = self.from.min(next);
            outcome
                .notes
                .push(format!("{source}: Kafka no longer has [{start}, {from}); their rows are held against the ledger only"));
        }
    }
}
