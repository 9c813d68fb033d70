//! What windows meet besides kills: partitions that move, a topic that turns silent, changed settings, retention that was faster, and a
//! replay that takes its time.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::records::{committed, visit};
use crate::sharing::{instance, wait_partitions};
use crate::stage::{Kind, PATIENCE, Stage, said, seed, sent};
use crate::support::process::Process;
use crate::support::wait::{eventually, free_port};
use crate::verified::{audit, verify};
use crate::web::{get, metric};
use crate::window_report::{Asked, read_windows};

/// So small that many close while a test runs.
const SMALL: [&str; 4] = ["--set", "windows.size=2s", "--set", "windows.grace=1s"];
const SMALL_MS: &str = "2000";

/// An RFC 3339 time so long ago.
fn ago(time: Duration) -> String {
    jiff::Timestamp::try_from(SystemTime::now() - time).unwrap().to_string()
}

/// The partitions of a log's lines about `what`, `topic-3` each.
fn partitions_of(log: &str, what: &str) -> BTreeSet<String> {
    let lines = log.lines().filter(|line| line.contains(what));
    lines.map(|line| line.split("partition=").nth(1).unwrap().split(' ').next().unwrap().to_owned()).collect()
}

/// A partition that comes back to its lane at the lane's own commit is not read again; one that went elsewhere meanwhile is.
fn comes_back(kind: Kind) {
    let seed = seed();
    let stage = Stage::new(kind, "comes-back", 4);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", "2000"]));
    let (first_port, second_port) = (free_port(), free_port());
    let mut first = instance(&stage, "first", first_port, &SMALL);
    wait_partitions(&mut first, first_port, 4);
    let commits = |port| move |_: &mut Process| metric(port, "corelane_epochs_total").filter(|epochs| *epochs >= 2.0);
    first.wait_for(PATIENCE, "two epochs", commits(first_port));
    let mut second = instance(&stage, "second", second_port, &SMALL);
    wait_partitions(&mut second, second_port, 2);
    wait_partitions(&mut first, first_port, 2);
    second.wait_for(PATIENCE, "two epochs of the second instance", commits(second_port));
    let replayed = metric(first_port, "corelane_replayed_messages_total");
    assert_eq!(replayed, Some(0.0), "what stayed was read again:\n{}", first.stderr());
    let moved = partitions_of(&second.stderr(), "reading again");
    assert_eq!(moved.len(), 2, "{}", second.stderr());
    second.kill9();
    wait_partitions(&mut first, first_port, 4);
    first.wait_for(PATIENCE, "what was elsewhere to be read again", |first| {
        (partitions_of(&first.stderr(), ": live") == moved).then_some(())
    });
    assert_eq!(partitions_of(&first.stderr(), "reading again"), moved, "only what was elsewhere is read again");
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    first.signal(libc::SIGTERM);
    first.wait_success(PATIENCE);
    // What the dead one left staged is its own to recover.
    instance(&stage, "second", second_port, &[&SMALL[..], &["--until-end", "--drain"]].concat()).wait_success(PATIENCE);
    let report = read_windows(&stage, &Asked { sizes_ms: SMALL_MS, labels: true, ..Asked::default() });
    println!("{kind:?}, seed {seed}: {moved:?} moved; {}; {}", report.line(), audit(&stage, messages).line());
    report.assert_right();
}

#[test]
fn partitions_that_come_back_to_their_lane_are_not_read_again_on_apache_kafka() {
    comes_back(Kind::Apache);
}

#[test]
fn partitions_that_come_back_to_their_lane_are_not_read_again_beside_the_embedded_broker() {
    comes_back(Kind::Embedded);
}

/// The line is dead: no message comes any more, nobody drains, and the last windows are written all the same.
fn turns_silent(kind: Kind) {
    let seed = seed();
    let stage = Stage::new(kind, "silent", 2);
    let settings = [&["--quiet", "--set", "epoch.interval=500ms"], &SMALL[..]].concat();
    let mut run = Process::spawn(stage.run(&settings));
    let messages = sent(&Process::spawn(stage.simulate(seed, &["--rate", "500", "--duration", "5s"])).wait_success(PATIENCE));
    run.wait_for(PATIENCE, "all windows to be written", |_| {
        std::thread::sleep(Duration::from_millis(200)); // each question makes a client
        let ends = committed(&stage);
        let all = ends.iter().filter_map(|(offset, _)| *offset).sum::<i64>() == messages as i64;
        (all && ends.iter().all(|(_, note)| note.contains(" open=0 "))).then_some(())
    });
    run.signal(libc::SIGTERM);
    run.wait_success(PATIENCE);
    let report = read_windows(&stage, &Asked { sizes_ms: SMALL_MS, labels: true, ..Asked::default() });
    println!("{kind:?}, seed {seed}: {messages} messages; {}", report.line());
    report.assert_right();
    verify(&stage).assert_holds();
}

