//! The steps of one epoch, each in its order and with its own answer to failure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::{AbortReason, SettleError};
use crate::batch::{EncodedSegment, OutRecord};
use crate::failpoint;
use crate::kafka::{CommitOffset, Transaction, TxClass, TxError, time_left};
use crate::lake::{Staged, Storage};

/// A retriable call is made again after this; the markers of the last transaction take about as long.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// Renewing and judging have a deadline of their own: the settle's has passed when they begin.
const JUDGE_DEADLINE: Duration = Duration::from_secs(10);
/// An epoch's record is looked for from this long before its id was made, for clocks that were set back since: a day of records is
/// a few MB.
const JUDGE_MARGIN_MS: i64 = 25 * 3_600_000;

/// The two parties of a settle, and who settles.
#[derive(Debug)]
pub struct Party<S, T> {
    pub storage: S,
    pub transaction: T,
    /// `<group>.<instance>.<lane>`, the key of our records in the epochs topic.
    pub writer: String,
    pub epochs_topic: String,
    /// The ids of the input topics and of the epochs topic, as they were when the run began.
    pub topic_ids: Arc<BTreeMap<String, String>>,
}

/// What holds for every settle of a lane.
#[derive(Clone, Copy, Debug)]
pub struct SettleRules {
    /// Of steps 2 and 3 together; below session and transaction time-outs.
    pub deadline: Duration,
    /// False: `at_least_once`, without a transaction: produce and flush, reveal, then commit offsets.
    pub exactly_once: bool,
}

/// An epoch, closed: nothing of it changes any more.
#[derive(Clone, Debug)]
pub struct Sealed<M> {
    pub epoch: Uuid,
    pub segments: Vec<EncodedSegment>,
    /// In the order of sending; the epoch record is the last.
    pub records: Vec<OutRecord>,
    pub offsets: Vec<CommitOffset>,
    /// Taken when the epoch was closed, never refreshed.
    pub member: M,
}

/// How an epoch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Durable, visible. `judged`: the answer to the commit was lost, and the epochs topic had the epoch.
    Committed { judged: bool },
    /// Certainly not committed; its segments are still staged. It may be settled again, or given up.
    Aborted(AbortReason),
}

/// How a transaction ended, once it is known.
enum Verdict {
    Committed { judged: bool },
    Aborted(AbortReason),
}

/// How far an epoch has come, kept across the calls of [`settle`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Step 1 is behind us: exactly these are revealed or discarded.
    staged: Option<Vec<Staged>>,
    /// Step 3 is behind us; whether that had to be judged.
    committed: Option<bool>,
    /// Steps 2 and 3 began, and their end is not known.
    in_doubt: bool,
}

/// Settles an epoch. An error means that it is not over and that the same call goes on with it.
pub fn settle<S: Storage, T: Transaction>(
    party: &mut Party<S, T>,
    rules: SettleRules,
    sealed: &Sealed<T::Member>,
    progress: &mut Progress,
) -> Result<Settled, SettleError> {
    failpoint::reach("settle.sealed");
    if progress.staged.is_none() && !failpoint::broken("commit_before_stage") {
        progress.staged = Some(party.storage.put(sealed.epoch, &sealed.segments)?);
    }
    if progress.committed.is_none() {
        if !progress.in_doubt {
            expect_topics(party, Instant::now() + rules.deadline)?;
        }
        let verdict = if rules.exactly_once { transact(party, rules, sealed, progress)? } else { deliver(party, rules, sealed)? };
        match verdict {
            Verdict::Committed { judged } => progress.committed = Some(judged),
            Verdict::Aborted(reason) => return Ok(Settled::Aborted(reason)),
        }
    }
    if progress.staged.is_none() {
        // Only a canary comes here.
        progress.staged = Some(party.storage.put(sealed.epoch, &sealed.segments)?);
    }
    party.storage.reveal(progress.staged.as_deref().unwrap_or_default())?;
    if !rules.exactly_once {
        commit_plain(party, rules, sealed)?;
    }
    failpoint::reach("settle.over");
    Ok(Settled::Committed { judged: progress.committed.unwrap_or(false) })
}

/// Deletes the staged segments of an epoch that is certainly not committed.
pub fn give_up<S: Storage, T: Transaction>(party: &mut Party<S, T>, progress: &Progress) -> Result<(), SettleError> {
    party.storage.discard(progress.staged.as_deref().unwrap_or_default())?;
    Ok(())
}

