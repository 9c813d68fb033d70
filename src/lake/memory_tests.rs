use super::*;
use crate::batch::{Hour, Table};

fn segments() -> Vec<EncodedSegment> {
    [Table::Readings, Table::Events]
        .map(|table| EncodedSegment { table, hour: Hour(5), rows: 1, bytes: vec![1, 2], crc32c: 3 })
        .into()
}

#[test]
fn segments_go_from_staged_to_revealed_or_discarded() {
    let mut storage = MemoryStorage::new("g.i.0");
    let handle = storage.clone();
    let kept = storage.put(Uuid::now_v7(), &segments()).unwrap();
    let dropped = storage.put(Uuid::now_v7(), &segments()).unwrap();
    let aside = storage.put(Uuid::now_v7(), &segments()).unwrap();
    assert_eq!(handle.staged_segments().len(), 6);
    for _ in 0..2 {
        storage.reveal(&kept).unwrap();
        storage.discard(&dropped).unwrap();
        storage.quarantine(&aside, "why").unwrap();
    }
    drop(storage);
    assert_eq!(handle.staged_segments().len(), 0);
    let revealed: Vec<_> = handle.revealed_segments().into_iter().map(|(name, _)| name).collect();
    assert_eq!(revealed, kept.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    assert_eq!(handle.discarded(), dropped.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    assert_eq!(handle.quarantined().len(), 2);
    assert!(handle.clone().reveal(&dropped).is_err(), "neither staged nor revealed");
    assert!(handle.clone().quarantine(&dropped, "why").is_err(), "neither staged nor put aside");
}

#[test]
fn a_fault_strikes_once_at_its_call_and_its_moment() {
    for (moment, staged) in [(FaultMoment::Before, 0), (FaultMoment::Between, 1), (FaultMoment::After, 2)] {
        let mut storage = MemoryStorage::new("g.i.0");
        storage.fail_step(StorageStep::Put, 2, moment);
        let first = storage.put(Uuid::now_v7(), &segments()).unwrap();
        storage.discard(&first).unwrap();
        assert!(storage.put(Uuid::now_v7(), &segments()).is_err());
        assert_eq!(storage.staged().unwrap().len(), staged, "{moment:?}");
        storage.put(Uuid::now_v7(), &segments()).unwrap();
    }
}

#[test]
fn the_nth_call_of_any_kind_fails() {
    let mut storage = MemoryStorage::new("g.i.0");
    storage.fail_nth(3, FaultMoment::Before);
    let staged = storage.put(Uuid::now_v7(), &segments()).unwrap();
    storage.staged().unwrap();
    assert!(storage.reveal(&staged).is_err());
    assert_eq!(storage.revealed_segments().len(), 0);
    storage.reveal(&staged).unwrap();
    let calls = [StorageStep::Put, StorageStep::Staged, StorageStep::Reveal, StorageStep::Reveal];
    assert_eq!(storage.calls(), calls);
}
