//! The windows of one partition. A window is early, then open, then written, in this order and never back, whatever the clock does: a
//! reading is asked first whether it is late (W only grows), then whether its window is open, and last whether it is early. So the parts
//! of a window cannot overlap.

mod counting;

use std::collections::HashMap;
use std::sync::Arc;

use self::counting::Plan;
use super::columns::{Label, Writer};
use super::devices::Devices;
use super::part::{Part, Tables};
use super::past::Past;
use super::settings::Windows;
use crate::batch::{Dictionaries, ListedPart, OpenWindow, PartialWindow, ReplayState, SensorCatalog};

/// Readings of a call by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Into open windows.
    pub on_time: u64,
    pub late: u64,
    pub early: u64,
    /// Flagged `future_time`, `old_time` or `no_kafka_time`.
    pub untrusted: u64,
    pub duplicates: u64,
    pub over_limit: u64,
}

impl Counted {
    pub fn add(&mut self, other: Counted) {
        self.on_time += other.on_time;
        self.late += other.late;
        self.early += other.early;
        self.untrusted += other.untrusted;
        self.duplicates += other.duplicates;
        self.over_limit += other.over_limit;
    }
}

/// Windows begin at multiples of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) size_ms: i64,
    pub(super) rolling: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) devices: Devices,
    windows: Windows,
    flags_hash: u64,
    catalog: Arc<SensorCatalog>,
    /// [`Dictionaries::generation`] of the keys that parts hold.
    generation: u64,
    grid: Grid,
    /// W: windows that end here or before are written, or empty.
    written_until_ms: Option<i64>,
    /// The next offset to count, as far as readings tell.
    position: i64,
    /// While it replays: the committed offset, where it goes live.
    replaying_to: Option<i64>,
    /// The settings are others than those that made what is listed.
    is_changed: bool,
    open: Vec<Part>,
    /// On-time parts that are being rebuilt.
    rebuilt: Vec<Part>,
    /// By start, oldest first.
    past: Vec<Past>,
    loose: Vec<Part>,
    /// Of (start, is it late).
    loose_at: HashMap<(i64, bool), usize>,
    /// Memory of the part that was written last, for the next one that opens.
    spare: Option<Tables>,
    plan: Plan,
    /// The canary of the tests: replay counts all of a listed window, also before its first offset.
    #[cfg(test)]
    pub(super) ignores_from: bool,
}

impl Partition {
    pub(super) fn new(windows: Windows, flags_hash: u64, catalog: Arc<SensorCatalog>, token: u32) -> Self {
        Self {
            devices: Devices::new(token),
            windows,
            flags_hash,
            catalog,
            generation: 0,
            grid: Grid { size_ms: windows.size_ms, rolling: windows.rolling },
            written_until_ms: None,
            position: 0,
            replaying_to: None,
            is_changed: false,
            open: Vec::new(),
            rebuilt: Vec::new(),
            past: Vec::new(),
            loose: Vec::new(),
            loose_at: HashMap::new(),
            spare: None,
            plan: Plan::default(),
            #[cfg(test)]
            ignores_from: false,
        }
    }

    /// Begins with what the commit note lists, at the committed offset. Gives the offset to read from.
    pub(super) fn adopt(&mut self, note: Option<&ReplayState>, committed: i64, log_start: i64) -> i64 {
        self.position = committed;
        let Some(note) = note else { return committed.max(log_start) };
        let wanted = self.grid;
        self.grid = Grid { size_ms: note.size_ms.max(1), rolling: note.rolling.max(1) };
        self.written_until_ms = note.written_until_ms;
        let flags_changed = note.flags_hash != self.flags_hash;
        self.is_changed = flags_changed || self.grid != wanted;
        let part = |start_ms, from, to| {
            let mut part = Part::open(start_ms, from, (self.windows.devices_max, 0), Tables::new(&self.catalog));
            part.to = to;
            part.partial = flags_changed || from < log_start;
            part
        };
        self.open = note.open.iter().map(|window| part(window.start_ms, window.from, i64::MAX)).collect();
        self.rebuilt = note.on_time.iter().map(|listed| part(listed.start_ms, listed.from, listed.to)).collect();
        let from = note.replay_from().map_or(committed, |from| from.min(committed)).max(log_start);
        self.replaying_to = (from < committed || self.is_changed || !self.rebuilt.is_empty()).then_some(committed);
        from
    }

