//! Damages of more than one kind, and what stands between right and wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use serde_json::json;

use super::fleet::{minute, more};
use super::rows::changed_at;
use super::world::{EPOCHS, TOPIC, WRITER, World};
use crate::audit::{AuditError, AuditOptions, Class, FindingKind, KEPT_A_KIND, Verdict, audit};
use crate::batch::Table;
use crate::lake::{Lake, OpenOptions, Storage as _};

/// Whatever column of a row of windows is changed, by as little as it can be.
#[test]
fn every_column_of_windows_is_held() {
    for table in [Table::Aggregates, Table::Groups] {
        let mut world = minute();
        let number = world.epoch_with(table);
        let whole = world.rows(number, table);
        for (at, field) in whole.schema().fields().iter().enumerate() {
            // A row that has a value there, so that there is something to change.
            let row = (0..whole.num_rows()).find(|row| !whole.column(at).is_null(*row)).unwrap();
            let mut columns = whole.columns().to_vec();
            columns[at] = changed_at(&whole, at, row);
            world.rewrite(number, table, |rows| RecordBatch::try_new(rows.schema(), columns).unwrap());
            // Who says of itself that it is not whole, and is, has said nothing wrong.
            let wanted = if field.name() == "partial" { Verdict::Holds } else { Verdict::Found };
            assert_eq!(world.audit().verdict(), wanted, "{}.{}", table.name(), field.name());
        }
        world.rewrite(number, table, |_| whole);
        assert_eq!(world.audit().verdict(), Verdict::Holds);
    }
}

#[test]
fn what_cannot_be_seen_alone_makes_the_verdict_unchecked() {
    let mut world = minute();
    world.kafka.topics.remove(TOPIC);
    let report = world.audit();
    assert_eq!(report.verdict(), Verdict::Unchecked);
    assert_eq!((report.findings.total_of(Class::Found), report.findings.total_of(Class::Unchecked)), (0, 1));
}

#[test]
fn a_lake_that_was_not_given_is_unchecked_and_nothing_in_it_is_missed() {
    let mut world = minute();
    let lake = tempfile::tempdir().unwrap();
    // The last epoch went to a lake of another host.
    let (_, readings) = world.segment(3, Table::Readings);
    for table in Table::ALL {
        let hour = world.lake().join(table.name());
        let mine = readings.file_name().unwrap();
        for path in glob(&hour).into_iter().filter(|path| path.file_name() == Some(mine)) {
            let to = lake.path().join(path.strip_prefix(world.lake()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&path, to).unwrap();
            fs::remove_file(path).unwrap();
        }
    }
    fs::create_dir_all(lake.path().join("_corelane")).unwrap();
    let id = "0198c0de-0000-4000-8000-000000000000";
    fs::write(lake.path().join("_corelane/lake.json"), json!({"format": 1, "lake": id, "group": "plant"}).to_string()).unwrap();
    world.edit_record(3, |record| record["lake"] = json!(id));
    let report = world.audit();
    let kinds: Vec<FindingKind> = report.findings.totals().keys().copied().collect();
    assert_eq!(kinds, [FindingKind::LakeAbsent, FindingKind::WindowsUnchecked], "{:#?}", report.findings);
    let both = [world.lake().to_owned(), lake.path().to_owned()];
    let report = audit(&mut world.kafka.clone(), &both, &world.options, &mut |_| {}).unwrap();
    assert_eq!((report.verdict(), report.lakes.len()), (Verdict::Holds, 2), "{:#?}", report.findings);
}

fn glob(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(glob(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn at_least_once_may_repeat_a_record_and_may_not_contradict_it() {
    let mut world = minute();
    world.options.repeats = true;
    world.kafka.records.push(world.kafka.records[1].clone());
    assert_eq!(world.audit().verdict(), Verdict::Holds);
    world.edit_record(4, |record| record["partitions"][0]["gaps"] = json!(55));
    assert_eq!(world.kinds(), [FindingKind::EpochTwice]);
}

#[test]
fn what_a_process_at_work_has_staged_is_on_its_way() {
    let mut world = minute();
    more(&mut world);
    world.stage(false);
    let lake = at_work(&world);
    let report = world.audit();
    assert_eq!(report.verdict(), Verdict::Holds, "{:#?}", report.findings);
    assert!(report.looked.in_flight > 0);
    drop(lake);
    assert_eq!(world.kinds(), [FindingKind::Orphan]);
}

fn at_work(world: &World) -> Lake {
    Lake::open(world.lake(), OpenOptions { group: "plant".to_owned(), instance: Some("a".to_owned()) }).unwrap()
}

#[test]
fn a_commit_whose_files_are_just_revealed_is_waited_for() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    let lake = at_work(&world);
    let mut storage = lake.storage(WRITER).unwrap();
    let tokens = storage.staged().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            storage.reveal(&tokens).unwrap();
        });
        let report = world.audit();
        assert_eq!(report.verdict(), Verdict::Holds, "{:#?}", report.findings);
        assert_eq!(report.looked.epochs, 5);
    });
    assert!(staged.iter().all(|path| !path.exists()));
}

#[test]
fn a_commit_whose_files_are_not_revealed_in_time_is_found_beside_a_process_at_work() {
    let mut world = minute();
    more(&mut world);
    let (_, staged) = world.stage(true);
    let _lake = at_work(&world);
    let report = world.audit();
    assert_eq!(report.findings.totals()[&FindingKind::RenameUnfinished], staged.len() as u64);
    assert_eq!(report.findings.totals().len(), 1, "{:#?}", report.findings);
}

#[test]
fn of_many_findings_of_a_kind_the_first_are_kept_and_all_are_counted() {
    let world = minute();
    for number in 0..300 {
        fs::write(world.lake().join(format!("readings/{number}.parquet")), "x").unwrap();
    }
    let findings = world.audit().findings;
    assert_eq!(findings.totals()[&FindingKind::ForeignFile], 300);
    assert_eq!(findings.kept().len() as u64, KEPT_A_KIND);
}

#[test]
fn an_audit_that_cannot_be_made_says_why() {
    let world = minute();
    let refusal = |lakes: &[PathBuf], group: &str| {
        let options = AuditOptions { group: group.to_owned(), ..world.options.clone() };
        audit(&mut world.kafka.clone(), lakes, &options, &mut |_| {}).unwrap_err()
    };
    let mine = world.lake().to_owned();
    let nowhere = world.lake().join("nowhere");
    assert!(matches!(refusal(&[nowhere], "plant"), AuditError::NoLake { .. }));
    assert!(matches!(refusal(&[world.lake().join("readings")], "plant"), AuditError::NoLake { source: None, .. }));
    assert!(matches!(refusal(std::slice::from_ref(&mine), "another"), AuditError::OtherGroup { .. }));
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("_corelane")).unwrap();
    fs::copy(mine.join("_corelane/lake.json"), copy.path().join("_corelane/lake.json")).unwrap();
    assert!(matches!(refusal(&[mine.clone(), copy.path().to_owned()], "plant"), AuditError::Twins { .. }));
    let mut kafka = world.kafka.clone();
    kafka.topics.remove(EPOCHS);
    assert!(matches!(audit(&mut kafka, &[mine], &world.options, &mut |_| {}), Err(AuditError::NoEpochs { .. })));
}
