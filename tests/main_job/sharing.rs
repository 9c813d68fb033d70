//! Two instances of one group share a lake: partitions move between them, also because one dies, and nothing is lost or double.

use std::time::{Duration, Instant};

use crate::records::committed;
use crate::stage::{Kind, PATIENCE, Stage, seed, sent};
use crate::support::group::Group;
use crate::support::process::{Process, files_below};
use crate::support::wait::{eventually, free_port};
use crate::verified::audit;
use crate::web::{metric, partitions_of};

pub(crate) fn instance(stage: &Stage, name: &str, port: u16, args: &[&str]) -> Process {
    let (name, serve) = (format!("lanes.instance={name}"), format!("serve.listen=127.0.0.1:{port}"));
    // A session as short as is allowed: a dead instance's partitions wait that long.
    let fixed =
        ["--quiet", "--set", &name, "--set", &serve, "--set", "kafka.session_timeout=9s", "--set", "epoch.interval=500ms"];
    Process::spawn(stage.run(&[&fixed, args].concat()))
}

pub(crate) fn wait_partitions(run: &mut Process, port: u16, count: u32) {
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

/// From kill -9 of one process to the other having committed its partitions.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// With the defaults of session and epochs. `pause`: where the victim stands still, and is killed; else it is killed between two epochs.
fn fails_over(kind: Kind, name: &str, pause: Option<&str>) {
    let seed = seed();
    let stage = Stage::new(kind, name, 4);
    let group = Group::new(stage.bootstrap(), stage.group(), stage.topic(), stage.partitions());
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", "1000"]));
    let enter = |name: &str, pause: Option<&str>| {
        let port = free_port();
        let (name, serve) = (format!("lanes.instance={name}"), format!("serve.listen=127.0.0.1:{port}"));
        let mut command = stage.run(&["--quiet", "--set", "lanes.count=1", "--set", &name, "--set", &serve]);
        command.envs(pause.map(|pause| ("CORELANE_PAUSE", pause)));
        (Process::spawn(command), port)
    };
    let (mut survivor, port) = enter("survivor", None);
    wait_partitions(&mut survivor, port, 4);
    let (mut victim, victims_port) = enter("victim", pause);
    wait_partitions(&mut survivor, port, 2);
    wait_partitions(&mut victim, victims_port, 2);
    let theirs = partitions_of(victims_port);
    if pause.is_some() {
        let staging = stage.staging().join(format!("{}.victim.0", stage.group()));
        victim.wait_for(PATIENCE, "a staged file", |_| (!files_below(&staging, ".parquet").is_empty()).then_some(()));
        // From the staged file to the offsets it is some milliseconds; there it stands still for seconds.
        std::thread::sleep(Duration::from_secs(2));
    } else {
        let commits = |_: &mut Process| metric(victims_port, "corelane_epochs_total").filter(|epochs| *epochs >= 1.0);
        victim.wait_for(PATIENCE, "an epoch of the victim", commits);
        // If its first epoch was of one of the partitions only, the next one is short, too; the one after that lasts for 30 s.
        std::thread::sleep(Duration::from_secs(4));
    }
    victim.kill9();
    let killed = Instant::now();
    let before = eventually(PATIENCE, "the group's offsets", || group.committed());
    let took = survivor.wait_for(PATIENCE, "the survivor to commit the victim's partitions", |_| {
        let now = group.committed()?;
        theirs.iter().all(|&partition| now[partition] > before[partition]).then(|| killed.elapsed())
    });
    println!("{kind:?}, {name}, seed {seed}: the victim's partitions {theirs:?} committed {took:.1?} after the kill");
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    survivor.wait_for(PATIENCE, "all to be committed by the survivor", |_| {
        (group.committed()?.iter().sum::<i64>() == messages as i64).then_some(())
    });
    survivor.signal(libc::SIGTERM);
    survivor.wait_success(PATIENCE);
    // What the dead one left staged is its own to recover.
    let mut victim =
        Process::spawn(stage.run(&["--quiet", "--until-end", "--set", "lanes.count=1", "--set", "lanes.instance=victim"]));
    victim.wait_success(PATIENCE);
    let discarded = victim.stderr().lines().any(|line| line.contains("epochs recovered") && line.contains("discarded=1"));
    println!("{kind:?}, {name}: {}", audit(&stage, messages).line());
    assert_eq!(theirs.len(), 2, "{theirs:?}");
    assert_eq!(discarded, pause.is_some(), "the victim was not killed where it was to be:\n{}", victim.stderr());
    assert!(took < FAILOVER_MAX, "{took:?}");
}

/// Where a victim stands still in the middle of its transaction. Apache Kafka ends that after 15 s, and looks for such every 10 s.
#[cfg(feature = "failpoints")]
const IN_TRANSACTION: &str = "transact.offsets_sent=6000";

#[cfg(feature = "failpoints")]
#[test]
fn a_process_killed_inside_a_transaction_has_a_successor_within_30_s_on_apache_kafka() {
    fails_over(Kind::Apache, "inside", Some(IN_TRANSACTION));
}

#[cfg(feature = "failpoints")]
#[test]
fn a_process_killed_inside_a_transaction_has_a_successor_within_30_s_beside_the_embedded_broker() {
    fails_over(Kind::Embedded, "inside", Some(IN_TRANSACTION));
}

#[test]
fn a_process_killed_between_two_epochs_has_a_successor_within_30_s_on_apache_kafka() {
    fails_over(Kind::Apache, "outside", None);
}

#[test]
fn a_process_killed_between_two_epochs_has_a_successor_within_30_s_beside_the_embedded_broker() {
    fails_over(Kind::Embedded, "outside", None);
}
