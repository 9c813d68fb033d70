//! Repairs: what is certain is finished, all else is left as it is, and what is left is told.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::fleet::{minute, more};
use super::world::{EPOCHS, WRITER, World};
use crate::audit::repair::{Desk, finish};
use crate::audit::segments::checksum;
use crate::audit::{Action, FindingKind, Repaired, Verdict};
use crate::batch::OutRecord;
use crate::journey::publish::SegmentEntry;
use crate::kafka::{MemoryKafka, Transaction, TxClass};
use crate::lake::{Lake, LakeIdentity, OpenOptions, Staged};

/// Kafka with the records of the world.
fn kafka_of(world: &World) -> MemoryKafka {
    let kafka = MemoryKafka::default();
    let mut producer = kafka.transaction("somebody");
    for record in &world.kafka.records {
        let (key, value) = (Some(record.key.clone()), Some(record.value.clone()));
        let record = OutRecord { topic: Arc::from(EPOCHS), partition: None, key, value, headers: Vec::new() };
        producer.send(&record, Instant::now()).unwrap();
    }
    kafka
}

fn finish_on(world: &World, kafka: &MemoryKafka) -> Result<Vec<Repaired>, String> {
    let open = OpenOptions { group: "plant".to_owned(), instance: Some("a".to_owned()) };
    let lake = Lake::open(world.lake(), open).unwrap();
    let mut storage = lake.storage(WRITER).unwrap();
    let is_intact = |staged: &Staged, entry: &SegmentEntry| checksum(&staged.place).unwrap() == (entry.bytes, entry.crc32c);
    let id = LakeIdentity::read(world.lake()).unwrap().unwrap().lake.to_string();
    let desk = Desk { writer: WRITER, lake: &id, epochs_topic: EPOCHS, is_intact: &is_intact };
    finish(&mut storage, &mut kafka.transaction(WRITER), &desk, Instant::now() + Duration::from_secs(1))
}

fn actions(repaired: &[Repaired]) -> Vec<Action> {
    repaired.iter().map(|one| one.action).collect()
}

fn staged_in(lake: &Path) -> usize {
    fs::read_dir(lake.join("_staging").join(WRITER)).unwrap().count()
}

#[test]
fn a_committed_epoch_is_renamed_and_then_holds() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    assert_eq!(world.kinds(), [FindingKind::RenameUnfinished]);
    let repaired = finish_on(&world, &kafka_of(&world)).unwrap();
    assert_eq!(actions(&repaired), vec![Action::Renamed; staged.len()]);
    assert_eq!(world.audit().verdict(), Verdict::Holds);
}

#[test]
fn an_orphan_is_removed_and_then_all_holds() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(false);
    let kafka = kafka_of(&world);
    let repaired = finish_on(&world, &kafka).unwrap();
    assert_eq!(actions(&repaired), vec![Action::Removed; staged.len()]);
    assert_eq!(staged_in(world.lake()), 0);
    // The group never got these messages: they are still to be read.
    assert_eq!(world.audit().verdict(), Verdict::Holds);
    assert_eq!(finish_on(&world, &kafka).unwrap(), []);
}

#[test]
fn a_file_that_is_not_what_was_written_is_left() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    let mut bytes = fs::read(&staged[0]).unwrap();
    bytes[50] ^= 1;
    fs::write(&staged[0], &bytes).unwrap();
    let repaired = finish_on(&world, &kafka_of(&world)).unwrap();
    assert_eq!(repaired[0].action, Action::Left);
    assert!(repaired[0].why.contains("not what was written"), "{repaired:?}");
    assert!(repaired[1..].iter().all(|one| one.action == Action::Renamed));
    assert_eq!(fs::read(&staged[0]).unwrap(), bytes);
}

#[test]
fn what_the_record_does_not_name_and_what_is_of_another_lake_is_left() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    let mut other = minute();
    more(&mut other);
    world.edit_record(4, |record| drop(record["segments"].as_array_mut().unwrap().remove(0)));
    let repaired = finish_on(&world, &kafka_of(&world)).unwrap();
    assert_eq!(repaired[0].action, Action::Left);
    assert!(repaired[0].why.contains("does not name it") && staged[0].exists(), "{repaired:?}");
    other.stage(true);
    other.edit_record(4, |record| record["lake"] = json!("0198c0de-0000-4000-8000-000000000000"));
    let repaired = finish_on(&other, &kafka_of(&other)).unwrap();
    assert!(repaired.iter().all(|one| one.action == Action::Left && one.why.contains("is in lake 0198c0de")), "{repaired:?}");
}

#[test]
fn what_nobody_can_judge_is_left() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(false);
    let kafka = kafka_of(&world);
    kafka.expire_output();
    let repaired = finish_on(&world, &kafka).unwrap();
    assert_eq!(actions(&repaired), vec![Action::Left; staged.len()]);
    assert_eq!(staged_in(world.lake()), staged.len());
}

#[test]
fn beside_a_record_that_cannot_be_read_nothing_is_removed() {
    let mut world = minute();
    more(&mut world);
    let (_, committed) = world.stage(true);
    more(&mut world);
    let (_, orphan) = world.stage(false);
    world.edit_record(2, |record| record["version"] = json!(2));
    let repaired = finish_on(&world, &kafka_of(&world)).unwrap();
    let count = |action| repaired.iter().filter(|one| one.action == action).count();
    assert_eq!((count(Action::Renamed), count(Action::Left), count(Action::Removed)), (committed.len(), orphan.len(), 0));
}

#[test]
fn a_file_in_the_way_is_never_replaced() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    let record = world.record(4);
    let visible = world.lake().join(record["segments"][0]["path"].as_str().unwrap());
    fs::write(&visible, "in the way").unwrap();
    let repaired = finish_on(&world, &kafka_of(&world)).unwrap();
    let left: Vec<&Repaired> = repaired.iter().filter(|one| one.action == Action::Left).collect();
    assert_eq!(left.len(), 1);
    assert!(left[0].why.contains("another file has the name"), "{left:?}");
    assert_eq!(fs::read_to_string(&visible).unwrap(), "in the way");
    assert!(staged.iter().any(|path| path.exists()));
}

#[test]
fn without_an_answer_of_kafkas_nothing_is_touched() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(false);
    let kafka = kafka_of(&world);
    kafka.fail(WRITER, "read_committed", TxClass::Unknown, false);
    assert!(finish_on(&world, &kafka).is_err());
    assert!(staged.iter().all(|path| path.exists()));
}
