use super::*;
use crate::broker::Producer;

const NOW_MS: i64 = 1_800_000_000_000;

const RULES: Rules =
    Rules { bytes_max: 1_048_588, append_time: false, behind_max_ms: i64::MAX, ahead_max_ms: 3_600_000, keyed: false };

/// What a batch of the tests says of itself.
#[derive(Clone, Copy)]
struct Sketch {
    producer: Producer,
    sequence: i32,
    transactional: bool,
    first_ms: i64,
    count: i32,
    keyed: bool,
}

impl Default for Sketch {
    fn default() -> Self {
        let nobody = Producer { id: -1, epoch: -1 };
        Self { producer: nobody, sequence: -1, transactional: false, first_ms: NOW_MS, count: 1, keyed: true }
    }
}

/// A batch of records a millisecond apart.
fn batch(sketch: Sketch) -> Vec<u8> {
    let mut sealed = Vec::new();
    sealed.extend_from_slice(&(if sketch.transactional { 0x10_i16 } else { 0 }).to_be_bytes());
    sealed.extend_from_slice(&(sketch.count - 1).to_be_bytes());
    sealed.extend_from_slice(&sketch.first_ms.to_be_bytes());
    sealed.extend_from_slice(&(sketch.first_ms + i64::from(sketch.count) - 1).to_be_bytes());
    sealed.extend_from_slice(&sketch.producer.id.to_be_bytes());
    sealed.extend_from_slice(&sketch.producer.epoch.to_be_bytes());
    sealed.extend_from_slice(&sketch.sequence.to_be_bytes());
    sealed.extend_from_slice(&sketch.count.to_be_bytes());
    for number in 0..u8::try_from(sketch.count).unwrap() {
        // Zigzag: a small number is its double, -1 is 1.
        let key: &[u8] = if sketch.keyed { &[2, b'k'] } else { &[1] };
        let record = [&[0, number * 2, number * 2][..], key, &[2, b'v', 0]].concat();
        sealed.push(u8::try_from(record.len() * 2).unwrap());
        sealed.extend_from_slice(&record);
    }
    let mut whole = vec![0; 8];
    whole.extend_from_slice(&i32::try_from(sealed.len() + 9).unwrap().to_be_bytes());
    whole.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 2]);
    whole.extend_from_slice(&crc32c::crc32c(&sealed).to_be_bytes());
    whole.extend_from_slice(&sealed);
    whole
}

fn append(log: &mut Partition, sketch: Sketch) -> Result<i64, Fault> {
    log.append(check(&batch(sketch), &RULES, NOW_MS).unwrap(), NOW_MS)
}

fn of(id: i64, epoch: i16, sequence: i32) -> Sketch {
    Sketch { producer: Producer { id, epoch }, sequence, ..Sketch::default() }
}

fn ask(offset: i64) -> Ask {
    Ask { offset, bytes_max: usize::MAX, first_whole: true, committed_only: false }
}

#[test]
fn batches_get_offsets_one_after_the_other() {
    let mut log = Partition::default();
    assert_eq!(append(&mut log, Sketch { count: 3, ..Sketch::default() }), Ok(0));
    assert_eq!(append(&mut log, Sketch { count: 2, ..Sketch::default() }), Ok(3));
    assert_eq!((log.start(), log.next(), log.last_stable()), (0, 5, 5));
    let read = log.read(ask(0)).unwrap().batches;
    assert_eq!(read.len(), 2);
    assert_eq!(read[1][..8], 3_i64.to_be_bytes());
    // In the middle of a batch the whole batch is given; at the end nothing; beyond it an error.
    assert_eq!(log.read(ask(2)).unwrap().batches.len(), 2);
    assert_eq!(log.read(ask(3)).unwrap().batches.len(), 1);
    assert!(log.read(ask(5)).unwrap().batches.is_empty());
    assert_eq!(log.read(ask(6)).err(), Some(Fault::OffsetOutOfRange));
    assert_eq!(log.read(ask(-1)).err(), Some(Fault::OffsetOutOfRange));
}

#[test]
fn readers_get_whole_batches_up_to_their_limit() {
    let mut log = Partition::default();
    for _ in 0..5 {
        append(&mut log, Sketch::default()).unwrap();
    }
    let one = batch(Sketch::default()).len();
    let given = |bytes_max, first_whole| log.read(Ask { bytes_max, first_whole, ..ask(0) }).unwrap().batches.len();
    assert_eq!([given(one * 3, true), given(one * 3 - 1, true), given(1, true), given(1, false)], [3, 2, 1, 0]);
}

