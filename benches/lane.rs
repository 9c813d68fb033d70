//! A lane's work without Kafka or disk: decode, inspect and persist of batches as they come, to the bytes of closed segments, on one
//! thread. `cargo bench --bench lane`; `cargo test` runs it once.
//!
//! Rows, size and checksum of the segments are printed before anything is timed, so that a faster wrong answer shows.

mod fleet_batches;

use std::hint::black_box;
use std::sync::Arc;

use corelane::batch::{Dictionaries, EncodedSegment, RawBatch, SensorCatalog};
use corelane::journey::decode::Decoder;
use corelane::journey::inspect::Inspector;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fleet_batches::{CpuTime, MESSAGES, MIXES, batches, close, hour, inspector, messages, segments, segments_line};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a lane keeps from batch to batch.
struct Stages {
    catalog: Arc<SensorCatalog>,
    decoder: Decoder,
    inspector: Inspector,
    dictionaries: Dictionaries,
}

impl Stages {
    fn new(catalog: &Arc<SensorCatalog>) -> Stages {
        Stages {
            catalog: Arc::clone(catalog),
            decoder: Decoder::new(Arc::clone(catalog)),
            inspector: inspector(catalog),
            dictionaries: Dictionaries::default(),
        }
    }

    /// One epoch: all batches into fresh segments, which are closed.
    fn carry(&mut self, batches: &[RawBatch<'_>]) -> Vec<EncodedSegment> {
        let mut segments = segments(&self.catalog);
        for raw in batches {
            let decoded = self.decoder.decode(raw, &mut self.dictionaries);
            let inspected = self.inspector.inspect(decoded, &self.dictionaries);
            if let Err(error) = segments.append(&inspected, raw, &self.dictionaries, hour()) {
                panic!("{error}");
            }
        }
        close(segments)
    }
}

fn lane(criterion: &mut Criterion<CpuTime>) {
    let catalog = Arc::new(SensorCatalog::default());
    let mut group = criterion.benchmark_group("lane");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(20);
    for (name, shares) in MIXES {
        let messages = messages(shares);
        let raw = batches(&messages);
        let mut stages = Stages::new(&catalog);
        println!("lane/{name}: {}", segments_line(&stages.carry(&raw)));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(stages.carry(&raw))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime::new());
    targets = lane
}
criterion_main!(benches);
