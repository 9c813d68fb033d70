//! The two signals that ask the program to end: SIGINT and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// Set once a signal came. Whoever works in turns looks at it.
pub(super) type StopFlag = Arc<AtomicBool>;

/// Listens from now on, on a thread of its own. A second signal ends the program at once, unclean: nothing committed is lost by it.
pub(super) fn stop_on_signals() -> std::io::Result<StopFlag> {
    let flag = StopFlag::default();
    let set = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            for turn in 0.. {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                set.store(true, Ordering::Release);
                if turn > 0 {
                    eprintln!(
                        "corelane: stopped at once by a second signal; what was not committed is read again at the next start"
                    );
                    // SAFETY: _exit takes no pointers and never returns.
                    unsafe { libc::_exit(130) };
                }
            }
        });
    })?;
    Ok(flag)
}
