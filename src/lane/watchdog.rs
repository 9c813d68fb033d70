//! Finds a lane that stands still although everything looks healthy.
//!
//! Lag alone is no sign: transaction markers leave it above zero in a partition that is read to its end. A partition stands still when
//! it is assigned, not paused, its end was not the last that was heard of it, there is more to read, and its position has not moved for
//! the stall time-out. (A settle that does not answer for that long is found in `health.rs`.)

use std::collections::BTreeMap;
use std::time::Duration;

use crate::batch::TopicPartition;

/// What the watchdog sees of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) source: TopicPartition,
    pub(super) position: i64,
    /// False where the end was reached, or nothing more is known to be there.
    pub(super) has_more: bool,
}

/// Remembers when each partition moved last.
#[derive(Debug)]
pub(super) struct Watchdog {
    timeout: Duration,
    moved: BTreeMap<TopicPartition, (i64, Duration)>,
    looked_at: Duration,
}

impl Watchdog {
    pub(super) fn new(timeout: Duration, now: Duration) -> Self {
        Self { timeout, moved: BTreeMap::new(), looked_at: now }
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.looked_at + self.timeout / 10
    }

    /// A partition that stands still, for people. `flows` is false while the lane itself holds the flow back.
    pub(super) fn look(&mut self, now: Duration, flows: bool, sights: &[Sight]) -> Option<String> {
        self.looked_at = now;
        if !flows {
            self.moved.clear();
            return None;
        }
        let before = std::mem::take(&mut self.moved);
        let mut stuck = None;
        for Sight { source, position, has_more } in sights {
            let since = match before.get(source) {
                Some((was, since)) if was == position && *has_more => *since,
                _ => now,
            };
            if now.saturating_sub(since) >= self.timeout {
                stuck = Some(format!(
                    "{source} stands at offset {position} for {} s although there is more to read",
                    now.saturating_sub(since).as_secs()
                ));
            }
            self.moved.insert(source.clone(), (*position, since));
        }
        stuck
    }
}

#[cfg(test)]
#[path = "watchdog_tests.rs"]
mod tests;
