//! Inspect alone, without Kafka: units, ranges, faults and trust over decoded columns. `cargo bench --bench inspect`.
//!
//! A checksum of flags and values is printed before anything is timed, so that a faster wrong answer shows.

mod fleet_batches;

use std::hint::black_box;
use std::sync::Arc;

use corelane::batch::{DecodedBatch, Dictionaries, SensorCatalog};
use corelane::journey::decode::Decoder;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fleet_batches::{CpuTime, MESSAGES, MIXES, batches, decode_all, inspector, messages, readings_line};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn inspect(criterion: &mut Criterion<CpuTime>) {
    let catalog = Arc::new(SensorCatalog::default());
    let mut group = criterion.benchmark_group("inspect");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for (name, shares) in MIXES {
        let messages = messages(shares);
        let raw = batches(&messages);
        let mut dictionaries = Dictionaries::default();
        let decoded = decode_all(&raw, &mut Decoder::new(Arc::clone(&catalog)), &mut dictionaries);
        let mut inspector = inspector(&catalog);
        let mut inspect_all = |decoded: Vec<DecodedBatch>| -> Vec<_> {
            decoded.into_iter().map(|decoded| inspector.inspect(decoded, &dictionaries)).collect()
        };
        let inspected = inspect_all(decoded.clone());
        println!("inspect/{name}: {}", readings_line(inspected.iter().map(|batch| &batch.readings)));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| decoded.clone(), |decoded| black_box(inspect_all(decoded)), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime::new());
    targets = inspect
}
criterion_main!(benches);
