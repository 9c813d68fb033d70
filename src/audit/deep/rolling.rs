//! Rolling values by their definition: over the on-time rows, of the same series and partition, of the N windows that end with the row's.

use std::collections::{HashMap, VecDeque};

use super::fold::{Rolling, Summary, roll};
use super::stored::{StoredRow, Subject};

/// The most windows that rolling values combine (`windows.rolling`, and the limit with it).
const WINDOWS_MAX: i64 = 70;

/// An on-time row as later ones need it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Past {
    era: usize,
    start_us: i64,
    end_us: i64,
    /// None: it has no value.
    summary: Option<Summary>,
}

/// The on-time rows of a partition that later rows may need.
#[derive(Clone, Debug, Default)]
pub(super) struct OnTimeRows {
    of: HashMap<(Subject, u32), VecDeque<Past>>,
}

impl OnTimeRows {
    /// Keeps an on-time row. False: the same window of the same series was written on time before.
    pub(super) fn keep(&mut self, row: &StoredRow, era: usize) -> bool {
        let float = |bits: Option<u64>| bits.map(f64::from_bits);
        let values = float(row.values.mean).zip(float(row.values.m2)).filter(|_| row.values.count > 0);
        let summary = values.map(|(mean, m2)| Summary { count: row.values.count, mean, m2 });
        let past = Past { era, start_us: row.part.start_us, end_us: row.part.end_us, summary };
        let rows = self.of.entry((row.subject, row.sensor)).or_default();
        let is_twin = |other: &Past| (other.era, other.start_us, other.end_us) == (era, past.start_us, past.end_us);
        if rows.iter().any(is_twin) {
            return false;
        }
        rows.push_back(past);
        // Windows are written on time in their order.
        let size_us = past.end_us.saturating_sub(past.start_us);
        let oldest_us = past.start_us.saturating_sub(size_us.saturating_mul(WINDOWS_MAX));
        while rows.front().is_some_and(|row| row.end_us <= oldest_us) {
            rows.pop_front();
        }
        true
    }

    /// What the rolling columns of an on-time row must say; the row itself was kept.
    pub(super) fn rolling(&self, row: &StoredRow, era: usize, windows: u32) -> Rolling {
        let size_us = row.part.end_us.saturating_sub(row.part.start_us);
        let Some(rows) = self.of.get(&(row.subject, row.sensor)) else { return roll([]) };
        let slots = (0..i64::from(windows)).rev();
        let in_slot = |back: i64| {
            let start_us = row.part.start_us.saturating_sub(size_us.saturating_mul(back));
            let end_us = start_us.saturating_add(size_us);
            let found = rows.iter().find(|past| (past.era, past.start_us, past.end_us) == (era, start_us, end_us));
            found.and_then(|past| past.summary)
        };
        roll(slots.filter_map(in_slot))
    }
}
