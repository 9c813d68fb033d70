//! Each kind of finding, by a damage that causes it: found, with its place and a remedy. A kind without a damage here fails.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use arrow::array::{Array, BooleanArray};
use arrow::compute::concat_batches;
use serde_json::json;
use uuid::Uuid;

use super::fleet::{minute, more, reading};
use super::rows::{float_at, keep, offset_of, text_at, whole_at, with_last_bit, with_whole};
use super::world::{BEGIN_MS, TOPIC, WRITER, World, source};
use crate::audit::{Beginning, Finding, FindingKind, Verdict};
use crate::batch::{CommitNote, Hour, Table};
use crate::lake::{SegmentName, visible_path};

/// Does the damage, and says what the finding must name.
type Damage = fn(&mut World) -> String;

const DAMAGES: &[(FindingKind, Damage)] = &[
    (FindingKind::ClusterChanged, |world| {
        world.kafka.cluster_id = "another".to_owned();
        "cluster another".to_owned()
    }),
    (FindingKind::TopicChanged, |world| {
        world.kafka.topics.get_mut(TOPIC).unwrap().id = "made-again".to_owned();
        "made-again".to_owned()
    }),
    (FindingKind::KafkaTruncated, |world| {
        let end = world.kafka.committed[&source(1)].0;
        world.set_high(1, end - 5);
        format!("\"from\":{},\"partition\":1", end - 5)
    }),
    (FindingKind::RecordUnreadable, |world| {
        world.kafka.records[1].value.truncate(100);
        "\"from\":1,\"partition\":0".to_owned()
    }),
    (FindingKind::RecordNewer, |world| {
        world.edit_record(2, |record| record["version"] = json!(2));
        "version 2".to_owned()
    }),
    (FindingKind::EpochTwice, |world| {
        world.kafka.records.push(world.kafka.records[1].clone());
        id_of(world, 1)
    }),
    (FindingKind::SpanGap, |world| {
        let (start, next) = span_of(world, 1, 1);
        world.edit_record(1, |record| {
            record["partitions"][1]["start"] = json!(start + 2);
            record["partitions"][1]["consumed"] = json!(next - start - 2);
        });
        format!("\"from\":{start},\"partition\":1,\"to\":{}", start + 2)
    }),
    (FindingKind::SpanOverlap, |world| {
        let (start, _) = span_of(world, 1, 0);
        world.edit_record(1, |record| record["partitions"][0]["start"] = json!(start - 3));
        format!("\"from\":{},\"partition\":0,\"to\":{start}", start - 3)
    }),
    (FindingKind::LedgerImbalance, |world| {
        world.edit_record(1, |record| record["partitions"][0]["gaps"] = json!(77));
        format!("{} offsets; ", span_of(world, 1, 0).1 - span_of(world, 1, 0).0)
    }),
    (FindingKind::LedgerDiffers, |world| {
        world.edit_record(1, |record| {
            for (term, by) in [("readings", -1), ("events", 1)] {
                let told = record["partitions"][0][term].as_i64().unwrap();
                record["partitions"][0][term] = json!(told + by);
            }
        });
        id_of(world, 1)
    }),
    (FindingKind::OffsetMoved, |world| {
        let note = CommitNote::Reset { reason: "ticket 42".to_owned() }.to_metadata();
        world.kafka.committed.insert(source(0), (3, note));
        "ticket_42".to_owned()
    }),
    (FindingKind::OffsetMoved, |world| {
        // Where it should be, but by somebody else.
        world.kafka.committed.get_mut(&source(0)).unwrap().1 = String::new();
        "not corelane".to_owned()
    }),
    (FindingKind::OffsetMoved, |world| {
        one_partition_only(world);
        world.kafka.committed.insert(source(1), (4, String::new()));
        "not corelane".to_owned()
    }),
    (FindingKind::OffsetMissing, |world| {
        world.kafka.committed.remove(&source(1));
        "\"partition\":1".to_owned()
    }),
    (FindingKind::EpochUnrecorded, |world| {
        let epoch = Uuid::now_v7();
        world.kafka.committed.get_mut(&source(0)).unwrap().1 =
            CommitNote::Epoch { epoch, clock_ms: None, replay: None }.to_metadata();
        epoch.to_string()
    }),
    (FindingKind::SegmentMissing, |world| {
        let (_, path) = world.segment(1, Table::Readings);
        fs::remove_file(&path).unwrap();
        path.display().to_string()
    }),
    (FindingKind::SegmentChecksum, |world| {
        let (_, path) = world.segment(1, Table::Readings);
        let mut bytes = fs::read(&path).unwrap();
        bytes[200] ^= 1;
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }),
    (FindingKind::SegmentRows, |world| {
        let (at, path) = world.segment(1, Table::Readings);
        world.edit_record(1, |record| record["segments"][at]["rows"] = json!(12_345));
        path.display().to_string()
    }),
    (FindingKind::SegmentUncommitted, |world| {
        let (_, path) = world.segment(1, Table::Readings);
        let name = SegmentName { epoch: Uuid::now_v7(), table: Table::Readings, hour: Hour::of_millis(BEGIN_MS) };
        let copy = visible_path(&name, WRITER);
        fs::copy(path, world.lake().join(&copy)).unwrap();
        copy
    }),
    (FindingKind::ForeignFile, |world| {
        let path = world.lake().join("readings/date=2026-11-21/more.parquet");
        fs::write(&path, "PAR1").unwrap();
        path.display().to_string()
    }),
    (FindingKind::RenameUnfinished, |world| {
        more(world);
        let (_, staged) = world.stage(true);
        staged[0].display().to_string()
    }),
    (FindingKind::Orphan, |world| {
        more(world);
        let (_, staged) = world.stage(false);
        staged[0].display().to_string()
    }),
    (FindingKind::Quarantined, |world| {
        more(world);
        let (_, staged) = world.stage(false);
        let aside = world.lake().join("_quarantine").join(WRITER);
        fs::create_dir_all(&aside).unwrap();
        let aside = aside.join(staged[0].file_name().unwrap());
        fs::rename(&staged[0], &aside).unwrap();
        fs::write(format!("{}.why.txt", aside.display()), "nobody knows\n").unwrap();
        aside.display().to_string()
    }),
    (FindingKind::StagedUnjudged, |world| {
        more(world);
        let (_, staged) = world.stage(false);
        world.kafka.expired = 9;
        staged[0].display().to_string()
    }),
    (FindingKind::Unreadable, |world| {
        let (_, path) = world.segment(1, Table::Readings);
        fs::remove_file(&path).unwrap();
        symlink("/nowhere", &path).unwrap();
        path.display().to_string()
    }),
    (FindingKind::RecordsExpired, |world| {
        world.kafka.records.remove(0);
        world.kafka.expired = 1;
        "2026-11-21T03".to_owned()
    }),
    (FindingKind::LakeAbsent, |world| {
        world.edit_record(3, |record| record["lake"] = json!("0198c0de-0000-4000-8000-000000000000"));
        "0198c0de-0000-4000-8000-000000000000".to_owned()
    }),
    (FindingKind::TopicAbsent, |world| {
        world.kafka.topics.remove(TOPIC);
        TOPIC.to_owned()
    }),
    (FindingKind::RowTwice, |world| {
        world.rewrite(1, Table::Readings, |rows| concat_batches(&rows.schema(), [&rows, &rows.slice(4, 1)]).unwrap());
        format!("the first at offset {}", offset_of(world, 1, 4))
    }),
    (FindingKind::RowOutsideSpan, |world| {
        world.rewrite(1, Table::Readings, |rows| with_whole(&rows, "offset", 0, 9_999));
        "\"from\":9999".to_owned()
    }),
    (FindingKind::RowLost, |world| {
        let lost = offset_of(world, 1, 3);
        world.rewrite(1, Table::Readings, |rows| keep(&rows, |row| row != 3));
        format!("\"from\":{lost}")
    }),
    (FindingKind::RowWithoutMessage, |world| {
        world.remove_message(0, 7);
        "\"from\":7,\"partition\":0".to_owned()
    }),
    (FindingKind::BeforeStart, |world| {
        begin_late(world);
        "3 messages before offset 3".to_owned()
    }),
    (FindingKind::BeforeStart, |world| {
        one_partition_only(world);
        let note = CommitNote::Reset { reason: "ticket 42".to_owned() }.to_metadata();
        world.kafka.committed.insert(source(1), (4, note));
        "4 messages before offset 4, where the group stands".to_owned()
    }),
    (FindingKind::StartUnknown, |world| {
        begin_late(world);
        world.options.beginning = Beginning::Unknown;
        "3 messages before offset 3".to_owned()
    }),
    (FindingKind::PartsOverlap, |world| {
        let number = world.epoch_with(Table::Aggregates);
        let from = whole_at(&world.rows(number, Table::Aggregates), "offset_from", 0);
        world.rewrite(number, Table::Aggregates, |rows| with_whole(&rows, "offset_from", 0, from + 1));
        format!("offsets [{from}, ")
    }),
    (FindingKind::PartBroken, |world| {
        let number = world.epoch_with(Table::Aggregates);
        world.rewrite(number, Table::Aggregates, |rows| with_whole(&rows, "offset_to", 0, 77_777));
        "77777".to_owned()
    }),
    (FindingKind::AggregateDiffers, |world| {
        let number = world.epoch_with(Table::Aggregates);
        world.rewrite(number, Table::Aggregates, |rows| with_last_bit(&rows, "last", 2));
        let rows = world.rows(number, Table::Aggregates);
        format!("last is {:?}", float_at(&rows, "last", 2))
    }),
    (FindingKind::RollingDiffers, |world| {
        let number = world.epoch_with(Table::Groups);
        let rows = world.rows(number, Table::Groups);
        let rolling = rows.column_by_name("rolling_stddev").unwrap();
        let row = (0..rows.num_rows()).find(|row| !rolling.is_null(*row)).unwrap();
        world.rewrite(number, Table::Groups, |rows| with_last_bit(&rows, "rolling_stddev", row));
        world.segment(number, Table::Groups).1.display().to_string()
    }),
    (FindingKind::AggregateTwice, |world| {
        let number = world.epoch_with(Table::Aggregates);
        world.rewrite(number, Table::Aggregates, |rows| concat_batches(&rows.schema(), [&rows, &rows.slice(1, 1)]).unwrap());
        "device device_".to_owned()
    }),
    (FindingKind::AggregateMissing, |world| {
        // One that no rolling values stand on.
        let number = world.epoch_with(Table::Aggregates);
        let rows = world.rows(number, Table::Aggregates);
        let on_time = rows.column_by_name("on_time").unwrap().as_any().downcast_ref::<BooleanArray>().unwrap().clone();
        let late = (0..rows.num_rows()).find(|row| !on_time.value(*row)).unwrap();
        let device = text_at(&rows, "device_id", late);
        world.rewrite(number, Table::Aggregates, |rows| keep(&rows, |row| row != late));
        format!("device {device}, ")
    }),
    (FindingKind::ReadingInNoPart, |world| {
        let number = world.epoch_with(Table::Aggregates);
        let rows = world.rows(number, Table::Aggregates);
        let from = whole_at(&rows, "offset_from", 0);
        for table in [Table::Aggregates, Table::Groups] {
            world.rewrite(number, table, |rows| keep(&rows, |row| whole_at(&rows, "offset_from", row) != from));
        }
        format!("\"from\":{from}")
    }),
    (FindingKind::WindowsUnchecked, |world| {
        let epoch = id_of(world, 3).parse().unwrap();
        let note = CommitNote::Epoch { epoch, clock_ms: None, replay: None }.to_metadata();
        world.kafka.committed.get_mut(&source(1)).unwrap().1 = note;
        "\"partition\":1".to_owned()
    }),
];

