//! The small enums that metrics are labelled with. Their names stand in metrics and documents and never change.

/// How an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EpochOutcome {
    /// Its transaction was committed (`at_least_once`: its offsets were).
    Committed,
    /// Its abort was certain. It is sent again, or given up; counted each time.
    Aborted,
    /// Given up before a transaction was tried: a lost assignment, a deadline in a drain.
    Discarded,
    /// Outcome unknown at first; its record was found in the epochs topic.
    JudgedCommitted,
    /// Outcome unknown at first; no record of it was found. It is sent again, or given up.
    JudgedLost,
}

impl EpochOutcome {
    pub const ALL: [EpochOutcome; 5] = [
        EpochOutcome::Committed,
        EpochOutcome::Aborted,
        EpochOutcome::Discarded,
        EpochOutcome::JudgedCommitted,
        EpochOutcome::JudgedLost,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EpochOutcome::Committed => "committed",
            EpochOutcome::Aborted => "aborted",
            EpochOutcome::Discarded => "discarded",
            EpochOutcome::JudgedCommitted => "judged_committed",
            EpochOutcome::JudgedLost => "judged_lost",
        }
    }

    /// Whether the epoch's rows are in the lake for good.
    pub fn is_committed(self) -> bool {
        matches!(self, EpochOutcome::Committed | EpochOutcome::JudgedCommitted)
    }
}

/// What kind of trouble a lane met. A refused message is none of these: it is a reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorKind {
    /// The consumer: a broker down, a partition that cannot be read, a failed request for committed offsets.
    Consume,
    /// Encoding rows as Parquet.
    Persist,
    /// Making or queueing records for Kafka.
    Publish,
    /// A transactional call that failed, whatever its class.
    Transaction,
    /// Staging, revealing or discarding segments.
    Storage,
    /// A settle that refused to go on: a topic was made anew, a ledger did not balance.
    Refused,
    /// The watchdog found the lane without progress.
    Stall,
}

impl ErrorKind {
    pub const ALL: [ErrorKind; 7] = [
        ErrorKind::Consume,
        ErrorKind::Persist,
        ErrorKind::Publish,
        ErrorKind::Transaction,
        ErrorKind::Storage,
        ErrorKind::Refused,
        ErrorKind::Stall,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Consume => "consume",
            ErrorKind::Persist => "persist",
            ErrorKind::Publish => "publish",
            ErrorKind::Transaction => "transaction",
            ErrorKind::Storage => "storage",
            ErrorKind::Refused => "refused",
            ErrorKind::Stall => "stall",
        }
    }
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LaneState {
    /// Not yet a member of the group, or without an answer on its offsets.
    Starting,
    /// Reading again what its open state was made of, without output.
    Replaying,
    /// Reading, storing, committing; without partitions too, as a spare member.
    Consuming,
    /// Bringing its epochs to an end, for a rebalance or a stop.
    Draining,
    /// The watchdog found it without progress.
    Stalled,
    /// Ended.
    Stopped,
}

impl LaneState {
    pub const ALL: [LaneState; 6] = [
        LaneState::Starting,
        LaneState::Replaying,
        LaneState::Consuming,
        LaneState::Draining,
        LaneState::Stalled,
        LaneState::Stopped,
    ];

    pub fn name(self) -> &'static str {
        match self {
            LaneState::Starting => "starting",
            LaneState::Replaying => "replaying",
            LaneState::Consuming => "consuming",
            LaneState::Draining => "draining",
            LaneState::Stalled => "stalled",
            LaneState::Stopped => "stopped",
        }
    }

    /// Whether the lane does its daily work. A replay is part of it.
    pub fn is_ready(self) -> bool {
        matches!(self, LaneState::Replaying | LaneState::Consuming)
    }
}

/// What is counted about windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Count {
    /// Parts written because the clock passed their window, or by a drain.
    PartsOnTime,
    /// Parts written with an epoch, of windows that were written before.
    PartsLate,
    /// Parts written with an epoch, of windows that start after the clock.
    PartsEarly,
    /// Rows of `aggregates`.
    AggregateRows,
    /// Rows of `groups`.
    GroupRows,
    /// Readings of late parts.
    ReadingsLate,
    /// Readings of early parts.
    ReadingsEarly,
    /// Readings whose event time is not trusted: kept out of the windows.
    ReadingsUntrusted,
    /// Repeats: kept out of the windows.
    ReadingsDuplicate,
    /// Readings of devices beyond `windows.devices_max`: kept out of the windows.
    ReadingsOverLimit,
    /// Messages read again, to rebuild open windows.
    Replayed,
}

impl Count {
    pub const ALL: [Count; 11] = [
        Count::PartsOnTime,
        Count::PartsLate,
        Count::PartsEarly,
        Count::AggregateRows,
        Count::GroupRows,
        Count::ReadingsLate,
        Count::ReadingsEarly,
        Count::ReadingsUntrusted,
        Count::ReadingsDuplicate,
        Count::ReadingsOverLimit,
        Count::Replayed,
    ];
}
