//! Which lake this is: `_corelane/lake.json`, and the instance id that its first start made.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::LakeError;
use super::disk::{failed, refused, write_once};
use super::names::{OWN, STAGING};
use crate::batch::Table;

/// The layout that this program reads and writes.
const FORMAT: u32 = 1;

const LAKE_FILE: &str = "lake.json";
const INSTANCE_FILE: &str = "instance";

/// What `_corelane/lake.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeIdentity {
    pub lake: Uuid,
    /// The consumer group whose messages it holds.
    pub group: String,
}

#[derive(Serialize, Deserialize)]
struct LakeFile {
    format: u32,
    lake: String,
    group: String,
}

/// Only this much is sure to be readable in a file of a later format.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl LakeIdentity {
    /// Reads the identity of the lake at `root`, without a lock: None where there is no lake.
    pub fn read(root: &Path) -> Result<Option<Self>, LakeError> {
        let path = root.join(OWN).join(LAKE_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot read", &path)(error)),
        };
        let broken =
            |what: String| refused(&path, what, "Restore the file from a backup; without it nobody knows whose lake this is");
        let FormatOnly { format } = serde_json::from_slice(&bytes).map_err(|error| broken(format!("not readable: {error}")))?;
        if format > FORMAT {
            let what = format!("the lake has format {format}, this program knows formats up to {FORMAT}");
            return Err(refused(&path, what, "Run the version of corelane that wrote it, or a later one"));
        }
        let file: LakeFile = serde_json::from_slice(&bytes).map_err(|error| broken(format!("not readable: {error}")))?;
        let lake = Uuid::parse_str(&file.lake).map_err(|error| broken(format!("lake id {:?}: {error}", file.lake)))?;
        Ok(Some(Self { lake, group: file.group }))
    }

    /// The lake `id` must still be at `root`. A disk that went away leaves an empty folder behind (its mount point), and nothing may be
    /// begun there: what is committed stands in the lake that is away, and what is not waits in Kafka until it is back.
    pub(super) fn expect(root: &Path, id: Uuid) -> Result<(), LakeError> {
        match Self::read(root)? {
            Some(identity) if identity.lake == id => Ok(()),
            Some(identity) => {
                let what = format!("lake {} lies here now, this run writes into lake {id}", identity.lake);
                Err(refused(root, what, "Bring that one back; until then nothing is written and nothing is committed"))
            }
            None => Err(refused(
                root,
                "the lake is not here any more: its folder was moved away, or its disk is not mounted",
                "Bring it back; until then nothing is written and nothing is committed",
            )),
        }
    }

    /// Reads the identity, or makes one for `group` where there is no lake yet. `root/_corelane` exists.
    pub(super) fn read_or_create(root: &Path, group: &str) -> Result<Self, LakeError> {
        if let Some(identity) = Self::read(root)? {
            return Ok(identity);
        }
        refuse_orphans(root)?;
        let file = LakeFile { format: FORMAT, lake: Uuid::new_v4().to_string(), group: group.to_owned() };
        let path = root.join(OWN).join(LAKE_FILE);
        let json = serde_json::to_vec_pretty(&file).map_err(|error| failed("cannot write", &path)(error.into()))?;
        write_once(&root.join(OWN), LAKE_FILE, &json)?;
        Self::read(root)?.ok_or_else(|| refused(&path, "the file vanished", "Let no other program write into the lake's folders"))
    }
}

/// Segments without a `lake.json` belong to a lake that lost it: a new identity would make its epochs a stranger's.
fn refuse_orphans(root: &Path) -> Result<(), LakeError> {
    let folders = Table::ALL.iter().map(|table| table.name()).chain([STAGING]);
    for folder in folders {
        if root.join(folder).exists() {
            let what = format!("there is a folder {folder}, but no {OWN}/{LAKE_FILE}");
            return Err(refused(root, what, "Restore that file from a backup, or set lake.path to an empty folder"));
        }
    }
    Ok(())
}

/// The instance id kept in the lake, made at the first start.
pub(super) fn instance_of_lake(root: &Path) -> Result<String, LakeError> {
    let dir = root.join(OWN);
    let path = dir.join(INSTANCE_FILE);
    for _ in 0..2 {
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Uuid::new_v4().simple().to_string();
                write_once(&dir, INSTANCE_FILE, format!("{}\n", &made[..12]).as_bytes())?;
            }
            Err(error) => return Err(failed("cannot read", &path)(error)),
        }
    }
    Err(refused(&path, "the file vanished", "Let no other program write into the lake's folders"))
}
