//! Keeps a line that comes again and again (a broker is down) from filling the log.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys remembered at once; past it, those that are quiet are forgotten, and if none is, new keys share one.
const KEYS_MAX: usize = 1024;

struct Line {
    written: Instant,
    held_back: u64,
}

/// Lets at most one line a key through in each interval, and counts what it held back.
///
/// ```
/// # use std::time::Duration;
/// # let throttle = corelane::telemetry::logs::Throttle::new(Duration::from_secs(10));
/// if let Some(held_back) = throttle.pass("broker down") {
///     tracing::warn!(held_back, "broker 1 is down");
/// }
/// ```
pub struct Throttle {
    interval: Duration,
    lines: Mutex<HashMap<String, Line>>,
}

impl Throttle {
    pub fn new(interval: Duration) -> Self {
        Self { interval, lines: Mutex::new(HashMap::new()) }
    }

    /// Some(how many of this key were held back since the last one): write the line. None: do not.
    pub fn pass(&self, key: &str) -> Option<u64> {
        self.pass_at(key, Instant::now())
    }

    pub(super) fn pass_at(&self, key: &str, now: Instant) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Self::place(&mut lines, key, now, self.interval);
        match lines.get_mut(key) {
            Some(line) if now.saturating_duration_since(line.written) < self.interval => {
                line.held_back += 1;
                None
            }
            Some(line) => {
                line.written = now;
                Some(std::mem::take(&mut line.held_back))
            }
            None => {
                lines.insert(key.to_owned(), Line { written: now, held_back: 0 });
                Some(0)
            }
        }
    }

    /// The key, or the shared one when there are too many (keys made from input must not grow without bound).
    fn place<'a>(lines: &mut HashMap<String, Line>, key: &'a str, now: Instant, interval: Duration) -> &'a str {
        if lines.len() < KEYS_MAX || lines.contains_key(key) {
            return key;
        }
        lines.retain(|_, line| now.saturating_duration_since(line.written) < interval);
        if lines.len() < KEYS_MAX { key } else { "" }
    }
}
