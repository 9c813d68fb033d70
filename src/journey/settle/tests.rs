//! Settle and recovery, branch by branch, over a storage and a Kafka in memory.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::*;
use crate::batch::{EncodedSegment, Hour, OutRecord, Table, TopicPartition};
use crate::kafka::{CommitOffset, Intake, MemoryKafka, MemoryMember, MemoryTransaction, Transaction, TxClass};
use crate::lake::{FaultMoment, MemoryStorage, SegmentName, Storage, StorageStep};

const WRITER: &str = "corelane.test.0";
const EPOCHS: &str = "corelane.epochs";
const LETTERS: &str = "corelane.rejects";

/// One writer, a member of its group, and its parties.
struct Bench {
    kafka: MemoryKafka,
    storage: MemoryStorage,
    party: Party<MemoryStorage, MemoryTransaction>,
    sealed: Sealed<MemoryMember>,
    progress: Progress,
    rules: SettleRules,
    log: Arc<Mutex<Vec<String>>>,
}

fn source() -> TopicPartition {
    TopicPartition::new("device-data", 0)
}

fn segments() -> Vec<EncodedSegment> {
    let segment = |table| EncodedSegment { table, hour: Hour(5), rows: 1, bytes: vec![1], crc32c: 2 };
    vec![segment(Table::Readings), segment(Table::Rejects)]
}

fn record(topic: &str, value: Vec<u8>) -> OutRecord {
    OutRecord { topic: topic.into(), partition: None, key: Some(WRITER.into()), value: Some(value), headers: Vec::new() }
}

fn epoch_record(epoch: Uuid, paths: &[String]) -> OutRecord {
    let paths: Vec<_> = paths.iter().map(|path| serde_json::json!({ "path": path })).collect();
    record(EPOCHS, serde_json::json!({ "epoch": epoch.to_string(), "segments": paths }).to_string().into_bytes())
}

fn paths(storage: &MemoryStorage, epoch: Uuid) -> Vec<String> {
    let name = |segment: &EncodedSegment| SegmentName { epoch, table: segment.table, hour: segment.hour };
    segments().iter().map(|segment| storage.visible_path(&name(segment))).collect()
}

impl Bench {
    fn new(exactly_once: bool) -> Self {
        let kafka = MemoryKafka::default();
        let mut intake = kafka.intake(WRITER, 1);
        kafka.rebalance(&[(WRITER, &[source()])]);
        intake.events();
        let storage = MemoryStorage::new(WRITER);
        let epoch = Uuid::now_v7();
        let sealed = Sealed {
            epoch,
            segments: segments(),
            records: vec![record(LETTERS, vec![1]), epoch_record(epoch, &paths(&storage, epoch))],
            offsets: vec![CommitOffset { source: source(), next: 7, metadata: "note".into() }],
            member: intake.member().unwrap(),
        };
        let transaction = kafka.transaction(WRITER);
        let party = Party {
            storage: storage.clone(),
            transaction,
            writer: WRITER.into(),
            epochs_topic: EPOCHS.into(),
            topic_ids: Arc::default(),
        };
        let log = Arc::new(Mutex::new(Vec::new()));
        kafka.log_to(Arc::clone(&log));
        storage.log_to(Arc::clone(&log));
        let rules = SettleRules { deadline: Duration::from_mins(10), exactly_once };
        Self { kafka, storage, party, sealed, progress: Progress::default(), rules, log }
    }

    fn settle(&mut self) -> Result<Settled, SettleError> {
        settle(&mut self.party, self.rules, &self.sealed, &mut self.progress)
    }

    fn recover(&mut self) -> Result<Recovered, SettleError> {
        recover(&mut self.party, Instant::now() + Duration::from_mins(10))
    }

    /// The calls since the last look.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn revealed(&self) -> usize {
        self.storage.revealed_segments().len()
    }

    /// Everything of the epoch is there, once.
    fn assert_durable(&self) {
        assert_eq!((self.revealed(), self.storage.staged_segments().len()), (2, 0));
        assert_eq!(self.kafka.committed(&source()), Some((7, "note".to_owned())));
        let topics: Vec<_> = self.kafka.output().iter().map(|record| record.topic.to_string()).collect();
        assert_eq!(topics, [LETTERS, EPOCHS]);
    }

    /// Nothing of the epoch is there, and it is still staged.
    fn assert_aborted(&self) {
        assert_eq!((self.revealed(), self.storage.staged_segments().len()), (0, 2));
        assert_eq!(self.kafka.committed(&source()), None);
        assert!(self.kafka.output().is_empty());
    }
}

