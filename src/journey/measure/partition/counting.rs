//! Readings into parts. First it is planned where each reading of a run goes and where its device stands, then each part counts its own:
//! so what a reading needs can be asked for while those before it are counted. Parts share nothing, so their order does not matter.

use super::super::devices::DeviceCache;
use super::super::part::{Entry, Names, Part, Refusal, Step};
use super::super::rows::{Rows, UNTRUSTED};
use super::super::slots::NO_SLOT;
use super::{Counted, Partition, Tables};
use crate::batch::{Dictionaries, Flag};

/// Where the readings of a window go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// Nowhere.
    Out,
    Open(usize),
    Rebuilt(usize),
    Late(usize),
    Early(usize),
}

/// Where the readings of a run go; kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Plan {
    homes: Vec<Home>,
    /// By home, and within one in the order of rows. Readings that go nowhere are not among them.
    steps: Vec<Step>,
    /// Of one part at a time.
    entries: Vec<Entry>,
}

/// The window of the reading before, and where its readings go: neighbours mostly share it.
struct Recent {
    start_us: i64,
    end_us: i64,
    home: usize,
}

impl Plan {
    /// `home_of`: by the start of a window and the offset of a reading in it.
    fn fill(&mut self, rows: &Rows<'_>, size_ms: i64, mut home_of: impl FnMut(i64, i64) -> Home) {
        self.homes.clear();
        self.steps.clear();
        let mut recent: Option<Recent> = None;
        for (row, event_us) in (0_u32..).zip(rows.event_times_us) {
            let at = row as usize;
            if rows.quality[at] & UNTRUSTED != 0 {
                continue;
            }
            let home = match &recent {
                Some(recent) if *event_us >= recent.start_us && *event_us < recent.end_us => recent.home,
                _ => {
                    let start_ms = start_of(*event_us, size_ms);
                    let home = home_of(start_ms, rows.offsets[at]);
                    let next = self.homes.len();
                    let home = self.homes.iter().position(|known| *known == home).unwrap_or_else(|| {
                        self.homes.push(home);
                        next
                    });
                    recent = Some(Recent::new(start_ms, size_ms, home));
                    home
                }
            };
            self.steps.push(Step { row, slot: NO_SLOT, home: u32::try_from(home).unwrap_or(u32::MAX) });
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.homes.capacity() * size_of::<Home>()
            + self.steps.capacity() * size_of::<Step>()
            + self.entries.capacity() * size_of::<Entry>()
    }
}

impl Partition {
    /// Counts readings from before the committed offset, each into its listed window if its offset lies in the listed interval.
    pub(in super::super) fn replay(&mut self, rows: &Rows<'_>, cache: &mut DeviceCache, dictionaries: &Dictionaries) {
        let Some(committed) = self.replaying_to else { return };
        self.follow(dictionaries);
        let mut plan = std::mem::take(&mut self.plan);
        plan.fill(rows, self.grid.size_ms, |start_ms, _| self.listed_home(start_ms));
        plan.steps.retain(|step| {
            let offset = rows.offsets[step.row as usize];
            offset < committed && self.lists(plan.homes[step.home as usize], offset)
        });
        self.count_planned(rows, &mut plan, (cache, dictionaries), &mut []);
        self.plan = plan;
    }

    /// Counts readings at and past the committed offset; what is due at `clock_ms` must have been closed. Adds flags to `masks`.
    pub(in super::super) fn count(
        &mut self,
        rows: &Rows<'_>,
        names: (&mut DeviceCache, &Dictionaries),
        clock_ms: i64,
        masks: &mut [u16],
    ) -> Counted {
        self.follow(names.1);
        let mut plan = std::mem::take(&mut self.plan);
        plan.fill(rows, self.grid.size_ms, |start_ms, offset| self.home_of(start_ms, offset, clock_ms));
        let untrusted = (rows.len() - plan.steps.len()) as u64;
        let counted = Counted { untrusted, ..self.count_planned(rows, &mut plan, names, masks) };
        self.plan = plan;
        if let Some(last) = rows.offsets.last() {
            self.position = self.position.max(last.saturating_add(1));
        }
        counted
    }

