//! Persist alone, without Kafka or disk: inspected columns → the bytes of a Parquet segment, footer included. `cargo bench --bench persist`.
//!
//! Rows, size and checksum of the segments are printed before anything is timed, so that a faster wrong answer shows.

mod fleet_batches;

use std::hint::black_box;
use std::sync::Arc;

use corelane::batch::SensorCatalog;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleet_batches::{CpuTime, MESSAGES, MIXES, batches, close, hour, inspected, messages, segments, segments_line};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn persist(criterion: &mut Criterion<CpuTime>) {
    let catalog = Arc::new(SensorCatalog::default());
    let mut group = criterion.benchmark_group("persist");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(20);
    for (name, shares) in MIXES {
        let messages = messages(shares);
        let raw = batches(&messages);
        let (inspected, dictionaries) = inspected(&raw, &catalog);
        let write_all = || {
            let mut segments = segments(&catalog);
            for (raw, inspected) in raw.iter().zip(&inspected) {
                segments.append(inspected, raw, &dictionaries, hour()).map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(close(segments))
        };
        match write_all() {
            Ok(written) => println!("persist/{name}: {}", segments_line(&written)),
            Err(error) => panic!("persist/{name}: {error}"),
        }
        group.bench_function(name, |bencher| bencher.iter(|| black_box(write_all())));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime::new());
    targets = persist
}
criterion_main!(benches);
