//! Measure, without Kafka: nanoseconds a value for windows, groups with their sketch, repeats and rolling values; and while replaying.
//!
//! Each case prints a checksum of its rows before it is timed, so that a faster wrong answer shows.
//! `cargo bench --bench measure`; with the profile that tests use: `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo bench --profile dev --bench measure`.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{
    BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    UInt8Array, UInt32Array,
};
use corelane::batch::{
    Dictionaries, EventColumns, InspectedBatch, MeasuredParts, ReadingColumns, ReplayState, SensorCatalog, SensorColumns,
    SensorValues, Span, TopicPartition,
};
use corelane::journey::measure::{ClockRun, Measurer, Windows};
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

/// A fleet that sends `rounds` times in a minute, in an order of its own each time; 200 floors.
fn fleet(devices: u32, rounds: u32, minutes: u32) -> (Vec<InspectedBatch>, Dictionaries) {
    let mut rng = StdRng::seed_from_u64(7);
    let mut dictionaries = Dictionaries::default();
    let ids: Vec<u32> = (0..devices).map(|device| dictionaries.devices.intern(&format!("device_{device:06}"))).collect();
    let buildings: Vec<u32> = (0..20).map(|n| dictionaries.buildings.intern(&format!("Building {n}"))).collect();
    let mut order = ids;
    let total = rounds * minutes;
    let mut rows = Vec::new();
    for round in 0..total {
        order.shuffle(&mut rng);
        let base_ms = START_MS + i64::from(round) * 60_000 / i64::from(rounds);
        let step_us = 60_000_000 / i64::from(rounds) / i64::from(devices);
        rows.extend((0_i64..).zip(&order).map(|(n, device)| (*device, base_ms * 1_000 + n * step_us)));
    }
    let batch = |(first, rows): (i64, &[(u32, i64)])| one_batch(first, rows, &buildings, &mut rng);
    ((0_i64..).step_by(ROWS).zip(rows.chunks(ROWS)).map(batch).collect(), dictionaries)
}

fn one_batch(first: i64, rows: &[(u32, i64)], buildings: &[u32], rng: &mut StdRng) -> InspectedBatch {
    let count = rows.len();
    let none = || UInt32Array::new_null(count);
    let texts = || StringArray::new_null(count);
    let sensor = |values| SensorColumns { values, unit: none(), status: none(), quality: vec![0; count] };
    let mut number = |low: f64, high: f64| {
        let values = (0..count).map(|_| Some((rng.random_range(low..high) * 10.0).round() / 10.0));
        sensor(SensorValues::Number(values.collect::<Float64Array>()))
    };
    let mut sensors = vec![number(15.0, 35.0), number(30.0, 70.0), number(980.0, 1_030.0), number(0.0, 20.0)];
    sensors.push(sensor(SensorValues::Boolean((0..count).map(|_| Some(rng.random_bool(0.5))).collect::<BooleanArray>())));
    let readings = ReadingColumns {
        offset: (first..).take(count).collect::<Vec<i64>>().into(),
        kafka_time: rows.iter().map(|row| row.1 / 1_000).collect::<Vec<i64>>().into(),
        event_time: rows.iter().map(|row| row.1).collect::<Vec<i64>>().into(),
        device: rows.iter().map(|row| row.0).collect::<Vec<u32>>().into(),
        device_type: none(),
        building: rows.iter().map(|row| Some(buildings[row.0 as usize % buildings.len()])).collect(),
        floor: rows.iter().map(|row| Some((row.0 / 20 % 10).cast_signed())).collect::<Int32Array>(),
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
    Measurer::new(WINDOWS, Arc::new(SensorCatalog::default()))
}

/// All batches through a lane; gives the parts and how many rows they have.
fn run(measurer: &mut Measurer, batches: &mut [InspectedBatch], dictionaries: &Dictionaries) -> MeasuredParts {
    let mut parts = MeasuredParts::none(source());
    let mut clock_ms = None;
    for batch in batches {
        let measured = measurer.measure(batch, dictionaries, ClockRun { before_ms: clock_ms, wall_ms: i64::MAX });
        clock_ms = batch.readings.kafka_time.values().last().copied();
        parts.append(measured.parts);
    }
    parts
}

/// Of counts, means, m2 and rolling values of all rows, in order.
fn checksum(parts: &MeasuredParts) -> (usize, u32) {
    let mut hasher = crc32fast::Hasher::new();
    let mut rows = 0;
    let measures = parts.aggregates.iter().map(|columns| &columns.measures);
    for measures in measures.chain(parts.groups.iter().map(|columns| &columns.measures)) {
        rows += measures.count.len();
        measures.count.values().iter().for_each(|count| hasher.update(&count.to_le_bytes()));
        for column in [&measures.mean, &measures.m2, &measures.rolling_mean, &measures.rolling_stddev] {
            column.iter().flatten().for_each(|value| hasher.update(&value.to_le_bytes()));
        }
    }
    (rows, hasher.finalize())
}

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("measure");
    group.sample_size(10);
    for (name, devices, rounds, minutes) in [
        ("10k_devices_20_a_window", 10_000, 20, 4),
        ("10k_devices_6_a_window", 10_000, 6, 6),
        ("100k_devices_6_a_window", 100_000, 6, 3),
    ] {
        let (mut batches, dictionaries) = fleet(devices, rounds, minutes);
        let values = (devices * rounds * minutes) as usize * SENSORS;
        let mut warm = measurer();
        let (rows, sum) = checksum(&run(&mut warm, &mut batches, &dictionaries));
        println!("measure/{name}: {values} values, {rows} rows, checksum {sum:08x}, state {} KiB", warm.bytes() >> 10);
        group.throughput(Throughput::Elements(values as u64));
        // With closings: rows are made, rolling values too.
        group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&mut measurer(), &mut batches, &dictionaries))));
        replay(&mut group, name, &batches, &dictionaries, rounds);
    }
    group.finish();
}

/// Messages a second while replaying one open window.
fn replay(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    batches: &[InspectedBatch],
    dictionaries: &Dictionaries,
    rounds: u32,
) {
    let window: Vec<&InspectedBatch> =
        batches.iter().take_while(|batch| batch.readings.kafka_time.value(0) < START_MS + 60_000).collect();
    let messages: usize = window.iter().map(|batch| batch.readings.len()).sum();
    let open = vec![corelane::batch::OpenWindow { start_ms: START_MS, from: 0 }];
    let flags_hash = {
        let mut fresh = measurer();
        fresh.adopt(&source(), None, 0, 0);
        fresh.replay_state(&source()).map_or(0, |state| state.flags_hash)
    };
    let note =
        ReplayState { size_ms: 60_000, rolling: 5, flags_hash, written_until_ms: Some(START_MS), open, on_time: Vec::new() };
    group.throughput(Throughput::Elements(messages as u64));
    group.bench_function(format!("{name}/replay_messages_{rounds}"), |bencher| {
        bencher.iter(|| {
            let mut measurer = measurer();
            measurer.adopt(&source(), Some(&note), i64::MAX, 0);
            for batch in &window {
                measurer.replay(batch, dictionaries);
            }
            black_box(measurer.bytes())
        });
    });
}

criterion_group!(benches, measure);
criterion_main!(benches);
