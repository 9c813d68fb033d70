//! The main job against what it is measured by: a bare librdkafka drain of the same messages, and a DuckDB script on the same messages
//! as a file; and the simulator against a bare librdkafka producer of the same bytes. All in one run, in turns, because only ratios
//! within one run say anything.
//!
//! ```text
//! cargo bench --bench main_job                      Apache Kafka 4.1, a million messages, five rounds; see `Options` for the rest
//! cargo bench --bench main_job -- --smoke           embedded broker, 20,000 messages, one round; `cargo test` runs this one
//!
//! corelane simulate ─▶ Kafka ─┬─▶ (a) drain: a child of this binary, counts      ┐
//!                             ├─▶ (b) corelane run --until-end, one lane         ├─ CPU of all threads, VmHWM, checksum
//!                             └─▶ dump ─▶ NDJSON ─▶ (c) DuckDB, one thread       ┘
//! ```
//! Each contender is a process of its own. Whoever gives another answer than the others ends the run: a faster wrong answer is none.

// As in a test, what is unexpected ends the run where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bare;
mod contender;
mod data;
mod measured;
mod options;
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use contender::{Checksum, Setup};
use data::Data;
use measured::Cost;
use options::{Mode, Options};
use report::Table;
use support::kafka::ApacheKafka;
use support::process::{Process, corelane};
use support::scratch::Scratch;

fn main() {
    match options::mode() {
        Mode::NotMeant => {}
        Mode::Drain { brokers, topic } => bare::drain(&brokers, &topic),
        Mode::Produce { brokers, topic, records } => bare::produce(&brokers, &topic, &records),
        Mode::Compare(options) if options.embedded => {
            let mut broker = Process::spawn(corelane(["broker", "--listen", "127.0.0.1:0", "--memory", "1GiB"]));
            let ready = broker.wait_line(Duration::from_mins(1), "broker ready at ");
            let address = ready.split("ready at ").nth(1).and_then(|rest| rest.split(',').next()).expect("it says where");
            compare_all(&options, address, "the embedded broker");
        }
        Mode::Compare(options) => {
            let kafka = ApacheKafka::start(1, &[]);
            compare_all(&options, &kafka.bootstrap(), "Apache Kafka 4.1");
        }
    }
}

fn compare_all(options: &Options, brokers: &str, broker: &str) {
    report::machine(broker);
    for mix in &options.mixes {
        let scratch = Scratch::new("main-job");
        let setup = Setup { brokers: brokers.to_owned(), mix: *mix, options: options.clone(), root: scratch.path().to_owned() };
        let data = compare_producers(&setup);
        compare_consumers(&setup, &data);
    }
}

/// The simulator and a bare producer of its bytes, each to a fresh topic. The simulator is told the time it starts at, so it sends the
/// same bytes in every round; the bare one reads them from a file, which is not counted. Leaves the topic `input`.
fn compare_producers(setup: &Setup) -> Data {
    let mut table = Table::new(&format!("{}: producing", setup.mix.name()), setup.options.messages);
    setup.create_topic("input");
    let cost = setup.simulate("input");
    table.add("corelane simulate", cost);
    let data = Data::dump(setup, "input");
    for round in 0..setup.options.producer_rounds {
        let bare = format!("bare-{round}");
        setup.create_topic(&bare);
        let cost = setup.produce(&bare, &data);
        let drained = setup.drain(&bare).1;
        assert_eq!((drained.messages, drained.bytes), (data.messages, data.bytes), "the bare producer sent something else");
        table.add("bare librdkafka producer", cost);
        if round > 0 {
            let simulated = format!("simulated-{round}");
            setup.create_topic(&simulated);
            table.add("corelane simulate", setup.simulate(&simulated));
            let drained = setup.drain(&simulated).1;
            assert_eq!((drained.messages, drained.bytes), (data.messages, data.bytes), "the simulator does not repeat itself");
            setup.delete_topic(&simulated);
        }
        setup.delete_topic(&bare);
    }
    println!("{}", table.render());
    println!("{}\n", table.ratio("corelane simulate", "bare librdkafka producer"));
    data
}

/// The drain, the lane and the script, in turns.
fn compare_consumers(setup: &Setup, data: &Data) {
    let title = format!("{}: {} bytes a message on average", setup.mix.name(), data.bytes / data.messages);
    let mut table = Table::new(&title, setup.options.messages);
    let mut sums: Option<Checksum> = None;
    let mut run_costs: Vec<Cost> = Vec::new();
    for round in 0..setup.options.rounds {
        let (cost, drained) = setup.drain("input");
        assert_eq!((drained.messages, drained.bytes, &drained.ends), (data.messages, data.bytes, &data.ends), "the drain");
        table.add("librdkafka drain", cost);

        let lake = setup.root.join(format!("lake-{round}"));
        let cost = setup.run_lanes(&lake, round);
        let ours = contender::checksum(&lake.join("readings/date=*/hour=*/*.parquet"));
        run_costs.push(cost.clone());
        table.add("corelane run", cost);

        let parquet = setup.root.join("script.parquet");
        let cost = setup.script(data, &parquet);
        let theirs = contender::checksum(&parquet);
        table.add("DuckDB script", cost);

        assert_eq!(ours.rows, data.messages, "rows of the lake");
        assert_eq!(ours.ends, data.ends, "offsets of the lake");
        assert_eq!(ours.values, theirs.values, "the lake and the script's file");
        assert!(sums.as_ref().is_none_or(|sums| *sums == ours), "a round gave something else: {sums:?} {ours:?}");
        table.size("corelane run", measured::bytes_below(&lake));
        table.size("DuckDB script", measured::bytes_below(&parquet));
        std::fs::remove_dir_all(&lake).expect("our own lake");
        sums = Some(ours);
    }
    println!("{}", table.render());
    println!("{}", table.ratio("corelane run", "librdkafka drain"));
    println!("{}", table.ratio("corelane run", "DuckDB script"));
    println!("{}", report::threads(&run_costs, setup.options.messages));
    println!("checksum {}: {}\n", setup.mix.name(), sums.expect("at least one round").line());
}
