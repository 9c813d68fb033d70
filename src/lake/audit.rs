//! What lies in a lake, walked without a lock, for audits: what readers see, what is held back from them, and who is at work.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::failed;
use super::names::{
    DRAFT_SUFFIX, OWN, QUARANTINE, STAGING, WHY_SUFFIX, is_hidden, is_segment, parse_staged_file, parse_visible_path,
};
use super::{LakeError, SegmentName};
use crate::batch::Table;

/// A committed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisibleSegment {
    pub name: SegmentName,
    pub writer: String,
    pub path: PathBuf,
    /// As in the epoch record: `readings/date=…/hour=…/….parquet`.
    pub relative: String,
}

/// What readers find below a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visible {
    Segment(VisibleSegment),
    /// A file that no Corelane named: readers may count its rows.
    Foreign(PathBuf),
}

/// Walks the tables in the order of table, date, hour, epoch, one directory in memory at a time. Hidden files (`.…`, `_…`) are passed over,
/// as readers do, unless they end as Parquet files.
#[derive(Debug)]
pub struct VisibleSegments {
    root: PathBuf,
    /// Paths still to be looked at, the next one last.
    open: Vec<PathBuf>,
}

/// The committed segments of the lake at `root`.
pub fn visible_segments(root: &Path) -> VisibleSegments {
    let mut open: Vec<PathBuf> = Table::ALL.iter().map(|table| root.join(table.name())).filter(|dir| dir.exists()).collect();
    open.sort_by(|one, other| other.cmp(one));
    VisibleSegments { root: root.to_owned(), open }
}

impl VisibleSegments {
    fn descend(&mut self, dir: &Path) -> Result<(), LakeError> {
        let mut children = entries(dir)?;
        children.reverse();
        self.open.extend(children);
        Ok(())
    }

    fn file(&self, path: PathBuf) -> Visible {
        let relative = path.strip_prefix(&self.root).ok().and_then(|relative| relative.to_str()).unwrap_or_default();
        match parse_visible_path(relative) {
            Some((name, writer)) => Visible::Segment(VisibleSegment { name, writer, relative: relative.to_owned(), path }),
            None => Visible::Foreign(path),
        }
    }
}

impl Iterator for VisibleSegments {
    type Item = Result<Visible, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let path = self.open.pop()?;
            // A folder that is a link to a folder above it would never end: only the tables themselves may be links.
            let is_table = path.parent() == Some(&self.root);
            let is_dir = if is_table { path.is_dir() } else { path.is_dir() && !path.is_symlink() };
            if is_dir {
                if let Err(error) = self.descend(&path) {
                    return Some(Err(error));
                }
            } else if is_segment(&path) || !is_hidden(&path) {
                return Some(Ok(self.file(path)));
            }
        }
    }
}

/// Where a file is kept that readers do not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldFolder {
    /// `_staging`: durable, not yet visible.
    Staging,
    /// `_quarantine`: nobody could judge it.
    Quarantine,
}

/// What a file is that readers do not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldKind {
    Segment(SegmentName),
    /// A segment that was never written whole.
    Draft,
    /// A file that no Corelane named.
    Foreign,
}

/// A file below `_staging` or `_quarantine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    pub folder: HeldFolder,
    /// The name of its folder.
    pub writer: String,
    pub kind: HeldKind,
    pub path: PathBuf,
    /// Relative to the lake.
    pub relative: String,
}

/// All files that the lake at `root` holds back from readers, in order of folder, writer and name. The `.why.txt` of a file in quarantine
/// belongs to it and is not listed.
pub fn held_files(root: &Path) -> Result<Vec<HeldFile>, LakeError> {
    let mut found = Vec::new();
    for (folder, name) in [(HeldFolder::Staging, STAGING), (HeldFolder::Quarantine, QUARANTINE)] {
        let dir = root.join(name);
        let writers = if dir.is_dir() { entries(&dir)? } else { Vec::new() };
        for writer in writers {
            if !writer.is_dir() {
                found.push(held(root, folder, "", writer));
                continue;
            }
            let name = writer.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Listing a folder that a lane is at work in: what has gone since is visible now, or was given up.
            found.extend(entries(&writer)?.into_iter().map(|path| held(root, folder, &name, path)));
        }
    }
    found.retain(|file| !(file.folder == HeldFolder::Quarantine && file.relative.ends_with(WHY_SUFFIX)));
    Ok(found)
}

fn held(root: &Path, folder: HeldFolder, writer: &str, path: PathBuf) -> HeldFile {
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let kind = match parse_staged_file(file) {
        Some(name) if !writer.is_empty() => HeldKind::Segment(name),
        None if file.ends_with(DRAFT_SUFFIX) && !writer.is_empty() => HeldKind::Draft,
        _ => HeldKind::Foreign,
    };
    let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
    HeldFile { folder, writer: writer.to_owned(), kind, path, relative }
}

/// Whether a process of this instance is at work in the lake at `root`. Takes the instance's lock for a moment, shared, to find out.
pub fn is_instance_at_work(root: &Path, instance: &str) -> Result<bool, LakeError> {
    let path = root.join(OWN).join("instances").join(format!("{instance}.lock"));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("cannot open the lock", &path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(failed("cannot look at the lock", &path)(error)),
    }
}

/// The entries of a folder, in order of their names.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, LakeError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("cannot list", dir))? {
        found.push(entry.map_err(failed("cannot list", dir))?.path());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
