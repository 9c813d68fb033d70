//! Topics, groups and offsets, asked and changed.

use std::time::{Duration, Instant};

use corelane::kafka::{Admin, ClientSettings, CommitOffset, Isolation, KafkaError, NewTopic, OffsetSpec, PlainRecord};

use crate::lane::Lane;
use crate::support::kafka::ApacheKafka;
use crate::support::wait::{eventually, free_port};
use crate::{PATIENCE, admin, fill, part, produce, settings, settings_for, soon, topic, topic_on, unique};

#[test]
fn a_topic_is_made_described_and_deleted_and_made_anew_has_another_id() {
    let (admin, name) = (admin(), unique("life"));
    let new = NewTopic::new(&name, 3).with("retention.ms", "60000");
    assert!(matches!(admin.describe_topics(&[&name], soon()), Err(KafkaError::TopicMissing { .. })));
    admin.create_topic(&new, soon()).unwrap();
    assert!(matches!(admin.create_topic(&new, soon()), Err(KafkaError::TopicExists { .. })));
    assert!(admin.create_missing(std::slice::from_ref(&new), soon()).unwrap().is_empty());
    admin.wait_for_leaders(&[&name], soon()).unwrap();
    fill(&name, 3, 6);
    let described = admin.describe_topics(&[&name], soon()).unwrap().remove(0);
    assert_eq!((described.name.as_str(), described.partitions.len()), (name.as_str(), 3));
    assert!(described.partitions.iter().all(|partition| (partition.low, partition.high) == (Some(0), Some(2))), "{described:?}");
    assert!(described.partitions.iter().all(|partition| partition.leader == Some(1) && partition.in_sync == [1]));
    assert!(admin.list_topics(soon()).unwrap().iter().any(|topic| topic.name == name && topic.partitions == 3));
    admin.delete_topics(&[&name], soon()).unwrap();
    let made =
        eventually(PATIENCE, "the name to be free again", || match admin.create_missing(std::slice::from_ref(&new), soon()) {
            Ok(made) if made.is_empty() => None,
            made => Some(made),
        });
    assert_eq!(made.unwrap(), std::slice::from_ref(&name));
    // Until the broker has heard of both, it shows the old one, or none.
    eventually(PATIENCE, "the new topic with another id", || {
        let described_anew = admin.describe_topics(&[&name], soon()).ok()?.remove(0);
        (described_anew.id != described.id).then_some(())
    });
}

#[test]
fn a_bad_config_is_refused_with_kafkas_reason() {
    let refused = admin().create_topic(&NewTopic::new(unique("bad"), 1).with("retention.ms", "soon"), soon()).unwrap_err();
    assert!(matches!(&refused, KafkaError::Refused { name, .. } if name == "INVALID_CONFIG"), "{refused}");
    assert!(refused.to_string().contains("retention.ms"), "{refused}");
}

#[test]
fn a_missing_topic_is_not_made_by_asking_for_it() {
    let (admin, name) = (admin(), unique("never-made"));
    let missing = admin.partitions_of(&name, soon()).unwrap_err();
    assert!(missing.to_string().contains("corelane topics create"), "{missing}");
    assert!(matches!(
        admin.wait_for_leaders(&[&name], Instant::now() + Duration::from_secs(2)),
        Err(KafkaError::TopicMissing { .. })
    ));
    assert!(admin.list_topics(soon()).unwrap().iter().all(|topic| topic.name != name));
}