#[test]
fn what_is_wrong_is_refused() {
    let refused = |bytes: &[u8], rules: &Rules| check(bytes, rules, NOW_MS).err();
    let good = batch(Sketch::default());
    assert_eq!(refused(&good, &RULES), None);
    for cut in 0..good.len() {
        assert!(refused(&good[..cut], &RULES).is_some(), "cut at {cut}");
    }
    assert_eq!(refused(&[good.clone(), good.clone()].concat(), &RULES), Some(Fault::InvalidRecord), "one batch, not two");
    let mut magic = good.clone();
    magic[16] = 1;
    assert_eq!(refused(&magic, &RULES), Some(Fault::UnsupportedForMessageFormat));
    let mut bit = good.clone();
    *bit.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&bit, &RULES), Some(Fault::CorruptMessage));
    let small = Rules { bytes_max: good.len() - 1, ..RULES };
    assert_eq!(refused(&good, &small), Some(Fault::MessageTooLarge));
    assert_eq!(refused(&batch(of(5, 0, -1)), &RULES), Some(Fault::InvalidRecord), "a producer without a sequence");
}

#[test]
fn times_are_held_against_the_wall() {
    let at = |first_ms, rules: &Rules| check(&batch(Sketch { first_ms, ..Sketch::default() }), rules, NOW_MS).err();
    assert_eq!(at(NOW_MS + 3_600_000, &RULES), None);
    assert_eq!(at(NOW_MS + 3_600_001, &RULES), Some(Fault::InvalidTimestamp));
    assert_eq!(at(0, &RULES), None);
    let recent = Rules { behind_max_ms: 1000, ..RULES };
    assert_eq!([at(NOW_MS - 1000, &recent), at(NOW_MS - 1001, &recent)], [None, Some(Fault::InvalidTimestamp)]);
    assert_eq!(at(i64::MAX - 1, &Rules { append_time: true, ..RULES }), None);
    assert_eq!(at(-2, &RULES), Some(Fault::InvalidTimestamp));
}

#[test]
fn append_time_is_written_under_a_right_checksum() {
    let stamped = Rules { append_time: true, ..RULES };
    let mut log = Partition::default();
    let incoming = check(&batch(Sketch { first_ms: 5, count: 3, ..Sketch::default() }), &stamped, NOW_MS).unwrap();
    log.append(incoming, NOW_MS).unwrap();
    let data = log.read(ask(0)).unwrap().batches.remove(0);
    assert_eq!(data[17..21], crc32c::crc32c(&data[21..]).to_be_bytes());
    assert_eq!(data[35..43], NOW_MS.to_be_bytes());
    assert_eq!((log.first_at(NOW_MS, 3), log.first_at(NOW_MS + 1, 3)), (Some((0, NOW_MS)), None));
}

#[test]
fn times_are_found_inside_batches() {
    let mut log = Partition::default();
    append(&mut log, Sketch { count: 10, ..Sketch::default() }).unwrap();
    append(&mut log, Sketch { count: 10, first_ms: NOW_MS - 5, ..Sketch::default() }).unwrap();
    assert_eq!(log.first_at(NOW_MS - 100, 20), Some((0, NOW_MS)));
    assert_eq!(log.first_at(NOW_MS + 4, 20), Some((4, NOW_MS + 4)));
    assert_eq!(log.first_at(NOW_MS + 10, 20), None);
    assert_eq!(log.first_at(NOW_MS + 4, 4), None, "not before the end of what may be read");
    assert_eq!(log.latest_time(), Some((9, NOW_MS + 9)));
}

#[test]
fn records_without_keys_are_known() {
    let keyed = Rules { keyed: true, ..RULES };
    assert!(check(&batch(Sketch { count: 3, ..Sketch::default() }), &keyed, NOW_MS).is_ok());
    let without = batch(Sketch { count: 3, keyed: false, ..Sketch::default() });
    assert_eq!(check(&without, &keyed, NOW_MS).err(), Some(Fault::InvalidRecord));
}

#[test]
fn repeats_are_known_for_five_batches() {
    let mut log = Partition::default();
    for sequence in 0..7 {
        assert_eq!(append(&mut log, of(9, 0, sequence)), Ok(i64::from(sequence)));
    }
    assert_eq!(append(&mut log, of(9, 0, 2)), Ok(2));
    assert_eq!(append(&mut log, of(9, 0, 6)), Ok(6));
    assert_eq!(append(&mut log, of(9, 0, 1)), Err(Fault::OutOfOrderSequenceNumber), "forgotten");
    assert_eq!(append(&mut log, of(9, 0, 8)), Err(Fault::OutOfOrderSequenceNumber), "7 is missing");
    assert_eq!(log.next(), 7);
}