    /// Counts the readings of a run where it is planned. Flags those that do not count, if there are masks.
    fn count_planned(
        &mut self,
        rows: &Rows<'_>,
        plan: &mut Plan,
        (cache, dictionaries): (&mut DeviceCache, &Dictionaries),
        masks: &mut [u16],
    ) -> Counted {
        let Plan { homes, steps, entries } = plan;
        if homes.len() > 1 {
            steps.sort_by_key(|step| step.home);
        }
        let mut counted = Counted::default();
        let mut names = Names { devices: &mut self.devices, cache, dictionaries };
        for steps in steps.chunk_by_mut(|a, b| a.home == b.home) {
            let home = homes[steps[0].home as usize];
            let (part, tally) = match home {
                Home::Out => continue,
                Home::Open(at) => (&mut self.open[at], &mut counted.on_time),
                Home::Rebuilt(at) => (&mut self.rebuilt[at], &mut counted.on_time),
                Home::Late(at) => (&mut self.loose[at], &mut counted.late),
                Home::Early(at) => (&mut self.loose[at], &mut counted.early),
            };
            for step in &mut *steps {
                let device = names.cache.find(names.devices, dictionaries, rows.devices[step.row as usize]);
                step.slot = device.and_then(|device| part.slot_of(device)).unwrap_or(NO_SLOT);
            }
            let (mut duplicates, mut over_limit) = (0, 0);
            *tally += part.count(rows, steps, (&mut names, entries), |row, refusal| {
                let (count, flag) = match refusal {
                    Refusal::Duplicate => (&mut duplicates, Flag::Duplicate),
                    Refusal::OverLimit => (&mut over_limit, Flag::OverLimit),
                };
                *count += 1;
                if let Some(mask) = masks.get_mut(row) {
                    *mask |= flag.mask();
                }
            });
            counted.duplicates += duplicates;
            counted.over_limit += over_limit;
            if matches!(home, Home::Late(_) | Home::Early(_)) {
                part.to = steps.last().map_or(part.to, |step| rows.offsets[step.row as usize].saturating_add(1));
            }
        }
        counted
    }

    /// Whether a listed part counts an offset.
    fn lists(&self, home: Home, offset: i64) -> bool {
        let part = match home {
            Home::Open(at) => &self.open[at],
            Home::Rebuilt(at) => &self.rebuilt[at],
            Home::Out | Home::Late(_) | Home::Early(_) => return false,
        };
        #[cfg(test)]
        if self.ignores_from && offset < part.to {
            return true;
        }
        part.counts_offset(offset)
    }

    fn listed_home(&self, start_ms: i64) -> Home {
        let find = |parts: &[Part]| parts.iter().position(|part| part.start_ms == start_ms);
        let open = find(&self.open).map(Home::Open);
        open.or_else(|| find(&self.rebuilt).map(Home::Rebuilt)).unwrap_or(Home::Out)
    }

    /// Late? Open? Early? Else it opens.
    fn home_of(&mut self, start_ms: i64, offset: i64, clock_ms: i64) -> Home {
        let end_ms = start_ms.saturating_add(self.grid.size_ms);
        if self.written_until_ms.is_some_and(|until| end_ms <= until) {
            return Home::Late(self.loose_part(start_ms, offset, true));
        }
        if let Some(at) = self.open.iter().position(|part| part.start_ms == start_ms) {
            return Home::Open(at);
        }
        if start_ms > clock_ms.saturating_add(self.windows.future_skew_ms) {
            return Home::Early(self.loose_part(start_ms, offset, false));
        }
        let tables = self.spare.take().unwrap_or_else(|| Tables::new(&self.catalog));
        self.open.push(Part::open(start_ms, offset, (self.windows.devices_max, self.devices.len()), tables));
        Home::Open(self.open.len() - 1)
    }

    fn loose_part(&mut self, start_ms: i64, offset: i64, is_late: bool) -> usize {
        let next = self.loose.len();
        let at = *self.loose_at.entry((start_ms, is_late)).or_insert(next);
        if at == next {
            self.loose.push(Part::loose(start_ms, offset, &self.catalog));
        }
        at
    }
}

impl Recent {
    fn new(start_ms: i64, size_ms: i64, home: usize) -> Self {
        let start_us = start_ms.saturating_mul(1_000);
        Self { start_us, end_us: start_us.saturating_add(size_ms.saturating_mul(1_000)), home }
    }
}

/// The start of the window of an event time.
fn start_of(event_us: i64, size_ms: i64) -> i64 {
    event_us.div_euclid(size_ms.saturating_mul(1_000)).saturating_mul(size_ms)
}
