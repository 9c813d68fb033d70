//! What an audit finds: a kind, a place, what is wrong there, and the remedy.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::batch::TopicPartition;

/// Of each kind so many findings are kept with their place; the others are counted.
pub const KEPT_A_KIND: u64 = 200;

/// Whether something is wrong, or could not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// It does not hold.
    Found,
    /// The audit cannot see whether it holds.
    Unchecked,
}

macro_rules! kinds {
    ($($kind:ident $name:literal $class:ident $remedy:literal)*) => {
        /// What may be found. Names never change; `docs/verify.md` says what each means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FindingKind {
            $($kind,)*
        }

        impl FindingKind {
            pub const ALL: &[FindingKind] = &[$(FindingKind::$kind,)*];

            /// In the report, and in `docs/verify.md`.
            pub fn name(self) -> &'static str {
                match self { $(FindingKind::$kind => $name,)* }
            }

            pub fn class(self) -> Class {
                match self { $(FindingKind::$kind => Class::$class,)* }
            }

            /// What helps, where the finding does not say more.
            pub fn remedy(self) -> &'static str {
                match self { $(FindingKind::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    ClusterChanged "cluster_changed" Found "Give the brokers of the cluster that the lake was filled from"
    TopicChanged "topic_changed" Found "Its offsets mean other messages: set lake.path to an empty folder and kafka.group to a new group"
    KafkaTruncated "kafka_truncated" Found "Kafka lost what it had acknowledged: look at unclean leader elections and at the brokers' disks"
    RecordUnreadable "record_unreadable" Found "Let nothing else write into the epochs topic; what the record attested is not checked"
    RecordNewer "record_newer" Unchecked "Run the version of corelane that wrote it, or a later one"
    EpochTwice "epoch_twice" Found "A defect of corelane, or somebody copied records: report it"
    SpanGap "span_gap" Found "Read these offsets again into another lake while Kafka keeps them, with a group of its own"
    SpanOverlap "span_overlap" Found "Rows of these offsets are stored twice: take one of each (topic, partition, offset) when you read"
    LedgerImbalance "ledger_imbalance" Found "A defect of corelane: report it with the epoch record"
    LedgerDiffers "ledger_differs" Found "A defect of corelane, or a file was exchanged: report it with the epoch record and the files"
    OffsetMoved "offset_moved" Found "Set it back with `corelane groups reset`, or go on from where it is and keep the reason"
    OffsetMissing "offset_missing" Found "Kafka forgot the offset or somebody deleted it: set it with `corelane groups reset`"
    EpochUnrecorded "epoch_unrecorded" Found "Somebody removed records from the epochs topic, or wrote the offset: nobody can say what it committed"
    SegmentMissing "segment_missing" Found "Restore the file from a backup, or read its offsets again while Kafka keeps them"
    SegmentChecksum "segment_checksum" Found "The file is not what was written: restore it from a backup, and look at the disk"
    SegmentRows "segment_rows" Found "A defect of corelane: report it with the epoch record and the file"
    SegmentUncommitted "segment_uncommitted" Found "Its epoch never committed, so its rows are stored again elsewhere: move the file out of the lake"
    ForeignFile "foreign_file" Found "Move the file out of the lake: readers may count its rows"
    RenameUnfinished "rename_unfinished" Found "Start corelane again, or finish it with `corelane verify --repair`"
    Orphan "orphan" Found "Start corelane again, or remove it with `corelane verify --repair`"
    Quarantined "quarantined" Found "Its .why.txt says why. Compare it with the offsets in Kafka, then move it into the lake or delete it"
    StagedUnjudged "staged_unjudged" Unchecked "The records of its time have expired: a start of corelane moves it to _quarantine"
    Unreadable "unreadable" Unchecked "Run it as a user who may read the whole lake, and look at the disk"
    RecordsExpired "records_expired" Unchecked "Raise retention.ms of the epochs topic, so that records live as long as the files"
    LakeAbsent "lake_absent" Unchecked "Give all lakes of the group: --lake PATH, as often as there are lakes"
    TopicAbsent "topic_absent" Unchecked "Its messages and offsets cannot be seen: was the topic deleted?"
    RowTwice "row_twice" Found "A defect of corelane: report it; take one of each (topic, partition, offset) when you read"
    RowOutsideSpan "row_outside_span" Found "A defect of corelane, or a file was exchanged: report it with the epoch record and the file"
    RowLost "row_lost" Found "Read these offsets again into another lake while Kafka keeps them, with a group of its own"
    RowWithoutMessage "row_without_message" Found "Kafka has no such message: was a file exchanged, or the topic deleted and made again?"
    BeforeStart "before_start" Found "Read these offsets into another lake, with a group of its own. Where the group was to start later, say so: kafka.start"
    StartUnknown "start_unknown" Unchecked "Give --config: its kafka.start says whether these messages were to be stored"
    PartsOverlap "parts_overlap" Found "A defect of corelane: report it with the rows"
    PartBroken "part_broken" Found "A defect of corelane: report it with the rows"
    AggregateDiffers "aggregate_differs" Found "Take the windows from readings instead, and report the row"
    RollingDiffers "rolling_differs" Found "Take the windows from readings instead, and report the row"
    AggregateTwice "aggregate_twice" Found "A defect of corelane: report the row"
    AggregateMissing "aggregate_missing" Found "Take the window from readings instead, and report the part"
    ReadingInNoPart "reading_in_no_part" Found "Take the window from readings instead, and report the reading"
    WindowsUnchecked "windows_unchecked" Unchecked "What these windows were made of is not all there to be seen"
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where something was found; what does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The first offset, and the one after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// A file, or the lake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A row of `aggregates` or `groups`: its window and its series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}

impl Place {
    pub fn of(source: &TopicPartition) -> Self {
        Self { topic: Some(source.topic.to_string()), partition: Some(source.partition), ..Self::default() }
    }

    pub fn topic(name: &str) -> Self {
        Self { topic: Some(name.to_owned()), ..Self::default() }
    }

    pub fn path(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    #[must_use]
    pub fn span(self, from: i64, to: i64) -> Self {
        Self { from: Some(from), to: Some(to), ..self }
    }

    #[must_use]
    pub fn epoch(self, epoch: uuid::Uuid) -> Self {
        Self { epoch: Some(epoch.to_string()), ..self }
    }

    #[must_use]
    pub fn at_path(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    #[must_use]
    pub fn row(self, row: impl Into<String>) -> Self {
        Self { row: Some(row.into()), ..self }
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub class: Class,
    pub place: Place,
    pub what: String,
    pub remedy: String,
}

/// All that was found: the first of each kind with their places, the others counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    totals: BTreeMap<FindingKind, u64>,
}

impl Findings {
    pub fn add(&mut self, kind: FindingKind, place: Place, what: impl Into<String>) {
        self.add_with(kind, place, what, kind.remedy());
    }

    /// With a remedy of its own.
    pub fn add_with(&mut self, kind: FindingKind, place: Place, what: impl Into<String>, remedy: impl Into<String>) {
        let total = self.totals.entry(kind).or_insert(0);
        *total += 1;
        if *total <= KEPT_A_KIND {
            self.kept.push(Finding { kind, class: kind.class(), place, what: what.into(), remedy: remedy.into() });
        }
    }

    /// In the order in which they were found.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many of each kind there were.
    pub fn totals(&self) -> &BTreeMap<FindingKind, u64> {
        &self.totals
    }

    pub fn total_of(&self, class: Class) -> u64 {
        self.totals.iter().filter(|(kind, _)| kind.class() == class).map(|(_, total)| total).sum()
    }
}