const SENT: [&str; 5] = ["begin", "send corelane.rejects", "send corelane.epochs", "send_offsets", "commit"];

fn judged_of(settled: &Settled) -> bool {
    match settled {
        Settled::Committed { judged } => *judged,
        Settled::Aborted(reason) => reason.judged,
    }
}

#[test]
fn an_undisturbed_epoch_goes_through_its_steps_in_order() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
    assert_eq!(bench.calls(), [&["put"][..], &SENT, &["reveal"]].concat());
    bench.assert_durable();
}

#[test]
fn a_retriable_error_is_the_same_call_again_at_every_call() {
    for call in ["begin", "send", "send_offsets", "commit"] {
        let mut bench = Bench::new(true);
        bench.kafka.fail(WRITER, call, TxClass::Retry, false);
        assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false }, "{call}");
        bench.assert_durable();
        let calls = bench.calls();
        assert_eq!(calls.len(), SENT.len() + 3, "{call}: {calls:?}");
        let twice = calls.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert_eq!(twice, 1, "{call}: {calls:?}");
    }
}

#[test]
fn an_acknowledged_abort_is_certain_and_is_not_judged() {
    for call in ["begin", "send", "send_offsets", "commit"] {
        let mut bench = Bench::new(true);
        bench.kafka.fail(WRITER, call, TxClass::Abort, false);
        let Settled::Aborted(reason) = bench.settle().unwrap() else { panic!("{call}") };
        assert!(!reason.judged && reason.error.name == "TOLD_TO_FAIL", "{reason:?}");
        assert_eq!(bench.calls().last().unwrap(), "abort");
        bench.assert_aborted();

        // The same segments go out again, staged once.
        assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
        assert_eq!(bench.calls(), [&SENT[..], &["reveal"]].concat(), "{call}");
        bench.assert_durable();
    }
}

#[test]
fn a_dead_producer_or_a_lost_answer_is_judged_at_every_call() {
    for class in [TxClass::Renew, TxClass::Unknown] {
        for call in ["begin", "send", "send_offsets", "commit"] {
            for took_effect in [false, true] {
                let mut bench = Bench::new(true);
                bench.kafka.fail(WRITER, call, class, took_effect);
                let settled = bench.settle().unwrap();
                assert!(judged_of(&settled), "{class:?} {call}: {settled:?}");
                let calls = bench.calls();
                let renewed = calls.iter().position(|name| name == "renew").unwrap();
                assert_eq!(calls[renewed + 1], "read_committed", "{calls:?}");
                if call == "commit" && took_effect {
                    assert_eq!(settled, Settled::Committed { judged: true });
                    bench.assert_durable();
                } else {
                    assert!(matches!(settled, Settled::Aborted(_)), "{class:?} {call}");
                    bench.assert_aborted();
                }
            }
        }
    }
}

#[test]
fn an_abort_that_fails_is_judged() {
    for class in [TxClass::Abort, TxClass::Renew, TxClass::Unknown] {
        let mut bench = Bench::new(true);
        bench.kafka.fail(WRITER, "send_offsets", TxClass::Abort, false);
        bench.kafka.fail(WRITER, "abort", class, false);
        let Settled::Aborted(reason) = bench.settle().unwrap() else { panic!("{class:?}") };
        assert!(reason.judged && reason.error.call == "send_offsets", "{reason:?}");
        bench.assert_aborted();
    }
}

#[test]
fn a_retry_past_the_deadline_counts_as_unknown_and_is_judged() {
    for took_effect in [false, true] {
        let mut bench = Bench::new(true);
        bench.rules.deadline = Duration::ZERO;
        bench.kafka.fail(WRITER, "commit", TxClass::Retry, took_effect);
        let settled = bench.settle().unwrap();
        assert_eq!(matches!(settled, Settled::Committed { judged: true }), took_effect, "{settled:?}");
        assert!(judged_of(&settled));
        if let Settled::Aborted(reason) = settled {
            assert_eq!(reason.error.class, TxClass::Unknown);
        }
        assert_eq!(bench.calls().iter().filter(|call| *call == "commit").count(), 1, "not made again");
    }
}

