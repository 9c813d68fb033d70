//! One seed and start give the same bytes and labels, whatever the Kafka; another seed gives others.

use std::time::{Duration, SystemTime};

use crate::records::{Record, visit};
use crate::stage::{Kind, Stage, seed};
use crate::support::process::Process;
use crate::support::readers::python;

const MESSAGES: u64 = 20_000;

/// Simulates on a stage of its own; gives it with all its records, in order within each partition.
fn simulate(kind: Kind, seed: u64, start: &str) -> (Stage, Vec<Record>) {
    let stage = Stage::new(kind, "again", 3);
    // 1,000 devices, one message each 5 s: 100 s of simulated time.
    let args = ["--start", start, "--messages", &MESSAGES.to_string()];
    Process::spawn(stage.simulate(seed, &args)).wait_success(crate::stage::PATIENCE);
    let mut records = Vec::new();
    visit(&stage, stage.topic(), |record| records.push(record));
    records.sort_by_key(|record| record.partition); // stable
    (stage, records)
}

fn hash(records: &[Record]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    for record in records {
        hash.update(format!("{} {:?} {:?} {:?} ", record.partition, record.timestamp_ms, record.key, record.value).as_bytes());
    }
    hash.finalize()
}

/// Labels of one run that the other does not have, but for the topic; partition and offset count.
fn labels_differ(one: &Stage, other: &Stage) -> u64 {
    let printed = python("labels_differ.py", &[one.labels().as_os_str(), other.labels().as_os_str()]);
    printed.trim().parse().unwrap()
}

#[test]
fn one_seed_and_start_give_the_same_bytes() {
    let seed = seed();
    let start = jiff::Timestamp::try_from(SystemTime::now() - Duration::from_mins(20)).unwrap().to_string();
    let (one, records) = simulate(Kind::Apache, seed, &start);
    let (same, same_records) = simulate(Kind::Apache, seed, &start);
    let (elsewhere, elsewhere_records) = simulate(Kind::Embedded, seed, &start);
    let (other, other_records) = simulate(Kind::Embedded, seed + 1, &start);
    let hashes = [&records, &same_records, &elsewhere_records, &other_records].map(|records| hash(records));
    let labels = [&same, &elsewhere, &other].map(|stage| labels_differ(&one, stage));
    println!("seed {seed}, start {start}: hashes {hashes:08x?}, labels that differ {labels:?}");
    assert_eq!(records.len() as u64, MESSAGES);
    assert!(hashes[0] == hashes[1] && hashes[0] == hashes[2] && labels[0] + labels[1] == 0);
    assert!(hashes[0] != hashes[3] && labels[2] > 0, "another seed must give other messages");
}
