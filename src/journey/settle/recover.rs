//! Recovery: what an earlier life of a writer left staged is revealed, deleted, or put aside.

use std::collections::BTreeMap;
use std::time::Instant;

use uuid::Uuid;

use super::steps::hear_witness;
use super::{Party, SettleError};
use crate::failpoint;
use crate::kafka::Transaction;
use crate::lake::{Staged, Storage};

/// Epochs found staged, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Committed before the end, revealed now.
    pub revealed: usize,
    /// Never committed: deleted; their messages are read again.
    pub discarded: usize,
    /// The epochs topic no longer has their time, so nobody can say: kept aside.
    pub quarantined: usize,
}

/// Judges every staged epoch by the epochs topic. What was under way under this writer's id was ended when its producer was made.
pub fn recover<S: Storage, T: Transaction>(party: &mut Party<S, T>, deadline: Instant) -> Result<Recovered, SettleError> {
    let mut epochs: BTreeMap<Uuid, Vec<Staged>> = BTreeMap::new();
    for token in party.storage.staged()? {
        epochs.entry(token.name.epoch).or_default().push(token);
    }
    let mut recovered = Recovered::default();
    let Some((oldest, _)) = epochs.first_key_value() else {
        return Ok(recovered);
    };
    failpoint::reach("recover.found");
    let witness = hear_witness(party, *oldest, deadline)?;
    failpoint::reach("recover.heard");
    for (epoch, staged) in &epochs {
        if let Some(paths) = witness.epochs.get(epoch) {
            failpoint::reach("recover.unrevealed");
            party.storage.reveal(staged)?;
            failpoint::reach("recover.revealed");
            check_visible(&party.storage, *epoch, paths)?;
            recovered.revealed += 1;
        } else if failpoint::broken("reveal_uncommitted") {
            party.storage.reveal(staged)?;
        } else if witness.complete {
            party.storage.discard(staged)?;
            failpoint::reach("recover.discarded");
            recovered.discarded += 1;
        } else {
            let why = format!(
                "{} no longer has the records of that time, so nobody can say whether it was committed",
                party.epochs_topic
            );
            party.storage.quarantine(staged, &why)?;
            failpoint::reach("recover.quarantined");
            recovered.quarantined += 1;
        }
    }
    Ok(recovered)
}

/// Every segment that the epoch's record names is there now.
fn check_visible(storage: &impl Storage, epoch: Uuid, paths: &[String]) -> Result<(), SettleError> {
    match paths.iter().find(|path| !storage.is_visible(path)) {
        None => Ok(()),
        Some(path) => Err(SettleError::Missing { epoch, path: path.clone() }),
    }
}
