//! Measure, without Kafka, on one thread: nanoseconds of its CPU time a value for counting into windows and groups, a row for closing
//! windows, a message for publishing them and for replay; and bytes a device.
//!
//! The fleet sends in another order each time and up to 2 s late, so that groups are out of order. Each case prints a checksum of its rows
//! and records before it is timed, so that a faster wrong answer shows. What is timed comes after two windows: from then on memory is used
//! again. `cargo bench --bench measure`.

#[path = "fleet_batches/cpu_time.rs"]
mod cpu_time;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    UInt8Array, UInt32Array,
};
use corelane::batch::{
    AggregateColumns, Dictionaries, EventColumns, GroupColumns, InspectedBatch, ListedPart, MeasureColumns, MeasuredParts,
    OpenWindow, OutRecord, ReadingColumns, ReplayState, SensorCatalog, SensorColumns, SensorValues, Span, TopicPartition,
};
use corelane::journey::measure::{Measurer, Windows};
use corelane::journey::publish::aggregate_records;
use cpu_time::CpuTime;
use criterion::measurement::Measurement;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 1_024;
const SENSORS: usize = 5;
const START_MS: i64 = 1_795_262_400_000;

const WINDOWS: Windows = Windows {
    size_ms: 60_000,
    rolling: 5,
    grace_ms: 30_000,
    future_skew_ms: 30_000,
    age_max_ms: 604_800_000,
    devices_max: 1_000_000,
};

fn source() -> TopicPartition {
    TopicPartition::new("bench", 0)
}

/// How a fleet sends.
#[derive(Clone, Copy)]
struct Fleet {
    devices: u32,
    /// Readings of a device a window.
    rounds: u32,
    windows: u32,
    /// Share of values that are not there.
    missing: f64,
}

impl Fleet {
    fn dictionaries(self) -> Dictionaries {
        let mut dictionaries = Dictionaries::default();
        (0..self.devices).for_each(|device| {
            dictionaries.devices.intern(&format!("device_{device:06}"));
        });
        (0..20).for_each(|building| {
            dictionaries.buildings.intern(&format!("Building {building}"));
        });
        dictionaries
    }

    /// The messages of one window: device, Kafka time and event time in µs. 200 floors.
    fn window(self, window: u32, rng: &mut StdRng) -> Vec<Message> {
        let mut order: Vec<u32> = (0..self.devices).collect();
        let round_us = WINDOWS.size_ms * 1_000 / i64::from(self.rounds);
        let begin_us = (START_MS + i64::from(window) * WINDOWS.size_ms) * 1_000;
        let mut messages = Vec::new();
        for round in 0..i64::from(self.rounds) {
            order.shuffle(rng);
            for (at, device) in (0..i64::from(self.devices)).zip(&order) {
                let kafka_us = begin_us + round * round_us + at * round_us / i64::from(self.devices);
                let event_us = (kafka_us - rng.random_range(0..2_000_000)).max(START_MS * 1_000);
                messages.push(Message { device: *device, kafka_us, event_us });
            }
        }
        messages
    }

    /// All its messages in batches.
    fn batches(self) -> Vec<InspectedBatch> {
        let mut rng = StdRng::seed_from_u64(7);
        let messages: Vec<Message> = (0..self.windows).flat_map(|window| self.window(window, &mut rng)).collect();
        batches(&messages, 0, self.missing, &mut rng)
    }
}

#[derive(Clone, Copy)]
struct Message {
    device: u32,
    kafka_us: i64,
    event_us: i64,
}

fn batches(messages: &[Message], first: i64, missing: f64, rng: &mut StdRng) -> Vec<InspectedBatch> {
    let offsets = (first..).step_by(ROWS);
    offsets.zip(messages.chunks(ROWS)).map(|(offset, messages)| one_batch(offset, messages, missing, rng)).collect()
}