#[test]
fn a_commit_that_arrives_late_is_either_judged_committed_or_fenced_for_ever() {
    // It arrives before the new producer.
    let mut bench = Bench::new(true);
    bench.kafka.delay_commit(WRITER);
    bench.kafka.fail(WRITER, "renew", TxClass::Unknown, false);
    assert!(matches!(bench.settle(), Err(SettleError::Unjudged(_))));
    bench.kafka.land_commits();
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: true });
    bench.assert_durable();

    // It arrives after: the epoch was judged as lost, and stays so.
    let mut bench = Bench::new(true);
    bench.kafka.delay_commit(WRITER);
    assert!(matches!(bench.settle().unwrap(), Settled::Aborted(_)));
    bench.kafka.land_commits();
    bench.assert_aborted();
}

#[test]
fn an_epoch_in_doubt_is_never_sent_again_before_it_is_judged() {
    for took_effect in [false, true] {
        let mut bench = Bench::new(true);
        bench.kafka.fail(WRITER, "commit", TxClass::Unknown, took_effect);
        bench.kafka.fail(WRITER, "renew", TxClass::Retry, false);
        bench.kafka.fail(WRITER, "read_committed", TxClass::Unknown, false);
        assert!(matches!(bench.settle(), Err(SettleError::Unjudged(_))));
        assert_eq!(bench.calls().last().unwrap(), "renew");
        assert!(matches!(bench.settle(), Err(SettleError::Unjudged(_))));
        assert_eq!(bench.calls(), ["renew", "read_committed"]);
        let settled = bench.settle().unwrap();
        assert_eq!(settled == Settled::Committed { judged: true }, took_effect);
        let expected = if took_effect { &["renew", "read_committed", "reveal"][..] } else { &["renew", "read_committed"] };
        assert_eq!(bench.calls(), expected);
    }
}

#[test]
fn an_epoch_whose_time_the_epochs_topic_lost_stays_in_doubt() {
    let mut bench = Bench::new(true);
    bench.kafka.expire_output();
    bench.kafka.fail(WRITER, "commit", TxClass::Unknown, false);
    let Err(SettleError::Unjudged(error)) = bench.settle() else { panic!("judged") };
    assert_eq!(error.name, "EXPIRED");
    bench.assert_aborted();
}

#[test]
fn a_generation_that_is_over_aborts() {
    let mut bench = Bench::new(true);
    bench.kafka.expel(WRITER);
    let Settled::Aborted(reason) = bench.settle().unwrap() else { panic!("committed") };
    assert_eq!(reason.error.name, "ILLEGAL_GENERATION");
    bench.assert_aborted();
}

#[test]
fn a_storage_that_fails_before_the_commit_sends_nothing() {
    for moment in [FaultMoment::Before, FaultMoment::Between, FaultMoment::After] {
        let mut bench = Bench::new(true);
        bench.storage.fail_step(StorageStep::Put, 1, moment);
        assert!(matches!(bench.settle(), Err(SettleError::Storage(_))), "{moment:?}");
        assert_eq!(bench.calls(), ["put"]);
        assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
        bench.assert_durable();
    }
}

#[test]
fn a_storage_that_fails_after_the_commit_reveals_later_and_sends_nothing_twice() {
    for moment in [FaultMoment::Before, FaultMoment::Between, FaultMoment::After] {
        for lost in [false, true] {
            let mut bench = Bench::new(true);
            if lost {
                bench.kafka.fail(WRITER, "commit", TxClass::Unknown, true);
            }
            bench.storage.fail_step(StorageStep::Reveal, 1, moment);
            bench.storage.fail_step(StorageStep::Reveal, 2, FaultMoment::Before);
            assert!(matches!(bench.settle(), Err(SettleError::Storage(_))), "{moment:?}");
            bench.calls();
            assert!(matches!(bench.settle(), Err(SettleError::Storage(_))), "{moment:?}");
            assert_eq!(bench.calls(), ["reveal"]);
            assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: lost });
            assert_eq!(bench.calls(), ["reveal"]);
            bench.assert_durable();
        }
    }
}

