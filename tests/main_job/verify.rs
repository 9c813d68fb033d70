//! `corelane verify` on what real lanes wrote: a whole lake holds, and each damage done by hand to it is found with its place and remedy.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::stage::{Kind, PATIENCE, Stage, seed};
use crate::support::process::{Process, corelane, files_below};
use crate::support::scratch::Scratch;
use crate::support::wait::eventually;
use crate::verified::{Verified, run, verify, verify_with};

/// Windows of a second close while a fleet of some seconds is read.
const SETTINGS: [&str; 10] = [
    "--set",
    "epoch.interval=500ms",
    "--set",
    "lanes.count=2",
    "--set",
    "windows.size=1s",
    "--set",
    "windows.grace=1s",
    "--set",
    "windows.future_skew=1s",
];

/// A copy of the stage's lake, to be damaged.
struct Copy<'a> {
    stage: &'a Stage,
    dir: Scratch,
}

impl<'a> Copy<'a> {
    fn of(stage: &'a Stage) -> Self {
        let dir = Scratch::new("copy");
        copy_all(&stage.lake(), dir.path());
        Self { stage, dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn verify(&self, args: &[&str]) -> Verified {
        let lake = format!("lake.path={}", self.path().display());
        verify_with(self.stage, &[&["--set", lake.as_str()], args].concat())
    }

    /// A visible segment of a table, and the staging folder of its writer with the name that it had there.
    fn segment(&self, table: &str) -> (PathBuf, PathBuf) {
        let visible = files_below(&self.path().join(table), ".parquet").remove(0);
        let name = visible.file_stem().unwrap().to_str().unwrap().to_owned();
        let (epoch, writer) = name.split_at(36);
        let folder = |path: &Path, key: &str| path.file_name().unwrap().to_str().unwrap().strip_prefix(key).unwrap().to_owned();
        let of_hour = visible.parent().unwrap();
        let (hour, date) = (folder(of_hour, "hour="), folder(of_hour.parent().unwrap(), "date="));
        let staging = self.path().join("_staging").join(&writer[1..]);
        fs::create_dir_all(&staging).unwrap();
        (visible, staging.join(format!("{epoch}.{table}.{date}T{hour}.parquet")))
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// A group that has read some seconds of a fleet, epochs and windows and all.
fn filled(kind: Kind, name: &str) -> Stage {
    let stage = Stage::new(kind, name, 3);
    let mut lanes = Process::spawn(stage.run(&[&["--quiet"], &SETTINGS[..]].concat()));
    lanes.wait_line(PATIENCE, "partitions assigned");
    let mut simulator = Process::spawn(stage.simulate(seed(), &["--rate", "2000", "--messages", "12000"]));
    simulator.wait_success(PATIENCE);
    lanes.signal(libc::SIGTERM);
    lanes.wait_success(PATIENCE);
    stage.run_to_end(&SETTINGS);
    stage
}

fn a_whole_lake_holds(kind: Kind) {
    let stage = filled(kind, "verify");
    let verified = verify(&stage);
    verified.assert_holds();
    let looked = &verified.report["looked"];
    assert_eq!((&looked["deep_rows"], &looked["messages"]), (&Value::from(12_000), &Value::from(12_000)), "{looked}");
    assert!(looked["aggregates"].as_u64().unwrap() > 1_000 && looked["groups"].as_u64().unwrap() > 10, "{looked}");
    assert!(looked["epochs"].as_u64().unwrap() > 5, "{looked}");
    println!("{kind:?}: {looked}");
    // The same without a configuration: the group is the lake's. Where it was to start is not known then, and does not matter.
    let mut command = corelane(["verify", "--deep", "--brokers", stage.bootstrap(), "--prefix", stage.topic(), "--lake"]);
    command.arg(stage.lake());
    run(command).assert_holds();
    // For people.
    let mut command = corelane(["verify", "--config"]);
    command.arg(stage.configuration());
    let text = Process::spawn(command).wait_success(PATIENCE);
    assert!(text.ends_with("verdict    all holds\n") && text.contains("partition  "), "{text}");
}

#[test]
fn a_whole_lake_holds_on_apache_kafka() {
    a_whole_lake_holds(Kind::Apache);
}

#[test]
fn a_whole_lake_holds_on_the_embedded_broker() {
    a_whole_lake_holds(Kind::Embedded);
}

#[test]
fn each_damage_is_found_with_its_place_and_remedy() {
    let stage = filled(Kind::Embedded, "damaged");
    let text = |path: &Path| path.display().to_string();

    let copy = Copy::of(&stage);
    let (visible, _) = copy.segment("events");
    fs::remove_file(&visible).unwrap();
    copy.verify(&[]).assert_finds(&["segment_missing"], &text(&visible));

    let copy = Copy::of(&stage);
    let (visible, _) = copy.segment("readings");
    let mut bytes = fs::read(&visible).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&visible, bytes).unwrap();
    copy.verify(&[]).assert_finds(&["segment_checksum"], &text(&visible));
    // What stands on its rows cannot be seen any more.
    copy.verify(&["--deep"]).assert_finds(&["segment_checksum", "windows_unchecked"], &text(&visible));

    let copy = Copy::of(&stage);
    let stranger = copy.path().join("readings/extra.parquet");
    fs::copy(copy.segment("readings").0, &stranger).unwrap();
    copy.verify(&[]).assert_finds(&["foreign_file"], &text(&stranger));

    let copy = Copy::of(&stage);
    let (visible, _) = copy.segment("readings");
    let epoch = uuid::Uuid::now_v7().to_string();
    let uncommitted = text(&visible).replace(&visible.file_name().unwrap().to_str().unwrap()[..36], &epoch);
    fs::copy(&visible, &uncommitted).unwrap();
    copy.verify(&[]).assert_finds(&["segment_uncommitted"], &uncommitted);

    let copy = Copy::of(&stage);
    let (visible, staged) = copy.segment("rejects");
    fs::create_dir_all(copy.path().join("_quarantine/x.y.0")).unwrap();
    let aside = copy.path().join("_quarantine/x.y.0").join(staged.file_name().unwrap());
    fs::rename(&visible, &aside).unwrap();
    copy.verify(&[]).assert_finds(&["quarantined", "segment_missing"], &text(&aside));

    let copy = Copy::of(&stage);
    let (visible, _) = copy.segment("groups");
    fs::remove_file(&visible).unwrap();
    symlink("/nowhere", &visible).unwrap();
    copy.verify(&[]).assert_finds(&["unreadable"], &text(&visible));
}

#[test]
fn repair_finishes_renames_and_removes_orphans_and_nothing_else() {
    let stage = filled(Kind::Embedded, "repaired");
    let copy = Copy::of(&stage);
    // A rename that was not finished; an orphan; a draft; and what a repair must not touch: a stranger, and a file in quarantine.
    let (visible, staged) = copy.segment("readings");
    let stranger = copy.path().join("readings/extra.parquet");
    fs::copy(&visible, &stranger).unwrap();
    fs::rename(&visible, &staged).unwrap();
    let orphan =
        staged.with_file_name(format!("{}{}", uuid::Uuid::now_v7(), &staged.file_name().unwrap().to_str().unwrap()[36..]));
    fs::copy(&staged, &orphan).unwrap();
    let draft = staged.with_file_name("x.parquet.tmp");
    fs::write(&draft, "half").unwrap();
    let found = copy.verify(&[]);
    found.assert_finds(&["rename_unfinished", "orphan", "foreign_file"], &staged.display().to_string());
    assert_eq!(found.report["totals"]["orphan"], 2);
    assert!(staged.exists() && orphan.exists() && draft.exists(), "an audit changes nothing");

    let repaired = copy.verify(&["--repair"]);
    repaired.assert_finds(&["foreign_file"], "extra.parquet");
    let done = repaired.report["repaired"].as_array().unwrap();
    let action_on = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let one = done.iter().find(|one| one["path"].as_str().unwrap().ends_with(name));
        one.unwrap_or_else(|| panic!("{name} is not in {done:?}"))["action"].as_str().unwrap()
    };
    assert_eq!([&staged, &orphan, &draft].map(|path| action_on(path)), ["renamed", "removed", "removed"]);
    assert!(visible.exists() && !staged.exists() && !orphan.exists() && !draft.exists() && stranger.exists());
    fs::remove_file(stranger).unwrap();
    let clean = copy.verify(&["--repair", "--deep"]);
    clean.assert_holds();
    assert_eq!(clean.report["repaired"], Value::Array(Vec::new()));
}

#[test]
fn a_lake_is_audited_and_not_repaired_while_its_lanes_are_at_work() {
    let stage = Stage::new(Kind::Embedded, "at-work", 3);
    let mut simulator = Process::spawn(stage.simulate(seed(), &["--rate", "3000"]));
    let mut lanes = Process::spawn(stage.run(&[&["--quiet"], &SETTINGS[..]].concat()));
    lanes.wait_for(PATIENCE, "some epochs", |_| (files_below(&stage.lake().join("groups"), ".parquet").len() > 3).then_some(()));
    for _ in 0..5 {
        let verified = verify(&stage);
        verified.assert_holds();
        assert!(verified.report["looked"]["epochs"].as_u64().unwrap() > 0);
    }
    // A file that nobody will claim: a repair leaves it to the process that is at work.
    let writer = fs::read_dir(stage.staging()).unwrap().next().unwrap().unwrap().path();
    let orphan = writer.join(format!("{}.readings.2026-01-01T00.parquet", uuid::Uuid::now_v7()));
    fs::write(&orphan, "x").unwrap();
    let verified = verify_with(&stage, &["--repair"]);
    assert!(orphan.exists());
    let left = verified.report["repaired"].as_array().unwrap();
    assert!(left.iter().any(|one| one["action"] == "left" && one["why"].as_str().unwrap().contains("in use")), "{left:#?}");
    assert!(lanes.is_running(), "{}", lanes.stderr());
    lanes.kill9();
    simulator.signal(libc::SIGINT);
    simulator.wait_success(PATIENCE);
    // What the kill left is found or finished; then the group goes on, and all holds.
    let verified = verify_with(&stage, &["--repair", "--deep"]);
    verified.assert_holds();
    assert!(!orphan.exists(), "{:#}", verified.report);
    stage.run_to_end(&SETTINGS);
    verify(&stage).assert_holds();
}

#[test]
fn a_group_that_was_moved_is_found() {
    let stage = filled(Kind::Embedded, "moved");
    let mut command =
        corelane(["groups", "reset", "--brokers", stage.bootstrap(), "--group", stage.group(), "--topic", stage.topic()]);
    command.args(["--partition", "1", "--to", "7", "--reason", "ticket 42"]);
    let (program, args) = (command.get_program().to_owned(), command.get_args().map(OsStr::to_owned).collect::<Vec<_>>());
    // Its members are gone once their session has passed.
    eventually(PATIENCE, "the group to have no members", || {
        let mut again = Command::new(&program);
        again.args(&args);
        let mut reset = Process::spawn(again);
        reset.wait_exit(PATIENCE).success().then_some(())
    });
    verify_with::<&str>(&stage, &[]).assert_finds(&["offset_moved"], "ticket_42");
    verify(&stage).assert_finds(&["offset_moved", "windows_unchecked"], "committed offset is 7");
}

#[test]
fn what_cannot_be_audited_says_why_with_its_exit_code() {
    let refused = |command: Command| {
        let verified = run(command);
        assert_eq!(verified.report, Value::Null);
        (verified.code, verified.stderr)
    };
    let scratch = Scratch::new("nothing");
    let here = scratch.path().to_str().unwrap();
    let (code, text) = refused(corelane(["verify", "--brokers", "127.0.0.1:9", "--lake", here]));
    assert!(code == 64 && text.contains("no lake is here"), "{code} {text}");
    let (code, text) = refused(corelane(["verify", "--brokers", "127.0.0.1:9"]));
    assert!(code == 64 && text.contains("--lake"), "{code} {text}");
    let config = scratch.path().join("wrong.yaml");
    fs::write(&config, "kafka: 7\n").unwrap();
    let (code, text) = refused(corelane(["verify", "--config", config.to_str().unwrap()]));
    assert!(code == 78 && text.contains("kafka"), "{code} {text}");
    let stage = filled(Kind::Embedded, "refused");
    let lake = stage.lake();
    let lake = lake.to_str().unwrap();
    let (code, text) = refused(corelane(["verify", "--brokers", "127.0.0.1:9", "--lake", lake, "--timeout", "2"]));
    assert!(code == 69 && text.contains("no answer from Kafka"), "{code} {text}");
    let (code, text) = refused(corelane(["verify", "--brokers", stage.bootstrap(), "--lake", lake, "--group", "other"]));
    assert!(code == 64 && text.contains("lake of group"), "{code} {text}");
    let (code, text) = refused(corelane(["verify", "--brokers", stage.bootstrap(), "--lake", lake, "--prefix", "nobody"]));
    assert!(code == 69 && text.contains("there is no topic nobody.epochs"), "{code} {text}");
}
