//! The few things that must be done right on a disk: durable entries, renames that never replace, errors that say what to do.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::LakeError;
use crate::failpoint;

/// What helps against a failed call, by its cause.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            "The disk is full: free space on it; nothing that was not committed is lost, it is read again"
        }
        io::ErrorKind::QuotaExceeded => "The disk quota is used up: raise it or free space; what was not committed is read again",
        io::ErrorKind::ReadOnlyFilesystem => "The file system is read-only: mount it writable, or set lake.path to one that is",
        io::ErrorKind::PermissionDenied => "Give the user that runs corelane read and write access to the lake's folders",
        io::ErrorKind::CrossesDevices => "The whole lake must lie on one file system: mount nothing below lake.path",
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            "Something else has the name that the lake needs: move it away, or set lake.path to an empty folder"
        }
        io::ErrorKind::InvalidFilename => "A name is too long for this file system: shorten kafka.group or lanes.instance",
        io::ErrorKind::Unsupported => "This file system lacks what a lake needs (locks, hard links, fsync): use a local one",
        _ => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => {
                "Too many files are open: raise the limit (ulimit -n, or LimitNOFILE of the service)"
            }
            Some(libc::EIO) => "The disk reports an error: check the kernel's log and the disk before starting again",
            Some(libc::ENOLCK) => "This file system cannot lock files: use a local one for the lake",
            _ => "Check the folder and its file system, then start again",
        },
    }
}

/// Turns the failure of `action` on `path` into an error with its remedy.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LakeError {
    let path = path.to_owned();
    move |source| LakeError::Io { action, remedy: remedy(&source), path, source }
}

pub(super) fn refused(path: &Path, what: impl Into<String>, remedy: &'static str) -> LakeError {
    LakeError::Refused { path: path.to_owned(), what: what.into(), remedy }
}

/// Makes the entries of a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), LakeError> {
    File::open(dir).and_then(|handle| handle.sync_all()).map_err(failed("cannot make durable the folder", dir))
}

/// Writes a new file, not durable yet. Replaces what an earlier attempt left.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<File, LakeError> {
    let mut file = File::create(path).map_err(failed("cannot create", path))?;
    file.write_all(bytes).map_err(failed("cannot write", path))?;
    Ok(file)
}

/// Makes the bytes of a file durable; its entry is the caller's business.
pub(super) fn sync_file(file: &File, path: &Path) -> Result<(), LakeError> {
    file.sync_all().map_err(failed("cannot make durable", path))
}

/// Both of the above.
fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), LakeError> {
    sync_file(&write_new(path, bytes)?, path)
}

/// Deletes a file that may or may not be there.
pub(super) fn remove_if_there(path: &Path) -> Result<(), LakeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot delete", path)(error)),
        _ => Ok(()),
    }
}

/// Directories whose entry in their parent this process has made durable itself. That a directory exists says nothing of that: an
/// earlier life may have died between making it and the fsync, and the machine after it.
#[derive(Debug, Default)]
pub(super) struct DurableDirs {
    known: HashSet<PathBuf>,
}

impl DurableDirs {
    /// Creates `root/relative` where it is missing, every level's entry durable on return.
    pub(super) fn create(&mut self, root: &Path, relative: &Path) -> Result<PathBuf, LakeError> {
        let mut dir = root.to_owned();
        for part in relative.components() {
            let parent = dir.clone();
            dir.push(part);
            if self.known.contains(&dir) && dir.is_dir() {
                continue;
            }
            match fs::create_dir(&dir) {
                Err(error) if !(error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir()) => {
                    return Err(failed("cannot create the folder", &dir)(error));
                }
                _ => {
                    failpoint::reach("folder.made");
                    sync_dir(&parent)?;
                    failpoint::reach("folder.synced");
                }
            }
            self.known.insert(dir.clone());
        }
        Ok(dir)
    }
}

/// Creates the folder of the lake itself, with its ancestors, durably.
pub(super) fn create_root(path: &Path) -> Result<PathBuf, LakeError> {
    let absolute = std::path::absolute(path).map_err(failed("cannot find", path))?;
    let missing: Vec<&Path> = absolute.ancestors().take_while(|dir| !dir.exists()).collect();
    fs::create_dir_all(&absolute).map_err(failed("cannot create the folder", &absolute))?;
    failpoint::reach("root.made");
    for dir in missing {
        if let Some(parent) = dir.parent() {
            sync_dir(parent)?;
        }
    }
    failpoint::reach("root.synced");
    absolute.canonicalize().map_err(failed("cannot find", &absolute))
}

/// What became of [`move_once`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    /// `to` is another file than `from`; neither was touched.
    Occupied,
    /// There is no `from`.
    NoSource,
}

/// Renames a file without ever replacing one. Durable only after [`sync_dir`] of both directories.
///
/// Where the file system cannot refuse to replace (NFS), it is a link and an unlink. A crash between the two leaves one file under
/// both names; that is found here the next time, and ends as `Yes`.
pub(super) fn move_once(from: &Path, to: &Path) -> Result<Moved, LakeError> {
    if failpoint::detour("rename_unsupported") {
        return finish_move(Err(io::Error::from_raw_os_error(libc::EINVAL)), from, to);
    }
    finish_move(rename_noreplace(from, to), from, to)
}

/// `renamed`: what the rename said.
fn finish_move(renamed: io::Result<()>, from: &Path, to: &Path) -> Result<Moved, LakeError> {
    let outcome = match renamed {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)) => {
            fs::hard_link(from, to).and_then(|()| {
                failpoint::reach("move.linked");
                fs::remove_file(from)
            })
        }
        outcome => outcome,
    };
    match outcome {
        Ok(()) => Ok(Moved::Yes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(Moved::NoSource),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if same_file(from, to)? {
                remove_if_there(from)?;
                return Ok(Moved::Yes);
            }
            Ok(Moved::Occupied)
        }
        Err(error) => Err(failed("cannot rename a file to", to)(error)),
    }
}

fn same_file(one: &Path, other: &Path) -> Result<bool, LakeError> {
    let first = fs::metadata(one).map_err(failed("cannot look at", one))?;
    let second = fs::metadata(other).map_err(failed("cannot look at", other))?;
    Ok((first.dev(), first.ino()) == (second.dev(), second.ino()))
}

fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both are NUL-terminated strings that live until the call returns, and the kernel only reads them.
    let outcome = unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes `dir/name` whole and durably, unless it is there already: of two processes that start at once, one wins and both read its file.
pub(super) fn write_once(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), LakeError> {
    let draft = dir.join(format!("{name}.{}.tmp", Uuid::new_v4().simple()));
    let target = dir.join(name);
    let written = write_synced(&draft, bytes).and_then(|()| {
        failpoint::reach("once.drafted");
        move_once(&draft, &target)
    });
    failpoint::reach("once.named");
    if !written.as_ref().is_ok_and(|moved| *moved == Moved::Yes) {
        remove_if_there(&draft)?;
        written?;
    }
    sync_dir(dir)?;
    failpoint::reach("once.synced");
    Ok(())
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