#[test]
fn the_last_windows_of_a_silent_topic_are_written_on_apache_kafka() {
    turns_silent(Kind::Apache);
}

#[test]
fn the_last_windows_of_a_silent_topic_are_written_beside_the_embedded_broker() {
    turns_silent(Kind::Embedded);
}

/// Other windows from one run to the next, and then another limit of trust: each time what was open is written on its old grid, and no
/// reading is lost or double.
fn settings_change(kind: Kind) {
    let seed = seed();
    let stage = Stage::new(kind, "changed", 4);
    // 3,000 messages a second of the wall, 30 simulated seconds each.
    let speed =
        ["--start", &ago(Duration::from_mins(6)), "--duration", "5m", "--devices", "500", "--interval", "5s", "--speed", "30"];
    let mut simulator = None;
    let settings = ["--quiet", "--set", "epoch.interval=300ms"];
    for (changed, enough) in
        [(["windows.size=60s", "windows.rolling=5"], 6_000), (["windows.size=20s", "windows.rolling=3"], 15_000)]
    {
        let changed = ["--set", changed[0], "--set", changed[1]];
        let mut run = Process::spawn(stage.run(&[&settings[..], &changed].concat()));
        // All of it is sent in ten seconds: whoever reads with the first settings is there before.
        run.wait_line(PATIENCE, "partitions assigned");
        simulator.get_or_insert_with(|| Process::spawn(stage.simulate(seed, &speed)));
        run.wait_for(PATIENCE, "enough to be committed", |_| {
            std::thread::sleep(Duration::from_millis(100)); // each question makes a client
            let all: i64 = committed(&stage).iter().filter_map(|(offset, _)| *offset).sum();
            (all >= enough).then_some(())
        });
        run.kill9();
    }
    let messages = sent(&simulator.expect("it began with the first run").wait_success(PATIENCE));
    let asked = Asked { sizes_ms: "60000,20000", ..Asked::default() };
    // The same windows, so nothing was partial so far; another limit of trust, so what is open becomes it.
    stage.run_to_end(&["--set", "windows.size=20s", "--set", "windows.rolling=3"]);
    let last = ["windows.size=20s", "windows.rolling=3", "windows.future_skew=45s"].map(|setting| ["--set", setting]).concat();
    let output = stage.run_to_end(&[&last[..], &["--drain"]].concat());
    let report = read_windows(&stage, &asked);
    println!("{kind:?}, seed {seed}: {}; {}; {}", report.line(), said(&output, "windows"), audit(&stage, messages).line());
    report.assert_right();
    let grids = report.all["grids"].as_object().unwrap();
    assert!(grids.len() == 2 && grids.values().all(|parts| parts.as_u64() > Some(4)), "{grids:?}");
    // A part of four partitions each, of the windows that were open at the end: at most three, and those before them are whole.
    let partial = report.number("partial_parts");
    assert!((4..=4 * 5).contains(&partial), "{partial} partial parts: {:?}", report.all);
}

#[test]
fn changed_settings_lose_and_double_nothing_on_apache_kafka() {
    settings_change(Kind::Apache);
}

#[test]
fn changed_settings_lose_and_double_nothing_beside_the_embedded_broker() {
    settings_change(Kind::Embedded);
}

