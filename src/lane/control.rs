//! How the crew speaks to a running lane: a flag and a wake-up.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by a lane, its settler and the crew. The eventfd wakes the lane for a stop and for reports of its settler.
#[derive(Debug)]
pub struct LaneControl {
    stop: AtomicBool,
    abandoned: AtomicBool,
    drains_windows: AtomicBool,
    event: File,
}

impl LaneControl {
    /// Errors: the process is out of file descriptors.
    pub fn new() -> std::io::Result<Self> {
        // SAFETY: eventfd takes no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: fd is a fresh descriptor that nobody else owns.
        let event = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(Self {
            stop: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            drains_windows: AtomicBool::new(false),
            event,
        })
    }

    /// Asks the lane to settle what it has and to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// From now on a stop also writes the windows that are open, as they stand.
    pub fn drain_windows(&self) {
        self.drains_windows.store(true, Ordering::Release);
    }

    pub fn drains_windows(&self) -> bool {
        self.drains_windows.load(Ordering::Acquire)
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The stop's deadline has passed: whoever still waits for Kafka or the disk gives up; recovery judges the rest.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.stop();
    }

    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Wakes the lane.
    pub fn wake(&self) {
        // A full counter wakes as well.
        let _ = (&self.event).write(&1_u64.to_ne_bytes());
    }

    /// Clears the wake-up.
    pub fn clear_wake(&self) {
        // Nothing to read: nothing to clear.
        let _ = (&self.event).read(&mut [0; 8]);
    }

    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
