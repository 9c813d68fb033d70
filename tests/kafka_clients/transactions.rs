//! What a lane writes: all of an epoch or nothing, and what every failure is called.

use std::time::{Duration, Instant};

use corelane::batch::OutRecord;
use corelane::kafka::{ClientSettings, CommitOffset, Delivery, Intake, LaneProducer, NewTopic, Transaction, TxClass};

use crate::lane::Lane;
use crate::support::kafka::ApacheKafka;
use crate::{admin, fill, part, settings, settings_for, soon, topic, topic_on, unique};

fn producer(settings: &ClientSettings, id: &str) -> LaneProducer {
    let delivery = Delivery::ExactlyOnce { transactional_id: id.to_owned() };
    LaneProducer::connect(settings, delivery, "judge", soon()).unwrap()
}

fn record(topic: &str, key: &str, value: &str) -> OutRecord {
    OutRecord {
        topic: topic.into(),
        partition: None,
        key: Some(key.into()),
        value: Some(value.into()),
        headers: vec![("corelane-reason".into(), Some(b"x".to_vec())), ("null".into(), None)],
    }
}

fn read(producer: &mut LaneProducer, topic: &str, key: &str) -> Vec<String> {
    let values = producer.read_committed(topic, key.as_bytes(), 0, soon()).unwrap();
    values.values.into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
}

#[test]
fn what_is_committed_is_found_and_what_is_aborted_is_not() {
    let topic = topic("epochs", 3);
    let mut producer = producer(&settings(), &unique("writer"));
    for (epoch, commit) in [("one", true), ("two", false), ("three", true), ("four", false)] {
        producer.begin().unwrap();
        producer.send(&record(&topic, "w", epoch), soon()).unwrap();
        producer.send(&record(&topic, "other", "not ours"), soon()).unwrap();
        producer.flush(soon()).unwrap();
        if commit {
            producer.commit(soon()).unwrap();
        } else {
            producer.abort(soon()).unwrap();
        }
    }
    // The log ends with aborted records and markers: the end is reached all the same.
    assert_eq!(read(&mut producer, &topic, "w"), ["one", "three"]);
    assert_eq!(read(&mut producer, &topic, "nobody"), Vec::<String>::new());
    let now_ms = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    assert!(producer.read_committed(&topic, b"w", now_ms + 60_000, soon()).unwrap().values.is_empty());
    assert!(producer.close(soon()));
}

#[test]
fn the_judge_waits_for_a_transaction_that_is_under_way() {
    let topic = topic("under-way", 1);
    let (mut writer, mut judge) = (producer(&settings(), &unique("writer")), producer(&settings(), &unique("judge")));
    writer.begin().unwrap();
    writer.send(&record(&topic, "w", "open"), soon()).unwrap();
    writer.flush(soon()).unwrap();
    let mut early = judge.read_committed(&topic, b"w", 0, Instant::now() + Duration::from_secs(2)).unwrap_err();
    // On a busy machine the time may be over before all that comes first has been asked.
    for seconds in [10, 30] {
        if early.class == TxClass::Retry {
            early = judge.read_committed(&topic, b"w", 0, Instant::now() + Duration::from_secs(seconds)).unwrap_err();
        }
    }
    assert_eq!(early.class, TxClass::Unknown, "{early}");
    let judging = std::thread::spawn(move || read(&mut judge, &topic, "w"));
    writer.commit(soon()).unwrap();
    assert_eq!(judging.join().unwrap(), ["open"]);
}

#[test]
fn a_new_producer_with_the_same_id_ends_what_was_under_way() {
    let (topic, id) = (topic("renew", 1), unique("writer"));
    let mut producer = producer(&settings(), &id);
    producer.begin().unwrap();
    producer.send(&record(&topic, "w", "left behind"), soon()).unwrap();
    producer.flush(soon()).unwrap();
    producer.renew(soon()).unwrap();
    assert_eq!(read(&mut producer, &topic, "w"), Vec::<String>::new());
    producer.begin().unwrap();
    producer.send(&record(&topic, "w", "again"), soon()).unwrap();
    producer.commit(soon()).unwrap();
    assert_eq!(read(&mut producer, &topic, "w"), ["again"]);
}