fn one_batch(first: i64, messages: &[Message], missing: f64, rng: &mut StdRng) -> InspectedBatch {
    let count = messages.len();
    let none = || UInt32Array::new_null(count);
    let texts = || StringArray::new_null(count);
    let sensor = |values| SensorColumns { values, unit: none(), status: none(), quality: vec![0; count] };
    let mut number = |low: f64, high: f64| {
        let mut value = || (rng.random_range(low..high) * 10.0_f64).round() / 10.0;
        let values: Vec<f64> = (0..count).map(|_| value()).collect();
        let values = values.into_iter().map(|value| (missing == 0.0 || !rng.random_bool(missing)).then_some(value));
        sensor(SensorValues::Number(values.collect::<Float64Array>()))
    };
    let mut sensors = vec![number(15.0, 35.0), number(30.0, 70.0), number(980.0, 1_030.0), number(0.0, 20.0)];
    sensors.push(sensor(SensorValues::Boolean((0..count).map(|_| Some(rng.random_bool(0.5))).collect::<BooleanArray>())));
    let readings = ReadingColumns {
        offset: (first..).take(count).collect::<Vec<i64>>().into(),
        kafka_time: messages.iter().map(|message| message.kafka_us / 1_000).collect::<Vec<i64>>().into(),
        event_time: messages.iter().map(|message| message.event_us).collect::<Vec<i64>>().into(),
        device: messages.iter().map(|message| message.device).collect::<Vec<u32>>().into(),
        device_type: none(),
        building: messages.iter().map(|message| Some(message.device % 20)).collect(),
        floor: messages.iter().map(|message| Some((message.device / 20 % 10).cast_signed())).collect::<Int32Array>(),
        room: none(),
        zone: none(),
        model: none(),
        firmware: none(),
        battery: Float64Array::new_null(count),
        signal_strength: Float64Array::new_null(count),
        status: none(),
        message_id: texts(),
        source: none(),
        sensors,
        quality: vec![0; count],
        extra: texts(),
        format: UInt8Array::from(vec![0; count]),
    };
    let span = Span { start: first, next: first + i64::try_from(count).unwrap_or(0) };
    InspectedBatch { source: source(), span, ingest_time_us: 0, readings, events: no_events(), rejects: Vec::new() }
}

fn no_events() -> EventColumns {
    let texts = || StringArray::new_null(0);
    EventColumns {
        offset: Int64Array::new_null(0),
        kafka_time: TimestampMillisecondArray::new_null(0),
        event_time: TimestampMicrosecondArray::new_null(0),
        event_type: texts(),
        message_id: texts(),
        device_id: texts(),
        source: texts(),
        alert_id: texts(),
        alert_type: texts(),
        severity: texts(),
        title: texts(),
        message: texts(),
        status: texts(),
        priority: texts(),
        payload: texts(),
    }
}

fn measurer() -> Measurer {
    let mut measurer = Measurer::new(WINDOWS, Arc::new(SensorCatalog::default()));
    measurer.adopt(&source(), None, 0, 0);
    measurer
}

/// CPU time of this thread while `work` runs.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let clock = CpuTime::new();
    let begin = clock.start();
    let result = work();
    *spent += clock.end(begin);
    result
}

/// What a walk through all batches took, after the first two windows.
#[derive(Default)]
struct Walk {
    update: Duration,
    values: u64,
    closing: Duration,
    rows: u64,
}

/// All batches through a lane. `take` gets the parts of each closing.
fn walk(batches: &mut [InspectedBatch], dictionaries: &Dictionaries, mut take: impl FnMut(MeasuredParts)) -> (Walk, Measurer) {
    let (mut measurer, mut walk) = (measurer(), Walk::default());
    for batch in batches {
        let clock_ms = batch.readings.kafka_time.values().last().copied();
        let is_warm = clock_ms >= Some(START_MS + 2 * WINDOWS.size_ms);
        let mut spent = Duration::ZERO;
        let parts = timed(&mut spent, || measurer.close_due(&source(), clock_ms));
        if !parts.is_empty() && is_warm {
            walk.closing += spent;
            walk.rows += rows(&parts);
        }
        take(parts);
        let mut spent = Duration::ZERO;
        let all = 0..batch.readings.len();
        let measured = timed(&mut spent, || measurer.measure_rows(batch, all, dictionaries, clock_ms));
        assert!(measured.parts.is_empty(), "what was due is closed");
        if is_warm {
            walk.update += spent;
            walk.values += (batch.readings.len() * SENSORS) as u64;
        }
    }
    (walk, measurer)
}

fn rows(parts: &MeasuredParts) -> u64 {
    let devices: usize = parts.aggregates.iter().map(AggregateColumns::len).sum();
    let groups: usize = parts.groups.iter().map(GroupColumns::len).sum();
    (devices + groups) as u64
}

/// Of counts, means, m2, rolling and held values of all rows in order.
fn add_to_checksum(hasher: &mut crc32fast::Hasher, parts: &MeasuredParts) {
    let mut column = |values: &Float64Array| values.iter().flatten().for_each(|value| hasher.update(&value.to_le_bytes()));
    parts.aggregates.iter().for_each(|columns| column(&columns.time_weighted_mean));
    let measures = parts.aggregates.iter().map(|columns| &columns.measures);
    for measures in measures.chain(parts.groups.iter().map(|columns| &columns.measures)) {
        let MeasureColumns { mean, m2, min, max, first, last, rolling_mean, rolling_stddev, .. } = measures;
        [mean, m2, min, max, first, last, rolling_mean, rolling_stddev].into_iter().for_each(&mut column);
    }
    for measures in parts.aggregates.iter().map(|columns| &columns.measures) {
        measures.count.values().iter().for_each(|count| hasher.update(&count.to_le_bytes()));
    }
}

fn records(parts: &MeasuredParts) -> Vec<OutRecord> {
    let mut records = Vec::new();
    if let Err(error) = aggregate_records(parts, &Arc::from("corelane.aggregates"), &mut records) {
        panic!("{error}");
    }
    records
}

