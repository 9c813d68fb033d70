//! The simulator against an in-memory Kafka that assigns partitions like the Java client.

mod bytes;
mod driving;
mod labels;
pub(crate) mod memory;
mod outcomes;
mod processes;

use std::collections::BTreeSet;

use super::{Clock, Fleet, FleetOptions, Rates, kinds};
use memory::Sent;

/// 2025-11-20T14:46:40Z.
const START_MS: i64 = 1_763_650_000_000;

fn options(rates: Rates) -> FleetOptions {
    FleetOptions { clock: Clock::Schedule { start_ms: START_MS }, rates, ..FleetOptions::default() }
}

/// Everything at high rates.
fn everything() -> Rates {
    Rates {
        anomalies: 0.02,
        late: 0.05,
        future_clock: 0.05,
        duplicates: 0.05,
        malformed: 0.2,
        oversized: 0.0,
        unknown_sensors: 0.05,
        other_units: 0.05,
        events: 0.05,
        pretty: 0.1,
        shuffled: 0.1,
    }
}

fn sent(options: FleetOptions, messages: usize) -> Vec<Sent> {
    let mut fleet = Fleet::new(options).unwrap();
    (0..messages)
        .map(|_| {
            fleet.build();
            Sent::of(&fleet)
        })
        .collect()
}

#[test]
fn kinds_have_names_of_their_own() {
    let names: BTreeSet<_> = kinds().map(|kind| kind.name).collect();
    assert_eq!(names.len(), kinds().count());
}

#[test]
fn more_than_forty_kinds_are_malformed() {
    let malformed = kinds().filter(|kind| kind.class == super::Class::Malformed).count();
    assert!(malformed >= 40, "{malformed} kinds");
}

#[test]
fn the_manual_names_every_kind() {
    let manual = include_str!("../../../docs/simulator.md");
    let missing: Vec<_> = kinds().map(|kind| kind.name).filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/simulator.md lacks {missing:?}");
}
