//! A group in small: its topic and its records in memory, its lake on disk, written by the very stages of a lane.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use super::kafka::{Kafka, Message, Record};
use crate::audit::{AuditError, AuditOptions, Beginning, FindingKind, Report, TopicView, audit};
use crate::batch::{
    CommitNote, Dictionaries, EncodedSegment, Headers, Hour, LedgerEntry, MeasuredParts, RawBatch, RawRow, SensorCatalog, Span,
    Table, TopicPartition,
};
use crate::journey::decode::Decoder;
use crate::journey::inspect::{InspectSettings, Inspector};
use crate::journey::measure::{ClockRun, Measurer, Windows};
use crate::journey::persist::{Footer, OpenSegments, PageCompression, PersistSettings};
use crate::journey::publish::{EpochRecord, PartitionEntry, SegmentEntry, WindowsEntry};
use crate::lake::{Lake, OpenOptions, SegmentName, Storage, visible_path};

pub(in crate::audit) const TOPIC: &str = "device-data";
pub(in crate::audit) const EPOCHS: &str = "plant.epochs";
pub(in crate::audit) const GROUP: &str = "plant";
pub(in crate::audit) const WRITER: &str = "plant.a.0";
/// 2026-11-21T03:00:00Z.
pub(in crate::audit) const BEGIN_MS: i64 = 1_795_230_000_000;
const BATCH: usize = 7;

/// See the module.
pub(in crate::audit) struct World {
    pub(super) dir: TempDir,
    pub(in crate::audit) kafka: Kafka,
    pub(in crate::audit) options: AuditOptions,
    pub(in crate::audit) windows: Windows,
    catalog: Arc<SensorCatalog>,
    decoder: Decoder,
    inspector: Inspector,
    dictionaries: Dictionaries,
    measurer: Measurer,
    clocks: BTreeMap<TopicPartition, i64>,
    next: BTreeMap<TopicPartition, i64>,
    lake_id: String,
    /// Partitions adopted by the measurer.
    adopted: Vec<TopicPartition>,
    /// What a restart wrote at once, for the next epoch.
    pending: Vec<MeasuredParts>,
    /// Partitions with a window that could not be rebuilt whole, in the epoch that is filled.
    partial: BTreeSet<TopicPartition>,
    /// Any was, ever.
    pub(in crate::audit) is_partial: bool,
}

