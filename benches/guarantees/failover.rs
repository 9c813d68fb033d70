//! kill -9 of one of two processes as it stages a file, right before its transaction or in it: when does the other commit its partitions,
//! and when are its windows whole?

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::stage::{PARTITIONS, Stage, number_after, seconds_of};
use super::support::process::{Process, corelane};
use super::support::wait::{eventually, free_port};
use super::web::{metric, partitions_of};
use super::{PATIENCE, group_of};

/// Half a second of messages: with less behind, a lane has caught up.
const BEHIND: Duration = Duration::from_millis(500);
/// Beyond this a survivor is taken to be too slow for the stream.
const CATCHING_UP_MAX: Duration = Duration::from_mins(5);
/// Each question goes to Kafka.
const LOOK: Duration = Duration::from_millis(20);
const VICTIM: &str = "victim";

pub(crate) fn measure(brokers: &str, rate: u64, seconds: u64) {
    let stage = Stage::new(brokers, &format!("failover-{rate}"));
    let mut simulator = Process::spawn(stage.simulate(&["--devices", "10000", "--rate", &rate.to_string()]));
    let running = Instant::now();
    let enter = |name: &str| {
        let port = free_port();
        let settings = [format!("lanes.instance={name}"), format!("serve.listen=127.0.0.1:{port}")];
        let process = Process::spawn(stage.run(&["--quiet", "--set", &settings[0], "--set", &settings[1]]));
        (process, port)
    };
    let (mut survivor, port) = enter("survivor");
    let (mut victim, victims_port) = enter(VICTIM);
    let half = PARTITIONS / 2;
    eventually(PATIENCE, "each process to have half of the partitions", || {
        std::thread::sleep(LOOK);
        (partitions_of(port).len() == half && partitions_of(victims_port).len() == half).then_some(())
    });
    std::thread::sleep(Duration::from_secs(seconds));
    let theirs = partitions_of(victims_port);
    assert_eq!(theirs.len(), half, "{theirs:?}");
    let replayed = metric(port, "corelane_replayed_messages_total").expect("the server answers");
    let lag = behind(port).zip(behind(victims_port)).map(|(one, other)| one + other).expect("the servers answer");
    let logged = survivor.stderr().len();

    // The staged file is the first thing of a settle; then the transaction, then the reveal takes the file away.
    wait_for_settle(&stage.lake().join("_staging").join(format!("{}.{VICTIM}.0", stage.topic())));
    victim.kill9();
    let (killed, wall) = (Instant::now(), jiff::Timestamp::now());
    let group = group_of(&stage);
    let before = eventually(PATIENCE, "the group's offsets", || group.committed());
    let committed = survivor.wait_for(PATIENCE, "the survivor to commit the victim's partitions", |_| {
        std::thread::sleep(LOOK);
        let now = group.committed()?;
        theirs.iter().all(|&partition| now[partition] > before[partition]).then(|| killed.elapsed())
    });
    println!(
        "failover: {rate} messages a second for {seconds} s ({lag:.0} behind when killed): all of the victim's partitions committed \
         {:.1} s after the kill",
        committed.as_secs_f64()
    );
    let live = survivor.wait_for(PATIENCE, "all partitions to be live", |survivor| {
        std::thread::sleep(LOOK);
        let log = survivor.stderr();
        let times =
            |what: &str| -> Vec<f64> { log[logged..].lines().filter(|line| line.contains(what)).map(seconds_of).collect() };
        let (began, live) = (times(": reading again"), times(": live"));
        (began.len() >= half && live.len() == began.len())
            .then(|| live[live.len() - 1] - Duration::from_micros(wall.as_microsecond().unsigned_abs()).as_secs_f64())
    });
    let replayed = metric(port, "corelane_replayed_messages_total").expect("the server answers") - replayed;
    println!("failover: live {live:.1} s after the kill with {replayed:.0} messages read again");
    tell_when_caught_up(&mut survivor, port, rate, killed);

    simulator.signal(libc::SIGINT);
    let sending = running.elapsed().as_secs_f64();
    let sent = number_after(&simulator.wait_success(PATIENCE), "sent");
    println!("failover: the simulator sent {:.0} messages a second in fact", sent as f64 / sending);
    survivor.signal(libc::SIGTERM);
    survivor.wait_success(PATIENCE);
    // The victim's successor reveals what its last transaction committed.
    let instance = format!("lanes.instance={VICTIM}");
    Process::spawn(stage.run(&["--quiet", "--until-end", "--set", &instance])).wait_success(PATIENCE);
    let mut verify = corelane(["verify", "--quiet", "--config"]);
    verify.arg(stage.configuration());
    Process::spawn(verify).wait_success(PATIENCE);
    let all: i64 = eventually(PATIENCE, "the group's offsets", || group.committed()).iter().sum();
    assert!(all >= i64::try_from(sent).expect("fewer than 2^63"), "{all} of {sent} are committed");
}

/// One lane now has what two had: where that is too much for it, it never catches up, and how far it is behind is the figure.
fn tell_when_caught_up(survivor: &mut Process, port: u16, rate: u64, killed: Instant) {
    let near = rate as f64 * BEHIND.as_secs_f64();
    let until = Instant::now() + CATCHING_UP_MAX;
    let lag = survivor
        .wait_for(PATIENCE, "the survivor to answer", |_| behind(port).filter(|lag| *lag < near || Instant::now() > until));
    let (what, after) = (if lag < near { "caught up" } else { "not caught up" }, killed.elapsed().as_secs_f64());
    println!("failover: {what} {after:.1} s after the kill, {lag:.0} behind");
}

/// Waits until another file is staged than those that are there now.
fn wait_for_settle(staging: &Path) {
    let staged = || -> BTreeSet<_> { fs::read_dir(staging).into_iter().flatten().flatten().map(|entry| entry.path()).collect() };
    let before = staged();
    eventually(PATIENCE, "a settle", || (!staged().is_subset(&before)).then_some(()));
}

/// Messages that a process's partitions are behind.
fn behind(port: u16) -> Option<f64> {
    metric(port, "corelane_partition_lag_messages")
}
