//! Decode alone, without Kafka: JSON bytes → columns, beside serde_json into a typed struct as the yardstick (nested messages only).
//! `cargo bench --bench decode`.
//!
//! A checksum of the columns is printed before anything is timed, so that a faster wrong answer shows.

mod fleet_batches;

use std::hint::black_box;
use std::sync::Arc;

use corelane::batch::{Dictionaries, RawBatch, SensorCatalog};
use corelane::journey::decode::Decoder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleet_batches::{CpuTime, MESSAGES, MIXES, batches, decode_all, messages, readings_line};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The nested format as a struct, the way a plain consumer would read it.
mod typed {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Message<'a> {
        pub(super) device_id: &'a str,
        timestamp: i64,
        #[serde(borrow)]
        location: Location<'a>,
        #[serde(borrow)]
        pub(super) sensors: Sensors<'a>,
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
    #[allow(dead_code)]
    pub(super) struct Sensors<'a> {
        #[serde(borrow)]
        pub(super) temperature: Option<Sensor<'a, f64>>,
        #[serde(borrow)]
        humidity: Option<Sensor<'a, f64>>,
        #[serde(borrow)]
        pressure: Option<Sensor<'a, f64>>,
        #[serde(borrow)]
        current: Option<Sensor<'a, f64>>,
        #[serde(borrow)]
        switch_status: Option<Sensor<'a, bool>>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    pub(super) struct Sensor<'a, T> {
        pub(super) value: T,
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

/// Readings, and the sum of their temperatures, so that nothing can be left out.
fn parse_typed(batches: &[RawBatch<'_>]) -> (usize, f64) {
    let values = batches.iter().flat_map(|batch| &batch.rows).filter_map(|row| row.value);
    let messages = values.filter_map(|value| serde_json::from_slice::<typed::Message<'_>>(value).ok());
    messages.fold((0, 0.0), |(count, sum), message| {
        let message = black_box(message);
        (count + usize::from(!message.device_id.is_empty()), sum + message.sensors.temperature.map_or(0.0, |sensor| sensor.value))
    })
}

fn decode(criterion: &mut Criterion<CpuTime>) {
    let catalog = Arc::new(SensorCatalog::default());
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(20);
    for (name, shares) in MIXES {
        let messages = messages(shares);
        let raw = batches(&messages);
        let mut decoder = Decoder::new(Arc::clone(&catalog));
        let mut dictionaries = Dictionaries::default();
        let decoded = decode_all(&raw, &mut decoder, &mut dictionaries);
        println!("decode/{name}: {}", readings_line(decoded.iter().map(|batch| &batch.readings)));
        // A batch at a time, as a lane does it: the columns of one are given up before the next.
        group.bench_function(name, |bencher| {
            bencher.iter(|| raw.iter().for_each(|raw| drop(black_box(decoder.decode(raw, &mut dictionaries)))));
        });
        if name == "nested" {
            let (count, sum) = parse_typed(&raw);
            println!("decode/serde_json_typed_nested: {count} readings, temperatures add up to {sum:.3}");
            group.bench_function("serde_json_typed_nested", |bencher| bencher.iter(|| black_box(parse_typed(&raw))));
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime::new());
    targets = decode
}
criterion_main!(benches);