pub(in crate::audit) fn source(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

/// In memory where the host has such a place: what a lane stages it fsyncs, and a disk takes its time.
pub(super) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open_lake(path: &Path) -> Lake {
    Lake::open(path, OpenOptions { group: GROUP.to_owned(), instance: Some("a".to_owned()) }).unwrap()
}

fn view(id: &str, partitions: i32) -> TopicView {
    TopicView { id: id.to_owned(), partitions: (0..partitions).map(|partition| (partition, 0, 0)).collect(), compacted: false }
}

impl World {
    /// An empty lake, two empty partitions, windows of ten seconds that roll over three.
    pub(in crate::audit) fn new() -> Self {
        Self::at(scratch())
    }

    /// On a folder, which may hold a lake of this group already.
    pub(super) fn at(dir: TempDir) -> Self {
        let lake = open_lake(dir.path());
        lake.bind_topic(TOPIC, "topic-id", "cluster").unwrap();
        lake.bind_topic(EPOCHS, "epochs-id", "cluster").unwrap();
        let topics = BTreeMap::from([(TOPIC.to_owned(), view("topic-id", 2)), (EPOCHS.to_owned(), view("epochs-id", 1))]);
        let kafka = Kafka {
            cluster_id: "cluster".to_owned(),
            topics,
            records: Vec::new(),
            expired: 0,
            messages: BTreeMap::new(),
            committed: BTreeMap::new(),
        };
        let options = AuditOptions {
            group: GROUP.to_owned(),
            epochs_topic: EPOCHS.to_owned(),
            topics: vec![TOPIC.to_owned()],
            beginning: Beginning::Earliest,
            repeats: false,
            deep: true,
        };
        let windows = Windows {
            size_ms: 10_000,
            rolling: 3,
            grace_ms: 4_000,
            future_skew_ms: 4_000,
            age_max_ms: 3_600_000,
            devices_max: 100,
        };
        let catalog = Arc::new(SensorCatalog::default());
        let settings = InspectSettings { catalog: Arc::clone(&catalog), future_skew_ms: 4_000, age_max_ms: 3_600_000 };
        Self {
            kafka,
            options,
            windows,
            decoder: Decoder::new(Arc::clone(&catalog)),
            inspector: Inspector::new(settings),
            dictionaries: Dictionaries::default(),
            measurer: Measurer::new(windows, Arc::clone(&catalog)),
            catalog,
            clocks: BTreeMap::new(),
            next: BTreeMap::new(),
            lake_id: lake.id().to_string(),
            adopted: Vec::new(),
            pending: Vec::new(),
            partial: BTreeSet::new(),
            is_partial: false,
            dir,
        }
    }

    pub(in crate::audit) fn lake(&self) -> &Path {
        self.dir.path()
    }

    pub(in crate::audit) fn audit(&self) -> Report {
        self.try_audit().unwrap_or_else(|error| panic!("{error}"))
    }

    pub(in crate::audit) fn try_audit(&self) -> Result<Report, AuditError> {
        audit(&mut self.kafka.clone(), &[self.lake().to_owned()], &self.options, &mut |_| {})
    }

    /// The kinds that an audit finds, each once.
    pub(in crate::audit) fn kinds(&self) -> Vec<FindingKind> {
        self.audit().findings.totals().keys().copied().collect()
    }

    /// A message at the next offset.
    pub(in crate::audit) fn send(&mut self, partition: i32, value: &Value, kafka_time_ms: i64) {
        self.send_bytes(partition, value.to_string().into_bytes(), kafka_time_ms);
    }

    pub(in crate::audit) fn send_bytes(&mut self, partition: i32, value: Vec<u8>, kafka_time_ms: i64) {
        let offset = self.high(partition);
        self.kafka.messages.entry(source(partition)).or_default().push(Message { offset, kafka_time_ms, value });
        self.set_high(partition, offset + 1);
    }

    /// An offset without a message, such as a marker.
    pub(in crate::audit) fn skip(&mut self, partition: i32) {
        self.set_high(partition, self.high(partition) + 1);
    }

    pub(in crate::audit) fn remove_message(&mut self, partition: i32, offset: i64) {
        self.kafka.messages.get_mut(&source(partition)).unwrap().retain(|message| message.offset != offset);
    }

    fn high(&self, partition: i32) -> i64 {
        self.kafka.topics[TOPIC].bounds(partition).unwrap().1
    }

    pub(in crate::audit) fn set_high(&mut self, partition: i32, high: i64) {
        let view = self.kafka.topics.get_mut(TOPIC).unwrap();
        view.partitions[usize::try_from(partition).unwrap()].2 = high;
    }

    pub(in crate::audit) fn set_low(&mut self, partition: i32, low: i64) {
        let view = self.kafka.topics.get_mut(TOPIC).unwrap();
        view.partitions[usize::try_from(partition).unwrap()].1 = low;
    }

    /// Retention removes everything below an offset.
    pub(in crate::audit) fn expire(&mut self, partition: i32, low: i64) {
        self.set_low(partition, low);
        self.kafka.messages.get_mut(&source(partition)).unwrap().retain(|message| message.offset >= low);
    }

    /// One epoch of all that is new in both partitions, committed and revealed.
    pub(in crate::audit) fn epoch(&mut self) -> Uuid {
        self.epoch_of(|_| true)
    }

    /// The same, of some partitions.
    pub(in crate::audit) fn epoch_of(&mut self, is_wanted: impl Fn(i32) -> bool) -> Uuid {
        let (id, segments, ledger) = self.fill(is_wanted);
        let lake = open_lake(self.lake());
        let mut storage = lake.storage(WRITER).unwrap();
        let staged = storage.put(id, &segments).unwrap();
        storage.reveal(&staged).unwrap();
        self.commit(id, &segments, &ledger);
        id
    }

    /// Windows are written as they stand, with an epoch of their own.
    pub(in crate::audit) fn drain(&mut self) -> Uuid {
        let mut open = self.open_segments();
        let mut ledger = BTreeMap::new();
        for source in self.adopted.clone() {
            self.take_pending(&source, &mut open);
            let parts = self.measurer.drain(&source);
            self.take_parts(&parts, Hour::of_millis(BEGIN_MS), &mut open);
            let next = self.next.get(&source).copied().unwrap_or(0);
            ledger.insert(source, LedgerEntry::starting_at(next));
        }
        let id = Uuid::now_v7();
        let segments = open.close(&self.footer(id)).unwrap();
        let lake = open_lake(self.lake());
        let mut storage = lake.storage(WRITER).unwrap();
        let staged = storage.put(id, &segments).unwrap();
        storage.reveal(&staged).unwrap();
        self.commit(id, &segments, &ledger);
        id
    }

    /// What an epoch of all that is new would hold; nothing is staged yet.
    fn fill(&mut self, is_wanted: impl Fn(i32) -> bool) -> (Uuid, Vec<EncodedSegment>, BTreeMap<TopicPartition, LedgerEntry>) {
        let mut open = self.open_segments();
        let mut ledger = BTreeMap::new();
        for partition in (0..2).filter(|partition| is_wanted(*partition)) {
            let source = source(partition);
            let start = self.next.get(&source).copied().unwrap_or(self.kafka.topics[TOPIC].bounds(partition).unwrap().0);
            let next = self.high(partition);
            let messages: Vec<Message> = self.kafka.messages.get(&source).into_iter().flatten().cloned().collect();
            let new: Vec<Message> = messages.into_iter().filter(|message| message.offset >= start).collect();
            let mut entry = LedgerEntry { span: Span { start, next }, ..LedgerEntry::starting_at(start) };
            entry.consumed = new.len() as u64;
            entry.gaps = entry.span.len() - entry.consumed;
            self.take_pending(&source, &mut open);
            for batch in new.chunks(BATCH) {
                self.carry(&source, batch, &mut open, &mut entry);
            }
            let parts = self.measurer.end_epoch(&source);
            let hour = Hour::of_millis(self.clocks.get(&source).copied().unwrap_or(BEGIN_MS));
            self.take_parts(&parts, hour, &mut open);
            self.next.insert(source.clone(), next);
            ledger.insert(source, entry);
        }
        let id = Uuid::now_v7();
        (id, open.close(&self.footer(id)).unwrap(), ledger)
    }

    fn footer(&self, epoch: Uuid) -> Footer {
        let (lake, writer) = (self.lake_id.clone(), WRITER.to_owned());
        Footer { lake, writer, epoch, spans: Vec::new(), rules_version: "1".to_owned() }
    }

    fn open_segments(&self) -> OpenSegments {
        let (catalog, compression) = (Arc::clone(&self.catalog), PageCompression::default());
        OpenSegments::new(PersistSettings { catalog, compression, row_group_rows: 1 << 20 })
    }

    fn carry(&mut self, source: &TopicPartition, messages: &[Message], open: &mut OpenSegments, entry: &mut LedgerEntry) {
        if !self.adopted.contains(source) {
            self.adopted.push(source.clone());
            self.measurer.adopt(source, None, messages[0].offset, 0);
        }
        let raw = raw_batch(source, messages);
        let decoded = self.decoder.decode(&raw, &mut self.dictionaries);
        let mut inspected = self.inspector.inspect(decoded, &self.dictionaries);
        let before_ms = self.clocks.get(source).copied();
        let clock = ClockRun { before_ms, wall_ms: i64::MAX / 2, may_close: true };
        let measured = self.measurer.measure(&mut inspected, &self.dictionaries, clock);
        let highest = messages.iter().map(|message| message.kafka_time_ms).max().unwrap().max(before_ms.unwrap_or(i64::MIN));
        self.clocks.insert(source.clone(), highest);
        let hour = Hour::of_millis(highest);
        let taken = open.append(&inspected, &raw, &self.dictionaries, hour).unwrap();
        self.take_parts(&measured.parts, hour, open);
        entry.readings += taken.readings;
        entry.events += taken.events;
        entry.rejects += taken.rejects;
    }

    fn take_parts(&mut self, parts: &MeasuredParts, hour: Hour, open: &mut OpenSegments) {
        open.append_parts(parts, hour).unwrap();
        if !parts.partial.is_empty() {
            self.is_partial = true;
            self.partial.insert(parts.source.clone());
        }
    }

    fn take_pending(&mut self, source: &TopicPartition, open: &mut OpenSegments) {
        let (mine, others) = std::mem::take(&mut self.pending).into_iter().partition(|parts| parts.source == *source);
        self.pending = others;
        for parts in &mine as &Vec<MeasuredParts> {
            self.take_parts(parts, Hour::of_millis(BEGIN_MS), open);
        }
    }

    /// What is not committed is forgotten: the process dies.
    pub(in crate::audit) fn discard(&mut self) {
        self.pending.clear();
        self.partial.clear();
        self.clocks.clear();
        self.next = self.kafka.committed.iter().map(|(source, (offset, _))| (source.clone(), *offset)).collect();
    }

    /// The record, and the group's offsets with their notes.
    fn commit(&mut self, id: Uuid, segments: &[EncodedSegment], ledger: &BTreeMap<TopicPartition, LedgerEntry>) {
        let entry = |segment: &EncodedSegment| {
            let name = SegmentName { epoch: id, table: segment.table, hour: segment.hour };
            SegmentEntry::new(visible_path(&name, WRITER), segment)
        };
        let flags_hash = self.windows.flags_hash(&self.catalog);
        let record = EpochRecord {
            version: EpochRecord::VERSION,
            lake: self.lake_id.clone(),
            writer: WRITER.to_owned(),
            epoch: id,
            cluster_id: "cluster".to_owned(),
            topic_ids: BTreeMap::from([(TOPIC.to_owned(), "topic-id".to_owned())]),
            closed_at_ms: BEGIN_MS,
            partitions: ledger
                .iter()
                .map(|(source, entry)| PartitionEntry::new(source, entry, self.partial.contains(source)))
                .collect(),
            segments: segments.iter().map(entry).collect(),
            windows: Some(WindowsEntry::new(self.windows.size_ms, self.windows.rolling, flags_hash)),
            rules_version: "1".to_owned(),
        };
        let value = serde_json::to_vec(&record).unwrap();
        let time_ms = i64::try_from(id.get_timestamp().unwrap().to_unix().0).unwrap() * 1_000;
        self.partial.clear();
        self.kafka.records.push(Record { time_ms, key: WRITER.as_bytes().to_vec(), value });
        for (source, entry) in ledger {
            let replay = self.measurer.replay_state(source);
            let clock_ms = self.clocks.get(source).copied();
            let note = CommitNote::Epoch { epoch: id, clock_ms, replay }.to_metadata();
            self.kafka.committed.insert(source.clone(), (entry.span.next, note));
        }
    }

    /// A new process takes both partitions over, with other settings of the windows if so wanted, and reads again what it must.
    pub(in crate::audit) fn restart(&mut self, windows: Windows) {
        self.windows = windows;
        self.measurer = Measurer::new(windows, Arc::clone(&self.catalog));
        self.dictionaries = Dictionaries::default();
        self.decoder = Decoder::new(Arc::clone(&self.catalog));
        let settings = InspectSettings {
            catalog: Arc::clone(&self.catalog),
            future_skew_ms: windows.future_skew_ms,
            age_max_ms: windows.age_max_ms,
        };
        self.inspector = Inspector::new(settings);
        self.adopted.clear();
        for (source, (committed, note)) in self.kafka.committed.clone() {
            let Some(CommitNote::Epoch { replay, clock_ms, .. }) = CommitNote::parse(&note) else { continue };
            self.clocks.extend(clock_ms.map(|clock_ms| (source.clone(), clock_ms)));
            let low = self.kafka.topics[TOPIC].bounds(source.partition).unwrap().0;
            let seek = self.measurer.adopt(&source, replay.as_ref(), committed, low);
            self.adopted.push(source.clone());
            let messages: Vec<Message> = self.kafka.messages.get(&source).into_iter().flatten().cloned().collect();
            let again: Vec<Message> =
                messages.into_iter().filter(|message| (seek.seek_to..committed).contains(&message.offset)).collect();
            for batch in again.chunks(BATCH) {
                let decoded = self.decoder.decode(&raw_batch(&source, batch), &mut self.dictionaries);
                let inspected = self.inspector.inspect(decoded, &self.dictionaries);
                self.measurer.replay(&inspected, &self.dictionaries);
            }
            let parts = self.measurer.go_live(&source);
            self.pending.push(parts);
        }
    }

    /// Stages an epoch of what is new as a process would that then died: before its commit, or after it and before the reveal.
    pub(in crate::audit) fn stage(&mut self, is_committed: bool) -> (Uuid, Vec<PathBuf>) {
        let (id, segments, ledger) = self.fill(|_| true);
        let lake = open_lake(self.lake());
        let staged = lake.storage(WRITER).unwrap().put(id, &segments).unwrap();
        if is_committed {
            self.commit(id, &segments, &ledger);
        }
        (id, staged.into_iter().map(|one| one.place).collect())
    }

    /// The record of an epoch, by its number.
    pub(in crate::audit) fn record(&self, number: usize) -> Value {
        serde_json::from_slice(&self.kafka.records[number].value).unwrap()
    }

    pub(in crate::audit) fn edit_record(&mut self, number: usize, edit: impl FnOnce(&mut Value)) {
        let mut record = self.record(number);
        edit(&mut record);
        self.kafka.records[number].value = record.to_string().into_bytes();
    }

    /// The first segment of a table in an epoch: its place in the record, and its path.
    pub(in crate::audit) fn segment(&self, number: usize, table: Table) -> (usize, PathBuf) {
        let record = self.record(number);
        let segments = record["segments"].as_array().unwrap();
        let at = segments.iter().position(|segment| segment["table"] == table.name()).unwrap();
        (at, self.lake().join(segments[at]["path"].as_str().unwrap()))
    }

    /// The number of the first epoch that has a segment of a table.
    pub(in crate::audit) fn epoch_with(&self, table: Table) -> usize {
        let has =
            |number: &usize| self.record(*number)["segments"].as_array().unwrap().iter().any(|one| one["table"] == table.name());
        (0..self.kafka.records.len()).find(has).unwrap()
    }

    /// Rows of a segment.
    pub(in crate::audit) fn rows(&self, number: usize, table: Table) -> RecordBatch {
        read(&self.segment(number, table).1)
    }

    /// Writes a segment anew, and its size, checksum and rows into the record: what no checksum finds.
    pub(in crate::audit) fn rewrite(&mut self, number: usize, table: Table, change: impl FnOnce(RecordBatch) -> RecordBatch) {
        let (at, path) = self.segment(number, table);
        let rows = change(read(&path));
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        let bytes = writer.into_inner().unwrap();
        fs::write(&path, &bytes).unwrap();
        self.edit_record(number, |record| {
            let segment = &mut record["segments"][at];
            segment["rows"] = json!(rows.num_rows());
            segment["bytes"] = json!(bytes.len());
            segment["crc32c"] = json!(crc32c::crc32c(&bytes));
        });
    }
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn raw_batch<'a>(source: &TopicPartition, messages: &'a [Message]) -> RawBatch<'a> {
    let row = |message: &'a Message| RawRow {
        offset: message.offset,
        kafka_time_ms: message.kafka_time_ms,
        key: None,
        value: Some(&message.value),
        headers: Headers::NONE,
    };
    RawBatch {
        source: source.clone(),
        rows: messages.iter().map(row).collect(),
        ingest_time_us: BEGIN_MS * 1_000,
        stamped_by_broker: false,
    }
}