#[test]
fn giving_up_deletes_what_was_staged_and_may_be_done_again() {
    let mut bench = Bench::new(true);
    bench.kafka.fail(WRITER, "send", TxClass::Abort, false);
    assert!(matches!(bench.settle().unwrap(), Settled::Aborted(_)));
    bench.storage.fail_step(StorageStep::Discard, 1, FaultMoment::Between);
    assert!(matches!(give_up(&mut bench.party, &bench.progress), Err(SettleError::Storage(_))));
    assert_eq!(bench.storage.staged_segments().len(), 1);
    give_up(&mut bench.party, &bench.progress).unwrap();
    assert_eq!((bench.storage.staged_segments().len(), bench.storage.discarded().len(), bench.revealed()), (0, 2, 0));
    give_up(&mut bench.party, &Progress::default()).unwrap();
}

#[test]
fn at_least_once_flushes_letters_before_the_epoch_record_and_reveals_before_it_commits() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
    let expected = ["put", "send corelane.rejects", "flush", "send corelane.epochs", "flush", "reveal", "commit_offsets_plain"];
    assert_eq!(bench.calls(), expected);
    bench.assert_durable();
}

#[test]
fn at_least_once_sends_all_again_with_a_new_producer_and_commits_no_offset_before() {
    for call in ["send", "flush"] {
        let mut bench = Bench::new(false);
        bench.kafka.fail(WRITER, call, TxClass::Unknown, true);
        assert!(matches!(bench.settle().unwrap(), Settled::Aborted(_)), "{call}");
        assert_eq!(bench.calls().last().unwrap(), "renew");
        assert_eq!((bench.kafka.committed(&source()), bench.revealed()), (None, 0));
        assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
        assert_eq!((bench.kafka.committed(&source()).unwrap().0, bench.revealed()), (7, 2));
        let letters = bench.kafka.output().iter().filter(|record| &*record.topic == LETTERS).count();
        assert_eq!(letters, 2, "twice, never not at all");
    }
}

#[test]
fn at_least_once_commits_offsets_later_where_kafka_does_not_answer_and_never_as_a_former_member() {
    let mut bench = Bench::new(false);
    bench.kafka.fail(WRITER, "commit_offsets_plain", TxClass::Unknown, false);
    assert!(matches!(bench.settle(), Err(SettleError::Unjudged(_))));
    bench.calls();
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
    assert_eq!(bench.calls(), ["reveal", "commit_offsets_plain"], "nothing is sent again");
    bench.assert_durable();

    let mut bench = Bench::new(false);
    bench.kafka.expel(WRITER);
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
    assert_eq!(bench.kafka.committed(&source()), None);
    assert_eq!(bench.revealed(), 2);
}

/// An epoch staged by an earlier life; `committed`: its transaction passed.
fn staged_before(committed: bool) -> Bench {
    let mut bench = Bench::new(true);
    if committed {
        bench.storage.fail_step(StorageStep::Reveal, 1, FaultMoment::Before);
        assert!(bench.settle().is_err());
    } else {
        bench.kafka.fail(WRITER, "send_offsets", TxClass::Abort, false);
        assert!(matches!(bench.settle().unwrap(), Settled::Aborted(_)));
    }
    bench.party.transaction = bench.kafka.transaction(WRITER);
    bench.calls();
    bench
}

#[test]
fn nothing_staged_needs_no_witness() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.recover().unwrap(), Recovered::default());
    assert_eq!(bench.calls(), ["staged"]);
}

#[test]
fn recovery_reveals_what_is_committed() {
    let mut bench = staged_before(true);
    assert_eq!(bench.recover().unwrap(), Recovered { revealed: 1, ..Recovered::default() });
    bench.assert_durable();
    assert_eq!(bench.recover().unwrap(), Recovered::default());
}

#[test]
fn recovery_discards_what_never_was() {
    let mut bench = staged_before(false);
    assert_eq!(bench.recover().unwrap(), Recovered { discarded: 1, ..Recovered::default() });
    assert_eq!((bench.revealed(), bench.storage.discarded().len()), (0, 2));
}

#[test]
fn recovery_puts_aside_what_nobody_can_judge() {
    let mut bench = staged_before(true);
    bench.kafka.expire_output();
    assert_eq!(bench.recover().unwrap(), Recovered { quarantined: 1, ..Recovered::default() });
    let quarantined = bench.storage.quarantined();
    assert_eq!((quarantined.len(), bench.revealed(), bench.storage.discarded().len()), (2, 0, 0));
    assert!(quarantined[0].1.contains(EPOCHS), "{quarantined:?}");
}

