//! What the lake's disk may do to a run: it waits, says why, and goes on without loss.

use std::fs;
use std::time::Duration;
#[cfg(feature = "failpoints")]
use std::time::Instant;

use crate::mount::Disk;
use crate::stage::{Kind, PATIENCE, RATE, Stage, seed, sent};
use crate::support::process::Process;
use crate::support::wait::eventually;
use crate::verified::audit;
use crate::watched::Watched;

/// How long the disk is gone: several tries.
const FAULT: Duration = Duration::from_secs(3);

/// Breaks the disk under a run that consumes, sees it say `reason`, mends the disk, and counts everything.
fn goes_on(name: &str, reason: &str, damage: impl FnOnce(&Disk), mend: impl FnOnce(&Disk)) {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, name, 2);
    let disk = Disk::new(&stage, "64m");
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = Watched::start_as(&stage, &[], |command| disk.within(&command));
    run.wait_epochs(3.0);
    damage(&disk);
    let said = run.wait_unready(reason);
    run.lasts(FAULT);
    run.wait_unready(reason);
    let waited = run.metric("corelane_processing_errors_total").unwrap();
    mend(&disk);
    run.wait_ready();
    run.wait_epochs(3.0);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    run.stop();
    disk.copy_out();
    println!("{name}, seed {seed}: {waited} tries failed; {}; {said}", audit(&stage, messages).line());
}

#[test]
fn a_full_disk_is_waited_for() {
    goes_on("full", "The disk is full", Disk::fill, Disk::free);
}

#[test]
fn a_read_only_disk_is_waited_for() {
    goes_on("read-only", "read-only", Disk::make_read_only, Disk::take_away);
}

#[test]
fn a_disk_that_is_unmounted_is_waited_for_and_no_lake_begins_in_its_place() {
    goes_on("unmounted", "is not here any more", Disk::take_away, |disk| {
        disk.assert_nothing_beside();
        disk.bring_back();
    });
}

/// The whole folder is moved away, and brought back while messages wait.
#[test]
fn a_lake_that_is_moved_away_is_waited_for_and_none_begins_in_its_place() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "moved-away", 2);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = Watched::start(&stage, &[]);
    run.wait_epochs(3.0);
    let away = stage.scratch_file("away");
    fs::rename(stage.lake(), &away).unwrap();
    let said = run.wait_unready("is not here any more");
    run.lasts(FAULT);
    assert!(!stage.lake().exists(), "a new lake was begun");
    // Whoever puts another lake there must not get our rows in it.
    let other = stage.run(&["--until-end", "--quiet", "--set", "kafka.group=other", "--set", "kafka.prefix=other"]);
    Process::spawn(other).wait_success(PATIENCE);
    run.wait_unready("lies here now");
    fs::remove_dir_all(stage.lake()).unwrap();
    fs::rename(&away, stage.lake()).unwrap();
    run.wait_ready();
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    run.stop();
    println!("seed {seed}: {}; {said}", audit(&stage, messages).line());
}

/// Between commit and reveal: a file stands where a folder must be. What is committed becomes visible once it is gone.
#[test]
fn a_segment_that_cannot_be_renamed_is_revealed_later() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "unrenamed", 2);
    stage.run_to_end(&[]); // makes the lake
    let in_the_way = stage.lake().join("readings");
    fs::write(&in_the_way, "").unwrap();
    stage.fill(seed, 3_000);
    let mut run = Watched::start(&stage, &[]);
    let said = run.wait_unready("Something else has the name");
    run.lasts(FAULT);
    fs::remove_file(&in_the_way).unwrap();
    run.wait_ready();
    run.wait_committed(&stage, 3_000);
    eventually(PATIENCE, "all to be revealed", || {
        crate::support::process::files_below(&stage.staging(), ".parquet").is_empty().then_some(())
    });
    run.stop();
    println!("seed {seed}: {}; {said}", audit(&stage, 3_000).line());
}

/// A run that stands still at a failpoint for so many milliseconds, each time that it comes there.
#[cfg(feature = "failpoints")]
fn pausing(stage: &Stage, args: &[&str], point: &str, millis: u64) -> Watched {
    Watched::start_as(stage, args, |mut command| {
        command.env("CORELANE_PAUSE", format!("{point}={millis}"));
        command
    })
}

/// Each fsync of a file takes a second, and an epoch has several.
#[cfg(feature = "failpoints")]
#[test]
fn a_slow_disk_only_slows() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "slow", 2);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = pausing(&stage, &[], "stage.written", 1_000);
    let began = Instant::now();
    for _ in 0..4 {
        run.wait_epochs(1.0);
        assert!(run.is_ready(), "a settle that takes some seconds is no fault");
    }
    let took = began.elapsed() / 4;
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    let failures = run.metric("corelane_processing_errors_total").unwrap();
    run.stop();
    println!("seed {seed}: {took:.1?} an epoch; {}", audit(&stage, messages).line());
    assert!(took > Duration::from_secs(1), "{took:?} an epoch: the disk was not slow");
    assert_eq!(failures, 0.0);
}

/// A call that never comes back, as on a network file system whose server is gone: nobody can go on but another process.
#[cfg(feature = "failpoints")]
#[test]
fn a_disk_that_hangs_ends_the_run() {
    let (seed, messages) = (seed(), 3_000);
    let stage = Stage::new(Kind::Embedded, "hanging", 2);
    stage.fill(seed, messages);
    let began = Instant::now();
    let mut run = pausing(&stage, &["--set", "lanes.stall_timeout=10s"], "stage.written", 3_600_000);
    let told = run.wait_unready("settles for");
    let log = run.ends_for(&["its thread does not answer", "the disk of the lake or Kafka's client hangs"]);
    println!("seed {seed}: ended after {:.1?}: {}; {told}", began.elapsed(), log.lines().last().unwrap_or_default());
    stage.run_to_end(&[]);
    audit(&stage, messages);
}
