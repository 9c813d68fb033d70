//! The tables: every failpoint, every answer that can be made up, every way to break the protocol. Tests walk them.

/// A moment at which the process may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub name: &'static str,
    pub road: Road,
}

/// How a process gets to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Road {
    /// The first start of a group, once.
    GroupStart,
    /// The first start on an empty lake, for each of several files and folders.
    FirstStart,
    /// Any epoch.
    Settle,
    /// An epoch on a lake that is there, where the file system cannot refuse to replace: a rename is a link and an unlink.
    LinkedReveal,
    /// An epoch without a transaction: `at_least_once`.
    PlainSettle,
    /// The same, and its records are not taken.
    PlainRefused,
    /// An epoch whose offsets Kafka refuses.
    Refused,
    /// An epoch whose commit Kafka does not answer.
    Unanswered,
    /// A start after an end between commit and reveal.
    RecoverCommitted,
    /// A start after an end between staging and commit.
    RecoverStaged,
    /// A start after an end while a file was written.
    RecoverDraft,
    /// A start after an end between staging and commit, long ago: the epochs topic has forgotten that time.
    RecoverForgotten,
}

const fn at(road: Road, name: &'static str) -> Point {
    Point { name, road }
}

/// Every failpoint of the program, in the order in which a process comes by.
pub const POINTS: &[Point] = &[
    at(Road::GroupStart, "root.made"),
    at(Road::GroupStart, "root.synced"),
    // A name that is made once: lake.json, the instance, the topic that the lake is bound to.
    at(Road::FirstStart, "once.drafted"),
    at(Road::FirstStart, "once.named"),
    at(Road::FirstStart, "once.synced"),
    at(Road::FirstStart, "folder.made"),
    at(Road::FirstStart, "folder.synced"),
    // Where a group starts is committed before any lane joins it.
    at(Road::GroupStart, "start.uncommitted"),
    at(Road::GroupStart, "start.committed"),
    // 1 stage
    at(Road::Settle, "settle.sealed"),
    at(Road::Settle, "stage.written"),
    at(Road::Settle, "stage.synced"),
    at(Road::Settle, "stage.named"),
    at(Road::Settle, "stage.folder_unsynced"),
    at(Road::Settle, "stage.folder_synced"),
    // 2 send
    at(Road::Settle, "transact.unbegun"),
    at(Road::Settle, "transact.begun"),
    at(Road::Settle, "transact.one_sent"),
    at(Road::Settle, "transact.all_sent"),
    at(Road::Settle, "transact.offsets_sent"),
    // 3 commit
    at(Road::Settle, "transact.committed"),
    at(Road::Refused, "transact.unaborted"),
    at(Road::Refused, "transact.aborted"),
    at(Road::Unanswered, "judge.unrenewed"),
    at(Road::Unanswered, "judge.renewed"),
    at(Road::Unanswered, "judge.heard"),
    // 4 reveal
    at(Road::Settle, "reveal.folder_made"),
    at(Road::LinkedReveal, "move.linked"),
    at(Road::Settle, "reveal.one_named"),
    at(Road::Settle, "reveal.all_named"),
    at(Road::Settle, "reveal.tables_synced"),
    at(Road::Settle, "reveal.synced"),
    at(Road::Settle, "settle.over"),
    // at_least_once: send, reveal, commit
    at(Road::PlainSettle, "plain.letters_sent"),
    at(Road::PlainSettle, "plain.record_sent"),
    at(Road::PlainSettle, "plain.uncommitted"),
    at(Road::PlainSettle, "plain.committed"),
    at(Road::PlainRefused, "plain.renewed"),
    // Recovery, by what it finds
    at(Road::RecoverCommitted, "recover.found"),
    at(Road::RecoverCommitted, "recover.heard"),
    at(Road::RecoverCommitted, "recover.unrevealed"),
    at(Road::RecoverCommitted, "recover.revealed"),
    at(Road::RecoverStaged, "discard.one_removed"),
    at(Road::RecoverStaged, "discard.unsynced"),
    at(Road::RecoverStaged, "recover.discarded"),
    at(Road::RecoverDraft, "recover.draft_removed"),
    at(Road::RecoverForgotten, "quarantine.unexplained"),
    at(Road::RecoverForgotten, "quarantine.explained"),
    at(Road::RecoverForgotten, "quarantine.one_moved"),
    at(Road::RecoverForgotten, "quarantine.unsynced"),
    at(Road::RecoverForgotten, "recover.quarantined"),
];

/// Answers that Kafka or the disk might give, each given once, and what they are.
pub const DETOURS: &[(&str, &str)] = &[
    ("offsets_refused", "send_offsets is refused as after a rebalance: the transaction must be aborted"),
    ("commit_unanswered", "the commit takes place and its answer is lost: the epoch must be judged"),
    ("records_undelivered", "at_least_once: the flush says that a record was not delivered"),
    ("rename_unsupported", "the file system cannot refuse to replace: a rename becomes a link and an unlink"),
];

/// Breaches of the protocol, and what they do. None may survive the fault suite.
pub const CANARIES: &[(&str, &str)] = &[
    ("commit_before_stage", "the transaction commits while no segment is on the disk yet"),
    ("skip_a_rename", "the segments of one epoch in four are left staged by reveal"),
    ("forget_a_reject", "one reject in eight is counted and not written"),
    ("reveal_uncommitted", "recovery reveals what was never committed"),
    ("unfenced_offsets", "offsets are committed for the group without member and generation"),
];
