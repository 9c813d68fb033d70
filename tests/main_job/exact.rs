//! Every message of the simulator in exactly one table, once, as its label says: on both Kafkas, with one lane and with two.

use std::time::Instant;

use crate::stage::{Kind, PATIENCE, Stage, figure, said, seed};
use crate::support::process::Process;
use crate::verified::audit;

/// The figure is 1,000,000; CI is content with less.
const MESSAGES: u64 = 150_000;

fn exactly_once(kind: Kind, lanes: usize, settings: &[&str]) {
    let (seed, messages) = (seed(), figure("CORELANE_E2E_MESSAGES", MESSAGES));
    let stage = Stage::new(kind, "exact", 4);
    let began = Instant::now();
    stage.fill(seed, messages);
    let (filled, began) = (began.elapsed(), Instant::now());
    let lanes_setting = format!("lanes.count={lanes}");
    let output = stage.run_to_end(&[&["--set", &lanes_setting, "--set", "epoch.interval=2s"], settings].concat());
    let ran = began.elapsed();
    let audit = audit(&stage, messages);
    println!(
        "{kind:?}, {lanes} lanes {settings:?}, seed {seed}: simulated in {:.1} s, run in {:.1} s; {}; cpu {}; memory {}",
        filled.as_secs_f64(),
        ran.as_secs_f64(),
        audit.line(),
        said(&output, "cpu"),
        said(&output, "memory"),
    );
}

#[test]
fn exactly_once_on_apache_kafka_with_one_lane() {
    exactly_once(Kind::Apache, 1, &[]);
}

#[test]
fn exactly_once_on_apache_kafka_with_two_lanes() {
    exactly_once(Kind::Apache, 2, &[]);
}

#[test]
fn exactly_once_on_the_embedded_broker_with_one_lane() {
    exactly_once(Kind::Embedded, 1, &[]);
}

#[test]
fn exactly_once_on_the_embedded_broker_with_two_lanes() {
    exactly_once(Kind::Embedded, 2, &[]);
}

/// Undisturbed it is exact, too.
fn at_least_once(kind: Kind) {
    let (seed, messages) = (seed(), 30_000);
    let stage = Stage::new(kind, "at-least-once", 4);
    stage.fill(seed, messages);
    stage.run_to_end(&["--set", "kafka.delivery=at_least_once", "--set", "lanes.count=2", "--set", "epoch.interval=500ms"]);
    println!("{kind:?}, at_least_once, seed {seed}: {}", audit(&stage, messages).line());
}

#[test]
fn at_least_once_undisturbed_is_exact_on_apache_kafka() {
    at_least_once(Kind::Apache);
}

#[test]
fn at_least_once_undisturbed_is_exact_on_the_embedded_broker() {
    at_least_once(Kind::Embedded);
}

/// One core for lane, Kafka's threads and the control plane: nothing may wait for a core of its own.
#[test]
fn one_core_is_enough() {
    let (seed, messages) = (seed(), 30_000);
    let stage = Stage::new(Kind::Embedded, "one-core", 4);
    stage.fill(seed, messages);
    let run = stage.run(&["--until-end", "--quiet"]);
    let mut on_one_core = std::process::Command::new("taskset");
    on_one_core.args(["-c", "0"]).arg(run.get_program()).args(run.get_args());
    Process::spawn(on_one_core).wait_success(PATIENCE);
    println!("one core, seed {seed}: {}", audit(&stage, messages).line());
}

/// A second run over the same lake has nothing to do and changes nothing; then it goes on where the first one ended.
#[test]
fn a_run_goes_on_where_the_last_one_ended() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "goes-on", 3);
    stage.fill(seed, 5_000);
    let first = stage.run_to_end(&[]);
    assert_eq!(said(&first, "consumed").split(' ').next(), Some("5,000"), "{first}");
    audit(&stage, 5_000);
    let second = stage.run_to_end(&[]);
    assert_eq!(said(&second, "consumed").split(' ').next(), Some("0"), "{second}");
    audit(&stage, 5_000);
}
