//! Throughput of one lane with epochs of different lengths, the same messages each time, all in one run.

use super::PATIENCE;
use super::measured::{self, Cost};
use super::stage::{Stage, number_after};
use super::support::process::{Process, corelane};

/// So that time decides when an epoch ends: not its size, and not the records of windows that close one after the other in a minute's work.
const ROOM: [&str; 3] = ["memory.budget_bytes=4GiB", "epoch.bytes=2GiB", "windows.size=1h"];
/// The name of a way, and how it differs from the others.
const WAYS: [(&str, &[&str]); 4] = [
    ("exactly_once, epochs of 1 s", &["epoch.interval=1s"]),
    ("exactly_once, epochs of 10 s", &["epoch.interval=10s"]),
    ("exactly_once, epochs of 60 s", &["epoch.interval=60s"]),
    ("at_least_once, epochs of 10 s", &["epoch.interval=10s", "kafka.delivery=at_least_once"]),
];

pub(crate) fn measure(brokers: &str, messages: u64) {
    let stage = Stage::new(brokers, "commit");
    stage.simulate_past("10000", "1s", messages);
    let mut best: Vec<Option<Cost>> = vec![None; WAYS.len()];
    // Forth and back, so that what grows or cools down meanwhile meets all alike.
    for (round, ways) in [[0, 1, 2, 3], [3, 2, 1, 0]].into_iter().enumerate() {
        for way in ways {
            let (name, settings) = WAYS[way];
            let cost = run(&stage, &format!("commit-{way}-{round}"), settings, messages);
            let seconds = cost.wall.as_secs_f64();
            println!(
                "commit: {name}: {messages} messages in {seconds:.1} s, {:.0} a second; {} epochs; CPU {:.2} s a million; peak {} MiB",
                messages as f64 / seconds,
                epochs(&cost.stdout),
                cost.cpu.as_secs_f64() / messages as f64 * 1e6,
                cost.peak_bytes >> 20
            );
            if best[way].as_ref().is_none_or(|other| cost.wall < other.wall) {
                best[way] = Some(cost);
            }
        }
    }
    let longest = best[2].as_ref().expect("it ran twice");
    for ((name, _), cost) in WAYS.iter().zip(best.iter().flatten()) {
        println!(
            "commit: {name}: {:.2} of the time and {:.2} of the CPU of epochs of 60 s",
            cost.wall.as_secs_f64() / longest.wall.as_secs_f64(),
            cost.cpu.as_secs_f64() / longest.cpu.as_secs_f64()
        );
    }
}

/// A lake and a group of its own.
fn run(stage: &Stage, name: &str, settings: &[&str], messages: u64) -> Cost {
    let lake = stage.lake().with_file_name(name);
    let group = format!("kafka.group={name}");
    let prefix = format!("kafka.prefix={name}");
    let lake_path = format!("lake.path={}", lake.display());
    let all = [&ROOM[..], &[group.as_str(), &prefix, &lake_path], settings].concat();
    let set: Vec<&str> = all.iter().flat_map(|setting| ["--set", setting]).collect();
    let cost = measured::run(stage.run(&[&["--until-end", "--quiet"], &set[..]].concat()));
    assert_eq!(number_after(&cost.stdout, "consumed"), messages, "{}", cost.stdout);
    let mut verify = corelane(["verify", "--quiet", "--config"]);
    verify.arg(stage.configuration()).args(&set);
    Process::spawn(verify).wait_success(PATIENCE);
    std::fs::remove_dir_all(&lake).expect("a lake of our own");
    cost
}

/// How many the summary tells of: `stored 20,000 readings, 0 events, 0 rejects in 2 epochs`.
fn epochs(summary: &str) -> u64 {
    let stored = summary.lines().find(|line| line.starts_with("stored")).expect("a line of what was stored");
    let number = stored.rsplit(" in ").next().and_then(|rest| rest.split_whitespace().next());
    number.and_then(|word| word.replace(',', "").parse().ok()).expect("a number of epochs")
}
