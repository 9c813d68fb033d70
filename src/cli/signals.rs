//! The two signals that ask the program to end: SIGINT and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Set once a signal came. Whoever works in turns looks at it.
pub(super) type StopFlag = Arc<AtomicBool>;

/// Listens on a thread of its own. Until [`Signals::stop_in_order`] a signal ends the program at once: while it starts, nothing is under
/// way that the next start would not do again, and Kafka may keep it waiting.
pub(super) struct Signals {
    flag: StopFlag,
    in_order: StopFlag,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> std::io::Result<Self> {
        let signals = Self { flag: StopFlag::default(), in_order: StopFlag::default() };
        let (flag, in_order) = (Arc::clone(&signals.flag), Arc::clone(&signals.in_order));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let both = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait(both, &flag, &in_order)))?;
        Ok(signals)
    }

    /// From here on a signal sets the flag; a second one still ends the program at once.
    pub(super) fn stop_in_order(&self) -> StopFlag {
        self.in_order.store(true, Ordering::Release);
        Arc::clone(&self.flag)
    }
}

/// Listens, and stops in order from the start.
pub(super) fn stop_on_signals() -> std::io::Result<StopFlag> {
    Ok(Signals::listen()?.stop_in_order())
}

async fn wait((mut interrupt, mut terminate): (Signal, Signal), flag: &AtomicBool, in_order: &AtomicBool) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if flag.swap(true, Ordering::AcqRel) || !in_order.load(Ordering::Acquire) {
            eprintln!("corelane: ended at once by a signal; what was not committed is read again at the next start");
            // SAFETY: _exit takes no pointers and never returns.
            unsafe { libc::_exit(130) };
        }
    }
}
