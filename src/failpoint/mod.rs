//! Failpoints: places where a test ends the process, lets Kafka answer as it might, or breaks the protocol on purpose.
//!
//! Without the feature `failpoints` every call here is an empty inline function: nothing of it is in what is shipped. With it, the
//! environment of the process says what happens:
//!
//! * `CORELANE_FAILPOINT=<point>` or `<point>@<n>`: the process aborts when it comes there, or for the n-th time. What it had written
//!   stays, as after kill -9; no destructor runs.
//! * `CORELANE_PAUSE=<point>=<ms>`: the process stands still there for so long, each time, so that a test can strike in that moment.
//! * `CORELANE_DETOUR=<name>,...`: Kafka or the disk seems to give another answer ([`DETOURS`], once each), or the program breaks its own
//!   protocol ([`CANARIES`], always). The fault suite must find every canary: a suite that has gone blind would pass for ever.
//!
//! Not the crate `fail`: its actions can panic, which ends one thread, and not abort, which ends the process; and the one table here is
//! also what the tests walk. `docs/chaos.md` says how it is used.

#[cfg(feature = "failpoints")]
mod armed;
mod points;

pub use points::{CANARIES, DETOURS, POINTS, Point, Road};

/// A place where a test may end the process. The name stands in [`POINTS`].
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn reach(_point: &'static str) {}

/// Whether the answer that the name stands for is to be given, this once.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn detour(_name: &'static str) -> bool {
    false
}

/// Whether the program breaks its protocol in this way.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn broken(_name: &'static str) -> bool {
    false
}

#[cfg(feature = "failpoints")]
pub use armed::{broken, detour, reach};

#[cfg(test)]
mod tests;
