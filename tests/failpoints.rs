//! Every failpoint in turn: the process aborts there, starts again without it, and the lake is right.
//!
//! The points are those of `corelane::failpoint::POINTS`; each has a stage of its own, so that a finding names its point. All are
//! walked on the embedded broker, those around Kafka's calls on Apache Kafka, too. `CORELANE_E2E_POINT` names one to walk alone.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(
    dead_code,                        // of the main job's stage and records, which this binary shares, a part is used
    clippy::cast_possible_truncation, // a seed may lose its upper bits
    clippy::struct_field_names        // members of records are named as in Kafka
)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "main_job/audit.rs"]
mod audit;
#[path = "main_job/records.rs"]
mod records;
#[path = "main_job/stage.rs"]
mod stage;
#[path = "main_job/verified.rs"]
mod verified;

use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use corelane::failpoint::{POINTS, Point, Road};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::stage::{Kind, PATIENCE, Stage, block_on, seed};
use crate::support::process::{Process, files_below};
use crate::support::readers::read_labels;
use crate::verified::audit;

/// Some hundred rejects and late parts among them: an epoch has several segments and several records.
const MESSAGES: u64 = 2_000;
/// Points of the first start are passed for several files and folders.
const FIRST_STARTS: u32 = 3;
const SETTINGS: [&str; 5] = ["--quiet", "--until-end", "--drain", "--set", "lanes.count=1"];

/// A run that ends when all is committed.
fn run(stage: &Stage, road: Road) -> Command {
    let mut command = stage.run(&SETTINGS);
    if matches!(road, Road::PlainSettle | Road::PlainRefused) {
        command.args(["--set", "kafka.delivery=at_least_once"]);
    }
    match road {
        Road::Refused => command.env("CORELANE_DETOUR", "offsets_refused"),
        Road::Unanswered => command.env("CORELANE_DETOUR", "commit_unanswered"),
        Road::PlainRefused => command.env("CORELANE_DETOUR", "records_undelivered"),
        Road::LinkedReveal => command.env("CORELANE_DETOUR", "rename_unsupported"),
        _ => &mut command,
    };
    command
}

/// Runs until the process comes to the point for the n-th time and aborts there.
fn abort_at(stage: &Stage, road: Road, point: &str, nth: u32) {
    let mut command = run(stage, road);
    command.env("CORELANE_FAILPOINT", format!("{point}@{nth}"));
    let mut process = Process::spawn(command);
    let status = process.wait_exit(PATIENCE);
    assert_eq!(status.signal(), Some(libc::SIGABRT), "it never came to {point}@{nth}: {status}\n{}", process.stderr());
    assert!(process.stderr().contains(&format!("failpoint {point}: the process aborts")), "{}", process.stderr());
}

/// What an earlier process has left behind.
fn prepare(stage: &Stage, road: Road) {
    match road {
        Road::RecoverCommitted => abort_at(stage, road, "transact.committed", 1),
        Road::RecoverStaged => abort_at(stage, road, "transact.all_sent", 1),
        Road::RecoverDraft => abort_at(stage, road, "stage.written", 1),
        Road::RecoverForgotten => {
            abort_at(stage, road, "stage.folder_synced", 1);
            forget_epochs(stage);
        }
        // The first rename of the next life is then one of its epoch's.
        Road::LinkedReveal => abort_at(stage, road, "settle.sealed", 1),
        Road::GroupStart
        | Road::FirstStart
        | Road::Settle
        | Road::PlainSettle
        | Road::PlainRefused
        | Road::Refused
        | Road::Unanswered => {}
    }
}

