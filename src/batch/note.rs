//! What a committed offset says of itself, in its commit metadata: who set it, and what a successor needs to go on from there.
//!
//! ASCII, `corelane/1 <kind> key=value …`; at most [`NOTE_BYTES_MAX`] bytes, for brokers refuse more than 4,096. An offset without
//! such a note was set by somebody else. Unknown keys are passed over, so that an older program reads a newer note.

use uuid::Uuid;

use super::ReplayState;

/// Kafka's default `offset.metadata.max.bytes`.
pub const NOTE_BYTES_MAX: usize = 4_096;

const PREFIX: &str = "corelane/1";

/// The note of one committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitNote {
    /// The end of an epoch of ours.
    Epoch {
        epoch: Uuid,
        /// The partition's clock when the epoch was closed, ms; None: no record had a Kafka time yet.
        clock_ms: Option<i64>,
        /// What a successor needs to rebuild the windows; None in notes of programs that had none.
        replay: Option<ReplayState>,
    },
    /// Where the group was told to start (`kafka.start`), before any lane joined.
    Start { from: String },
    /// An operator moved the group, and said why.
    Reset { reason: String },
}

impl CommitNote {
    /// The text for the commit metadata: ASCII, within the limit.
    pub fn to_metadata(&self) -> String {
        let text = match self {
            CommitNote::Epoch { epoch, clock_ms, replay } => {
                let clock = clock_ms.map_or_else(String::new, |clock_ms| format!(" clock={clock_ms}"));
                let replay = replay.as_ref().map_or_else(String::new, |replay| format!(" {replay}"));
                format!("{PREFIX} epoch id={epoch}{clock}{replay}")
            }
            CommitNote::Start { from } => format!("{PREFIX} start from={}", one_word(from)),
            CommitNote::Reset { reason } => format!("{PREFIX} reset reason={}", one_word(reason)),
        };
        text.chars().take(NOTE_BYTES_MAX).collect()
    }

    /// None: not a note of ours.
    pub fn parse(metadata: &str) -> Option<CommitNote> {
        let mut words = metadata.strip_prefix(PREFIX)?.split_ascii_whitespace();
        let kind = words.next()?;
        let value = |key: &str| {
            let mut rest = metadata.split_ascii_whitespace().skip(2);
            rest.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        match kind {
            "epoch" => {
                let clock_ms = match value("clock") {
                    Some(text) => Some(text.parse().ok()?),
                    None => None,
                };
                let replay = match value("window") {
                    Some(_) => Some(ReplayState::parse(value)?),
                    None => None,
                };
                Some(CommitNote::Epoch { epoch: value("id")?.parse().ok()?, clock_ms, replay })
            }
            "start" => Some(CommitNote::Start { from: value("from")?.to_owned() }),
            "reset" => Some(CommitNote::Reset { reason: value("reason")?.to_owned() }),
            _ => None,
        }
    }
}

/// Commit metadata is a C string that is split at spaces: anything else than printable ASCII becomes `_`.
fn one_word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(1_000).collect()
}

#[cfg(test)]
mod tests;
