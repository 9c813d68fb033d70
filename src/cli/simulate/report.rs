//! What the simulator tells people: a live line, and a summary.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::live::grouped;
use super::plan::whole;
use crate::batch::Table;
use crate::simulate::{Metrics, Summary};

const INTERVAL: Duration = Duration::from_secs(1);
/// Without a terminal a line comes every so many intervals.
const PLAIN_EVERY: u32 = 10;

/// Prints a line a second while messages are sent.
pub(super) struct LiveReport {
    printing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl LiveReport {
    pub(super) fn begin(metrics: Arc<Metrics>, is_wanted: bool) -> Self {
        if !is_wanted {
            return Self { printing: None };
        }
        let (end, ended) = channel();
        let print = move || {
            let is_terminal = std::io::stderr().is_terminal();
            let (mut turn, mut before) = (0, 0);
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                turn += 1;
                if !is_terminal && turn % PLAIN_EVERY != 0 {
                    continue;
                }
                let seconds = if is_terminal { 1 } else { u64::from(PLAIN_EVERY) };
                let line = line(&metrics, (metrics.delivered() - before) / seconds);
                before = metrics.delivered();
                let mut out = std::io::stderr();
                // Nobody reads an error about an unwritable terminal.
                let _ = if is_terminal { write!(out, "\r\x1b[2K{line}") } else { writeln!(out, "{line}") };
            }
            if is_terminal && turn > 0 {
                let _ = writeln!(std::io::stderr());
            }
        };
        // Without its thread there is no line; the run goes on.
        let thread = std::thread::Builder::new().name("live-line".into()).spawn(print).ok();
        Self { printing: thread.map(|thread| (end, thread)) }
    }

    pub(super) fn end(self) {
        if let Some((end, thread)) = self.printing {
            drop(end);
            let _ = thread.join();
        }
    }
}

fn line(metrics: &Metrics, per_second: u64) -> String {
    let latency = metrics.latency_quantile_ms(0.99).map_or_else(|| "-".to_owned(), latency_text);
    format!(
        "{} msg/s | devices {} | delivered {} | in flight {} | failed {} | p99 {latency}",
        grouped(per_second),
        grouped(metrics.devices()),
        grouped(metrics.delivered()),
        grouped(metrics.in_flight()),
        grouped(metrics.failed()),
    )
}

fn latency_text(bound_ms: u64) -> String {
    if bound_ms == u64::MAX { "above 30 s".to_owned() } else { format!("up to {bound_ms} ms") }
}

/// Prints what was sent, what became of it, and what must become of it downstream.
pub(super) fn print(summary: &Summary, topic: &str) {
    for line in lines(summary, topic) {
        println!("{line}");
    }
}

pub(in crate::cli) fn lines(summary: &Summary, topic: &str) -> Vec<String> {
    let seconds = summary.elapsed.as_secs_f64();
    let mut lines = vec![
        format!(
            "sent       {} messages, {:.1} MB, to {topic} in {seconds:.1} s: {} msg/s",
            grouped(summary.sent),
            summary.sent_bytes as f64 / 1e6,
            grouped(whole(summary.sent as f64 / seconds.max(1e-3)))
        ),
        format!("delivered  {}, failed {}", grouped(summary.delivered), grouped(summary.failed)),
    ];
    for (reason, count) in &summary.failures {
        lines.push(format!("           {:>9} failed: {reason}", grouped(*count)));
    }
    if let (Some(half), Some(most)) = (summary.latency_p50_ms, summary.latency_p99_ms) {
        lines.push(format!("latency    half {}, 99 of 100 {}", latency_text(half), latency_text(most)));
    }
    lines.push(format!(
        "expected   {} readings, {} events, {} rejects",
        grouped(summary.expected(Table::Readings)),
        grouped(summary.expected(Table::Events)),
        grouped(summary.expected(Table::Rejects)),
    ));
    for (reason, count) in summary.expected_rejects() {
        lines.push(format!("           {:>9} rejected: {}", grouped(count), reason.name()));
    }
    let mut faults = BTreeMap::new();
    for (sort, count) in summary.sorts.iter().filter(|(sort, _)| !sort.fault.is_empty() && sort.reason.is_none()) {
        *faults.entry(sort.fault).or_insert(0) += count;
    }
    for (fault, count) in faults {
        lines.push(format!("           {:>9} readings with {fault}", grouped(count)));
    }
    for (anomaly, count) in &summary.anomalies {
        lines.push(format!("           {:>9} readings in {anomaly}", grouped(*count)));
    }
    if summary.silent > 0 {
        lines.push(format!("silent     {} intervals of devices that dropped out", grouped(summary.silent)));
    }
    lines
}
