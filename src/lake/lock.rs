//! One process an instance: a lock that the kernel gives up with its process, so that a dead one never stands in the way.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::LakeError;
use super::disk::{failed, refused};

const LOCK_TRIES: u32 = 3;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Held as long as it lives. The file stays behind: deleting a lock file would let two processes lock two files of one name.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    /// Locks `dir/<instance>.lock`, or says who holds it.
    pub(super) fn take(dir: &Path, instance: &str) -> Result<Self, LakeError> {
        Self::take_with(dir, instance, || thread::sleep(LOCK_PAUSE))
    }

    /// `pause`: what is done between two tries.
    pub(super) fn take_with(dir: &Path, instance: &str, pause: impl FnMut()) -> Result<Self, LakeError> {
        let path = dir.join(format!("{instance}.lock"));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("cannot open the lock", &path))?;
        match try_lock(&file, pause) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                let what = format!("instance {instance:?} of this lake is in use by {holder}");
                return Err(refused(&path, what, "Stop that process, or give this one another name: lanes.instance"));
            }
            Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &path)(error)),
        }
        // Who holds it is for the message alone; the lock itself is the kernel's.
        let holder = format!("pid {} on {}\n", std::process::id(), host_name());
        file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed("cannot write", &path))?;
        Ok(Self { _file: file })
    }
}

/// An audit takes the lock for a moment to see whether it is held: then the next try gets it.
fn try_lock(file: &File, mut pause: impl FnMut()) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => pause(),
            answer => return answer,
        }
    }
    file.try_lock()
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "this host".to_owned(), |name| name.trim().to_owned())
}
