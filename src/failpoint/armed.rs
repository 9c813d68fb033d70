//! What the failpoints do in a build that has them.

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{CANARIES, DETOURS, POINTS};

/// The environment, read once.
struct Armed {
    point: Option<&'static str>,
    /// Arrivals that are still let pass.
    passes: AtomicU32,
    pause: Option<(&'static str, Duration)>,
    detours: Mutex<BTreeSet<&'static str>>,
    canaries: BTreeSet<&'static str>,
}

/// A place where a test may end the process. The name stands in [`POINTS`].
pub fn reach(point: &'static str) {
    let armed = armed();
    if let Some((_, pause)) = armed.pause.filter(|(at, _)| *at == point) {
        std::thread::sleep(pause);
    }
    if armed.point != Some(point) {
        return;
    }
    let passes = armed.passes.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
    if passes.is_err() {
        let _ = writeln!(std::io::stderr(), "failpoint {point}: the process aborts");
        std::process::abort();
    }
}

/// Whether the answer that the name stands for is to be given, this once.
pub fn detour(name: &'static str) -> bool {
    let taken = armed().detours.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    if taken {
        let _ = writeln!(std::io::stderr(), "failpoint: detour {name}");
    }
    taken
}

/// Whether the program breaks its protocol in this way.
pub fn broken(name: &'static str) -> bool {
    armed().canaries.contains(name)
}

fn armed() -> &'static Armed {
    static ARMED: OnceLock<Armed> = OnceLock::new();
    ARMED.get_or_init(|| {
        let point = env::var("CORELANE_FAILPOINT").ok();
        let (point, nth) = match point.as_deref().map(|text| text.split_once('@').unwrap_or((text, "1"))) {
            Some((name, nth)) => (Some(known(name, names())), nth.parse().unwrap_or(1)),
            None => (None, 1),
        };
        let pause = env::var("CORELANE_PAUSE").ok();
        let pause = pause.as_deref().map(|text| text.split_once('=').unwrap_or((text, "")));
        let pause = pause.map(|(name, millis)| (known(name, names()), Duration::from_millis(millis.parse().unwrap_or(0))));
        let (mut detours, mut canaries) = (BTreeSet::new(), BTreeSet::new());
        for name in env::var("CORELANE_DETOUR").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
            let name = known(name, DETOURS.iter().chain(CANARIES).map(|(name, _)| *name));
            let to = if CANARIES.iter().any(|(canary, _)| *canary == name) { &mut canaries } else { &mut detours };
            to.insert(name);
        }
        Armed { point, passes: AtomicU32::new(nth.max(1) - 1), pause, detours: Mutex::new(detours), canaries }
    })
}

fn names() -> impl Iterator<Item = &'static str> {
    POINTS.iter().map(|point| point.name)
}

/// The name as the table has it. A mistyped one must not look like a test that passed.
#[expect(clippy::disallowed_methods, reason = "tests alone come here, and what an ordered stop would save is not what they want")]
fn known(name: &str, mut table: impl Iterator<Item = &'static str>) -> &'static str {
    table.find(|known| *known == name).unwrap_or_else(|| {
        let _ = writeln!(std::io::stderr(), "failpoint: there is none called {name:?}; src/failpoint/points.rs has them all");
        std::process::exit(64)
    })
}
