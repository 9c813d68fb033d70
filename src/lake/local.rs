//! Segments of one writer on a local disk.
//!
//! put writes below a name that nobody takes for a segment and renames when the bytes are durable, so a torn file is never judged. A
//! put that fails deletes what it wrote as far as it can; what stays is judged like any staged segment, and the epoch may be put again.
//! reveal may be repeated at any point of a crash: each file is staged, or visible, or (between link and unlink) one file with two
//! names, and each of these is led to visible.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::disk::{DurableDirs, Moved, failed, move_once, refused, remove_if_there, sync_dir, sync_file, write_new};
use super::identity::LakeIdentity;
use super::names::{DRAFT_SUFFIX, QUARANTINE, STAGING, WHY_SUFFIX, parse_staged_file, staged_file, visible_dir, visible_path};
use super::open::WriterClaim;
use super::{LakeError, SegmentName, Staged, Storage};
use crate::batch::EncodedSegment;
use crate::failpoint;

/// The [`Storage`] of one writer below a lake's folder. Made by [`Lake::storage`](super::Lake::storage).
#[derive(Debug)]
pub struct LocalStorage {
    root: PathBuf,
    lake: Uuid,
    writer: String,
    staging: PathBuf,
    durable: DurableDirs,
    _claim: WriterClaim,
}

impl LocalStorage {
    pub(super) fn new(root: &Path, lake: Uuid, writer: &str, claim: WriterClaim) -> Result<Self, LakeError> {
        LakeIdentity::expect(root, lake)?;
        let mut durable = DurableDirs::default();
        let staging = durable.create(root, &Path::new(STAGING).join(writer))?;
        Ok(Self { root: root.to_owned(), lake, writer: writer.to_owned(), staging, durable, _claim: claim })
    }

    /// Before each step: folders are made where they are missing, and must not be made anywhere else.
    fn expect_lake(&self) -> Result<(), LakeError> {
        LakeIdentity::expect(&self.root, self.lake)
    }

    fn staged_path(&self, name: &SegmentName) -> PathBuf {
        self.staging.join(staged_file(name))
    }

