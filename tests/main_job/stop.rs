//! A polite stop in the middle, the restart within the session, and what the HTTP server says meanwhile.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{Kind, PATIENCE, Stage, seed, sent};
use crate::support::kafka::ApacheKafka;
use crate::support::process::Process;
use crate::support::wait::free_port;
use crate::verified::audit;
use crate::web::{get, metric};

/// After a signal, as DESIGN section 5 has it.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// Whoever had to wait for the old members' session to end would get its first message later than this.
const SESSION: Duration = Duration::from_secs(45);
const TAKEOVER: Duration = Duration::from_secs(15);

fn start(stage: &Stage, port: u16) -> (Process, Duration) {
    let serve = format!("serve.listen=127.0.0.1:{port}");
    let session = format!("kafka.session_timeout={}s", SESSION.as_secs());
    let began = Instant::now();
    let args = ["--quiet", "--set", "lanes.count=2", "--set", "epoch.interval=1s", "--set", &serve, "--set", &session];
    let mut run = Process::spawn(stage.run(&args));
    run.wait_for(PATIENCE, "the first message", |_| metric(port, "corelane_messages_total").filter(|count| *count > 0.0));
    (run, began.elapsed())
}

fn stops_and_goes_on(kind: Kind) {
    let seed = seed();
    let stage = Stage::new(kind, "stopped", 4);
    let port = free_port();
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", "3000"]));
    let (mut run, first) = start(&stage, port);
    // One has all four until the other has joined; that is a generation, too.
    let half = |lane: u8| metric(port, &format!("corelane_active_partitions{{lane=\"{lane}\"}}")).filter(|count| *count == 2.0);
    run.wait_for(PATIENCE, "both lanes to have their partitions", |_| half(0).and_then(|_| half(1)));
    let generations_before = generations(&stage);
    let (mut stops, mut takeovers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let commits = |port| metric(port, "corelane_epochs_total").filter(|epochs| *epochs >= 2.0);
        run.wait_for(PATIENCE, "some epochs", |_| commits(port));
        let began = Instant::now();
        run.signal(libc::SIGTERM);
        run.wait_success(PATIENCE);
        stops.push(began.elapsed());
        let (next, takeover) = start(&stage, port);
        run = next;
        takeovers.push(takeover);
    }
    let generations_after = generations(&stage);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.signal(libc::SIGTERM);
    run.wait_success(PATIENCE);
    stage.run_to_end(&["--set", "lanes.count=2"]);
    println!(
        "{kind:?}, seed {seed}: first message {first:.1?} after the first start; stopped within {stops:.1?}, first message of the next \
         run after {takeovers:.1?}; generations {generations_before:?} before and {generations_after:?} after; {}",
        audit(&stage, messages).line()
    );
    assert!(stops.iter().all(|stop| *stop < STOP_DEADLINE), "{stops:?}");
    assert!(takeovers.iter().all(|takeover| *takeover < TAKEOVER), "{takeovers:?}");
    if let Some(before) = generations_before {
        assert!(before > 0, "the log of Apache Kafka no longer names generations as it did");
        assert_eq!(generations_after, Some(before), "a restart within the session made the group rebalance");
    }
}

/// Generations that the group has had, by Apache Kafka's own log; the embedded broker keeps none.
fn generations(stage: &Stage) -> Option<usize> {
    let log = match stage.kind() {
        Kind::Apache => std::fs::read_to_string(ApacheKafka::shared().log_path(1)).unwrap(),
        Kind::Embedded => return None,
    };
    let stabilized = format!("Stabilized group {} generation ", stage.group());
    Some(log.lines().filter(|line| line.contains(&stabilized)).count())
}

#[test]
fn sigterm_on_apache_kafka_stops_in_time_and_a_restart_takes_over() {
    stops_and_goes_on(Kind::Apache);
}

#[test]
fn sigterm_beside_the_embedded_broker_stops_in_time_and_a_restart_takes_over() {
    stops_and_goes_on(Kind::Embedded);
}

#[test]
fn the_server_answers_while_lanes_run() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "served", 2);
    stage.fill(seed, 2_000);
    let port = free_port();
    let (mut run, _) = start(&stage, port);
    let whole = |_: &mut Process| metric(port, "kafka_consumer_messages_consumed_total").filter(|count| *count >= 2_000.0);
    assert_eq!(run.wait_for(PATIENCE, "all messages", whole), 2_000.0);
    // One of the two may have taken them all before the other had joined.
    // A lane that replays is ready, too; here it is waited for.
    let both_consume = |_: &mut Process| {
        let (status, body) = get(port, "/readyz")?;
        let body: Value = serde_json::from_str(&body).unwrap();
        let consumes = |lane: &Value| lane["state"] == "consuming";
        (status == 200 && body["lanes"].as_array().unwrap().iter().all(consumes)).then_some(())
    };
    run.wait_for(PATIENCE, "both lanes to consume", both_consume);
    let json = |path: &str| -> Value {
        let (status, body) = get(port, path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(json("/livez")["alive"], true);
    assert_eq!((&json("/readyz")["ready"], &json("/readyz")["lanes"][1]["state"]), (&true.into(), &"consuming".into()));
    assert_eq!(json("/version")["group"], stage.group());
    assert_eq!(get(port, "/nothing").unwrap().0, 404);
    // Lag is written down twice a second.
    let lag = |_: &mut Process| {
        get(port, "/metrics").map(|(_, text)| text).filter(|text| text.contains("kafka_consumer_lag_messages{"))
    };
    let metrics = run.wait_for(PATIENCE, "the lag", lag);
    for name in
        ["kafka_consumer_processing_duration_seconds_bucket{le=\"0.005\"}", "kafka_consumer_processing_duration_seconds_count"]
    {
        assert!(metrics.contains(name), "no {name} in\n{metrics}");
    }
    run.wait_for(PATIENCE, "all to be committed", |_| {
        let terms = ["corelane_readings_total", "corelane_events_total", "corelane_rejects_total"];
        let settled = crate::records::committed(&stage).iter().filter_map(|(offset, _)| *offset).sum::<i64>() == 2_000;
        (settled && terms.iter().filter_map(|name| metric(port, name)).sum::<f64>() == 2_000.0).then_some(())
    });
    run.signal(libc::SIGTERM);
    run.wait_success(PATIENCE);
    assert_eq!(get(port, "/livez"), None, "nobody listens after the end");
    println!("seed {seed}: {}", audit(&stage, 2_000).line());
}
