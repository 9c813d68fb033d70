//! Opening a lake: whose it is, which instance of the group writes into it, and the storage of each lane.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::disk::{DurableDirs, create_root, failed, refused};
use super::identity::{LakeIdentity, instance_of_lake};
use super::lock::InstanceLock;
use super::names::{OWN, STAGING, WRITER_LENGTH_MAX, is_plain};
use super::{LakeError, LocalStorage, VisibleSegments, visible_segments};

/// How a lake is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The consumer group: `[A-Za-z0-9._-]`.
    pub group: String,
    /// The name of this process among those of the group: `[A-Za-z0-9_-]`, no dots, so that a writer's name has one reading. None: the
    /// one that the lake keeps, made at the first start.
    pub instance: Option<String>,
}

/// An open lake on a local disk. Clones share the lock of the instance, which is given up with the last clone and the last storage.
#[derive(Clone, Debug)]
pub struct Lake {
    pub(super) root: PathBuf,
    id: Uuid,
    group: String,
    instance: String,
    held: Arc<Held>,
}

/// What a process holds of a lake, for as long as somebody may write.
#[derive(Debug)]
struct Held {
    _lock: InstanceLock,
    /// Writers whose staging folder has its one user.
    claimed: Mutex<BTreeSet<String>>,
}

impl Lake {
    /// Opens the lake at `path`, creating it at the first start, and takes the lock of the instance.
    ///
    /// Refused, each with its remedy: a lake of another group, of a newer format, or without its `lake.json`; an instance that
    /// another process holds; names that make no writer.
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self, LakeError> {
        let OpenOptions { group, instance } = options;
        if !is_plain(&group) {
            let what = format!("the group {group:?} cannot name files and transactions");
            return Err(refused(path, what, "Use letters, digits, '.', '_' and '-' in kafka.group"));
        }
        let root = create_root(path)?;
        let locks = DurableDirs::default().create(&root, &Path::new(OWN).join("instances"))?;
        let identity = LakeIdentity::read_or_create(&root, &group)?;
        if identity.group != group {
            let what = format!("this is the lake of group {:?}, not of {group:?}", identity.group);
            return Err(refused(&root, what, "Set kafka.group to that group, or lake.path to another folder"));
        }
        let instance = match instance {
            Some(instance) => instance,
            None => instance_of_lake(&root)?,
        };
        check_instance(&root, &group, &instance)?;
        let lock = InstanceLock::take(&locks, &instance)?;
        let held = Arc::new(Held { _lock: lock, claimed: Mutex::default() });
        Ok(Self { root, id: identity.lake, group, instance, held })
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The absolute path of the lake.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The lasting name of a lane, `<group>.<instance>.<lane>`: transactional.id, group.instance.id and staging folder.
    pub fn writer(&self, group: &str, lane: usize) -> String {
        format!("{group}.{}.{lane}", self.instance)
    }

    /// The staging folder of a writer of this instance, created where it is missing. One user at a time: a second one is refused until
    /// the first is dropped.
    pub fn storage(&self, writer: &str) -> Result<LocalStorage, LakeError> {
        if self.lane_of(writer).is_none() {
            let what = format!("{writer:?} is no writer of group {:?}, instance {:?}", self.group, self.instance);
            return Err(refused(&self.root, what, "Recover it with the instance that made it: lanes.instance"));
        }
        let claim = WriterClaim::take(&self.held, writer).ok_or_else(|| {
            refused(&self.root, format!("{writer:?} is in use already"), "This is a defect of corelane: report it")
        })?;
        LocalStorage::new(&self.root, self.id, writer, claim)
    }

    /// The writers of this instance that have a staging folder, in order of their lanes; lanes no longer configured are among them.
    pub fn writers_of_instance(&self) -> Result<Vec<String>, LakeError> {
        let staging = self.root.join(STAGING);
        if !staging.exists() {
            return Ok(Vec::new());
        }
        let mut writers = Vec::new();
        for entry in fs::read_dir(&staging).map_err(failed("cannot list", &staging))? {
            let entry = entry.map_err(failed("cannot list", &staging))?;
            let Ok(writer) = entry.file_name().into_string() else { continue };
            if let Some(lane) = self.lane_of(&writer)
                && entry.path().is_dir()
            {
                writers.push((lane, writer));
            }
        }
        writers.sort();
        Ok(writers.into_iter().map(|(_, writer)| writer).collect())
    }

    /// All committed segments, for audits.
    pub fn visible_segments(&self) -> VisibleSegments {
        visible_segments(&self.root)
    }

    /// The lane of a writer of this instance. Only the spelling that [`Lake::writer`] gives counts.
    fn lane_of(&self, writer: &str) -> Option<usize> {
        let lane = writer.strip_prefix(&format!("{}.{}.", self.group, self.instance))?.parse().ok()?;
        (self.writer(&self.group, lane) == writer).then_some(lane)
    }
}

fn check_instance(root: &Path, group: &str, instance: &str) -> Result<(), LakeError> {
    if !is_plain(instance) || instance.contains('.') {
        let what = format!("the instance {instance:?} cannot name a writer");
        return Err(refused(root, what, "Use letters, digits, '_' and '-' in lanes.instance"));
    }
    // Two dots, and five digits for the lane.
    if group.len() + instance.len() + 7 > WRITER_LENGTH_MAX {
        let what = format!("group {group:?} and instance {instance:?} have more than {} characters", WRITER_LENGTH_MAX - 7);
        return Err(refused(root, what, "Shorten kafka.group or lanes.instance"));
    }
    Ok(())
}

/// The right to a writer's staging folder; also keeps the instance's lock. Given up on drop.
#[derive(Debug)]
pub(super) struct WriterClaim {
    held: Arc<Held>,
    writer: String,
}

impl WriterClaim {
    fn take(held: &Arc<Held>, writer: &str) -> Option<Self> {
        let fresh = held.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(writer.to_owned());
        fresh.then(|| Self { held: Arc::clone(held), writer: writer.to_owned() })
    }
}

impl Drop for WriterClaim {
    fn drop(&mut self) {
        self.held.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.writer);
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