#[test]
fn a_producer_whose_id_was_taken_over_must_be_renewed() {
    let (topic, id) = (topic("taken", 1), unique("writer"));
    let mut old = producer(&settings(), &id);
    old.begin().unwrap();
    old.send(&record(&topic, "w", "old"), soon()).unwrap();
    old.flush(soon()).unwrap();
    let mut new = producer(&settings(), &id);
    let fenced = old.commit(soon()).unwrap_err();
    assert_eq!(fenced.class, TxClass::Renew, "{fenced}");
    assert_eq!(read(&mut new, &topic, "w"), Vec::<String>::new());
    old.renew(soon()).unwrap();
    old.begin().unwrap();
    old.abort(soon()).unwrap();
}

#[test]
fn offsets_and_their_metadata_are_committed_with_the_transaction() {
    let (input, output, group) = (topic("in", 2), topic("out", 1), unique("offsets"));
    fill(&input, 2, 20);
    let mut lane = Lane::join(&settings(), &group, Some("offsets.0"), &input);
    lane.take_up();
    lane.until_rows(20);
    let member = lane.consumer.member().unwrap();
    let mut producer = producer(&settings(), &unique("writer"));
    let commit = |next, metadata: &str| CommitOffset { source: part(&input, 1), next, metadata: metadata.to_owned() };
    producer.begin().unwrap();
    producer.send(&record(&output, "w", "1"), soon()).unwrap();
    producer.send_offsets(&[commit(4, "corelane/1 first")], &member, soon()).unwrap();
    producer.commit(soon()).unwrap();
    producer.begin().unwrap();
    producer.send_offsets(&[commit(9, "corelane/1 second")], &member, soon()).unwrap();
    producer.abort(soon()).unwrap();
    let committed = admin().committed(&group, None, soon()).unwrap();
    assert_eq!(committed.len(), 1);
    assert_eq!((committed[0].offset, committed[0].metadata.as_deref()), (Some(4), Some("corelane/1 first")));
}

#[test]
fn a_member_that_the_group_has_moved_past_cannot_commit() {
    let (input, output, group) = (topic("in", 2), topic("out", 1), unique("stale"));
    fill(&input, 2, 20);
    let mut lane = Lane::join(&settings(), &group, Some("stale.0"), &input);
    lane.take_up();
    lane.until_rows(20);
    let stale = lane.consumer.member().unwrap();
    let mut other = Lane::join(&settings(), &group, Some("stale.1"), &input);
    lane.until("the revocation", |lane| {
        other.turn();
        lane.revoked()
    });
    lane.consumer.unassign().unwrap();
    other.until("the assignment of the other", |other| {
        lane.turn();
        other.events.iter().find(|event| matches!(event, corelane::kafka::IntakeEvent::Assigned(_))).map(|_| ())
    });
    let mut producer = producer(&settings(), &unique("writer"));
    let commit = [CommitOffset { source: part(&input, 0), next: 10, metadata: String::new() }];
    producer.begin().unwrap();
    producer.send(&record(&output, "w", "zombie"), soon()).unwrap();
    let refused = producer.send_offsets(&commit, &stale, soon()).unwrap_err();
    assert_eq!((refused.class, refused.name.as_str()), (TxClass::Abort, "ILLEGAL_GENERATION"), "{refused}");
    producer.abort(soon()).unwrap();
    assert_eq!(read(&mut producer, &output, "w"), Vec::<String>::new());
    // Outside of a transaction, too.
    let refused = producer.commit_offsets_plain(&commit, &stale, soon()).unwrap_err();
    assert_eq!(refused.class, TxClass::Abort, "{refused}");
    assert!(admin().committed(&group, None, soon()).unwrap().is_empty());
}

