use super::*;

const DELAY: Duration = Duration::from_millis(10);

fn at(partition: i32) -> At {
    ("t".to_owned(), partition)
}

fn committed(offset: i64) -> Committed {
    Committed::new(offset, -1, "").unwrap()
}

/// A coordinator, a producer that owns "id" with a time-out of a second, and the time.
fn begin() -> (Transactions, Producer, Instant) {
    let now = Instant::now();
    let mut all = Transactions::new(DELAY);
    let producer = all.claim("id", 1000, None, now).unwrap();
    (all, producer, now)
}

#[test]
fn what_is_decided_takes_effect_when_its_markers_are_due() {
    let (mut all, producer, now) = begin();
    all.add_partitions("id", producer, [at(0), at(1)], now).unwrap();
    all.add_group("id", producer, "g", now).unwrap();
    all.check_group("id", producer, "g").unwrap();
    all.add_offset("id", "g", at(5), committed(7));
    assert!(all.is_pending("g", &at(5)) && !all.is_pending("g", &at(6)));
    assert_eq!(all.check_partition(Some("id"), producer, &at(1)), Ok(()));

    all.end("id", producer, true, now).unwrap();
    assert!(all.take_due(now).is_empty());
    assert_eq!(all.next_due(), Some(now + DELAY));
    assert!(all.is_pending("g", &at(5)));
    assert_eq!(all.add_partitions("id", producer, [at(2)], now), Err(Fault::ConcurrentTransactions));
    assert_eq!(all.check_partition(Some("id"), producer, &at(1)), Err(Fault::InvalidTxnState));

    let outcome = all.take_due(now + DELAY).pop().unwrap();
    assert!(outcome.commit);
    assert_eq!(outcome.producer, producer);
    assert_eq!(outcome.partitions, [at(0), at(1)].into());
    assert_eq!(outcome.offsets["g"][&at(5)], committed(7));
    assert!(!all.is_pending("g", &at(5)));
    assert_eq!(all.add_partitions("id", producer, [at(2)], now), Ok(()));
}

#[test]
fn an_end_may_be_repeated_but_not_turned_round() {
    let (mut all, producer, now) = begin();
    assert_eq!(all.end("id", producer, true, now), Err(Fault::InvalidTxnState), "nothing was begun");
    all.add_partitions("id", producer, [at(0)], now).unwrap();
    assert_eq!(all.end("id", producer, false, now), Ok(()));
    assert_eq!(all.end("id", producer, false, now), Err(Fault::ConcurrentTransactions));
    assert_eq!(all.end("id", producer, true, now), Err(Fault::InvalidTxnState));
    assert!(!all.take_due(now + DELAY)[0].commit);
    assert_eq!(all.end("id", producer, false, now), Ok(()));
    assert_eq!(all.end("id", producer, true, now), Err(Fault::InvalidTxnState));
}

#[test]
fn a_new_owner_aborts_what_its_predecessor_left() {
    let (mut all, old, now) = begin();
    all.add_partitions("id", old, [at(0)], now).unwrap();
    assert_eq!(all.claim("id", 1000, None, now), Err(Fault::ConcurrentTransactions));
    assert_eq!(all.end("id", old, true, now), Err(Fault::ProducerFenced));
    let outcome = all.take_due(now + DELAY).pop().unwrap();
    assert_eq!((outcome.commit, outcome.producer.epoch), (false, old.epoch + 1));
    let new = all.claim("id", 1000, None, now).unwrap();
    assert_eq!((new.id, new.epoch), (old.id, old.epoch + 2));
    assert_eq!(all.add_partitions("id", old, [at(0)], now), Err(Fault::ProducerFenced));
    assert_eq!(all.check_partition(Some("id"), old, &at(0)), Err(Fault::InvalidProducerEpoch));
    assert_eq!(all.claim("id", 1000, Some(old), now), Err(Fault::ProducerFenced));
    assert_eq!(all.claim("id", 1000, Some(new), now).unwrap().epoch, new.epoch + 1);
}

#[test]
fn a_slow_transaction_is_aborted_under_a_new_epoch() {
    let (mut all, producer, now) = begin();
    all.add_partitions("id", producer, [at(0)], now).unwrap();
    all.expire(now + Duration::from_millis(999));
    assert_eq!(all.next_due(), None);
    let late = now + Duration::from_secs(1);
    all.expire(late);
    let outcome = all.take_due(late).pop().unwrap();
    assert_eq!((outcome.commit, outcome.producer.epoch), (false, producer.epoch + 1));
    assert_eq!(all.end("id", producer, true, late), Err(Fault::ProducerFenced));
}

#[test]
fn strangers_and_wrong_times_are_refused() {
    let (mut all, producer, now) = begin();
    let stranger = Producer { id: producer.id + 1, ..producer };
    assert_eq!(all.add_partitions("id", stranger, [at(0)], now), Err(Fault::InvalidProducerIdMapping));
    assert_eq!(all.add_partitions("other", producer, [at(0)], now), Err(Fault::InvalidProducerIdMapping));
    assert_eq!(all.check_group("id", producer, "g"), Err(Fault::InvalidTxnState));
    assert_eq!(all.check_partition(None, producer, &at(0)), Err(Fault::InvalidTxnState));
    for timeout_ms in [0, -1, 900_001] {
        assert_eq!(all.claim("id", timeout_ms, None, now), Err(Fault::InvalidTransactionTimeout));
    }
    assert_eq!(all.claim("", 1000, None, now), Err(Fault::InvalidRequest));
}

#[test]
fn epochs_run_out_and_the_producer_gets_another_id() {
    let (mut all, first, now) = begin();
    let mut last = first;
    for _ in 0..i16::MAX {
        last = all.claim("id", 1000, None, now).unwrap();
        assert!(last.epoch < i16::MAX);
    }
    assert_ne!(last.id, first.id);
    assert_ne!(all.new_producer().id, last.id);
}

#[test]
fn a_topic_that_goes_takes_its_part_along() {
    let (mut all, producer, now) = begin();
    all.add_partitions("id", producer, [at(0), ("u".to_owned(), 0)], now).unwrap();
    all.add_offset("id", "g", at(0), committed(1));
    all.forget_topic("t");
    assert!(!all.is_pending("g", &at(0)));
    all.end("id", producer, true, now).unwrap();
    assert_eq!(all.take_due(now + DELAY)[0].partitions, [("u".to_owned(), 0)].into());
}
