//! What the guarantees cost, and whether they hold for long, with real processes (docs/performance.md).
//!
//! ```text
//! cargo bench --bench guarantees                          commit, and failover at three rates, on Apache Kafka 4.1
//! cargo bench --bench guarantees -- commit 8000000        throughput with epochs of 1 s, 10 s and 60 s, and with at_least_once
//! cargo bench --bench guarantees -- failover 50000 240    kill -9 of one of two processes, at so many messages a second, after so many seconds
//! cargo bench --bench guarantees -- soak 50000 60         two lanes, so many messages a second, so many minutes, a fault a minute
//! ```
//! `cargo test` runs small ones on the embedded broker. Every run is checked: what was sent is committed, and `corelane verify` holds.

// As in a test, what is unexpected ends the run where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_precision_loss)] // counts of messages are far below 2^52

#[path = "../windows/asked.rs"]
mod asked;
mod commit;
mod failover;
#[allow(dead_code, reason = "shared with other benches; each uses a part")]
#[path = "../main_job/measured.rs"]
mod measured;
mod soak;
#[path = "../windows/stage.rs"]
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/main_job/web.rs"]
mod web;

use std::time::Duration;

use asked::asked;
use support::group::Group;
use support::kafka::ApacheKafka;

/// Whatever a process is waited for.
const PATIENCE: Duration = Duration::from_mins(10);

/// What is measured.
enum Job {
    Commit { messages: u64 },
    Failover { rate: u64, seconds: u64 },
    Soak { rate: u64, minutes: u64 },
}

fn main() {
    let Some((is_bench, words)) = asked("guarantees") else { return };
    if is_bench {
        println!("load average {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
        for job in jobs(&words) {
            let kafka = ApacheKafka::start(1, &soak::BROKER);
            measure(&kafka.bootstrap(), Some(&kafka), &job);
        }
    } else {
        let (_broker, address) = stage::embedded_broker();
        measure(&address, None, &Job::Commit { messages: 20_000 });
        measure(&address, None, &Job::Failover { rate: 500, seconds: 5 });
    }
}

/// The group of a stage, which bears the name of its topic.
fn group_of(stage: &stage::Stage) -> Group {
    Group::new(stage.brokers(), stage.topic(), stage.topic(), i32::try_from(stage::PARTITIONS).expect("a few"))
}

fn measure(brokers: &str, kafka: Option<&ApacheKafka>, job: &Job) {
    match *job {
        Job::Commit { messages } => commit::measure(brokers, messages),
        Job::Failover { rate, seconds } => failover::measure(brokers, rate, seconds),
        Job::Soak { rate, minutes } => soak::measure(kafka.expect("a soak breaks brokers"), rate, minutes),
    }
}

fn jobs(words: &[String]) -> Vec<Job> {
    const MESSAGES: u64 = 8_000_000;
    const SECONDS: u64 = 240;
    let mut jobs = Vec::new();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let mut number = |default| asked::number(&mut words, default);
        jobs.push(match word.as_str() {
            "commit" => Job::Commit { messages: number(MESSAGES) },
            "failover" => Job::Failover { rate: number(50_000), seconds: number(SECONDS) },
            "soak" => Job::Soak { rate: number(50_000), minutes: number(60) },
            other => panic!("`{other}`: only commit, failover and soak are known, each with numbers"),
        });
    }
    if jobs.is_empty() {
        jobs.push(Job::Commit { messages: MESSAGES });
        jobs.extend([10_000, 50_000, 100_000].map(|rate| Job::Failover { rate, seconds: SECONDS }));
    }
    jobs
}