fn id_of(world: &World, number: usize) -> String {
    world.record(number)["epoch"].as_str().unwrap().to_owned()
}

fn span_of(world: &World, number: usize, partition: usize) -> (i64, i64) {
    let part = &world.record(number)["partitions"][partition];
    (part["start"].as_i64().unwrap(), part["next"].as_i64().unwrap())
}

fn begin_late(world: &mut World) {
    *world = World::new();
    for second in 0..5 {
        world.send(0, &reading(1, BEGIN_MS, 20.0), BEGIN_MS + second);
    }
    world.set_low(0, 3);
    world.epoch_of(|partition| partition == 0);
    world.set_low(0, 0);
}

/// Both partitions have messages, and one has epochs.
fn one_partition_only(world: &mut World) {
    *world = World::new();
    for second in 0..5 {
        world.send(0, &reading(1, BEGIN_MS, 20.0), BEGIN_MS + second);
        world.send(1, &reading(2, BEGIN_MS, 20.0), BEGIN_MS + second);
    }
    world.epoch_of(|partition| partition == 0);
}

#[test]
fn every_kind_is_found_with_its_place_and_a_remedy() {
    for (kind, damage) in DAMAGES {
        let mut world = minute();
        let about = damage(&mut world);
        let report = world.audit();
        let mut found = report.findings.kept().iter().filter(|finding| finding.kind == *kind);
        let texts = |finding: &Finding| {
            // As a map, its members are in the order of their names.
            let place = serde_json::to_value(&finding.place).unwrap();
            format!("{place} {}", finding.what)
        };
        let is_right = found.clone().any(|finding| texts(finding).contains(&about) && finding.remedy.len() > 20);
        let all: Vec<String> = found.by_ref().map(texts).collect();
        assert!(is_right, "{}: wanted {about:?}, found {all:#?}\nall: {:#?}", kind.name(), report.findings);
        assert_eq!(report.findings.kept().iter().find(|finding| finding.kind == *kind).unwrap().class, kind.class());
        assert_ne!(report.verdict(), Verdict::Holds);
    }
}

