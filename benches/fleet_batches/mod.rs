//! Messages of the simulated fleet as batches of one partition, the same in every stage's benchmark, and checksums of what becomes of
//! them.

// Each benchmark includes this module and uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod cpu_time;

use std::sync::Arc;

use corelane::batch::{
    DecodedBatch, Dictionaries, EncodedSegment, Headers, Hour, InspectedBatch, RawBatch, RawRow, ReadingColumns, SensorCatalog,
    SensorValues, TopicPartition,
};
use corelane::journey::decode::Decoder;
use corelane::journey::inspect::{InspectSettings, Inspector};
use corelane::journey::persist::{Footer, OpenSegments, PageCompression, PersistSettings};
use corelane::simulate::{Clock, Fleet, FleetOptions, Mix, Rates};
use uuid::Uuid;

pub(crate) use cpu_time::CpuTime;

/// As a lane takes them.
pub(crate) const BATCH_ROWS: usize = 1_024;
/// 65,536 messages: more than a cache holds, and every device several times.
pub(crate) const BATCHES: usize = 64;
pub(crate) const MESSAGES: usize = BATCHES * BATCH_ROWS;
const START_MS: i64 = 1_763_650_000_000;
const DEVICES: u32 = 10_000;

/// Which messages, by name.
pub(crate) const MIXES: [(&str, [u32; 5]); 2] = [("nested", [1, 0, 0, 0, 0]), ("mixed", [40, 20, 20, 10, 10])];

/// A message as it would come from Kafka.
pub(crate) struct Sent {
    value: Vec<u8>,
    kafka_time_ms: i64,
}

/// [`MESSAGES`] messages of a fleet of 10,000 devices without faults, five of a hundred with shuffled members.
pub(crate) fn messages(shares: [u32; 5]) -> Vec<Sent> {
    let options = FleetOptions {
        devices: DEVICES,
        interval_us: 10_000_000,
        seed: 7,
        clock: Clock::Schedule { start_ms: START_MS },
        mix: Mix { shares },
        rates: Rates { anomalies: 0.0005, shuffled: 0.05, ..Rates::NONE },
        ..FleetOptions::default()
    };
    let mut fleet = Fleet::new(options).expect("good options");
    let mut next = || {
        fleet.build();
        let message = fleet.message();
        Sent { value: message.value.expect("no tombstones").to_vec(), kafka_time_ms: message.kafka_time_ms }
    };
    (0..MESSAGES).map(|_| next()).collect()
}

/// The messages, borrowed, as batches of one partition.
pub(crate) fn batches(messages: &[Sent]) -> Vec<RawBatch<'_>> {
    let rows: Vec<RawRow<'_>> = (0..).zip(messages).map(|(offset, sent)| row(offset, sent)).collect();
    let batch = |rows| RawBatch {
        source: TopicPartition::new("bench", 0),
        rows,
        ingest_time_us: START_MS * 1_000,
        stamped_by_broker: false,
    };
    rows.chunks(BATCH_ROWS).map(|rows| batch(rows.to_vec())).collect()
}

fn row(offset: i64, sent: &Sent) -> RawRow<'_> {
    RawRow { offset, kafka_time_ms: sent.kafka_time_ms, key: None, value: Some(&sent.value), headers: Headers::NONE }
}

pub(crate) fn inspector(catalog: &Arc<SensorCatalog>) -> Inspector {
    Inspector::new(InspectSettings { catalog: Arc::clone(catalog), future_skew_ms: 30_000, age_max_ms: 604_800_000 })
}

pub(crate) fn decode_all(raw: &[RawBatch<'_>], decoder: &mut Decoder, dictionaries: &mut Dictionaries) -> Vec<DecodedBatch> {
    raw.iter().map(|raw| decoder.decode(raw, dictionaries)).collect()
}

pub(crate) fn hour() -> Hour {
    Hour::of_millis(START_MS)
}

pub(crate) fn segments(catalog: &Arc<SensorCatalog>) -> OpenSegments {
    let compression = PageCompression::Zstd(1);
    OpenSegments::new(PersistSettings { catalog: Arc::clone(catalog), compression, row_group_rows: 1 << 20 })
}

pub(crate) fn close(segments: OpenSegments) -> Vec<EncodedSegment> {
    let footer = Footer {
        lake: "bench".to_owned(),
        writer: "bench".to_owned(),
        epoch: Uuid::nil(),
        spans: Vec::new(),
        rules_version: "bench".to_owned(),
    };
    segments.close(&footer).expect("segments close")
}

/// Rows, a checksum and the size of what was written.
pub(crate) fn segments_line(segments: &[EncodedSegment]) -> String {
    let rows: u64 = segments.iter().map(|segment| segment.rows).sum();
    let bytes: usize = segments.iter().map(|segment| segment.bytes.len()).sum();
    let crc = segments.iter().fold(0, |sum: u32, segment| sum.rotate_left(1) ^ segment.crc32c);
    let bytes_a_row = bytes as f64 / rows as f64;
    format!("{} segments, {rows} rows, {bytes_a_row:.1} bytes a row, checksum {crc:08x}", segments.len())
}

/// Rows and a checksum of values, flags, times, devices and extra members, in order.
pub(crate) fn readings_line<'a>(batches: impl IntoIterator<Item = &'a ReadingColumns>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let mut rows = 0;
    for readings in batches {
        rows += readings.len();
        for sensor in &readings.sensors {
            match &sensor.values {
                SensorValues::Number(values) => values.iter().flatten().for_each(|value| hasher.update(&value.to_le_bytes())),
                SensorValues::Boolean(values) => values.iter().flatten().for_each(|value| hasher.update(&[u8::from(value)])),
            }
            sensor.quality.iter().for_each(|quality| hasher.update(&quality.to_le_bytes()));
        }
        readings.event_time.values().iter().for_each(|time| hasher.update(&time.to_le_bytes()));
        readings.device.values().iter().for_each(|device| hasher.update(&device.to_le_bytes()));
        readings.extra.iter().flatten().for_each(|extra| hasher.update(extra.as_bytes()));
    }
    format!("{rows} readings, checksum {:08x}", hasher.finalize())
}

/// Decoded and inspected, for the stages behind.
pub(crate) fn inspected(raw: &[RawBatch<'_>], catalog: &Arc<SensorCatalog>) -> (Vec<InspectedBatch>, Dictionaries) {
    let mut dictionaries = Dictionaries::default();
    let decoded = decode_all(raw, &mut Decoder::new(Arc::clone(catalog)), &mut dictionaries);
    let mut inspector = inspector(catalog);
    (decoded.into_iter().map(|decoded| inspector.inspect(decoded, &dictionaries)).collect(), dictionaries)
}
