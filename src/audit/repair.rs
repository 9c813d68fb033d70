//! Finishing renames and removing orphans, and nothing else.
//!
//! It does what a start of the instance would do, with its lock, and after a producer with the writer's id has ended what was under way:
//! only then is it certain what committed. What it cannot be certain of it leaves as it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::AuditError;
use super::epochs::{CLOCK_MARGIN_MS, made_at_ms};
use super::lakes::LakeDir;
use super::report::{Action, Repaired};
use super::segments::checksum;
use crate::journey::publish::{EpochRecord, SegmentEntry};
use crate::kafka::{ClientSettings, Delivery, LaneProducer, Transaction};
use crate::lake::{HeldFile, HeldFolder, HeldKind, Lake, OpenOptions, Staged, Storage, held_files, writer_parts};

/// How to reach what must be certain.
#[derive(Clone, Debug)]
pub struct RepairOptions {
    pub group: String,
    pub epochs_topic: String,
    pub clients: ClientSettings,
    /// False: `at_least_once`, whose producers have no transactions to end.
    pub exactly_once: bool,
    /// Of each answer of Kafka's.
    pub patience: Duration,
}

/// Repairs the staging folders of these lakes.
pub fn repair(lakes: &[PathBuf], options: &RepairOptions) -> Result<Vec<Repaired>, AuditError> {
    let mut repaired = Vec::new();
    for lake in LakeDir::open_all(lakes, &options.group)? {
        let mut writers: BTreeMap<String, Vec<HeldFile>> = BTreeMap::new();
        let staged = held_files(&lake.root)?.into_iter().filter(|file| file.folder == HeldFolder::Staging);
        for file in staged.filter(|file| file.kind != HeldKind::Foreign) {
            writers.entry(file.writer.clone()).or_default().push(file);
        }
        for (writer, files) in writers {
            match repair_writer(&lake, &writer, options) {
                Ok(outcomes) => {
                    repaired.extend(outcomes);
                    let drafts = files.iter().filter(|file| file.kind == HeldKind::Draft);
                    repaired.extend(drafts.map(|file| draft(file, file.path.exists())));
                }
                Err(why) => repaired.extend(files.iter().map(|file| left(file.path.display().to_string(), &why))),
            }
        }
    }
    Ok(repaired)
}

/// Drafts go when the folder is read under the instance's lock.
fn draft(file: &HeldFile, is_there: bool) -> Repaired {
    let path = file.path.display().to_string();
    if is_there {
        return left(path, "it could not be deleted");
    }
    Repaired { action: Action::Removed, path, why: "a segment that was never written whole".to_owned() }
}

fn left(path: String, why: &str) -> Repaired {
    Repaired { action: Action::Left, path, why: why.to_owned() }
}

/// Errors are texts: whatever the reason, the files are left as they are.
fn repair_writer(lake: &LakeDir, writer: &str, options: &RepairOptions) -> Result<Vec<Repaired>, String> {
    let Some((group, instance, _)) = writer_parts(writer).filter(|(group, ..)| *group == options.group) else {
        return Err(format!("{writer} is no writer of group {}", options.group));
    };
    let open = OpenOptions { group: group.to_owned(), instance: Some(instance.to_owned()) };
    // Refused while a process of the instance is at work: it finishes its own.
    let held = Lake::open(&lake.root, open).map_err(|error| error.to_string())?;
    let mut storage = held.storage(writer).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + options.patience;
    let delivery =
        if options.exactly_once { Delivery::ExactlyOnce { transactional_id: writer.to_owned() } } else { Delivery::AtLeastOnce };
    let producer = LaneProducer::connect(&options.clients, delivery, group, deadline);
    let mut producer = producer.map_err(|error| error.to_string())?;
    let is_intact =
        |staged: &Staged, entry: &SegmentEntry| checksum(&staged.place).is_ok_and(|sum| sum == (entry.bytes, entry.crc32c));
    let desk = Desk { writer, lake: &lake.id, epochs_topic: &options.epochs_topic, is_intact: &is_intact };
    finish(&mut storage, &mut producer, &desk, deadline)
}

/// Whose staging folder it is, and how files are looked into.
pub(super) struct Desk<'a> {
    pub(super) writer: &'a str,
    /// The lake's id.
    pub(super) lake: &'a str,
    pub(super) epochs_topic: &'a str,
    pub(super) is_intact: &'a dyn Fn(&Staged, &SegmentEntry) -> bool,
}

/// Reveals what is committed and whole, deletes what certainly never committed. The producer has ended what was under way.
pub(super) fn finish<S: Storage, T: Transaction>(
    storage: &mut S,
    producer: &mut T,
    desk: &Desk<'_>,
    deadline: Instant,
) -> Result<Vec<Repaired>, String> {
    let staged = storage.staged().map_err(|error| error.to_string())?;
    let Some(oldest) = staged.iter().map(|one| one.name.epoch).min() else { return Ok(Vec::new()) };
    let since_ms = made_at_ms(oldest).saturating_sub(CLOCK_MARGIN_MS).max(0);
    let testimony = producer.read_committed(desk.epochs_topic, desk.writer.as_bytes(), since_ms, deadline);
    let testimony = testimony.map_err(|error| error.to_string())?;
    let mut records: BTreeMap<Uuid, EpochRecord> = BTreeMap::new();
    // A record that cannot be read may be of any epoch.
    let mut is_complete = testimony.complete;
    for value in &testimony.values {
        match EpochRecord::from_json(value) {
            Ok(record) => drop(records.insert(record.epoch, record)),
            Err(_) => is_complete = false,
        }
    }
    let mut repaired = Vec::new();
    for one in staged {
        let place = one.place.display().to_string();
        let done = match records.get(&one.name.epoch) {
            Some(record) => reveal(storage, &one, record, desk),
            None if is_complete => {
                let why = format!("epoch {} never committed", one.name.epoch);
                storage.discard(std::slice::from_ref(&one)).map(|()| (Action::Removed, why)).map_err(|error| error.to_string())
            }
            None => Err("nobody can say whether its epoch committed".to_owned()),
        };
        repaired.push(match done {
            Ok((action, why)) => Repaired { action, path: place, why },
            Err(why) => left(place, &why),
        });
    }
    Ok(repaired)
}

fn reveal<S: Storage>(storage: &mut S, one: &Staged, record: &EpochRecord, desk: &Desk<'_>) -> Result<(Action, String), String> {
    let visible = storage.visible_path(&one.name);
    if record.lake != desk.lake {
        return Err(format!("its epoch is in lake {}, not in this one", record.lake));
    }
    let Some(entry) = record.segments.iter().find(|entry| entry.path == visible) else {
        return Err("the record of its epoch does not name it".to_owned());
    };
    if !(desk.is_intact)(one, entry) {
        return Err("it is not what was written: its bytes or its checksum are others".to_owned());
    }
    // Never replaces a file.
    storage.reveal(std::slice::from_ref(one)).map_err(|error| error.to_string())?;
    Ok((Action::Renamed, format!("committed; now at {visible}")))
}