    fn stage(&self, name: SegmentName, bytes: &[u8]) -> Result<Staged, LakeError> {
        let place = self.staged_path(&name);
        let draft = self.staging.join(format!("{}{DRAFT_SUFFIX}", staged_file(&name)));
        let staged = write_new(&draft, bytes).and_then(|file| {
            failpoint::reach("stage.written");
            sync_file(&file, &draft)?;
            failpoint::reach("stage.synced");
            fs::rename(&draft, &place).map_err(failed("cannot rename a file to", &place))
        });
        failpoint::reach("stage.named");
        if let Err(error) = staged {
            // The first error is the one to tell; a draft that stays is deleted when the folder is read again.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Staged { name, place })
    }

    fn reveal_one(&mut self, name: &SegmentName) -> Result<PathBuf, LakeError> {
        let dir = self.durable.create(&self.root, Path::new(&visible_dir(name.table, name.hour)))?;
        let from = self.staged_path(name);
        let to = self.root.join(self.visible_path(name));
        failpoint::reach("reveal.folder_made");
        if name.epoch.as_u128().is_multiple_of(4) && failpoint::broken("skip_a_rename") {
            return Ok(dir);
        }
        match move_once(&from, &to)? {
            Moved::Yes => Ok(dir),
            Moved::NoSource if to.is_file() => Ok(dir),
            Moved::NoSource => Err(refused(
                &from,
                "the segment of a committed epoch is neither staged nor visible",
                "Somebody deleted it: restore it from a backup, or read its span again while Kafka keeps it",
            )),
            Moved::Occupied => Err(refused(
                &to,
                "another file has the name of this segment already",
                "Move that file out of the lake and start again",
            )),
        }
    }

    fn quarantine_one(&mut self, dir: &Path, name: &SegmentName, why: &str) -> Result<(), LakeError> {
        let file = staged_file(name);
        let (from, to) = (self.staging.join(&file), dir.join(&file));
        if from.exists() {
            let reason = dir.join(format!("{file}{WHY_SUFFIX}"));
            let written = write_new(&reason, format!("{why}\n").as_bytes())?;
            failpoint::reach("quarantine.unexplained");
            sync_file(&written, &reason)?;
            failpoint::reach("quarantine.explained");
        }
        match move_once(&from, &to)? {
            Moved::Yes => Ok(()),
            Moved::NoSource if to.is_file() => Ok(()),
            Moved::NoSource => Err(refused(
                &from,
                "the segment to quarantine is not there",
                "Let no other program write into the lake's folders",
            )),
            Moved::Occupied => Err(refused(
                &to,
                "another file of this name is in quarantine already",
                "Move that file out of the lake and start again",
            )),
        }
    }
}

impl Storage for LocalStorage {
    fn put(&mut self, epoch: Uuid, segments: &[EncodedSegment]) -> Result<Vec<Staged>, LakeError> {
        self.expect_lake()?;
        let mut staged = Vec::with_capacity(segments.len());
        for segment in segments {
            let name = SegmentName { epoch, table: segment.table, hour: segment.hour };
            match self.stage(name, &segment.bytes) {
                Ok(one) => staged.push(one),
                Err(error) => {
                    // Half an epoch is of no use, and on a full disk its space is wanted. What stays is judged at the next start.
                    for one in &staged {
                        let _ = fs::remove_file(&one.place);
                    }
                    return Err(error);
                }
            }
        }
        failpoint::reach("stage.folder_unsynced");
        sync_dir(&self.staging)?;
        failpoint::reach("stage.folder_synced");
        Ok(staged)
    }

    fn reveal(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.expect_lake()?;
        let mut dirs = BTreeSet::new();
        for one in staged {
            dirs.insert(self.reveal_one(&one.name)?);
            failpoint::reach("reveal.one_named");
        }
        failpoint::reach("reveal.all_named");
        // Also where nothing moved: an earlier life may have died between its rename and this.
        for dir in &dirs {
            sync_dir(dir)?;
        }
        failpoint::reach("reveal.tables_synced");
        sync_dir(&self.staging)?;
        failpoint::reach("reveal.synced");
        Ok(())
    }

    fn discard(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.expect_lake()?;
        for one in staged {
            remove_if_there(&self.staged_path(&one.name))?;
            failpoint::reach("discard.one_removed");
        }
        failpoint::reach("discard.unsynced");
        sync_dir(&self.staging)
    }

    fn staged(&mut self) -> Result<Vec<Staged>, LakeError> {
        self.expect_lake()?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.staging).map_err(failed("cannot list", &self.staging))? {
            let place = entry.map_err(failed("cannot list", &self.staging))?.path();
            let Some(file) = place.file_name().and_then(|file| file.to_str()) else { continue };
            if file.ends_with(DRAFT_SUFFIX) {
                remove_if_there(&place)?;
                failpoint::reach("recover.draft_removed");
            } else if let Some(name) = parse_staged_file(file) {
                found.push(Staged { name, place });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn quarantine(&mut self, staged: &[Staged], why: &str) -> Result<(), LakeError> {
        if staged.is_empty() {
            return Ok(());
        }
        self.expect_lake()?;
        let dir = self.durable.create(&self.root, &Path::new(QUARANTINE).join(&self.writer))?;
        for one in staged {
            self.quarantine_one(&dir, &one.name, why)?;
            failpoint::reach("quarantine.one_moved");
        }
        failpoint::reach("quarantine.unsynced");
        sync_dir(&dir)?;
        sync_dir(&self.staging)
    }

    fn is_visible(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    fn visible_path(&self, name: &SegmentName) -> String {
        visible_path(name, &self.writer)
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
