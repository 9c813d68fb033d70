//! The ladder that all other tests climb: does it hold?

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt16Array,
};
use parquet::arrow::ArrowWriter;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

use serde_json::json;
use support::kafka::ApacheKafka;
use support::process::{Process, corelane};
use support::readers::{LakeReport, TableReport, disagreements, read_lake};
use support::scratch::{Scratch, sweep};
use support::wait::{eventually, free_port};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn create_topic(kafka: &ApacheKafka, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let topics = [NewTopic::new(topic, 1, TopicReplication::Fixed(-1))];
    let results = runtime().block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
    assert_eq!(results, vec![Ok(topic.to_owned())]);
}

/// Returns once the broker has acknowledged. Idempotent: a retry to a node that was only silent must not store the message twice.
fn produce(kafka: &ApacheKafka, topic: &str, value: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("enable.idempotence", "true").create().unwrap();
    producer.send(BaseRecord::<(), str>::to(topic).payload(value)).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_mins(1)).unwrap();
}

/// All values of partition 0 from the start, once there are `count`.
fn consume(kafka: &ApacheKafka, topic: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("group.id", "support-works").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut values = Vec::new();
    eventually(Duration::from_mins(1), "the messages to come back", || {
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
        (values.len() >= count).then_some(())
    });
    values
}

#[test]
fn kafka_keeps_what_was_acknowledged_through_a_kill() {
    let kafka = ApacheKafka::start(1, &[]);
    create_topic(&kafka, "kept");
    produce(&kafka, "kept", "before");
    kafka.kill9(1);
    kafka.restart(1);
    produce(&kafka, "kept", "after");
    assert_eq!(consume(&kafka, "kept", 2), ["before", "after"]);
}

