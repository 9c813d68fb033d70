//! The plain epoll runtime: one thread, one future, waits on eventfds.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::unix::AsyncFd;

use crate::lane::Host;

/// Runs a lane's future on the calling thread until it ends.
pub(in crate::lane) fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    Ok(runtime.block_on(future))
}

/// A host on epoll. The descriptors are watched edge-triggered: each write to an eventfd is a new edge, read or not.
pub(in crate::lane) struct EpollHost {
    origin: Instant,
    first: AsyncFd<OwnedFd>,
    second: AsyncFd<OwnedFd>,
}

impl EpollHost {
    /// Watches two eventfds, the intake's and the control's. Only within [`block_on`].
    pub(in crate::lane) fn new(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { origin: Instant::now(), first: watch(first)?, second: watch(second)? })
    }
}

fn watch(fd: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    let owned = fd.try_clone_to_owned()?;
    // SAFETY: the OwnedFd within the AsyncFd keeps this very descriptor open until it is deregistered; nobody else has it.
    Ok(unsafe { AsyncFd::register(owned) }?)
}

/// Ready once after each edge. An error of the reactor counts as an edge: the lane looks up, and looks again.
async fn edge(fd: &AsyncFd<OwnedFd>) {
    if let Ok(mut guard) = fd.readable().await {
        guard.clear_ready();
    }
}

impl Host for EpollHost {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    async fn wait(&mut self, limit: Duration) {
        tokio::select! {
            () = edge(&self.first) => {}
            () = edge(&self.second) => {}
            () = tokio::time::sleep(limit) => {}
        }
    }

    async fn yield_now(&mut self) {
        tokio::task::yield_now().await;
    }
}
