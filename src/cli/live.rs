//! The live line of a running crew: rewritten in place on a terminal, plain lines where there is none.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::telemetry::{Count, Metrics, Snapshot};

/// On a terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_secs(1);
/// In a log.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Prints a line now and then to stderr.
pub(super) struct LiveLine {
    terminal: bool,
    interval: Duration,
    printed_at: Instant,
    before: Snapshot,
}

impl LiveLine {
    /// None when the line is not wanted.
    pub(super) fn begin(metrics: &Metrics, wanted: bool) -> Option<Self> {
        let terminal = std::io::stderr().is_terminal();
        let interval = if terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL };
        wanted.then(|| Self { terminal, interval, printed_at: Instant::now(), before: metrics.snapshot() })
    }

    /// Prints when it is time.
    pub(super) fn tick(&mut self, metrics: &Metrics) {
        if self.printed_at.elapsed() < self.interval {
            return;
        }
        self.printed_at = Instant::now();
        let now = metrics.snapshot();
        let line = line_of(&now, &self.before);
        self.before = now;
        // Nobody reads an error about an unwritable terminal.
        let _ = if self.terminal { write!(std::io::stderr(), "\r\x1b[2K{line}") } else { writeln!(std::io::stderr(), "{line}") };
    }

    /// Leaves the last line standing.
    pub(super) fn end(self) {
        if self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn line_of(now: &Snapshot, before: &Snapshot) -> String {
    let lag = now.lag.map_or_else(|| "?".to_owned(), grouped);
    format!(
        "{:.0} msg/s | lag {lag} | readings {} | events {} | rejects {} | {} | epochs {} | memory {} MiB",
        now.messages_per_second(before),
        grouped(now.readings),
        grouped(now.events),
        grouped(now.rejects_total()),
        windows_of(now),
        grouped(now.epochs_committed()),
        now.process.resident_bytes >> 20,
    )
}

/// A replay comes first: while it lasts nothing else moves.
fn windows_of(now: &Snapshot) -> String {
    if now.replay_left > 0 {
        return format!("replaying, {} left", grouped(now.replay_left));
    }
    let written = grouped(now.counted(Count::PartsOnTime));
    let beside = [(Count::PartsLate, "late"), (Count::PartsEarly, "early"), (Count::ReadingsUntrusted, "untrusted")];
    let beside = beside.into_iter().filter(|(what, _)| now.counted(*what) > 0);
    let beside: Vec<String> = beside.map(|(what, name)| format!("{} {name}", grouped(now.counted(what)))).collect();
    if beside.is_empty() { format!("windows {written}") } else { format!("windows {written} ({})", beside.join(", ")) }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
