//! The epoch records of a group, kept small: a lane makes thousands a day, and 30 days of them are kept. About half a kilobyte each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::finding::{FindingKind, Findings, Place};
use crate::batch::{Hour, LedgerEntry, Table, TopicPartition};
use crate::journey::publish::{EpochRecord, EpochRecordError, SegmentEntry, WindowsEntry};
use crate::lake::{SegmentName, parse_visible_path, writer_parts};

/// One committed epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Epoch {
    pub(super) id: Uuid,
    pub(super) writer: Arc<str>,
    /// The lake's id.
    pub(super) lake: Arc<str>,
    pub(super) partitions: Box<[PartitionPart]>,
    pub(super) segments: Box<[Segment]>,
    pub(super) windows: Option<Arc<WindowsEntry>>,
}

/// A partition's share of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PartitionPart {
    pub(super) source: TopicPartition,
    pub(super) entry: LedgerEntry,
    pub(super) partial: bool,
}

/// A segment of an epoch; its path follows from the epoch, the table and the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) table: Table,
    pub(super) hour: Hour,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
}

impl Epoch {
    pub(super) fn name_of(&self, segment: &Segment) -> SegmentName {
        SegmentName { epoch: self.id, table: segment.table, hour: segment.hour }
    }

    pub(super) fn path_of(&self, segment: &Segment) -> String {
        crate::lake::visible_path(&self.name_of(segment), &self.writer)
    }

    pub(super) fn part_of(&self, source: &TopicPartition) -> Option<&PartitionPart> {
        self.partitions.iter().find(|part| part.source == *source)
    }
}

/// The records of one group, in the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct EpochLog {
    epochs: Vec<Epoch>,
    /// See [`EpochLog::close`].
    closed_at: Option<usize>,
    /// A record could not be read: it may be of any epoch.
    pub(super) is_blind: bool,
    by_id: HashMap<Uuid, usize>,
    /// Ids of input topics, by name, as records have them.
    pub(super) topic_ids: BTreeMap<String, BTreeSet<String>>,
    pub(super) cluster_ids: BTreeSet<String>,
    texts: BTreeSet<Arc<str>>,
    windows: Vec<Arc<WindowsEntry>>,
}

/// What an audit knows before it reads a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) group: &'a str,
    /// `at_least_once`: the same record may stand there twice.
    pub(super) repeats: bool,
}

impl EpochLog {
    /// Takes a record of the epochs topic; those of other groups are passed over. `place`: where it stands.
    pub(super) fn take(
        &mut self,
        reading: Reading<'_>,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        place: Place,
        findings: &mut Findings,
    ) {
        let writer = key.and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
        if writer_parts(writer).is_none_or(|(group, ..)| group != reading.group) {
            return;
        }
        let record = match EpochRecord::from_json(value.unwrap_or_default()) {
            Ok(record) => record,
            Err(error) => {
                self.is_blind = true;
                let kind = match error {
                    EpochRecordError::Version { .. } => FindingKind::RecordNewer,
                    EpochRecordError::Json { .. } => FindingKind::RecordUnreadable,
                };
                return findings.add(kind, place, format!("the record of {writer}: {error}"));
            }
        };
        let place = place.epoch(record.epoch);
        let epoch = match self.epoch_of(&record, writer) {
            Ok(epoch) => epoch,
            Err(what) => {
                self.is_blind = true;
                return findings.add(FindingKind::RecordUnreadable, place, what);
            }
        };
        if let Some(known) = self.get(epoch.id) {
            if *known != epoch {
                findings.add(FindingKind::EpochTwice, place, "two records of this epoch say different things");
            } else if !reading.repeats {
                findings.add(FindingKind::EpochTwice, place, "this epoch has two records, and both say the same");
            }
            return;
        }
        for (topic, id) in record.topic_ids {
            self.topic_ids.entry(topic).or_default().insert(id);
        }
        self.cluster_ids.insert(record.cluster_id);
        self.by_id.insert(epoch.id, self.epochs.len());
        self.epochs.push(epoch);
    }