/// The topics must still be those of the start. Asked after the epoch was closed: no id ever comes back, so what it holds was read from
/// these. The client says nothing where a topic is made anew; it reads on in the new one from the old offset (librdkafka 2.12).
fn expect_topics<S, T: Transaction>(party: &mut Party<S, T>, deadline: Instant) -> Result<(), SettleError> {
    if party.topic_ids.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = party.topic_ids.keys().map(String::as_str).collect();
    let now = party.transaction.topic_ids(&names, deadline).map_err(SettleError::Unchecked)?;
    same_topics(&party.topic_ids, &now)
}

/// Whether topics have the ids that they had.
pub fn same_topics(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Result<(), SettleError> {
    for (topic, was) in before {
        match now.get(topic) {
            Some(is) if is == was => {}
            Some(is) => return Err(SettleError::Remade { topic: topic.clone(), was: was.clone(), is: is.clone() }),
            None => return Err(SettleError::Gone { topic: topic.clone() }),
        }
    }
    Ok(())
}

/// Steps 2 and 3, up to a certain end.
fn transact<S: Storage, T: Transaction>(
    party: &mut Party<S, T>,
    rules: SettleRules,
    sealed: &Sealed<T::Member>,
    progress: &mut Progress,
) -> Result<Verdict, SettleError> {
    let mut error = TxError {
        class: TxClass::Unknown,
        call: "settle",
        name: "IN_DOUBT".into(),
        text: "an earlier attempt ended without an answer".into(),
    };
    if !progress.in_doubt {
        let deadline = Instant::now() + rules.deadline;
        error = match send_and_commit(&mut party.transaction, sealed, deadline) {
            Ok(()) => return Ok(Verdict::Committed { judged: false }),
            Err(error) => error,
        };
        if error.class == TxClass::Abort {
            let deadline = Instant::now() + rules.deadline;
            failpoint::reach("transact.unaborted");
            if again_until(deadline, || party.transaction.abort(deadline)).is_ok() {
                failpoint::reach("transact.aborted");
                return Ok(Verdict::Aborted(AbortReason { error, judged: false }));
            }
        }
        progress.in_doubt = true;
    }
    let committed = judge(party, sealed.epoch)?;
    progress.in_doubt = false;
    if committed {
        return Ok(Verdict::Committed { judged: true });
    }
    Ok(Verdict::Aborted(AbortReason { error, judged: true }))
}

fn send_and_commit<T: Transaction>(transaction: &mut T, sealed: &Sealed<T::Member>, deadline: Instant) -> Result<(), TxError> {
    failpoint::reach("transact.unbegun");
    again_until(deadline, || transaction.begin())?;
    failpoint::reach("transact.begun");
    for record in &sealed.records {
        again_until(deadline, || transaction.send(record, deadline))?;
        failpoint::reach("transact.one_sent");
    }
    failpoint::reach("transact.all_sent");
    again_until(deadline, || transaction.send_offsets(&sealed.offsets, &sealed.member, deadline))?;
    failpoint::reach("transact.offsets_sent");
    again_until(deadline, || transaction.commit(deadline))?;
    failpoint::reach("transact.committed");
    Ok(())
}

/// Makes a retriable call again until our own deadline; past it the outcome counts as unknown.
fn again_until(deadline: Instant, mut call: impl FnMut() -> Result<(), TxError>) -> Result<(), TxError> {
    loop {
        match call() {
            Err(error) if error.class == TxClass::Retry => {
                if time_left(deadline).is_zero() {
                    return Err(TxError { class: TxClass::Unknown, ..error });
                }
                std::thread::sleep(RETRY_PAUSE.min(time_left(deadline)));
            }
            result => return result,
        }
    }
}

/// A new producer with the same id ends what was under way; then the epochs topic says whether the epoch is there.
fn judge<S, T: Transaction>(party: &mut Party<S, T>, epoch: Uuid) -> Result<bool, SettleError> {
    let deadline = Instant::now() + JUDGE_DEADLINE;
    failpoint::reach("judge.unrenewed");
    party.transaction.renew(deadline).map_err(SettleError::Unjudged)?;
    failpoint::reach("judge.renewed");
    let witness = hear_witness(party, epoch, deadline)?;
    failpoint::reach("judge.heard");
    if !witness.complete && !witness.epochs.contains_key(&epoch) {
        // The record would be minutes old: a topic that has lost it already keeps nothing, and nothing can be said.
        return Err(SettleError::Unjudged(TxError {
            class: TxClass::Unknown,
            call: "read_committed",
            name: "EXPIRED".into(),
            text: format!("{} no longer has the records of this epoch's time; raise its retention", party.epochs_topic),
        }));
    }
    Ok(witness.epochs.contains_key(&epoch))
}

/// What the epochs topic says of a writer's epochs.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// The committed epochs, each with the visible paths of its segments.
    pub(super) epochs: BTreeMap<Uuid, Vec<String>>,
    /// Whether an epoch that is not among them was certainly never committed.
    pub(super) complete: bool,
}

