use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::batch::{EncodedSegment, Hour, Table};
use crate::lake::{Storage, Visible, names};

fn options(group: &str, instance: Option<&str>) -> OpenOptions {
    OpenOptions { group: group.to_owned(), instance: instance.map(str::to_owned) }
}

fn refusal(path: &Path, group: &str, instance: Option<&str>) -> String {
    match Lake::open(path, options(group, instance)) {
        Err(error @ LakeError::Refused { .. }) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn lake_json(path: &Path) -> PathBuf {
    path.join(names::OWN).join("lake.json")
}

#[test]
fn a_lake_and_its_instance_last() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/lake");
    let (id, instance) = {
        let lake = Lake::open(&path, options("plant", None)).unwrap();
        (lake.id(), lake.instance().to_owned())
    };
    let again = Lake::open(&path, options("plant", None)).unwrap();
    assert_eq!((again.id(), again.instance()), (id, instance.as_str()));
    assert_eq!(again.writer("plant", 3), format!("plant.{instance}.3"));
    assert_eq!(LakeIdentity::read(&path).unwrap(), Some(LakeIdentity { lake: id, group: "plant".to_owned() }));
    let drafts = fs::read_dir(path.join(names::OWN))
        .unwrap()
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().to_string_lossy().ends_with(".tmp")));
    assert_eq!(drafts.count(), 0);
}

#[test]
fn a_lake_of_another_group_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lake::open(dir.path(), options("plant", None)).unwrap());
    let message = refusal(dir.path(), "office", None);
    assert!(message.contains("group \"plant\"") && message.contains("kafka.group"), "{message}");
}

#[test]
fn a_newer_format_is_refused_whatever_else_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lake::open(dir.path(), options("plant", None)).unwrap());
    fs::write(lake_json(dir.path()), r#"{"format": 2, "name": "plant"}"#).unwrap();
    let message = refusal(dir.path(), "plant", None);
    assert!(message.contains("format 2") && message.contains("later one"), "{message}");
}

#[test]
fn a_broken_or_lost_identity_is_never_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), options("plant", None)).unwrap();
    drop(lake.storage(&lake.writer("plant", 0)).unwrap());
    drop(lake);
    for broken in ["", "{}", r#"{"format": 1, "lake": "x", "group": "plant"}"#] {
        fs::write(lake_json(dir.path()), broken).unwrap();
        let message = refusal(dir.path(), "plant", None);
        assert!(message.contains("backup"), "{broken:?}: {message}");
    }
    fs::remove_file(lake_json(dir.path())).unwrap();
    let message = refusal(dir.path(), "plant", None);
    assert!(message.contains("_staging") && message.contains("lake.json"), "{message}");
}

#[test]
fn a_second_user_of_an_instance_is_refused_and_told_who() {
    let dir = tempfile::tempdir().unwrap();
    let first = Lake::open(dir.path(), options("plant", None)).unwrap();
    let message = refusal(dir.path(), "plant", None);
    assert!(message.contains(&format!("pid {}", std::process::id())) && message.contains("lanes.instance"), "{message}");
    let other = Lake::open(dir.path(), options("plant", Some("two"))).unwrap();
    assert_eq!((other.id(), other.instance()), (first.id(), "two"));
    // The lock lives as long as anybody may write: a storage on another thread counts.
    let storage = first.storage(&first.writer("plant", 0)).unwrap();
    drop(first);
    refusal(dir.path(), "plant", None);
    drop(storage);
    Lake::open(dir.path(), options("plant", None)).unwrap();
}

#[test]
fn the_lock_of_a_dead_process_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lake::open(dir.path(), options("plant", Some("one"))).unwrap());
    let lock = dir.path().join(names::OWN).join("instances/one.lock");
    fs::write(&lock, "pid 4000000 on elsewhere, long ago\n").unwrap();
    let lake = Lake::open(dir.path(), options("plant", Some("one"))).unwrap();
    assert_eq!(fs::read_to_string(&lock).unwrap().lines().count(), 1);
    assert!(fs::read_to_string(&lock).unwrap().starts_with(&format!("pid {} on ", std::process::id())));
    drop(lake);
}