#[test]
fn recovery_finds_a_segment_missing_that_a_committed_epoch_names() {
    let mut bench = staged_before(true);
    let gone = "readings/date=2026-11-21/hour=05/gone.parquet".to_owned();
    let epoch = bench.sealed.epoch;
    let mut transaction = bench.kafka.transaction(WRITER);
    transaction.send(&epoch_record(epoch, &[paths(&bench.storage, epoch), vec![gone.clone()]].concat()), Instant::now()).unwrap();
    bench.party.transaction = transaction;
    let Err(SettleError::Missing { epoch: of, path }) = bench.recover() else { panic!("recovered") };
    assert_eq!((of, path), (epoch, gone));
}

#[test]
fn recovery_refuses_a_record_that_is_none_and_touches_nothing() {
    let mut bench = staged_before(true);
    bench.party.transaction.send(&record(EPOCHS, b"{}".to_vec()), Instant::now()).unwrap();
    assert!(matches!(bench.recover(), Err(SettleError::Record { .. })));
    assert_eq!((bench.revealed(), bench.storage.staged_segments().len()), (0, 2));
}

#[test]
fn recovery_goes_on_where_it_was_interrupted() {
    for committed in [false, true] {
        for (step, call) in [(StorageStep::Reveal, "reveal"), (StorageStep::Discard, "discard")] {
            let mut bench = staged_before(committed);
            bench.storage.fail_step(step, 1, FaultMoment::Between);
            bench.kafka.fail(WRITER, "read_committed", TxClass::Unknown, false);
            assert!(matches!(bench.recover(), Err(SettleError::Unjudged(_))), "{call}");
            assert_eq!(bench.storage.staged_segments().len(), 2, "{call}");
            if bench.recover().is_err() {
                bench.recover().unwrap();
            }
            assert_eq!((bench.revealed(), bench.storage.staged_segments().len()), (if committed { 2 } else { 0 }, 0), "{call}");
        }
    }
}

/// The party of a run that began with this topic of this id.
fn bound_to(bench: &mut Bench, topic: &str, id: &str) {
    bench.party.topic_ids = Arc::new([(topic.to_owned(), id.to_owned())].into());
}

#[test]
fn an_epoch_of_a_topic_that_was_made_anew_is_never_sent() {
    for exactly_once in [true, false] {
        let mut bench = Bench::new(exactly_once);
        bound_to(&mut bench, "device-data", "one");
        assert!(matches!(bench.settle(), Err(SettleError::Gone { topic }) if topic == "device-data"));
        bench.kafka.set_topic_id("device-data", Some("two"));
        assert!(matches!(bench.settle(), Err(SettleError::Remade { was, is, .. }) if was == "one" && is == "two"));
        bench.assert_aborted();
        bench.kafka.fail(WRITER, "topic_ids", TxClass::Unknown, false);
        assert!(matches!(bench.settle(), Err(SettleError::Unchecked(_))));
        bench.assert_aborted();
        bench.kafka.set_topic_id("device-data", Some("one"));
        assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: false });
        bench.assert_durable();
    }
}

/// The witness of another cluster would know nothing, and a committed epoch would be taken for one that never was.
#[test]
fn an_epoch_in_doubt_is_judged_by_the_topic_of_the_start_alone() {
    let mut bench = Bench::new(true);
    bound_to(&mut bench, EPOCHS, "one");
    bench.kafka.set_topic_id(EPOCHS, Some("one"));
    bench.kafka.fail(WRITER, "commit", TxClass::Unknown, true);
    bench.kafka.fail(WRITER, "renew", TxClass::Unknown, false);
    assert!(matches!(bench.settle(), Err(SettleError::Unjudged(_))));
    bench.kafka.set_topic_id(EPOCHS, Some("two"));
    assert!(matches!(bench.settle(), Err(SettleError::Remade { .. })));
    assert!(matches!(bench.recover(), Err(SettleError::Remade { .. })));
    assert_eq!((bench.revealed(), bench.storage.staged_segments().len()), (0, 2));
    bench.kafka.set_topic_id(EPOCHS, Some("one"));
    assert_eq!(bench.settle().unwrap(), Settled::Committed { judged: true });
    bench.assert_durable();
}