/// Retention removed the beginning of what a successor had to read again: the part says so, and so does the record of its epoch.
fn retention_was_faster(kind: Kind) {
    const KEPT_FROM: i64 = 1_000;
    let seed = seed();
    let stage = Stage::new(kind, "removed", 2);
    // As long as can be: hardly ever does the minute lie in two of them.
    let half_a_day = ["--set", "windows.size=12h", "--set", "windows.rolling=1"];
    let past = ["--start", &ago(Duration::from_mins(3)), "--duration", "1m", "--devices", "500", "--interval", "5s"];
    // Nothing late, which would be a window of its own: all is open, and all of it begins before what is removed. No repeats either: what
    // comes after the limit and repeats something before it is a repeat in `readings`, and counts in a replay that cannot know.
    let faults = ["--malformed", "0.01", "--late", "0", "--duplicates", "0"];
    let simulate = stage.simulate_just(seed, &[&past[..], &faults].concat());
    Process::spawn(simulate).wait_success(PATIENCE);
    stage.run_to_end(&half_a_day);
    let mut removed = TopicPartitionList::new();
    for partition in 0..stage.partitions() {
        removed.add_partition_offset(stage.topic(), partition, Offset::Offset(KEPT_FROM)).unwrap();
    }
    stage.delete_records(&removed);
    let output = stage.run_to_end(&[&half_a_day[..], &["--drain"]].concat());
    let report = read_windows(&stage, &Asked { sizes_ms: "43200000", kept_from: KEPT_FROM, ..Asked::default() });
    println!("{kind:?}, seed {seed}: {}; {}", report.line(), said(&output, "windows"));
    report.assert_right();
    let rows = report.all["rows"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!((report.partial_rows, report.number("values") > 0), (rows, true), "{:?}", report.all);
    let mut partial = BTreeSet::new();
    visit(&stage, &stage.output_topic("epochs"), |record| {
        let epoch: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        let entries = epoch["partitions"].as_array().unwrap().iter().filter(|entry| entry["partial"] == true);
        partial.extend(entries.map(|entry| entry["partition"].as_i64().unwrap()));
    });
    assert_eq!(partial, BTreeSet::from([0, 1]), "partitions of which an epoch record says partial");
    // The audit says of rows that say so that it cannot tell them, and of all else that it holds.
    let verified = verify(&stage);
    assert_eq!((verified.code, verified.kinds()), (1, vec!["windows_unchecked"]), "{:#}", verified.report);
}

#[test]
fn what_retention_removed_makes_a_window_partial_on_apache_kafka() {
    retention_was_faster(Kind::Apache);
}

#[test]
fn what_retention_removed_makes_a_window_partial_beside_the_embedded_broker() {
    retention_was_faster(Kind::Embedded);
}

/// A replay says how far it is: state and reason in `/readyz`, messages read again and offsets left in the metrics, begin and end in the
/// log. It gives nothing out.
#[test]
fn a_replay_shows_its_progress() {
    let (seed, messages) = (seed(), 400_000_u64);
    let stage = Stage::new(Kind::Embedded, "replays", 2);
    stage.fill(seed, messages);
    let half_a_day = ["--set", "windows.size=12h", "--set", "windows.rolling=1"];
    stage.run_to_end(&half_a_day);
    let port = free_port();
    let serve = format!("serve.listen=127.0.0.1:{port}");
    let mut run = Process::spawn(stage.run(&[&["--quiet", "--set", &serve], &half_a_day[..]].concat()));
    let mut left: Vec<f64> = Vec::new();
    let mut reasons = BTreeSet::new();
    run.wait_for(PATIENCE, "the end of the replay", |_| {
        let (status, body) = get(port, "/readyz")?;
        let health: Value = serde_json::from_str(&body).unwrap();
        let lane = &health["lanes"][0];
        if lane["state"] == "replaying" {
            assert_eq!((status, &lane["ready"]), (200, &Value::Bool(true)), "{body}");
            reasons.insert(lane["reason"].as_str().unwrap().to_owned());
            left.extend(metric(port, "corelane_replay_left_offsets"));
        }
        (lane["state"] == "consuming").then_some(())
    });
    let replayed = metric(port, "corelane_replayed_messages_total").unwrap();
    let written = metric(port, "corelane_messages_total").unwrap();
    let log = run.stderr();
    run.signal(libc::SIGTERM);
    let output = run.wait_success(PATIENCE);
    println!("seed {seed}: {reasons:?}; left {left:?}; {replayed} read again");
    assert!(reasons.iter().all(|reason| reason.contains("still to be read again")) && !reasons.is_empty(), "{reasons:?}");
    left.dedup();
    assert!(left.iter().any(|left| *left > 0.0) && left.is_sorted_by(|one, next| one >= next), "{left:?}");
    assert_eq!((replayed, written), (messages as f64, 0.0));
    assert_eq!(partitions_of(&log, "reading again"), partitions_of(&log, ": live"));
    assert!(output.contains("400,000 messages were read again"), "{output}");
    eventually(PATIENCE, "nothing to be left", || (committed(&stage).len() == 2).then_some(()));
}