/// Two files of readings with nulls, a sensor, times and bytes; no events; a hidden file that nobody may count.
fn tiny_lake() -> Scratch {
    let lake = Scratch::new("lake");
    let write = |path: &str, offsets: std::ops::Range<i64>| {
        let path = lake.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let rows = offsets.end - offsets.start;
        let times = TimestampMicrosecondArray::from_iter_values(offsets.clone().map(|o| 1_700_000_000_000_000 + o));
        let columns: [(&str, ArrayRef); 7] = [
            ("event_time", Arc::new(times.with_timezone("UTC"))),
            ("device_id", Arc::new(StringArray::from_iter_values(offsets.clone().map(|o| format!("gerät-{o}"))))),
            ("temperature", Arc::new(offsets.clone().map(|o| (o % 2 == 0).then_some(0.1)).collect::<Float64Array>())),
            ("switch_status", Arc::new(offsets.clone().map(|o| Some(o % 3 == 0)).collect::<BooleanArray>())),
            ("quality", Arc::new(UInt16Array::from_iter_values((0..rows).map(|_| 60_000)))),
            ("offset", Arc::new(Int64Array::from_iter_values(offsets.clone()))),
            ("raw", Arc::new(BinaryArray::from_iter_values(offsets.map(|_| [0_u8, 0xff])))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    write("readings/date=2026-01-02/hour=03/one.parquet", 0..5);
    write("readings/date=2026-01-02/hour=04/two.parquet", 5..12);
    write("_staging/writer/readings/three.parquet", 12..20);
    lake
}

#[test]
fn three_readers_agree_on_a_tiny_lake() {
    let lake = tiny_lake();
    let report = read_lake(lake.path());
    assert_eq!((report["events"].rows, report["rejects"].rows), (0, 0));
    let readings = &report["readings"];
    assert_eq!(readings.rows, 12);
    let kinds: Vec<(&str, &str)> = readings.columns.iter().map(|(name, column)| (name.as_str(), column.kind.as_str())).collect();
    let expected = [
        ("device_id", "text"),
        ("event_time", "time_utc"),
        ("offset", "int64"),
        ("quality", "uint16"),
        ("raw", "bytes"),
        ("switch_status", "bool"),
        ("temperature", "float64"),
    ];
    assert_eq!(kinds, expected);
    let value = |column: &str, name: &str| &readings.columns[column].values[name];
    assert_eq!((value("offset", "sum"), value("offset", "max")), (&json!(66), &json!(11)));
    assert_eq!((value("temperature", "count"), value("temperature", "max")), (&json!(6), &json!(0.1)));
    assert_eq!((value("switch_status", "true"), value("raw", "bytes")), (&json!(4), &json!(24)));
    assert_eq!(value("quality", "sum"), &json!(720_000));
    assert_eq!(value("device_id", "bytes"), &json!(10 * 8 + 2 * 9), "ä has two bytes");
    assert_eq!(value("event_time", "max"), &json!(1_700_000_000_000_011_i64));
}

/// The canary of `read_lake`: a reader that sees something else is found, by rows, kind, value and column.
#[test]
fn a_reader_that_differs_is_found() {
    let one: LakeReport = serde_json::from_value(json!({"readings": {"rows": 2, "columns": {
        "offset": {"kind": "int64", "count": 2, "sum": 3}, "temperature": {"kind": "float64", "count": 2, "sum": 0.3}}}}))
    .unwrap();
    let found = |change: &dyn Fn(&mut TableReport)| {
        let mut other = one.clone();
        change(other.get_mut("readings").unwrap());
        disagreements(&[("a".to_owned(), one.clone()), ("b".to_owned(), other)].into()).len()
    };
    let set = |report: &mut TableReport, column: &str, name: &str, value: serde_json::Value| {
        report.columns.get_mut(column).unwrap().values.insert(name.to_owned(), value);
    };
    assert_eq!(found(&|_| {}), 0);
    assert_eq!(found(&|report| set(report, "temperature", "sum", json!(0.1 + 0.2))), 0, "another order of adding");
    assert_eq!(found(&|report| set(report, "temperature", "sum", json!(0.300_001))), 1);
    assert_eq!(found(&|report| set(report, "offset", "sum", json!(4))), 1);
    assert_eq!(found(&|report| report.rows = 3), 1);
    assert_eq!(found(&|report| report.columns.get_mut("offset").unwrap().kind = "int32".to_owned()), 1);
    assert_eq!(found(&|report| drop(report.columns.remove("offset"))), 1);
}

#[test]
fn three_nodes_serve_on_when_one_is_killed_or_stopped() {
    let kafka = ApacheKafka::start(3, &[("broker.session.timeout.ms", "3000")]);
    assert_eq!(kafka.bootstrap().split(',').count(), 3);
    create_topic(&kafka, "replicated");
    produce(&kafka, "replicated", "all three");
    kafka.kill9(1);
    produce(&kafka, "replicated", "two of three");
    kafka.restart(1);
    kafka.stop_signal(2);
    produce(&kafka, "replicated", "one is silent");
    kafka.continue_signal(2);
    assert_eq!(consume(&kafka, "replicated", 3), ["all three", "two of three", "one is silent"]);
}

#[test]
fn the_shared_node_is_one_and_refuses_topics_that_nobody_made() {
    let kafka = ApacheKafka::shared();
    assert!(std::ptr::eq(kafka, ApacheKafka::shared()));
    create_topic(kafka, "shared");
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let metadata = consumer.client().fetch_metadata(None, Duration::from_secs(30)).unwrap();
    assert!(metadata.topics().iter().any(|topic| topic.name() == "shared"));
    assert_eq!(consumer.client().fetch_cluster_id(Duration::from_secs(30)).as_deref(), Some(kafka.cluster_id()));
    let mistyped: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("message.timeout.ms", "2000").create().unwrap();
    let metadata = mistyped.client().fetch_metadata(Some("sharde"), Duration::from_secs(30)).unwrap();
    assert!(metadata.topics()[0].error().is_some());
}

fn shell(script: &str) -> Process {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]);
    Process::spawn(command)
}

#[test]
fn a_process_is_heard_signalled_and_reaped() {
    let deadline = Duration::from_secs(30);
    let mut program = Process::spawn(corelane(["--version"]));
    assert!(program.wait_success(deadline).starts_with("corelane "));
    let mut wrong = Process::spawn(corelane(["no-such-command"]));
    assert_eq!(wrong.wait_exit(deadline).code(), Some(64));
    assert!(wrong.stderr().contains("no-such-command"));

    let mut polite = shell("trap 'echo leaving; exit 3' TERM; echo ready >&2; while :; do sleep 0.05; done");
    assert_eq!(polite.wait_line(deadline, "ready"), "ready");
    polite.signal(libc::SIGTERM);
    assert_eq!(polite.wait_exit(deadline).code(), Some(3));
    assert_eq!(polite.stdout(), "leaving\n");
    let mut killed = shell("while :; do sleep 0.05; done");
    assert_eq!(killed.kill9().code(), None);
    assert_eq!(killed.kill9().code(), None, "killing the dead changes nothing");
}

#[test]
fn waiting_for_what_never_comes_ends_in_a_panic_that_says_why() {
    let panic = |act: &mut dyn FnMut()| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_err();
        caught.downcast_ref::<String>().cloned().unwrap()
    };
    let late = panic(&mut || eventually(Duration::from_millis(50), "the moon", || None));
    assert!(late.contains("the moon"), "{late}");
    let ended = panic(&mut || drop(shell("echo last words; exit 7").wait_line(Duration::from_secs(30), "hello")));
    assert!(ended.contains("exit status: 7") && ended.contains("last words"), "{ended}");
}

