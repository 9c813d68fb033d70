use uuid::Uuid;

use super::*;
use crate::batch::{EncodedSegment, Hour};
use crate::lake::lock::InstanceLock;
use crate::lake::{Lake, OpenOptions, Storage, bound_topics, writer_parts};

fn open(path: &Path) -> Lake {
    Lake::open(path, OpenOptions { group: "plant".to_owned(), instance: Some("a".to_owned()) }).unwrap()
}

fn segment() -> EncodedSegment {
    EncodedSegment { table: Table::Readings, hour: Hour(492_000), rows: 1, bytes: vec![7], crc32c: 0 }
}

#[test]
fn files_that_readers_do_not_see_are_listed_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    let mut storage = lake.storage("plant.a.0").unwrap();
    let (kept, doubtful) = (Uuid::now_v7(), Uuid::now_v7());
    storage.put(kept, &[segment()]).unwrap();
    let staged = storage.put(doubtful, &[segment()]).unwrap();
    storage.quarantine(&staged, "nobody knows").unwrap();
    fs::write(dir.path().join("_staging/plant.a.0/x.parquet.tmp"), "x").unwrap();
    fs::write(dir.path().join("_staging/plant.a.0/x.parquet"), "x").unwrap();
    fs::write(dir.path().join("_staging/lost"), "x").unwrap();
    let name = |epoch| SegmentName { epoch, table: Table::Readings, hour: Hour(492_000) };
    let found: Vec<_> =
        held_files(dir.path()).unwrap().into_iter().map(|file| (file.folder, file.writer, file.kind, file.relative)).collect();
    let staging = |kind, writer: &str, relative: String| (HeldFolder::Staging, writer.to_owned(), kind, relative);
    let place = |folder: &str, epoch: Uuid| format!("{folder}/plant.a.0/{epoch}.readings.2026-02-16T00.parquet");
    let wanted = [
        staging(HeldKind::Foreign, "", "_staging/lost".to_owned()),
        staging(HeldKind::Segment(name(kept)), "plant.a.0", place("_staging", kept)),
        staging(HeldKind::Foreign, "plant.a.0", "_staging/plant.a.0/x.parquet".to_owned()),
        staging(HeldKind::Draft, "plant.a.0", "_staging/plant.a.0/x.parquet.tmp".to_owned()),
        (HeldFolder::Quarantine, "plant.a.0".to_owned(), HeldKind::Segment(name(doubtful)), place("_quarantine", doubtful)),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn an_empty_folder_holds_nothing_back() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(held_files(dir.path()).unwrap(), []);
    assert_eq!(bound_topics(dir.path()).unwrap(), []);
}

#[test]
fn an_instance_is_at_work_while_its_lake_is_open() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!is_instance_at_work(dir.path(), "a").unwrap());
    let lake = open(dir.path());
    assert!(is_instance_at_work(dir.path(), "a").unwrap());
    assert!(!is_instance_at_work(dir.path(), "b").unwrap());
    drop(lake);
    assert!(!is_instance_at_work(dir.path(), "a").unwrap());
    drop(open(dir.path()));
}

#[test]
fn a_start_gets_over_an_audit_that_looks() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let looked = File::open(dir.path().join("_corelane/instances/a.lock")).unwrap();
    looked.lock_shared().unwrap();
    let mut pauses = 0;
    let lock = InstanceLock::take_with(&dir.path().join("_corelane/instances"), "a", || {
        pauses += 1;
        looked.unlock().unwrap();
    });
    drop(lock.unwrap());
    assert_eq!(pauses, 1);
    drop(open(dir.path()));
}

#[test]
fn bound_topics_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let lake = open(dir.path());
    lake.bind_topic("device-data", "id1", "cluster").unwrap();
    lake.bind_topic("a.epochs", "id2", "cluster").unwrap();
    fs::write(dir.path().join("_corelane/topics/x.tmp"), "half of").unwrap();
    let bound: Vec<_> = bound_topics(dir.path()).unwrap().into_iter().map(|bound| (bound.topic, bound.topic_id)).collect();
    assert_eq!(bound, [("a.epochs".to_owned(), "id2".to_owned()), ("device-data".to_owned(), "id1".to_owned())]);
}

#[test]
fn a_writer_reads_back_into_its_parts() {
    assert_eq!(writer_parts("plant.x.a-1.12"), Some(("plant.x", "a-1", 12)));
    for other in ["plant.a", "plant.a.", "plant.a.01", "plant..1", ".a.1", "plant.a.-1", "plant.ä.1", ""] {
        assert_eq!(writer_parts(other), None, "{other}");
    }
}