    /// The committed offset, while what lies before it is read again.
    pub(super) fn replaying_to(&self) -> Option<i64> {
        self.replaying_to
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Replay is done. Changed settings: what is listed is written at once on its old grid, W moves past it, and the new grid begins at
    /// the committed offset.
    pub(super) fn go_live(&mut self, writer: &mut Writer<'_>) {
        if self.replaying_to.take().is_none() {
            return;
        }
        for part in self.rebuilt.drain(..) {
            let (past, tables) = part.into_past();
            self.past.push(past);
            self.spare = Some(tables);
        }
        self.past.sort_by_key(|past| past.start_ms);
        if std::mem::take(&mut self.is_changed) {
            self.drain(writer);
            self.past.clear();
            self.grid = Grid { size_ms: self.windows.size_ms, rolling: self.windows.rolling };
        }
    }

    /// The clock, ms, at which the next window is to be written, or W to be moved.
    pub(super) fn next_closing_ms(&self) -> i64 {
        self.written_until_ms.map_or(i64::MIN, |until| self.closing_of(until))
    }

    /// The same, once what is due at `clock_ms` is written.
    pub(super) fn closing_after_ms(&self, clock_ms: i64) -> i64 {
        let passed = clock_ms.saturating_sub(self.windows.grace_ms);
        self.closing_of(self.written_until_ms.map_or(passed, |until| until.max(passed)))
    }

    /// When the first window that ends after `until_ms` is due.
    fn closing_of(&self, until_ms: i64) -> i64 {
        let start_ms = until_ms.saturating_sub(until_ms.rem_euclid(self.grid.size_ms));
        start_ms.saturating_add(self.grid.size_ms).saturating_add(self.windows.grace_ms)
    }

    /// Writes the windows that the clock has passed by `grace`, oldest first, and moves W, also where no window was open.
    pub(super) fn close_due(&mut self, clock_ms: i64, writer: &mut Writer<'_>) {
        if clock_ms < self.next_closing_ms() || self.replaying_to.is_some() {
            return;
        }
        let passed = clock_ms.saturating_sub(self.windows.grace_ms);
        let until = passed.saturating_sub(passed.rem_euclid(self.grid.size_ms));
        if self.written_until_ms.is_none_or(|written| until > written) {
            self.write_until(until, writer);
        }
    }

    /// Writes open windows as they stand, as on-time parts; W moves past them, else they could be written on time twice.
    pub(super) fn drain(&mut self, writer: &mut Writer<'_>) {
        let ends = self.open.iter().map(|part| part.start_ms.saturating_add(self.grid.size_ms));
        if let Some(until) = ends.max() {
            self.write_until(until, writer);
        }
    }

    fn write_until(&mut self, until_ms: i64, writer: &mut Writer<'_>) {
        let size_ms = self.grid.size_ms;
        let is_due = |part: &Part| part.start_ms.saturating_add(size_ms) <= until_ms;
        let (mut due, open): (Vec<Part>, Vec<Part>) = std::mem::take(&mut self.open).into_iter().partition(is_due);
        self.open = open;
        due.sort_by_key(|part| part.start_ms);
        for part in due {
            self.write_on_time(part, writer);
        }
        let until = self.written_until_ms.map_or(until_ms, |written| written.max(until_ms));
        self.written_until_ms = Some(until);
        let needed_from = until.saturating_sub(size_ms.saturating_mul(i64::from(self.grid.rolling)));
        self.past.retain(|past| past.start_ms > needed_from);
    }

    fn write_on_time(&mut self, mut part: Part, writer: &mut Writer<'_>) {
        let Grid { size_ms, rolling } = self.grid;
        let oldest_ms = part.start_ms.saturating_sub(size_ms.saturating_mul(i64::from(rolling) - 1));
        let past: Vec<&Past> =
            self.past.iter().filter(|past| past.start_ms >= oldest_ms && past.start_ms < part.start_ms).collect();
        let end_ms = part.start_ms.saturating_add(size_ms);
        part.to = self.position;
        let partial = part.partial || past.iter().any(|past| past.partial);
        if part.partial {
            writer.parts().partial.push(PartialWindow { start_ms: part.start_ms, end_ms });
        }
        writer.parts().parts_on_time += 1;
        let label = Label { start_ms: part.start_ms, end_ms, from: part.from, to: part.to, on_time: true, partial };
        writer.write(&part, label, &past, &self.devices);
        let (past, tables) = part.into_past();
        self.past.push(past);
        self.spare = Some(tables);
        self.written_until_ms = Some(self.written_until_ms.map_or(end_ms, |written| written.max(end_ms)));
    }

    /// Late and early parts leave with the epoch.
    pub(super) fn end_epoch(&mut self, writer: &mut Writer<'_>) {
        let mut late: Vec<bool> = vec![false; self.loose.len()];
        for ((_, is_late), at) in self.loose_at.drain() {
            late[at] = is_late;
        }
        for (part, is_late) in self.loose.drain(..).zip(late) {
            writer.parts().parts_late += u64::from(is_late);
            writer.parts().parts_early += u64::from(!is_late);
            let end_ms = part.start_ms.saturating_add(self.grid.size_ms);
            let label = Label { start_ms: part.start_ms, end_ms, from: part.from, to: part.to, on_time: false, partial: false };
            writer.write(&part, label, &[], &self.devices);
        }
    }

    /// For the note of an epoch that ends here.
    pub(super) fn replay_state(&self) -> ReplayState {
        let past = self.past.iter().map(|past| ListedPart { start_ms: past.start_ms, from: past.from, to: past.to });
        let rebuilt = self.rebuilt.iter().map(|part| ListedPart { start_ms: part.start_ms, from: part.from, to: part.to });
        let mut state = ReplayState {
            size_ms: self.grid.size_ms,
            rolling: self.grid.rolling,
            flags_hash: self.flags_hash,
            written_until_ms: self.written_until_ms,
            open: self.open.iter().map(|part| OpenWindow { start_ms: part.start_ms, from: part.from }).collect(),
            on_time: past.chain(rebuilt).collect(),
        };
        state.open.sort_by_key(|window| window.start_ms);
        state.on_time.sort_by_key(|part| part.start_ms);
        state
    }

    /// Gives up the ids of devices that no part names any more.
    pub(super) fn free_devices(&mut self, next_token: impl FnOnce() -> u32) {
        if !self.devices.is_worth_freeing() {
            return;
        }
        let mut needed = vec![false; self.devices.len()];
        let parts = || self.open.iter().chain(&self.rebuilt).chain(&self.loose);
        parts().for_each(|part| part.mark_devices(&mut needed));
        self.past.iter().for_each(|past| past.mark_devices(&mut needed));
        let Some(renumbered) = self.devices.free(&needed, next_token()) else { return };
        let parts = self.open.iter_mut().chain(&mut self.rebuilt).chain(&mut self.loose);
        parts.for_each(|part| part.renumber(&renumbered));
        self.past.iter_mut().for_each(|past| past.renumber(&renumbered));
    }

    fn follow(&mut self, dictionaries: &Dictionaries) {
        if self.generation != dictionaries.generation() {
            self.generation = dictionaries.generation();
            self.open.iter_mut().chain(&mut self.rebuilt).chain(&mut self.loose).for_each(Part::forget_keys);
        }
    }

    /// Bytes of late and early parts, and of all the rest.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let loose = self.loose.iter().map(Part::bytes).sum();
        let open: usize = self.open.iter().chain(&self.rebuilt).map(Part::bytes).sum();
        let past: usize = self.past.iter().map(Past::bytes).sum();
        let spare = self.spare.as_ref().map_or(0, Tables::bytes) + self.plan.bytes();
        (loose, open + past + spare + self.devices.bytes())
    }
}