fn measure(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("measure");
    group.sample_size(10);
    let fleet = Fleet { devices: 10_000, rounds: 6, windows: 6, missing: 0.0 };
    for (name, fleet) in [
        ("10k_devices_20_a_window", Fleet { rounds: 20, windows: 5, ..fleet }),
        ("10k_devices_6_a_window", fleet),
        ("10k_devices_6_a_window_gaps", Fleet { missing: 0.05, ..fleet }),
        ("100k_devices_6_a_window", Fleet { devices: 100_000, windows: 4, ..fleet }),
    ] {
        let (mut batches, dictionaries) = (fleet.batches(), fleet.dictionaries());
        let (mut hasher, mut parts) = (crc32fast::Hasher::new(), MeasuredParts::none(source()));
        let (warm, _) = walk(&mut batches, &dictionaries, |closed| {
            add_to_checksum(&mut hasher, &closed);
            if !closed.aggregates.is_empty() {
                parts = closed;
            }
        });
        let of_one = records(&parts);
        let bytes: usize = of_one.iter().map(OutRecord::bytes).sum();
        for record in &of_one {
            hasher.update(record.value.as_deref().unwrap_or_default());
        }
        let sum = hasher.finalize();
        println!(
            "measure/{name}: {} values, {} rows, {} bytes a record, checksum {sum:08x}",
            warm.values,
            warm.rows,
            bytes / of_one.len()
        );
        group.throughput(Throughput::Elements(warm.values));
        let mut walked = || walk(&mut batches, &dictionaries, drop).0;
        group.bench_function(format!("{name}/update"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| walked().update).sum());
        });
        group.throughput(Throughput::Elements(warm.rows));
        group.bench_function(format!("{name}/closing_rows"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| walked().closing).sum());
        });
        group.throughput(Throughput::Elements(of_one.len() as u64));
        group.bench_function(format!("{name}/publish_messages"), |bencher| bencher.iter(|| black_box(records(&parts))));
        replay(&mut group, name, &batches, &dictionaries);
    }
    group.finish();
}

/// Messages while replaying an open window and, as far as they are in the batches, those that rolling values need.
fn replay(
    group: &mut criterion::BenchmarkGroup<'_, CpuTime>,
    name: &str,
    batches: &[InspectedBatch],
    dictionaries: &Dictionaries,
) {
    let Some(last) = batches.last() else { return };
    let window = |number: i64| START_MS + number * WINDOWS.size_ms;
    let windows = (last.readings.kafka_time.values().last().unwrap_or(&START_MS) - START_MS) / WINDOWS.size_ms;
    let listed = |number: i64| ListedPart { start_ms: window(number), from: 0, to: i64::MAX };
    let note = ReplayState {
        size_ms: WINDOWS.size_ms,
        rolling: WINDOWS.rolling,
        flags_hash: measurer().replay_state(&source()).map_or(0, |state| state.flags_hash),
        written_until_ms: Some(window(windows)),
        open: vec![OpenWindow { start_ms: window(windows), from: 0 }],
        on_time: ((windows - 4).max(0)..windows).map(listed).collect(),
    };
    let messages: usize = batches.iter().map(|batch| batch.readings.len()).sum();
    group.throughput(Throughput::Elements(messages as u64));
    group.bench_function(format!("{name}/replay_messages"), |bencher| {
        bencher.iter(|| {
            let mut measurer = measurer();
            measurer.adopt(&source(), Some(&note), i64::MAX, 0);
            for batch in batches {
                measurer.replay(batch, dictionaries);
            }
            black_box(measurer.bytes())
        });
    });
}

/// Bytes a device of five sensors: at the end of a window (it and four earlier ones), and while two windows are open.
fn memory(_: &mut Criterion<CpuTime>) {
    for devices in [10_000, 100_000, 1_000_000] {
        let fleet = Fleet { devices, rounds: 1, windows: 6, missing: 0.0 };
        let (mut measurer, dictionaries) = (measurer(), fleet.dictionaries());
        let mut rng = StdRng::seed_from_u64(7);
        let (mut most, mut first) = (0, 0);
        for window in 0..fleet.windows {
            let messages = fleet.window(window, &mut rng);
            for mut batch in batches(&messages, first, fleet.missing, &mut rng) {
                let clock_ms = batch.readings.kafka_time.values().last().copied();
                let rows = 0..batch.readings.len();
                most = most.max(measurer.bytes());
                black_box(measurer.measure_rows(&mut batch, rows, &dictionaries, clock_ms));
            }
            first += i64::from(devices);
        }
        let each = |bytes: usize| bytes / devices as usize;
        println!("measure/memory: {devices} devices, {} bytes a device, {} at most", each(measurer.bytes()), each(most));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime::new()).warm_up_time(Duration::from_secs(1));
    targets = memory, measure
}
criterion_main!(benches);
