//! What a lane needs of its runtime: time, waiting, yielding. Little, so that one loop runs on any executor and in tests.

use std::time::Duration;

/// The place where a lane's future runs.
#[allow(async_fn_in_trait)] // a lane's future never leaves its core, so nobody needs it to be Send
pub trait Host {
    /// Monotonic time since some origin.
    fn now(&self) -> Duration;

    /// Wall time, µs since the epoch.
    fn wall_us(&self) -> i64;

    /// Returns when something happened that the lane should look at, or after `limit`.
    async fn wait(&mut self, limit: Duration);

    /// Lets others on the core run.
    async fn yield_now(&mut self);
}