#[test]
fn every_kind_has_a_damage() {
    let damaged: BTreeSet<FindingKind> = DAMAGES.iter().map(|(kind, _)| *kind).collect();
    let all: BTreeSet<FindingKind> = FindingKind::ALL.iter().copied().collect();
    assert_eq!(all.difference(&damaged).collect::<Vec<_>>(), Vec::<&FindingKind>::new());
}

/// What one damage causes, and nothing else.
#[test]
fn a_damage_is_found_alone_where_it_stands_alone() {
    let alone = [
        FindingKind::ClusterChanged,
        FindingKind::TopicChanged,
        FindingKind::KafkaTruncated,
        FindingKind::EpochTwice,
        FindingKind::LedgerImbalance,
        FindingKind::ForeignFile,
        FindingKind::SegmentUncommitted,
        FindingKind::RenameUnfinished,
        FindingKind::Orphan,
        FindingKind::Quarantined,
        FindingKind::StagedUnjudged,
        FindingKind::RowWithoutMessage,
        FindingKind::BeforeStart,
        FindingKind::StartUnknown,
        FindingKind::AggregateDiffers,
        FindingKind::RollingDiffers,
        FindingKind::AggregateTwice,
        FindingKind::AggregateMissing,
        FindingKind::WindowsUnchecked,
    ];
    for (kind, damage) in DAMAGES.iter().filter(|(kind, _)| alone.contains(kind)) {
        let mut world = minute();
        damage(&mut world);
        // A minute's epoch holds two partitions: both may tell of one damage.
        let quarantined = *kind == FindingKind::Quarantined;
        let kinds = world.kinds();
        let others: Vec<_> =
            kinds.iter().filter(|other| *other != kind && !(quarantined && **other == FindingKind::Orphan)).collect();
        assert!(kinds.contains(kind) && others.is_empty(), "{}: {kinds:?}", kind.name());
    }
}
