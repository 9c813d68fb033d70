//! A part while it fills: the counted readings of one window of one partition, from its first offset on.
//!
//! Every verdict here is a function of the reading and of the earlier readings of the same part, so that a replay from the part's first
//! offset says the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::devices::{DeviceCache, Devices, mark, renumbered_of};
use super::groups::{GroupName, Groups};
use super::memory::{empty, fetch};
use super::past::Past;
use super::recent::{NO_SECOND, Recent};
use super::rows::{NO_TEXT, PlaceKey, Rows};
use super::series::SeriesTable;
use super::slots::{NO_SLOT, Slots};
use crate::batch::{Dictionaries, Dictionary, SensorCatalog};

/// Why a reading does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Duplicate,
    OverLimit,
}

/// A reading that goes to a part: its row, and the slot of its device there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) row: u32,
    /// [`NO_SLOT`] where it had none yet when the run was planned.
    pub(super) slot: u32,
    /// Which of the run's homes.
    pub(super) home: u32,
}

/// A reading that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Event time, µs from the start of the window.
    pub(super) time_us: f64,
    pub(super) row: u32,
    pub(super) slot: u32,
    pub(super) group: u32,
    pub(super) fit: Fit,
}

/// How the values of a reading fit the series of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// A value for each, all of them later than the last ones.
    Later,
    /// A value for each.
    Whole,
    /// Not every sensor counts.
    Gaps,
}

/// So many readings ahead memory is asked for.
pub(super) const AHEAD: usize = 12;

/// Whose ids the rows of a run hold.
pub(super) struct Names<'a> {
    pub(super) devices: &'a mut Devices,
    pub(super) cache: &'a mut DeviceCache,
    pub(super) dictionaries: &'a Dictionaries,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) start_ms: i64,
    start_us: i64,
    pub(super) from: i64,
    /// One past its last offset, where that is known: late and early parts, and those rebuilt from a list.
    pub(super) to: i64,
    pub(super) partial: bool,
    /// Devices, and groups, that it takes.
    devices_max: usize,
    looks_for_repeats: bool,
    slots: Slots,
    pub(super) tables: Tables,
}

/// What a part has measured. Its memory serves one part after another: fresh pages cost as much as the measuring.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) sensors: usize,
    pub(super) devices: Vec<DeviceSlot>,
    pub(super) series: SeriesTable,
    pub(super) groups: Groups,
    recent: Recent,
}

/// A device of a part, on a cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct DeviceSlot {
    /// The latest event time of its counted readings, µs from the start of the window.
    latest_us: f64,
    pub(super) device: u32,
    counted: u32,
    pub(super) group: u32,
    /// Where the second half of its memory of repeats is.
    recent: u32,
    /// What the last counted reading said.
    place: PlaceKey,
    /// Each of its series has a value.
    is_whole: bool,
    pub(super) room: Option<Arc<str>>,
}

impl Tables {
    pub(super) fn new(catalog: &SensorCatalog) -> Self {
        Self {
            sensors: catalog.len(),
            devices: Vec::new(),
            series: SeriesTable::new(catalog),
            groups: Groups::new(catalog.len()),
            recent: Recent::default(),
        }
    }

    /// Forgets everything, but not its memory.
    fn clear(&mut self) {
        empty(&mut self.devices);
        self.series.clear();
        self.groups.clear();
        self.recent.clear();
    }

    #[inline]
    fn fetch_device(&self, slot: u32) {
        self.devices.get(slot as usize).into_iter().for_each(fetch);
    }

    /// What a device that has come by now points at.
    #[inline]
    fn fetch_recent(&self, slot: u32) {
        if let Some(device) = self.devices.get(slot as usize) {
            self.recent.fetch(slot, device.recent, device.counted);
        }
    }

    /// With all of its memory of repeats, and its place among the slots.
    pub(super) fn bytes_a_device(sensors: usize) -> usize {
        size_of::<DeviceSlot>() + SeriesTable::bytes_a_device(sensors) + Recent::BYTES_A_DEVICE + size_of::<u32>()
    }

    pub(super) fn bytes(&self) -> usize {
        self.devices.capacity() * size_of::<DeviceSlot>() + self.series.bytes() + self.groups.bytes() + self.recent.bytes()
    }
}

impl Part {
    /// A window that counts from `from` on, of a partition that knows so many devices. `tables` are empty.
    pub(super) fn open(start_ms: i64, from: i64, (devices_max, devices_known): (usize, usize), tables: Tables) -> Self {
        Self {
            start_ms,
            start_us: start_ms.saturating_mul(1_000),
            from,
            to: i64::MAX,
            partial: false,
            devices_max,
            looks_for_repeats: true,
            slots: Slots::Dense(Vec::with_capacity(devices_known)),
            tables,
        }
    }

    /// A late or early part: without memory of repeats and without a limit, for it does not outlive the epoch.
    pub(super) fn loose(start_ms: i64, from: i64, catalog: &SensorCatalog) -> Self {
        let slots = Slots::Sparse(HashMap::new());
        Self { looks_for_repeats: false, slots, ..Self::open(start_ms, from, (usize::MAX, 0), Tables::new(catalog)) }
    }

    /// The slot of a device that the part has met.
    #[inline]
    pub(super) fn slot_of(&self, device: u32) -> Option<u32> {
        self.slots.get(device)
    }