    /// What is taken from here on is not looked at itself: it says what became of files that came while others were looked at.
    pub(super) fn close(&mut self) {
        self.closed_at = Some(self.epochs.len());
    }

    /// The epochs that are looked at.
    pub(super) fn epochs(&self) -> &[Epoch] {
        &self.epochs[..self.closed_at.unwrap_or(self.epochs.len())]
    }

    /// Of [`EpochLog::index_of`].
    pub(super) fn at(&self, index: usize) -> &Epoch {
        &self.epochs[index]
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Epoch> {
        self.index_of(id).map(|index| &self.epochs[index])
    }

    pub(super) fn index_of(&self, id: Uuid) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    fn epoch_of(&mut self, record: &EpochRecord, key: &str) -> Result<Epoch, String> {
        if record.writer != key {
            return Err(format!("a record under the key {key} says that its writer is {}", record.writer));
        }
        let partitions = record.partitions.iter().map(|part| {
            let topic = self.text(&part.topic);
            PartitionPart {
                source: TopicPartition { topic, partition: part.partition },
                entry: part.ledger_entry(),
                partial: part.partial,
            }
        });
        let partitions = partitions.collect();
        let segments = record.segments.iter().map(|entry| segment_of(record, entry)).collect::<Result<_, _>>()?;
        let windows = record.windows.as_ref().map(|windows| self.window_settings(windows));
        let (writer, lake) = (self.text(&record.writer), self.text(&record.lake));
        Ok(Epoch { id: record.epoch, writer, lake, partitions, segments, windows })
    }

    /// The same text is kept once.
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    fn window_settings(&mut self, windows: &WindowsEntry) -> Arc<WindowsEntry> {
        if let Some(known) = self.windows.iter().find(|known| ***known == *windows) {
            return Arc::clone(known);
        }
        let windows = Arc::new(windows.clone());
        self.windows.push(Arc::clone(&windows));
        windows
    }
}

fn segment_of(record: &EpochRecord, entry: &SegmentEntry) -> Result<Segment, String> {
    let (name, writer) =
        parse_visible_path(&entry.path).ok_or_else(|| format!("it names {}, which is no path of a segment", entry.path))?;
    if name.epoch != record.epoch || writer != record.writer || entry.table() != Some(name.table) {
        return Err(format!("it names {}, which is no segment of this epoch", entry.path));
    }
    Ok(Segment { table: name.table, hour: name.hour, rows: entry.rows, bytes: entry.bytes, crc32c: entry.crc32c })
}

/// Clocks of hosts were set back since by at most this: as in `journey/settle`.
pub(super) const CLOCK_MARGIN_MS: i64 = 25 * 3_600_000;

/// What the epochs topic can say of an epoch, whether it has its record or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Said<'a> {
    Committed(&'a Epoch),
    /// Its record would be there.
    Never,
    /// Records of its time have expired.
    Unknown,
}

/// The records, and since when they are complete.
#[derive(Debug)]
pub(super) struct Witness<'a> {
    pub(super) log: &'a EpochLog,
    /// Kafka time, ms: records since then are all there. None: nothing ever expired.
    pub(super) since_ms: Option<i64>,
}

impl<'a> Witness<'a> {
    pub(super) fn says(&self, epoch: Uuid) -> Said<'a> {
        if let Some(epoch) = self.log.get(epoch) {
            return Said::Committed(epoch);
        }
        if self.log.is_blind || !self.is_of_kept_time(epoch) {
            return Said::Unknown;
        }
        Said::Never
    }

    fn is_of_kept_time(&self, epoch: Uuid) -> bool {
        self.since_ms.is_none_or(|since_ms| made_at_ms(epoch).saturating_sub(CLOCK_MARGIN_MS) >= since_ms)
    }
}

/// When a UUIDv7 was made, ms since the epoch; 0 for other versions.
pub(super) fn made_at_ms(id: Uuid) -> i64 {
    id.get_timestamp().map_or(0, |timestamp| {
        let (seconds, nanos) = timestamp.to_unix();
        i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000).saturating_add(i64::from(nanos) / 1_000_000)
    })
}