#[test]
fn epochs_and_sequences_begin_anew() {
    let mut log = Partition::default();
    assert_eq!(append(&mut log, of(9, 3, i32::MAX)), Ok(0), "an unknown producer begins anywhere");
    assert_eq!(append(&mut log, of(9, 3, 0)), Ok(1), "after the last sequence comes the first");
    assert_eq!(append(&mut log, of(9, 2, 1)), Err(Fault::InvalidProducerEpoch));
    assert_eq!(append(&mut log, of(9, 4, 1)), Err(Fault::OutOfOrderSequenceNumber));
    assert_eq!(append(&mut log, of(9, 4, 0)), Ok(2));
    log.mark(Producer { id: 9, epoch: 5 }, false, NOW_MS);
    assert_eq!(append(&mut log, of(9, 4, 1)), Err(Fault::InvalidProducerEpoch), "a marker fences");
    assert_eq!(append(&mut log, of(9, 5, 0)), Ok(4));
}

#[test]
fn open_transactions_hold_readers_back() {
    let transactional = |id, sequence| Sketch { transactional: true, ..of(id, 0, sequence) };
    let mut log = Partition::default();
    append(&mut log, Sketch::default()).unwrap();
    append(&mut log, transactional(1, 0)).unwrap();
    append(&mut log, transactional(2, 0)).unwrap();
    append(&mut log, transactional(1, 1)).unwrap();
    assert_eq!(log.last_stable(), 1);
    log.mark(Producer { id: 1, epoch: 0 }, false, NOW_MS);
    assert_eq!((log.last_stable(), log.next()), (2, 5));
    log.mark(Producer { id: 2, epoch: 0 }, true, NOW_MS);
    assert_eq!(log.last_stable(), 6);
    let committed = |offset| log.read(Ask { committed_only: true, ..ask(offset) }).unwrap();
    assert_eq!(committed(0).batches.len(), 6);
    assert_eq!(committed(0).aborted, Some(vec![(1, 1)]));
    assert_eq!(committed(4).aborted, Some(vec![(1, 1)]), "its marker is still to come");
    assert_eq!(committed(5).aborted, Some(vec![]));
    assert_eq!(log.read(ask(0)).unwrap().aborted, None);
}

#[test]
fn a_marker_is_a_batch_that_readers_understand() {
    let mut log = Partition::default();
    log.mark(Producer { id: 7, epoch: 2 }, true, NOW_MS);
    let data = log.read(ask(0)).unwrap().batches.remove(0);
    assert_eq!(data.len(), 78);
    assert_eq!(data[8..12], 66_i32.to_be_bytes());
    assert_eq!(data[17..21], crc32c::crc32c(&data[21..]).to_be_bytes());
    assert_eq!(data[21..23], [0, 0x30], "transactional, control");
    // Length, attributes, deltas, a key of four bytes: version 0, type 1; a value of six; no headers.
    assert_eq!(data[61..], [32, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn retention_takes_the_oldest() {
    let mut log = Partition::default();
    for age_ms in [5000, 4000, 1000, 3000] {
        append(&mut log, Sketch { first_ms: NOW_MS - age_ms, ..Sketch::default() }).unwrap();
    }
    log.retain(Some(NOW_MS - 2000), None);
    assert_eq!((log.start(), log.next()), (2, 4), "not past one that stays");
    let one = batch(Sketch::default()).len();
    log.retain(None, Some(one));
    assert_eq!(log.start(), 3);
    log.retain(None, Some(0));
    assert_eq!((log.start(), log.next(), log.bytes()), (4, 4, 0));
    assert_eq!(append(&mut log, Sketch::default()), Ok(4));
}

#[test]
fn records_are_deleted_up_to_an_offset() {
    let mut log = Partition::default();
    append(&mut log, Sketch { count: 5, ..Sketch::default() }).unwrap();
    append(&mut log, Sketch { count: 5, ..Sketch::default() }).unwrap();
    assert_eq!(log.delete_before(3), Ok(3));
    assert_eq!(log.read(ask(2)).err(), Some(Fault::OffsetOutOfRange));
    assert_eq!(log.read(ask(3)).unwrap().batches.len(), 2, "the batch stays, readers skip");
    assert_eq!(log.first_at(NOW_MS, 10), Some((3, NOW_MS + 3)));
    assert_eq!(log.delete_before(11), Err(Fault::OffsetOutOfRange));
    assert_eq!(log.delete_before(1), Ok(3), "never backwards");
    assert_eq!(log.delete_before(-1), Ok(10));
    assert_eq!(log.bytes(), 0);
}