#[test]
fn a_killed_process_gives_up_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lake::open(dir.path(), options("plant", Some("one"))).unwrap());
    let lock = dir.path().join(names::OWN).join("instances/one.lock");
    fs::write(&lock, "pid 4711 on plant-7\n").unwrap();
    // A shell that holds the lock itself: nothing of it survives the kill.
    let mut holder = Command::new("sh")
        .args(["-c", "exec 9<\"$1\"; flock -x 9 && echo locked; read -r _", "sh"])
        .arg(&lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    let message = refusal(dir.path(), "plant", Some("one"));
    assert!(message.contains("pid 4711 on plant-7"), "{message}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    Lake::open(dir.path(), options("plant", Some("one"))).unwrap();
}

#[test]
fn processes_that_start_at_once_share_one_new_lake() {
    let dir = tempfile::tempdir().unwrap();
    let start = std::sync::Barrier::new(8);
    let lakes: Vec<Lake> = std::thread::scope(|scope| {
        let open = |number: usize| {
            let (start, path) = (&start, dir.path());
            scope.spawn(move || {
                start.wait();
                Lake::open(path, options("plant", Some(&format!("i{number}")))).unwrap()
            })
        };
        let threads: Vec<_> = (0..8).map(open).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(lakes.iter().all(|lake| lake.id() == lakes[0].id()));
    let written = LakeIdentity::read(dir.path()).unwrap().unwrap();
    assert_eq!(written.lake, lakes[0].id());
}

#[test]
fn names_that_make_no_writer_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for group in ["", "a b", "a/b", "gruppe-ä"] {
        assert!(refusal(dir.path(), group, None).contains("kafka.group"), "{group}");
    }
    for instance in ["", "a.b", "..", "a/b", "x y"] {
        assert!(refusal(dir.path(), "plant", Some(instance)).contains("lanes.instance"), "{instance}");
    }
    assert!(refusal(dir.path(), "plant", Some(&"x".repeat(190))).contains("Shorten"));
}

#[test]
fn the_longest_writer_still_names_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let instance = "x".repeat(WRITER_LENGTH_MAX - 7 - "plant".len());
    let lake = Lake::open(dir.path(), options("plant", Some(&instance))).unwrap();
    let writer = lake.writer("plant", 99_999);
    assert_eq!(writer.len(), WRITER_LENGTH_MAX);
    let mut storage = lake.storage(&writer).unwrap();
    let segment = EncodedSegment { table: Table::Readings, hour: Hour(0), rows: 1, bytes: vec![1], crc32c: 0 };
    let staged = storage.put(Uuid::now_v7(), &[segment]).unwrap();
    storage.reveal(&staged).unwrap();
    assert_eq!(lake.visible_segments().count(), 1);
}

#[test]
fn writers_are_those_of_the_own_instance_with_lanes_no_longer_configured() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), options("plant", Some("a"))).unwrap();
    assert_eq!(lake.writers_of_instance().unwrap(), Vec::<String>::new());
    let other = Lake::open(dir.path(), options("plant", Some("a-b"))).unwrap();
    for lane in [10, 2, 0] {
        lake.storage(&lake.writer("plant", lane)).unwrap();
    }
    other.storage(&other.writer("plant", 5)).unwrap();
    for stranger in ["plant.a.x", "plant.a.01", "plant.a.", "note.txt"] {
        fs::create_dir(dir.path().join(names::STAGING).join(stranger)).unwrap();
    }
    fs::write(dir.path().join(names::STAGING).join("plant.a.7"), "a file").unwrap();
    assert_eq!(lake.writers_of_instance().unwrap(), ["plant.a.0", "plant.a.2", "plant.a.10"]);
    assert_eq!(other.writers_of_instance().unwrap(), ["plant.a-b.5"]);
}

#[test]
fn a_staging_folder_has_one_user_of_the_own_instance() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), options("plant", Some("a"))).unwrap();
    let storage = lake.storage("plant.a.0").unwrap();
    assert!(lake.clone().storage("plant.a.0").is_err());
    drop(storage);
    lake.storage("plant.a.0").unwrap();
    for writer in ["plant.b.0", "office.a.0", "plant.a.0.1", "plant.a.-1", "../x", ""] {
        assert!(lake.storage(writer).is_err(), "{writer}");
    }
}

#[test]
fn an_audit_sees_committed_segments_in_order_and_tells_strangers() {
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path(), options("plant", Some("a"))).unwrap();
    let mut storage = lake.storage("plant.a.0").unwrap();
    let segments: Vec<_> = [(Table::Readings, 492_001), (Table::Events, 492_000), (Table::Readings, 492_000)]
        .map(|(table, hour)| EncodedSegment { table, hour: Hour(hour), rows: 1, bytes: vec![7], crc32c: 0 })
        .into();
    let epoch = Uuid::now_v7();
    let staged = storage.put(epoch, &segments).unwrap();
    assert_eq!(lake.visible_segments().count(), 0, "staged is not visible");
    storage.reveal(&staged).unwrap();
    let segment = |entry| match entry {
        Ok(Visible::Segment(segment)) => segment,
        other => panic!("{other:?}"),
    };
    let seen: Vec<_> = lake.visible_segments().map(segment).collect();
    let names: Vec<_> = seen.iter().map(|segment| format!("{} {}", segment.name.table.name(), segment.name.hour)).collect();
    assert_eq!(names, ["events 2026-02-16T00", "readings 2026-02-16T00", "readings 2026-02-16T01"]);
    for segment in &seen {
        assert_eq!((segment.name.epoch, segment.writer.as_str()), (epoch, "plant.a.0"));
        assert_eq!(segment.path, lake.root().join(&segment.relative));
        assert_eq!(segment.relative, storage.visible_path(&segment.name));
    }
    fs::write(dir.path().join("readings/date=2026-02-16/part.parquet"), "x").unwrap();
    fs::write(dir.path().join("readings/date=2026-02-16/notes.txt"), "x").unwrap();
    fs::write(dir.path().join("readings/_SUCCESS"), "x").unwrap();
    fs::write(dir.path().join("readings/.part.parquet"), "x").unwrap();
    std::os::unix::fs::symlink(dir.path().join("readings"), dir.path().join("readings/round")).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) =
        lake.visible_segments().map(Result::unwrap).partition(|entry| matches!(entry, Visible::Segment(_)));
    let names = [
        "readings/.part.parquet",
        "readings/date=2026-02-16/notes.txt",
        "readings/date=2026-02-16/part.parquet",
        "readings/round",
    ];
    let strangers: Vec<_> = names.iter().map(|name| Visible::Foreign(lake.root().join(name))).collect();
    assert_eq!((good.len(), bad), (3, strangers));
}