/// A test binary that is killed leaves nothing running: this test starts itself, with a child, kills itself, and looks for the child.
#[test]
fn a_child_dies_with_the_test_process_even_by_sigkill() {
    const ROLE: &str = "CORELANE_TEST_PARENT";
    if std::env::var_os(ROLE).is_some() {
        let child = shell("while :; do sleep 0.05; done");
        // Written to the test's own output below, so that it is seen through the capture of the test harness.
        std::fs::write(std::env::var_os(ROLE).unwrap(), format!("{} ", child.pid())).unwrap();
        loop {
            std::thread::park();
        }
    }
    let scratch = Scratch::new("parent");
    let note = scratch.path().join("pid");
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_child_dies_with_the_test_process_even_by_sigkill"]).env(ROLE, &note);
    let mut parent = Process::spawn(command);
    let pid = parent.wait_for(Duration::from_secs(30), "the pid of its child", |_| {
        std::fs::read_to_string(&note).ok().and_then(|text| text.strip_suffix(' ').map(str::to_owned))
    });
    let process = std::path::Path::new("/proc").join(pid);
    assert!(process.exists());
    parent.kill9();
    // A zombie that nobody has reaped yet is dead, too.
    let is_gone = || std::fs::read_to_string(process.join("stat")).map_or(true, |stat| stat.contains(") Z "));
    eventually(Duration::from_secs(30), "the child to be gone", || is_gone().then_some(()));
}

#[test]
fn free_ports_differ_and_can_be_bound() {
    let ports: std::collections::BTreeSet<u16> = (0..100).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 100);
    for port in ports {
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}

/// What a killed test process left is removed by the next one, what a living one uses is not: the lock inside tells them apart.
#[test]
fn scratch_directories_go_with_their_owner() {
    let scratch = Scratch::new("kept");
    let path = scratch.path().to_owned();
    std::fs::write(path.join("data"), "x").unwrap();
    let root = path.parent().unwrap();
    let orphan = Scratch::new("orphan").leave_behind();
    // A child of another test holds a copy of the orphan's lock until it runs its program.
    eventually(Duration::from_mins(1), "the orphan to be swept", || {
        sweep(root);
        (!orphan.exists()).then_some(())
    });
    assert!(path.join("data").exists());
    drop(scratch);
    assert!(!path.exists());
}