#[test]
fn a_record_that_cannot_be_delivered_aborts_its_transaction_and_is_named() {
    let (name, admin) = (unique("small"), admin());
    admin.create_topic(&NewTopic::new(&name, 1).with("max.message.bytes", "2000"), soon()).unwrap();
    admin.wait_for_leaders(&[&name], soon()).unwrap();
    let mut producer = producer(&settings(), &unique("writer"));
    producer.begin().unwrap();
    producer.send(&record(&name, "w", "small"), soon()).unwrap();
    let noise: String =
        (0..9_000_u32).map(|n| char::from(b'!' + u8::try_from(n.wrapping_mul(2_654_435_761) >> 25).unwrap() % 90)).collect();
    producer.send(&record(&name, "w", &noise), soon()).unwrap();
    let failed = producer.commit(soon()).unwrap_err();
    assert_eq!(failed.class, TxClass::Abort, "{failed}");
    assert!(failed.to_string().contains(&name), "{failed}");
    producer.abort(soon()).unwrap();
    producer.begin().unwrap();
    producer.send(&record(&name, "w", "after"), soon()).unwrap();
    producer.commit(soon()).unwrap();
    assert_eq!(read(&mut producer, &name, "w"), ["after"]);
}

#[test]
fn a_broker_that_hangs_does_not_hold_a_call_past_its_deadline() {
    let kafka = ApacheKafka::start(1, &[]);
    let settings = settings_for(&kafka);
    let (input, output, group) = (topic_on(&kafka, "in", 1), topic_on(&kafka, "out", 1), unique("hang"));
    let mut lane = Lane::join(&settings, &group, Some("hang.0"), &input);
    lane.take_up();
    let member = lane.consumer.member().unwrap();
    let mut producer = producer(&settings, &unique("writer"));
    let commit = [CommitOffset { source: part(&input, 0), next: 0, metadata: String::new() }];
    producer.begin().unwrap();
    producer.send(&record(&output, "w", "hung"), soon()).unwrap();
    producer.flush(soon()).unwrap();
    kafka.stop_signal(1);
    let start = Instant::now();
    let stuck = producer.send_offsets(&commit, &member, start + Duration::from_secs(3)).unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(3_500), "it came back after {:?}", start.elapsed());
    assert_eq!(stuck.class, TxClass::Unknown, "{stuck}");
    let start = Instant::now();
    let late = producer.renew(start + Duration::from_secs(2)).unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(2_500), "renew came back after {:?}", start.elapsed());
    assert_eq!(late.class, TxClass::Unknown, "{late}");
    kafka.continue_signal(1);
    producer.renew(soon()).unwrap();
    assert_eq!(read(&mut producer, &output, "w"), Vec::<String>::new());
    producer.begin().unwrap();
    producer.send(&record(&output, "w", "after"), soon()).unwrap();
    producer.commit(soon()).unwrap();
    assert_eq!(read(&mut producer, &output, "w"), ["after"]);
    // Closing while the broker hangs ends at its deadline, too.
    kafka.stop_signal(1);
    let start = Instant::now();
    let _ = producer.close(start + Duration::from_secs(2));
    let _ = lane.consumer.close(start + Duration::from_secs(4));
    assert!(start.elapsed() < Duration::from_secs(5), "closing took {:?}", start.elapsed());
    kafka.continue_signal(1);
}

#[test]
fn at_least_once_commits_without_transactions() {
    let (input, output, group) = (topic("in", 1), topic("out", 1), unique("plain"));
    fill(&input, 1, 10);
    let mut lane = Lane::join(&settings(), &group, Some("plain.0"), &input);
    lane.take_up();
    lane.until_rows(10);
    let member = lane.consumer.member().unwrap();
    let mut producer = LaneProducer::connect(&settings(), Delivery::AtLeastOnce, "judge", soon()).unwrap();
    producer.begin().unwrap();
    producer.send(&record(&output, "w", "once or more"), soon()).unwrap();
    producer.flush(soon()).unwrap();
    let commit = [CommitOffset { source: part(&input, 0), next: 10, metadata: "corelane/1 plain".to_owned() }];
    producer.commit_offsets_plain(&commit, &member, soon()).unwrap();
    assert_eq!(read(&mut producer, &output, "w"), ["once or more"]);
    let committed = admin().committed(&group, None, soon()).unwrap();
    assert_eq!((committed[0].offset, committed[0].metadata.as_deref()), (Some(10), Some("corelane/1 plain")));
}
