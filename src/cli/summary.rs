//! What a run came to, for people.

use std::time::Duration;

use super::live::grouped;
use crate::batch::LedgerEntry;
use crate::lane::Crew;
use crate::telemetry::{Count, Snapshot};

/// Prints what this process consumed and stored, the ledger of what it committed, and what it cost.
pub(super) fn print_run(crew: &Crew, before: &Snapshot, elapsed: Duration) {
    let now = crew.metrics().snapshot();
    let committed = crew.committed();
    println!();
    println!("consumed   {} messages in {:.1} s", grouped(now.messages), elapsed.as_secs_f64());
    print_committed(&committed, &now);
    print_windows(&now);
    if let Some(cpu) = now.cpu_seconds_per_million(before) {
        println!("cpu        {cpu:.2} s a million messages, all threads of this process");
    }
    println!("memory     {} MiB at most", now.process.resident_peak_bytes >> 20);
    println!("files      {}", crew.config().lake.path.display());
}

/// What became of windows, and what was kept out of them.
fn print_windows(now: &Snapshot) {
    let of = |what| grouped(now.counted(what));
    println!(
        "windows    {} on-time parts, {} late, {} early; {} rows of aggregates, {} of groups",
        of(Count::PartsOnTime),
        of(Count::PartsLate),
        of(Count::PartsEarly),
        of(Count::AggregateRows),
        of(Count::GroupRows)
    );
    println!(
        "           kept out: {} readings with a time that is not trusted, {} repeats, {} over the limit of devices",
        of(Count::ReadingsUntrusted),
        of(Count::ReadingsDuplicate),
        of(Count::ReadingsOverLimit)
    );
    if now.counted(Count::Replayed) > 0 {
        println!("           {} messages were read again to rebuild open windows", of(Count::Replayed));
    }
}

/// The committed terms, and whether they balance.
pub(super) fn print_committed(committed: &LedgerEntry, now: &Snapshot) {
    println!(
        "stored     {} readings, {} events, {} rejects in {} epochs",
        grouped(committed.readings),
        grouped(committed.events),
        grouped(committed.rejects),
        grouped(now.epochs_committed())
    );
    for (reason, count) in now.rejects_by_reason() {
        if count > 0 {
            println!("           {:>9} rejected: {}", grouped(count), reason.name());
        }
    }
    match committed.check() {
        Ok(()) => println!(
            "ledger     balances: {} consumed = {} readings + {} events + {} rejects; {} offsets = {} consumed + {} gaps",
            grouped(committed.consumed),
            grouped(committed.readings),
            grouped(committed.events),
            grouped(committed.rejects),
            grouped(committed.span.len()),
            grouped(committed.consumed),
            grouped(committed.gaps)
        ),
        Err(imbalance) => println!("ledger     DOES NOT BALANCE: {imbalance}"),
    }
}
