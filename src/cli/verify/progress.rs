//! How far the audit is: rewritten in place on a terminal, a plain line now and then where there is none.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::audit::Step;
use crate::cli::live::grouped;

/// On a terminal.
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
/// In a log.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Prints to stderr.
pub(super) struct ProgressLine {
    wanted: bool,
    terminal: bool,
    printed_at: Instant,
    is_standing: bool,
}

impl ProgressLine {
    pub(super) fn begin(wanted: bool) -> Self {
        Self { wanted, terminal: std::io::stderr().is_terminal(), printed_at: Instant::now(), is_standing: false }
    }

    pub(super) fn tick(&mut self, step: Step) {
        let interval = if self.terminal { TERMINAL_INTERVAL } else { PLAIN_INTERVAL };
        if !self.wanted || self.printed_at.elapsed() < interval {
            return;
        }
        self.printed_at = Instant::now();
        let line = line_of(step);
        // Nobody reads an error about an unwritable terminal.
        let _ = if self.terminal { write!(std::io::stderr(), "\r\x1b[2K{line}") } else { writeln!(std::io::stderr(), "{line}") };
        self.is_standing = self.terminal;
    }

    /// Wipes the line: the report follows.
    pub(super) fn end(self) {
        if self.is_standing {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

pub(super) fn line_of(step: Step) -> String {
    match step {
        Step::Records { done } => format!("reading epoch records: {}", grouped(done)),
        Step::Segments { done, bytes } => format!("looking into segments: {}, {} MiB", grouped(done), grouped(bytes >> 20)),
        Step::Rows { done } => format!("looking at rows: {}", grouped(done)),
        Step::Messages { done } => format!("looking at messages in Kafka: {}", grouped(done)),
        Step::Windows { partitions, of, rows } => {
            format!("recomputing windows: partition {} of {of}, {} rows", partitions + 1, grouped(rows))
        }
    }
}
