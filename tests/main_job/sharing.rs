//! Two instances of one group share a lake: partitions move between them, also because one dies, and nothing is lost or double.

use std::time::Duration;

use crate::audit::audit;
use crate::records::committed;
use crate::stage::{Kind, PATIENCE, Stage, seed, sent};
use crate::support::process::Process;
use crate::support::wait::{eventually, free_port};
use crate::web::metric;

fn instance(stage: &Stage, name: &str, port: u16, args: &[&str]) -> Process {
    let (name, serve) = (format!("lanes.instance={name}"), format!("serve.listen=127.0.0.1:{port}"));
    // A session as short as is allowed: a dead instance's partitions wait that long.
    let fixed =
        ["--quiet", "--set", &name, "--set", &serve, "--set", "kafka.session_timeout=9s", "--set", "epoch.interval=500ms"];
    Process::spawn(stage.run(&[&fixed, args].concat()))
}

fn wait_partitions(run: &mut Process, port: u16, count: u32) {
    let has = |_: &mut Process| metric(port, "corelane_active_partitions").filter(|active| *active == f64::from(count));
    run.wait_for(PATIENCE, &format!("{count} partitions"), has);
}

fn partitions_move(kind: Kind) {
    let seed = seed();
    let stage = Stage::new(kind, "shared", 4);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", "2000"]));
    let (first_port, second_port) = (free_port(), free_port());
    let mut first = instance(&stage, "first", first_port, &[]);
    wait_partitions(&mut first, first_port, 4);
    let mut second = instance(&stage, "second", second_port, &[]);
    wait_partitions(&mut first, first_port, 2);
    wait_partitions(&mut second, second_port, 2);
    let commits = |_: &mut Process| metric(second_port, "corelane_epochs_total").filter(|epochs| *epochs >= 2.0);
    second.wait_for(PATIENCE, "two epochs of the second instance", commits);
    second.kill9();
    wait_partitions(&mut first, first_port, 4);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    eventually(PATIENCE, "all to be committed by the first instance alone", || {
        std::thread::sleep(Duration::from_millis(100)); // each question makes a client
        let all: i64 = committed(&stage).iter().filter_map(|(offset, _)| *offset).sum();
        (all == messages as i64).then_some(())
    });
    first.signal(libc::SIGTERM);
    first.wait_success(PATIENCE);
    // What the dead one left staged is its own to recover.
    instance(&stage, "second", second_port, &["--until-end"]).wait_success(PATIENCE);
    println!("{kind:?}, two instances, seed {seed}: {}", audit(&stage, messages).line());
}

#[test]
fn partitions_move_between_instances_on_apache_kafka() {
    partitions_move(Kind::Apache);
}

#[test]
fn partitions_move_between_instances_beside_the_embedded_broker() {
    partitions_move(Kind::Embedded);
}