/// This writer's committed epochs, from a while before `oldest` was made.
pub(super) fn hear_witness<S, T: Transaction>(
    party: &mut Party<S, T>,
    oldest: Uuid,
    deadline: Instant,
) -> Result<Witness, SettleError> {
    // Another cluster's topic of this name would know nothing, and what is committed would be deleted.
    expect_topics(party, deadline)?;
    let since_ms = (made_at_ms(oldest) - JUDGE_MARGIN_MS).max(0);
    let Party { transaction, writer, epochs_topic, .. } = party;
    let testimony =
        transaction.read_committed(epochs_topic, writer.as_bytes(), since_ms, deadline).map_err(SettleError::Unjudged)?;
    let epochs = testimony.values.iter().map(|value| epoch_of(value, epochs_topic, writer)).collect::<Result<_, _>>()?;
    Ok(Witness { epochs, complete: testimony.complete })
}

/// The members of an epoch record that judging needs.
fn epoch_of(value: &[u8], topic: &str, writer: &str) -> Result<(Uuid, Vec<String>), SettleError> {
    #[derive(serde::Deserialize)]
    struct Segment {
        path: String,
    }
    #[derive(serde::Deserialize)]
    struct Record {
        epoch: String,
        segments: Vec<Segment>,
    }
    let broken = |what: String| SettleError::Record { topic: topic.to_owned(), writer: writer.to_owned(), what };
    let record = serde_json::from_slice::<Record>(value).map_err(|error| broken(error.to_string()))?;
    let epoch = record.epoch.parse().map_err(|error: uuid::Error| broken(error.to_string()))?;
    Ok((epoch, record.segments.into_iter().map(|segment| segment.path).collect()))
}

/// When a UUIDv7 was made, ms since the epoch; 0 for other versions.
fn made_at_ms(id: Uuid) -> i64 {
    id.get_timestamp().map_or(0, |timestamp| {
        let (seconds, nanos) = timestamp.to_unix();
        i64::try_from(seconds).unwrap_or(0) * 1_000 + i64::from(nanos) / 1_000_000
    })
}

/// `at_least_once`, step 2: produce and flush, the epoch record only when all else is there. A failure sends everything again: it may be
/// there twice, never not at all.
fn deliver<S: Storage, T: Transaction>(
    party: &mut Party<S, T>,
    rules: SettleRules,
    sealed: &Sealed<T::Member>,
) -> Result<Verdict, SettleError> {
    let deadline = Instant::now() + rules.deadline;
    let transaction = &mut party.transaction;
    let mut send = |records: &[OutRecord]| -> Result<(), TxError> {
        for record in records {
            again_until(deadline, || transaction.send(record, deadline))?;
        }
        again_until(deadline, || transaction.flush(deadline))
    };
    let (letters, epoch_record) = sealed.records.split_at(sealed.records.len().saturating_sub(1));
    let sent = send(letters).and_then(|()| {
        failpoint::reach("plain.letters_sent");
        send(epoch_record)
    });
    match sent {
        Ok(()) => {
            failpoint::reach("plain.record_sent");
            Ok(Verdict::Committed { judged: false })
        }
        Err(error) => {
            party.transaction.renew(Instant::now() + JUDGE_DEADLINE).map_err(SettleError::Unjudged)?;
            failpoint::reach("plain.renewed");
            Ok(Verdict::Aborted(AbortReason { error, judged: false }))
        }
    }
}

/// `at_least_once`, after the reveal: the group's offsets. A member that lost its partitions is refused, and that is right: whoever
/// has them now reads the rows again.
fn commit_plain<S, T: Transaction>(
    party: &mut Party<S, T>,
    rules: SettleRules,
    sealed: &Sealed<T::Member>,
) -> Result<(), SettleError> {
    let deadline = Instant::now() + rules.deadline;
    failpoint::reach("plain.uncommitted");
    let result = again_until(deadline, || party.transaction.commit_offsets_plain(&sealed.offsets, &sealed.member, deadline));
    match result {
        Ok(()) => {
            failpoint::reach("plain.committed");
            Ok(())
        }
        Err(error) if error.class == TxClass::Unknown => Err(SettleError::Unjudged(error)),
        Err(error) => {
            tracing::warn!(epoch = %sealed.epoch, %error, "offsets not committed: the rows of this epoch are stored again by whoever reads on");
            Ok(())
        }
    }
}
