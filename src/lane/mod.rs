//! One core: a lane owns whole partitions, carries each batch through its journey, and settles epochs off the loop.
//!
//! ```text
//! crew ── makes ready, starts, watches, stops ──▶ lane (one pinned thread)  ──orders──▶  settler (its delivery thread)
//!                                                 the loop in `journey.rs`   ◀─reports──  close, stage, commit, reveal
//! ```
//!
//! The loop is one function, [`Lane::run`]; all its `if`s are here and the stages are straight loops over columns. It runs over four
//! traits: the intake and the transaction (`kafka`), the storage (`lake`), and the [`Host`] (time and waiting), so that a test runs
//! it deterministically without Kafka, disk, threads or sleep.

mod control;
mod crew;
mod epoch;
mod follow;
mod health;
mod history;
mod host;
mod journey;
mod lives;
mod memory;
mod pin;
mod prepare;
mod runtime;
mod settler;
mod takeover;
mod watchdog;
mod windows;

pub use control::LaneControl;
pub use crew::{Crew, CrewError, CrewReport, LaneReport};
pub use epoch::{ClosedEpoch, EpochIdentity};
pub use host::Host;
pub use journey::{Lane, LaneEnd, LaneParts, LaneRules};
pub use prepare::PrepareError;
pub use settler::{InlineSettler, Order, Place, Report, Settler, ThreadSettler};

#[cfg(test)]
mod tests;
