//! The fault suite: processes and brokers are killed, stopped and cut off at random while messages come in; then all heals, and every
//! message is counted. `docs/chaos.md` says how to read it.
//!
//! `./dev chaos` plays as long and as hard as one likes; the tests here play short schedules, with a seed that is always the same and with
//! one that is always another. A schedule is a function of its seed; what it meets depends on the machine.

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
#[path = "main_job/window_report.rs"]
mod window_report;

#[cfg(feature = "failpoints")]
#[path = "chaos/canaries.rs"]
mod canaries;
#[path = "chaos/cast.rs"]
mod cast;
#[path = "chaos/options.rs"]
mod options;
#[path = "chaos/play.rs"]
mod play;
#[path = "chaos/proxy.rs"]
mod proxy;
#[path = "chaos/report.rs"]
mod report;
#[path = "chaos/schedule.rs"]
mod schedule;
#[path = "chaos/theatre.rs"]
mod theatre;
#[path = "chaos/verdict.rs"]
mod verdict;

use crate::cast::Asked;
use crate::options::Options;
use crate::play::play;
use crate::schedule::schedule;

fn plays(options: &Options) {
    println!("{}", options.command());
    let outcome = play(options, Asked::default(), |theatre| schedule(options.seed(), options.faults, &theatre.world(options)));
    println!("{}", outcome.summary());
    if let Some(path) = &options.report {
        outcome.write(path);
    }
    outcome.assert_right();
}

/// As `./dev chaos` was called.
#[test]
fn as_asked() {
    plays(&Options::asked("--faults 6 --kafka apache --processes 2"));
}

#[test]
fn a_fixed_seed_beside_the_embedded_broker() {
    plays(&Options::of("--faults 6 --seed 1 --kafka embedded --processes 3 --lakes own"));
}

#[test]
fn a_fresh_seed_beside_the_embedded_broker() {
    plays(&Options::of("--faults 4 --kafka embedded --processes 2"));
}

#[test]
fn a_fixed_seed_on_apache_kafka() {
    plays(&Options::of("--faults 4 --seed 1 --kafka apache --processes 2"));
}

/// Each kind once, and the first twice: what comes more seldom in a fresh seed than kills do.
#[test]
fn a_fixed_seed_of_brokers_and_network_on_apache_kafka() {
    plays(&Options::of("--faults 6 --seed 1 --kafka apache --processes 2 --only broker-kill,broker-stall,cut,half-open,guest"));
}

/// As little as three nodes can be asked for: two cores bear three JVMs, a simulator and one process.
#[test]
fn a_fixed_seed_on_three_brokers() {
    plays(&Options::of(
        "--faults 3 --seed 1 --kafka apache --brokers 3 --processes 1 --rate 200 --only broker-kill,broker-restart,kill-in-settle",
    ));
}

#[test]
fn brokers_of_three_are_killed() {
    plays(&Options::of("--faults 2 --kafka apache --brokers 3 --processes 1 --rate 200 --only broker-kill"));
}
