//! How a settle can fail.

use crate::kafka::TxError;
use crate::lake::LakeError;

/// Why an epoch is certainly not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortReason {
    /// The call that failed first.
    pub error: TxError,
    /// Whether that was found by judging (the producer was renewed) rather than by an acknowledged abort.
    pub judged: bool,
}

/// A settle that is not over: nothing is lost, and the same call may be made again.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The lake refused; the step is taken again when the place is back.
    #[error(transparent)]
    Storage(#[from] LakeError),
    /// Kafka does not answer, so the epoch cannot be judged yet.
    #[error("the epoch cannot be judged yet: {0}")]
    Unjudged(TxError),
    /// Kafka does not say whether the topics are still those that the epoch was read from.
    #[error("whether the topics are still the same cannot be said yet: {0}")]
    Unchecked(TxError),
    /// Its messages, if it comes back, are not those that were read.
    #[error("topic {topic} does not exist any more. An epoch that was read from it waits for it, and is given up with the lane")]
    Gone { topic: String },
    /// Offsets mean other messages now.
    #[error(
        "topic {topic} is not the one that this run reads: its id was {was}, now it is {is}. It was deleted and made again, or the brokers \
         are another cluster's. Nothing of the new one is stored. Remedy: set lake.path to an empty folder and kafka.group to a new group \
         for it, or bring the old one back"
    )]
    Remade { topic: String, was: String, is: String },
    /// The epochs topic holds a record of ours that cannot be read: a defect, or a foreign writer.
    #[error("a record of the epochs topic {topic} under the key {writer} is not an epoch record: {what}")]
    Record { topic: String, writer: String, what: String },
    /// A committed epoch lacks a segment: something outside of this program removed it.
    #[error(
        "epoch {epoch} is committed, and its segment {path} is neither staged nor visible: it was removed by something else. Restore it \
         from a backup, or read its offsets again: the epochs topic names them"
    )]
    Missing { epoch: uuid::Uuid, path: String },
}
