//! The seeds of tests that search by random cases.
//!
//! `CORELANE_CASES=100000` searches further, `CORELANE_SEED=N` begins at a seed. Without a seed half of the cases are always the same, and
//! the other half begins where the clock says. What is found names its seed.

use std::time::SystemTime;

/// A number that the environment names.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// A seed that no run had before, with room for ten thousand after it before the next second's.
fn now_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() * 10_000
}

/// The seeds of a search: those asked for, or some that are always the same and some that no run had before. Told on standard output.
pub(crate) fn seeds(default_cases: u64) -> impl Iterator<Item = u64> {
    let cases = asked("CORELANE_CASES").unwrap_or(default_cases);
    let (fixed, first, free) = match asked("CORELANE_SEED") {
        Some(first) => (0, first, cases),
        None => (cases / 2, now_seed(), cases - cases / 2),
    };
    println!("seeds 0..{fixed} and {first}..{}", first + free);
    (0..fixed).chain(first..first + free)
}
