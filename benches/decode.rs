//! Decode and inspect, without Kafka: nanoseconds a message, beside serde_json into a typed struct as the yardstick.
//!
//! Each case prints a checksum of its columns before it is timed, so that a faster wrong answer shows.
//! `cargo bench --bench decode`; with the profile that tests use: `CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo bench --profile dev --bench decode`.

use std::hint::black_box;
use std::sync::Arc;

use corelane::batch::{
    DecodedBatch, Dictionaries, Headers, InspectedBatch, RawBatch, RawRow, SensorCatalog, SensorValues, TopicPartition,
};
use corelane::journey::decode::Decoder;
use corelane::journey::inspect::{InspectSettings, Inspector};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: [&str; 5] = [
    include_str!("../src/journey/decode/fixtures/nested.json"),
    include_str!("../src/journey/decode/fixtures/device.json"),
    include_str!("../src/journey/decode/fixtures/envelope.json"),
    include_str!("../src/journey/decode/fixtures/flat.json"),
    include_str!("../src/journey/decode/fixtures/single.json"),
];
const ROWS: usize = 1_024;
const KAFKA_TIME_MS: i64 = 1_763_650_000_500;

/// A sample as many devices would send it.
fn messages(samples: &[&str]) -> Vec<String> {
    let message = |i: usize| {
        let device = i * 7_919 % 10_000;
        let sample = samples[i % samples.len()];
        sample
            .replace("device_0042", &format!("device_{device:04}"))
            .replace("device_001", &format!("device_{device:04}"))
            .replace("22.4", &format!("{:.1}", 15.0 + device as f64 / 1_000.0))
            .replace("25.6", &format!("{:.1}", 20.0 + device as f64 / 1_000.0))
            .replace("\"ttl\":3600", "\"ttl\":0")
    };
    (0..ROWS).map(message).collect()
}

fn raw_batch(messages: &[String]) -> RawBatch<'_> {
    let rows = (0..).zip(messages).map(|(offset, message)| row(offset, message)).collect();
    RawBatch { source: TopicPartition::new("bench", 0), rows, ingest_time_us: 0 }
}

fn row(offset: i64, message: &str) -> RawRow<'_> {
    RawRow { offset, kafka_time_ms: KAFKA_TIME_MS, key: None, value: Some(message.as_bytes()), headers: Headers::NONE }
}

/// Of the values, flags and ids of all readings, in order.
fn checksum(batch: &InspectedBatch) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for sensor in &batch.readings.sensors {
        match &sensor.values {
            SensorValues::Number(values) => values.iter().flatten().for_each(|value| hasher.update(&value.to_le_bytes())),
            SensorValues::Boolean(values) => values.iter().flatten().for_each(|value| hasher.update(&[u8::from(value)])),
        }
        sensor.quality.iter().for_each(|quality| hasher.update(&quality.to_le_bytes()));
    }
    batch.readings.event_time.values().iter().for_each(|time| hasher.update(&time.to_le_bytes()));
    batch.readings.device.values().iter().for_each(|device| hasher.update(&device.to_le_bytes()));
    batch.readings.extra.iter().flatten().for_each(|extra| hasher.update(extra.as_bytes()));
    hasher.update(&(batch.rejects.len() as u64).to_le_bytes());
    hasher.finalize()
}

fn inspector(catalog: &Arc<SensorCatalog>) -> Inspector {
    Inspector::new(InspectSettings { catalog: Arc::clone(catalog), future_skew_ms: 30_000, age_max_ms: 604_800_000 })
}

/// The nested format as a struct, the way a plain consumer would read it.
mod typed {
    use std::collections::HashMap;

    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Message<'a> {
        pub(super) device_id: &'a str,
        timestamp: i64,
        #[serde(borrow)]
        location: Location<'a>,
        #[serde(borrow)]
        sensors: HashMap<&'a str, Sensor<'a>>,
        #[serde(borrow)]
        device_info: Info<'a>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Location<'a> {
        building: &'a str,
        floor: i32,
        room: &'a str,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Value {
        Number(f64),
        Boolean(bool),
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Sensor<'a> {
        value: Value,
        unit: Option<&'a str>,
        status: Option<&'a str>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Info<'a> {
        model: &'a str,
        firmware: &'a str,
        battery: f64,
        signal_strength: f64,
    }
}

fn decode(criterion: &mut Criterion) {
    let catalog = Arc::new(SensorCatalog::default());
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, samples) in [("nested", &SAMPLES[..1]), ("mixed", &SAMPLES[..])] {
        let messages = messages(samples);
        let raw = raw_batch(&messages);
        let mut decoder = Decoder::new(Arc::clone(&catalog));
        let mut dictionaries = Dictionaries::default();
        let decoded = decoder.decode(&raw, &mut dictionaries);
        let inspected = inspector(&catalog).inspect(decoded.clone(), &dictionaries);
        println!("decode/{name}: {} readings, checksum {:08x}", inspected.readings.len(), checksum(&inspected));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(decoder.decode(&raw, &mut dictionaries))));
        let mut inspector = inspector(&catalog);
        group.bench_function(format!("inspect_{name}"), |bencher| {
            bencher.iter_batched(
                || decoded.clone(),
                |decoded: DecodedBatch| black_box(inspector.inspect(decoded, &dictionaries)),
                BatchSize::SmallInput,
            );
        });
    }
    let messages = messages(&SAMPLES[..1]);
    group.bench_function("serde_json_typed_nested", |bencher| {
        bencher.iter(|| {
            let parse =
                |text: &String| serde_json::from_str::<typed::Message<'_>>(text).map_or(0, |message| message.device_id.len());
            black_box(messages.iter().map(parse).sum::<usize>())
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