/// The epochs topic loses its records, as after a month. There must be some: an empty topic has forgotten nothing.
fn forget_epochs(stage: &Stage) {
    let topic = stage.output_topic("epochs");
    let producer: BaseProducer = stage.client().create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..stage.partitions() {
        producer.send(BaseRecord::<str, str>::to(&topic).partition(partition).key("another").payload("{}")).unwrap();
        all.add_partition_offset(&topic, partition, Offset::End).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let admin: AdminClient<DefaultClientContext> = stage.client().create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    block_on(admin.delete_records(&all, &options)).unwrap();
}

/// The whole story of one point.
fn ends_at(kind: Kind, point: &Point, nth: u32) {
    let stage = Stage::new(kind, "failpoint", 2);
    stage.fill(seed(), MESSAGES);
    prepare(&stage, point.road);
    abort_at(&stage, point.road, point.name, nth);
    let mut last = run(&stage, point.road);
    last.env_remove("CORELANE_DETOUR");
    Process::spawn(last).wait_success(PATIENCE);
    match point.road {
        Road::PlainSettle | Road::PlainRefused => {
            // Without a transaction rows may be there twice. None is lost.
            let report = read_labels(&stage.lake(), &stage.labels());
            assert_eq!((report.delivered, report.missing, report.unlabelled), (MESSAGES, 0, 0));
            assert!(report.wrong.is_empty(), "{:?}", report.wrong);
        }
        Road::RecoverForgotten => {
            // The rows that nobody could judge are kept aside, each with its reason, and were read again.
            read_labels(&stage.lake(), &stage.labels()).assert_exactly_once(MESSAGES);
            let aside = stage.lake().join("_quarantine");
            let (rows, reasons) = (files_below(&aside, ".parquet").len(), files_below(&aside, ".why.txt").len());
            assert!(rows > 0 && rows == reasons, "{rows} segments and {reasons} reasons in quarantine");
            assert_eq!(files_below(&stage.staging(), ""), Vec::<std::path::PathBuf>::new(), "still staged");
        }
        _ => drop(audit(&stage, MESSAGES)),
    }
}

/// Walks the points two at a time and names all that failed.
fn walk(kind: Kind, points: impl Iterator<Item = &'static Point>) {
    let only = std::env::var("CORELANE_E2E_POINT").ok();
    let nths = |point: &Point| 1..=if point.road == Road::FirstStart { FIRST_STARTS } else { 1 };
    let chosen = points.filter(|point| only.as_ref().is_none_or(|only| only == point.name));
    let moments: Vec<(&Point, u32)> = chosen.flat_map(|point| nths(point).map(move |nth| (point, nth))).collect();
    let (left, failed) = (Mutex::new(moments.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((point, nth)) = left.lock().unwrap().next() else { return };
                    if catch_unwind(AssertUnwindSafe(|| ends_at(kind, point, *nth))).is_err() {
                        failed.lock().unwrap().push(format!("{}@{nth}", point.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{kind:?}: of {} moments these went wrong: {failed:?}", moments.len());
    println!("{kind:?}: aborted at {} moments; each time the lake was right after the next start", moments.len());
}

#[test]
fn an_end_at_every_point_beside_the_embedded_broker() {
    walk(Kind::Embedded, POINTS.iter());
}

/// Here it is Kafka that counts: start offsets, transactions cut short, offsets of a dead writer, judging.
#[test]
fn an_end_at_the_points_around_kafka_on_apache_kafka() {
    const AROUND_KAFKA: [&str; 5] = ["start.", "transact.", "judge.", "plain.", "recover.heard"];
    let around_kafka = |point: &&Point| AROUND_KAFKA.iter().any(|begin| point.name.starts_with(begin));
    walk(Kind::Apache, POINTS.iter().filter(around_kafka));
}

/// A point that does not exist must not look like one that was never reached.
#[test]
fn a_mistyped_point_ends_the_program_at_once() {
    let stage = Stage::new(Kind::Embedded, "mistyped", 1);
    let mut command = stage.run(&SETTINGS);
    command.env("CORELANE_FAILPOINT", "transact.comitted");
    let mut process = Process::spawn(command);
    assert_eq!(process.wait_exit(PATIENCE).code(), Some(64));
    assert!(process.stderr().contains("transact.comitted"), "{}", process.stderr());
}
