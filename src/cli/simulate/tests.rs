//! Arguments, and whole runs against the embedded broker.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use clap::Parser;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::plan::{Plan, PlanError, parse_duration, parse_mix, parse_rate};
use super::*;
use crate::broker::{Broker, BrokerOptions};
use crate::simulate::{Clock, Rates};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    let words = ["simulate", "--brokers", "127.0.0.1:1", "--topic", "device-data"].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args
}

/// 2026-11-20T00:00:00Z.
const DAY_MS: i64 = 1_795_132_800_000;
const HOUR_MS: i64 = 3_600_000;

fn plan(line: &str) -> Result<Plan, PlanError> {
    let args = args(line);
    Plan::new(&args.plan, &args.load().unwrap(), DAY_MS + HOUR_MS)
}

#[test]
fn without_arguments_a_plant_runs_live() {
    let plan = plan("").unwrap();
    assert_eq!((plan.fleet.devices, plan.fleet.interval_us), (1_000, 5_000_000));
    assert_eq!(plan.fleet.clock, Clock::Schedule { start_ms: DAY_MS + HOUR_MS });
    assert_eq!(plan.pace.speed, Speed::Times(1.0));
    assert_eq!((plan.fleet.mix, plan.fleet.rates), (Mix::default(), Rates::default()));
}

#[test]
fn a_rate_sets_the_interval() {
    assert_eq!(plan("--devices 500 --rate 1000").unwrap().fleet.interval_us, 500_000);
    let fastest = plan("--fleet 10000 --rate max").unwrap();
    assert_eq!((fastest.fleet.clock, fastest.pace.speed), (Clock::Wall, Speed::Max));
    let refused = plan("--devices 100 --rate 1000000").unwrap_err().to_string();
    assert!(refused.contains("take more devices or a lower rate"), "{refused}");
}

#[test]
fn the_past_is_simulated_up_to_the_present() {
    let past = plan("--start 2026-11-20T00:00:00Z --duration 10m").unwrap();
    assert_eq!(past.fleet.clock, Clock::Schedule { start_ms: DAY_MS });
    assert_eq!((past.pace.until_ms, past.pace.duration), (Some(DAY_MS + 600_000), None));
    assert_eq!(past.pace.speed, Speed::Max);
    assert_eq!(plan("--start 2026-11-20T00:00:00Z --speed 10").unwrap().pace.speed, Speed::Times(10.0));
    assert_eq!(plan("--start 2026-11-20T02:00:00Z"), Err(PlanError::FutureStart));
    let fits = "--start 2026-11-20T00:00:00Z --devices 1000 --interval 5s --messages";
    assert!(plan(&format!("{fits} 720000")).is_ok());
    assert_eq!(plan(&format!("{fits} 720001")), Err(PlanError::PastThePresent { fitting: 720_000, wanted: 720_001 }));
}

#[test]
fn rates_come_one_by_one_or_not_at_all() {
    assert_eq!(plan("--malformed 0.01").unwrap().fleet.rates, Rates { malformed: 0.01, ..Rates::default() });
    assert_eq!(plan("--clean").unwrap().fleet.rates, Rates::NONE);
    assert!(plan("--late 2").unwrap_err().to_string().contains("late"));
}

#[test]
fn words_are_understood_or_explained() {
    assert_eq!(parse_mix("flat=3,single=1").unwrap().shares, [0, 0, 0, 3, 1]);
    assert!(parse_mix("flat=x").unwrap_err().contains("flat=x"));
    assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
    assert!(parse_duration("10").is_err() && parse_duration("0s").is_err() && parse_duration("-3s").is_err());
    assert!(parse_rate("fast").is_err() && parse_rate("0").is_err() && parse_rate("inf").is_err());
    for line in ["--fleet 123", "--fleet 100 --devices 7", "--rate 5 --interval 3s", "--speed 5"] {
        let words = ["simulate", "--brokers", "a:1", "--topic", "t"].into_iter().chain(line.split_whitespace());
        assert!(Line::try_parse_from(words).is_err(), "{line}");
    }
}

fn broker(partitions: i32) -> Broker {
    let listen = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::start(BrokerOptions { listen, ..BrokerOptions::default() }).unwrap();
    broker.create_topic("device-data", partitions, &[]).unwrap();
    broker
}

fn simulate(broker: &Broker, labels: &Path, line: &str) -> Result<(), Failure> {
    let mut args = args(line);
    args.brokers = vec![broker.address().to_string()];
    args.labels = Some(labels.to_owned());
    args.quiet = true;
    run(args)
}

#[test]
fn every_message_is_where_its_label_says() {
    let (broker, folder) = (broker(4), tempfile::tempdir().unwrap());
    let labels = folder.path().join("labels.parquet");
    simulate(&broker, &labels, "--rate max --messages 20000 --malformed 0.05 --oversized 0.0005").unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&labels).unwrap()).unwrap().build().unwrap();
    let mut offsets: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for batch in reader.map(Result::unwrap) {
        let devices = batch.column_by_name("device_id").unwrap().as_string::<i32>();
        let partitions = batch.column_by_name("partition").unwrap().as_primitive::<Int32Type>();
        let places = batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>();
        assert_eq!(places.null_count(), 0);
        for row in 0..batch.num_rows() {
            let hash = crate::simulate::tests::memory::murmur2(devices.value(row).as_bytes());
            assert_eq!(partitions.value(row).cast_unsigned(), (hash & 0x7FFF_FFFF) % 4);
            offsets.entry(partitions.value(row)).or_default().push(places.value(row));
        }
    }
    assert_eq!(offsets.len(), 4);
    assert_eq!(offsets.values().map(Vec::len).sum::<usize>(), 20_000);
    for of_partition in offsets.values_mut() {
        of_partition.sort_unstable();
        assert!(
            of_partition.iter().copied().eq(0..i64::try_from(of_partition.len()).unwrap()),
            "offsets without gaps, each once"
        );
    }
    broker.stop();
}

#[test]
fn a_topic_that_is_not_there_is_missed() {
    let (broker, folder) = (broker(1), tempfile::tempdir().unwrap());
    let mut args = args("");
    args.brokers = vec![broker.address().to_string()];
    args.topic = Some("device-dta".to_owned());
    args.labels = Some(folder.path().join("labels.parquet"));
    let failure = run(args).unwrap_err();
    assert_eq!(failure.exit, Exit::Unavailable);
    assert!(failure.error.to_string().contains("device-dta"), "{:#}", failure.error);
    broker.stop();
}
