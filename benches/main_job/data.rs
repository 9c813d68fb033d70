//! The messages of a topic as files: lines of JSON for the script, whole records for the bare producer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use corelane::kafka::{Admin, Intake, IntakeBatch, IntakeEvent, Isolation, LaneConsumer, OffsetSpec};

use super::contender::Setup;

const WAIT: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_mins(5);

/// What a topic held, and where it lies now.
pub(crate) struct Data {
    /// One file of newline-delimited JSON a partition, in the order of offsets.
    pub(crate) folder: PathBuf,
    /// All records, for [`super::bare::produce`].
    pub(crate) records: PathBuf,
    pub(crate) messages: u64,
    /// Of all values.
    pub(crate) bytes: u64,
    /// Highest offset by partition.
    pub(crate) ends: BTreeMap<i32, i64>,
}

impl Data {
    /// Writes the messages of a topic to files.
    pub(crate) fn dump(setup: &Setup, topic: &str) -> Data {
        let folder = setup.root.join("data");
        fs::create_dir_all(&folder).expect("a folder in scratch");
        let records = setup.root.join("records");
        let mut data = Data { folder, records, messages: 0, bytes: 0, ends: BTreeMap::new() };
        let topic = setup.topic(topic);
        let deadline = Instant::now() + DEADLINE;
        let admin = Admin::new(&setup.client()).expect("an admin client");
        let partitions = admin.partitions_of(&topic, deadline).expect("our own topic");
        let ends = admin.offsets(&partitions, OffsetSpec::Latest, Isolation::ReadCommitted, deadline).expect("offsets");
        let mut left: i64 = ends.iter().filter_map(|(_, end)| *end).sum();
        let mut consumer = LaneConsumer::reader(&setup.client(), "main-job-dump").expect("a consumer");
        let starts: Vec<_> = partitions.into_iter().map(|partition| (partition, 0)).collect();
        consumer.assign(&starts).expect("our own topic");

        let mut out = BufWriter::new(File::create(&data.records).expect("a file in scratch"));
        let mut lines: BTreeMap<i32, BufWriter<File>> = BTreeMap::new();
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} messages did not come");
            consumer.clear_wake();
            let failed = |event: &IntakeEvent| matches!(event, IntakeEvent::Fatal(_) | IntakeEvent::PartitionFailed { .. });
            let events = consumer.events();
            assert!(!events.iter().any(failed), "{events:?}");
            let Some(batch) = consumer.take() else {
                consumer.wait(WAIT);
                continue;
            };
            for run in batch.runs(0) {
                let partition = run.source.partition;
                let file = || File::create(data.folder.join(format!("partition-{partition}.ndjson"))).expect("a file in scratch");
                let lines = lines.entry(partition).or_insert_with(|| BufWriter::new(file()));
                for row in &run.rows {
                    let (key, value) = (row.key.unwrap_or_default(), row.value.expect("no tombstones were sent"));
                    write_record(&mut out, row.kafka_time_ms, key, value).expect("room in scratch");
                    lines.write_all(value).and_then(|()| lines.write_all(b"\n")).expect("room in scratch");
                    data.messages += 1;
                    data.bytes += value.len() as u64;
                    data.ends.insert(partition, row.offset);
                    left -= 1;
                }
            }
        }
        out.flush().expect("room in scratch");
        for file in lines.values_mut() {
            file.flush().expect("room in scratch");
        }
        data
    }
}

/// Length of key and value, time, key, value.
fn write_record(out: &mut impl Write, time_ms: i64, key: &[u8], value: &[u8]) -> std::io::Result<()> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a message is below 4 GiB").to_le_bytes();
    out.write_all(&length(key))?;
    out.write_all(&length(value))?;
    out.write_all(&time_ms.to_le_bytes())?;
    out.write_all(key)?;
    out.write_all(value)
}

/// A record as it stands in the file.
pub(crate) struct Record<'a> {
    pub(crate) time_ms: i64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// Takes the first record off `bytes`; None at the end.
pub(crate) fn next_record<'a>(bytes: &mut &'a [u8]) -> Option<Record<'a>> {
    let (key_length, rest) = bytes.split_first_chunk()?;
    let (value_length, rest) = rest.split_first_chunk()?;
    let (time_ms, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    *bytes = rest;
    Some(Record { time_ms: i64::from_le_bytes(*time_ms), key, value })
}