    /// Counts the readings of a run that go here, but for those it refuses and tells of. Gives how many count. First all are judged, then
    /// all are measured, table by table: a loop that does one thing can ask for the memory of the readings that come next.
    pub(super) fn count(
        &mut self,
        rows: &Rows<'_>,
        steps: &[Step],
        (names, entries): (&mut Names<'_>, &mut Vec<Entry>),
        mut refuse: impl FnMut(usize, Refusal),
    ) -> u64 {
        entries.clear();
        for (at, step) in steps.iter().enumerate() {
            if let Some(next) = steps.get(at + 2 * AHEAD) {
                self.tables.fetch_device(next.slot);
            }
            if let Some(next) = steps.get(at + AHEAD) {
                self.tables.fetch_recent(next.slot);
            }
            match self.judge(rows, step, names) {
                Ok(entry) => entries.push(entry),
                Err(refusal) => refuse(step.row as usize, refusal),
            }
        }
        self.tables.series.measure(rows, entries);
        self.tables.groups.measure(rows, entries);
        entries.len() as u64
    }

    /// Whether a reading counts; then it is remembered.
    #[inline]
    fn judge(&mut self, rows: &Rows<'_>, step: &Step, names: &mut Names<'_>) -> Result<Entry, Refusal> {
        let row = step.row as usize;
        let time_us = rows.event_times_us[row].wrapping_sub(self.start_us) as f64;
        let (key, place, hash) = (rows.devices[row], rows.places[row], rows.hashes[row]);
        let known = if step.slot == NO_SLOT { self.find_slot(key, names) } else { Some(step.slot) };
        let slot = match known {
            Some(slot) => {
                let device = &self.tables.devices[slot as usize];
                // A repeat has the time of an earlier reading.
                let may_repeat = self.looks_for_repeats && time_us <= device.latest_us;
                if may_repeat && self.tables.recent.knows(slot, device.recent, hash) {
                    return Err(Refusal::Duplicate);
                }
                if device.place != place {
                    self.move_device(slot, place, names)?;
                }
                slot
            }
            None => self.open_slot(key, place, names)?,
        };
        let device = &mut self.tables.devices[slot as usize];
        if self.looks_for_repeats {
            self.tables.recent.remember(slot, &mut device.recent, device.counted, hash);
        }
        device.counted = device.counted.wrapping_add(1);
        let is_later = time_us >= device.latest_us;
        device.latest_us = if is_later { time_us } else { device.latest_us };
        let fit = if !rows.is_whole(row) {
            Fit::Gaps
        } else if is_later && device.is_whole {
            Fit::Later
        } else {
            device.is_whole = true;
            Fit::Whole
        };
        Ok(Entry { time_us, row: step.row, slot, group: device.group, fit })
    }

    #[cold]
    fn find_slot(&self, key: u32, names: &mut Names<'_>) -> Option<u32> {
        let device = names.cache.find(names.devices, names.dictionaries, key)?;
        self.slots.get(device)
    }

    /// For a device that is new to the part.
    #[cold]
    fn open_slot(&mut self, key: u32, place: PlaceKey, names: &mut Names<'_>) -> Result<u32, Refusal> {
        let slot = self.tables.devices.len();
        if slot >= self.devices_max {
            return Err(Refusal::OverLimit);
        }
        let group = self.group_of(place, names)?;
        let device = names.cache.find_or_add(names.devices, names.dictionaries, key);
        let slot = self.slots.set(device, slot);
        self.tables.devices.push(DeviceSlot {
            latest_us: f64::NEG_INFINITY,
            device,
            counted: 0,
            group,
            recent: NO_SECOND,
            place,
            is_whole: false,
            room: text(&names.dictionaries.rooms, place.room),
        });
        self.tables.series.open_slot();
        if self.looks_for_repeats {
            self.tables.recent.open_slot();
        }
        Ok(slot)
    }

    /// A device says another place than before.
    #[cold]
    fn move_device(&mut self, slot: u32, place: PlaceKey, names: &mut Names<'_>) -> Result<(), Refusal> {
        let group = self.group_of(place, names)?;
        let device = &mut self.tables.devices[slot as usize];
        (device.group, device.place, device.room) = (group, place, text(&names.dictionaries.rooms, place.room));
        Ok(())
    }

    fn group_of(&mut self, place: PlaceKey, names: &Names<'_>) -> Result<u32, Refusal> {
        let name = GroupName { building: text(&names.dictionaries.buildings, place.building), floor: place.floor() };
        self.tables.groups.find_or_add(name, self.devices_max).ok_or(Refusal::OverLimit)
    }

    /// Whether an offset lies in its interval.
    pub(super) fn counts_offset(&self, offset: i64) -> bool {
        self.from <= offset && offset < self.to
    }

    /// The lane's dictionaries were emptied: their ids mean nothing any more.
    pub(super) fn forget_keys(&mut self) {
        for device in &mut self.tables.devices {
            device.place = PlaceKey::FORGOTTEN;
        }
    }

    pub(super) fn mark_devices(&self, needed: &mut [bool]) {
        mark(self.tables.devices.iter().map(|slot| slot.device), needed);
    }

    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        for slot in &mut self.tables.devices {
            slot.device = renumbered_of(slot.device, renumbered).unwrap_or(u32::MAX);
        }
        self.slots.renumber(|device| renumbered_of(device, renumbered));
    }

    /// What rolling values need of it once it is written; and its memory, for another part.
    pub(super) fn into_past(self) -> (Past, Tables) {
        let mut tables = self.tables;
        let (groups, group_summaries) = tables.groups.summaries();
        let past = Past {
            start_ms: self.start_ms,
            from: self.from,
            to: self.to,
            partial: self.partial,
            sensors: tables.sensors,
            slots: self.slots,
            summaries: tables.series.summaries(tables.devices.len()),
            groups,
            group_summaries,
        };
        tables.clear();
        (past, tables)
    }

    pub(super) fn bytes(&self) -> usize {
        self.tables.bytes() + self.slots.bytes()
    }
}

fn text(dictionary: &Dictionary, id: u32) -> Option<Arc<str>> {
    (id != NO_TEXT).then(|| dictionary.get(id).into())
}
