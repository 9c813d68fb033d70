//! How often a lane gets a new client in a row, and what lies between two of them.

use std::time::Duration;

use super::journey::LaneEnd;

/// A lane gets a new client at most so often in a row; then the process ends, for whoever supervises it.
const REBUILDS_MAX: u32 = 5;
/// A life this long that committed an epoch ends the row: what killed its client is another thing than what killed the one before, such as
/// the next broker that is restarted. Two processes with one instance fence each other within seconds, and never come so far.
const FORGIVEN: Duration = Duration::from_mins(1);
/// So does one this long that had nothing to commit, with the stall time-out on top: a stall takes its time to be seen, and must not be
/// forgiven by that.
const FORGIVEN_IDLE: Duration = Duration::from_mins(5);
/// Between two tries to rebuild a lane while Kafka does not answer; and before its third client in a row, twice as long before each next.
pub(super) const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// What follows the end of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A new client, the so manieth in a row, after a pause.
    Again {
        reason: String,
        rebuilds: u32,
        pause: Duration,
    },
    Over(LaneEnd),
}

/// A life that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) lasted: Duration,
    /// It committed an epoch at least.
    pub(super) committed: bool,
}

/// Counts the lives of a lane that follow closely on each other.
#[derive(Debug)]
pub(super) struct Lives {
    rebuilds: u32,
    stall_timeout: Duration,
}

impl Lives {
    pub(super) fn new(stall_timeout: Duration) -> Self {
        Self { rebuilds: 0, stall_timeout }
    }

    /// `end`: what the life came to.
    pub(super) fn after(&mut self, end: LaneEnd, life: Life, is_stopping: bool) -> Next {
        if life.committed && life.lasted > FORGIVEN || life.lasted > FORGIVEN_IDLE + self.stall_timeout {
            self.rebuilds = 0;
        }
        match end {
            LaneEnd::Rebuild(_) if is_stopping => Next::Over(end),
            LaneEnd::Rebuild(reason) if self.rebuilds == REBUILDS_MAX => {
                Next::Over(LaneEnd::Refused(format!("after {REBUILDS_MAX} new clients in a row: {reason}")))
            }
            LaneEnd::Rebuild(reason) => {
                self.rebuilds += 1;
                // At once for the first time; then what is wrong gets time to pass.
                let pause = self.rebuilds.checked_sub(2).map_or(Duration::ZERO, |doublings| REBUILD_PAUSE * (1 << doublings));
                Next::Again { reason, rebuilds: self.rebuilds, pause }
            }
            LaneEnd::Stopped | LaneEnd::Refused(_) => Next::Over(end),
        }
    }
}

#[cfg(test)]
#[path = "lives_tests.rs"]
mod tests;