#[test]
fn offsets_are_found_by_place_and_by_time() {
    let topic = topic("offsets", 2);
    let start = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap() - 100_000;
    let record = |number: i64| PlainRecord {
        topic: &topic,
        partition: Some(0),
        value: Some(b"v"),
        timestamp_ms: Some(start + number * 1_000),
        ..PlainRecord::default()
    };
    produce((0..10).map(record));
    let partitions = admin().partitions_of(&topic, soon()).unwrap();
    assert_eq!(partitions, [part(&topic, 0), part(&topic, 1)]);
    let ask = |spec| {
        let found = admin().offsets(&partitions, spec, Isolation::ReadCommitted, soon()).unwrap();
        found.into_iter().map(|(_, offset)| offset).collect::<Vec<_>>()
    };
    assert_eq!(ask(OffsetSpec::Earliest), [Some(0), Some(0)]);
    assert_eq!(ask(OffsetSpec::Latest), [Some(10), Some(0)]);
    assert_eq!(ask(OffsetSpec::At(start + 3_500)), [Some(4), None]);
    assert_eq!(ask(OffsetSpec::At(start + 60_000)), [None, None]);
    let missing = admin().offsets(&[part(&topic, 7)], OffsetSpec::Latest, Isolation::ReadCommitted, soon()).unwrap_err();
    assert!(missing.to_string().contains(&topic), "{missing}");
}

#[test]
fn offsets_of_a_group_are_set_while_it_has_no_members_and_refused_while_it_has() {
    let (admin, topic, group) = (admin(), topic("groups", 2), unique("groups"));
    fill(&topic, 2, 20);
    assert_eq!(admin.group_state(&group, soon()).unwrap().members, 0);
    let commit = |partition, next| CommitOffset { source: part(&topic, partition), next, metadata: format!("why {next}") };
    admin.alter_group_offsets(&group, &[commit(0, 3), commit(1, 4)], soon()).unwrap();
    let mut lane = Lane::join(&settings(), &group, None, &topic);
    lane.take_up();
    assert_eq!(admin.group_state(&group, soon()).unwrap().members, 1);
    let refused = admin.alter_group_offsets(&group, &[commit(0, 7)], soon()).unwrap_err();
    assert!(matches!(refused, KafkaError::GroupHasMembers { .. }), "{refused}");
    let committed = admin.committed(&group, Some(&[part(&topic, 1), part(&topic, 0)]), soon()).unwrap();
    let mut seen: Vec<_> = committed.into_iter().map(|one| (one.source.partition, one.offset, one.metadata)).collect();
    seen.sort();
    assert_eq!(seen, [(0, Some(3), Some("why 3".to_owned())), (1, Some(4), Some("why 4".to_owned()))]);
    lane.consumer.close(soon()).unwrap();
    eventually(PATIENCE, "the group to be empty", || admin.alter_group_offsets(&group, &[commit(0, 7)], soon()).ok());
}

#[test]
fn the_cluster_says_its_id() {
    assert_eq!(admin().cluster_id(soon()).unwrap(), ApacheKafka::shared().cluster_id());
}

#[test]
fn where_nobody_answers_the_error_names_the_brokers_and_keeps_the_deadline() {
    let broker = format!("127.0.0.1:{}", free_port());
    let settings = ClientSettings { brokers: vec![broker.clone()], client_id: "test".into(), ..ClientSettings::default() };
    let admin = Admin::new(&settings).unwrap();
    let start = Instant::now();
    let silence = admin.list_topics(start + Duration::from_millis(700)).unwrap_err();
    assert!(matches!(silence, KafkaError::NoAnswer { .. }) && silence.to_string().contains(&broker), "{silence}");
    let silence = admin.cluster_id(Instant::now() + Duration::from_millis(700)).unwrap_err();
    assert!(matches!(silence, KafkaError::NoAnswer { .. }), "{silence}");
    let silence = admin.describe_topics(&["x"], Instant::now() + Duration::from_millis(700)).unwrap_err();
    assert!(matches!(silence, KafkaError::NoAnswer { .. }), "{silence}");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

/// A leader that was started again has a new epoch, and refuses who asks under the old one. The client keeps what it knew of leaders for
/// minutes; the fault suite found lanes that asked in vain until they gave their client up.
#[test]
fn offsets_are_answered_after_the_leader_was_started_again() {
    let kafka = ApacheKafka::start(1, &[]);
    let topic = topic_on(&kafka, "leader-again", 2);
    let admin = Admin::new(&settings_for(&kafka)).unwrap();
    let partitions = [part(&topic, 0), part(&topic, 1)];
    let ask = || admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadUncommitted, soon());
    let before = ask().unwrap();
    kafka.kill9(1);
    kafka.restart(1);
    assert_eq!(ask().unwrap(), before);
}
