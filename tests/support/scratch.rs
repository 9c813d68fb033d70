//! A directory for the data of a broker or a lake: in memory where there is room, gone with the process that made it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "corelane-test-";
/// A million messages on three brokers take 1.5 GB; several test processes may run side by side.
const MEMORY_BYTES_MIN: u64 = 8 << 30;

/// Removed on drop. What a killed process left behind, the next one removes: a lock on a file inside says whether its owner lives.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// A new, empty directory whose name contains `label`.
    pub fn new(label: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        let root = root();
        SWEEP.call_once(|| sweep(&root));
        let name = format!("{label}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Under another name until the lock is held, so that nobody sweeps it meanwhile.
        let hidden = root.join(format!(".{PREFIX}{name}"));
        let path = root.join(format!("{PREFIX}{name}"));
        fs::create_dir_all(&hidden).unwrap_or_else(|error| panic!("{}: {error}", hidden.display()));
        let lock = File::create(hidden.join("lock")).expect("a file in a directory of our own");
        lock.lock().expect("nobody else knows the file");
        fs::rename(&hidden, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Scratch { path, _lock: lock }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives up the lock and leaves the directory, as a killed process does.
    pub fn leave_behind(mut self) -> PathBuf {
        let path = std::mem::take(&mut self.path);
        self.path = path.join("nothing to remove");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: the next process sweeps what stays.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// `/dev/shm` when it has room (fsync is free there), else the system's temporary directory.
fn root() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match fs4::available_space(memory) {
        Ok(bytes) if bytes >= MEMORY_BYTES_MIN => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

/// Removes the directories of processes that are gone.
pub fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let Ok(lock) = File::open(entry.path().join("lock")) else { continue };
        match lock.try_lock() {
            Ok(()) => drop(fs::remove_dir_all(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}
