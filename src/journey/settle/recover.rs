//! Recovery: what an earlier life of a writer left staged is revealed, deleted, or put aside.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::steps::{committed_epochs, made_at_ms};
use super::{Party, SettleError};
use crate::kafka::Transaction;
use crate::lake::{Staged, Storage};

/// Epochs found staged, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Committed before the end, revealed now.
    pub revealed: usize,
    /// Never committed: deleted; their messages are read again.
    pub discarded: usize,
    /// Too old for the epochs topic to know: kept aside.
    pub quarantined: usize,
}

/// Ends what was under way under this writer's id, then judges every staged epoch by the epochs topic.
///
/// `records_kept` is how long the epochs topic keeps its records: an older epoch cannot be judged any more.
pub fn recover<S: Storage, T: Transaction>(
    party: &mut Party<S, T>,
    now_ms: i64,
    records_kept: Duration,
    deadline: Instant,
) -> Result<Recovered, SettleError> {
    let mut epochs: BTreeMap<_, Vec<Staged>> = BTreeMap::new();
    for token in party.storage.staged()? {
        epochs.entry(token.name.epoch).or_default().push(token);
    }
    let mut recovered = Recovered::default();
    let horizon_ms = now_ms - i64::try_from(records_kept.as_millis()).unwrap_or(i64::MAX);
    let (old, young): (BTreeMap<_, _>, BTreeMap<_, _>) =
        epochs.into_iter().partition(|(epoch, _)| made_at_ms(*epoch) < horizon_ms);
    for staged in old.values() {
        party.storage.quarantine(
            staged,
            "the epoch is older than the records of the epochs topic, so nobody can say whether it was committed",
        )?;
        recovered.quarantined += 1;
    }
    let Some((oldest, _)) = young.first_key_value() else {
        return Ok(recovered);
    };
    let committed = committed_epochs(party, *oldest, deadline)?;
    for (epoch, staged) in &young {
        if committed.contains(epoch) {
            party.storage.reveal(staged)?;
            recovered.revealed += 1;
        } else {
            party.storage.discard(staged)?;
            recovered.discarded += 1;
        }
    }
    Ok(recovered)
}
