//! A part while it fills: the counted readings of one window of one partition, from its first offset on.
//!
//! Every verdict here is a function of the reading and of the earlier readings of the same part, so that a replay from the part's first
//! offset says the same.

use std::collections::HashMap;
use std::sync::Arc;

use super::devices::{DeviceCache, Devices};
use super::recent::Recent;
use super::rows::{BAD, COUNTED, NO_TEXT, PlaceKey, Rows};
use super::series::{Measures, Series, Summary};
use super::sketch::Sketch;
use crate::batch::{Dictionaries, Dictionary};

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Counted,
    Duplicate,
    OverLimit,
}

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
    pub(super) from: i64,
    /// One past its last offset, where that is known: late and early parts, and those rebuilt from a list.
    pub(super) to: i64,
    pub(super) partial: bool,
    /// Devices, and groups, that it takes.
    devices_max: usize,
    slots: Slots,
    pub(super) devices: Vec<DeviceSlot>,
    /// `[device slot][sensor]`
    pub(super) series: Vec<Series>,
    pub(super) groups: Groups,
    /// None: repeats are not looked for.
    recent: Option<Recent>,
}

/// A device of a part.
#[derive(Debug)]
pub(super) struct DeviceSlot {
    pub(super) device: u32,
    counted: u32,
    pub(super) group: u32,
    /// What the last counted reading said, in ids of the lane's dictionaries; None: these were emptied since.
    place: Option<PlaceKey>,
    pub(super) room: Option<Arc<str>>,
}

impl Part {
    /// A window that counts from `from` on.
    pub(super) fn open(start_ms: i64, from: i64, devices_max: usize) -> Self {
        Self {
            start_ms,
            from,
            to: i64::MAX,
            partial: false,
            devices_max,
            slots: Slots::Dense(Vec::new()),
            devices: Vec::new(),
            series: Vec::new(),
            groups: Groups::default(),
            recent: Some(Recent::default()),
        }
    }

    /// A late or early part: without memory of repeats and without a limit, for it does not outlive the epoch.
    pub(super) fn loose(start_ms: i64, from: i64) -> Self {
        Self { devices_max: usize::MAX, slots: Slots::Sparse(HashMap::new()), recent: None, ..Self::open(start_ms, from, 0) }
    }

    /// Counts one reading, if it is neither a repeat nor beyond the limit.
    #[inline]
    pub(super) fn count(&mut self, rows: &Rows<'_>, row: usize, names: &mut Names<'_>) -> Verdict {
        let key = rows.devices[row];
        let hash = rows.hashes[row];
        let known = names.cache.find(names.devices, names.dictionaries, key).and_then(|device| self.slots.get(device));
        match (known, &self.recent) {
            (Some(slot), Some(recent)) if recent.knows(slot, hash) => return Verdict::Duplicate,
            (None, _) if self.devices.len() >= self.devices_max => return Verdict::OverLimit,
            _ => {}
        }
        let place = rows.place(row);
        let slot = match known {
            Some(slot) if self.devices[slot].place == Some(place) => slot,
            _ => match self.settle_place(known, key, place, names) {
                Some(slot) => slot,
                None => return Verdict::OverLimit,
            },
        };
        let device = &mut self.devices[slot];
        if let Some(recent) = &mut self.recent {
            recent.remember(slot, device.counted, hash);
        }
        device.counted = device.counted.wrapping_add(1);
        let group = device.group as usize;
        self.add_values(rows, row, slot, group);
        Verdict::Counted
    }

    #[inline]
    fn add_values(&mut self, rows: &Rows<'_>, row: usize, slot: usize, group: usize) {
        let sensors = rows.sensors.len();
        let time_us = rows.event_times_us[row];
        let of_device = self.series[slot * sensors..].iter_mut();
        let of_group = self.groups.series[group * sensors..].iter_mut();
        for ((column, series), group) in rows.sensors.iter().zip(of_device).zip(of_group) {
            match column.classes[row] {
                COUNTED => {
                    let value = column.values[row];
                    series.add(value, time_us);
                    group.measures.add(value, time_us);
                    group.sketch.add(value);
                }
                BAD => {
                    series.measures.count_bad += 1;
                    group.measures.count_bad += 1;
                }
                _ => {}
            }
        }
    }

    /// A device that is new to the part, or that says another place than before. None: too many groups.
    #[cold]
    fn settle_place(&mut self, known: Option<usize>, key: u32, place: PlaceKey, names: &mut Names<'_>) -> Option<usize> {
        let text = |dictionary: &Dictionary, id: u32| (id != NO_TEXT).then(|| Arc::<str>::from(dictionary.get(id)));
        let sensors = self.groups.sensors;
        let name = GroupName { building: text(&names.dictionaries.buildings, place.building), floor: place.floor };
        let group = self.groups.find_or_add(name, self.devices_max)?;
        let room = text(&names.dictionaries.rooms, place.room);
        if let Some(slot) = known {
            let device = &mut self.devices[slot];
            (device.group, device.place, device.room) = (group, Some(place), room);
            return Some(slot);
        }
        let device = names.cache.find_or_add(names.devices, names.dictionaries, key);
        let slot = self.devices.len();
        self.devices.push(DeviceSlot { device, counted: 0, group, place: Some(place), room });
        self.series.resize(self.series.len() + sensors, Series::default());
        self.slots.set(device, slot);
        if let Some(recent) = &mut self.recent {
            recent.open_slot();
        }
        Some(slot)
    }

    /// So many sensors a reading has. To be said before the first reading is counted.
    pub(super) fn with_sensors(mut self, sensors: usize) -> Self {
        self.groups.sensors = sensors;
        self
    }

    /// Whether an offset lies in its interval.
    pub(super) fn counts_offset(&self, offset: i64) -> bool {
        self.from <= offset && offset < self.to
    }

    /// The lane's dictionaries were emptied: their ids mean nothing any more.
    pub(super) fn forget_keys(&mut self) {
        for device in &mut self.devices {
            device.place = None;
        }
    }

    pub(super) fn mark_devices(&self, needed: &mut [bool]) {
        mark(self.devices.iter().map(|slot| slot.device), needed);
    }

    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        for slot in &mut self.devices {
            slot.device = renumbered.get(slot.device as usize).copied().unwrap_or(u32::MAX);
        }
        self.slots.rebuild(self.devices.iter().map(|slot| slot.device));
    }

    /// What rolling values need of it once it is written.
    pub(super) fn into_past(self) -> Past {
        Past {
            start_ms: self.start_ms,
            from: self.from,
            to: self.to,
            partial: self.partial,
            sensors: self.groups.sensors,
            slots: self.slots,
            devices: self.devices.iter().map(|slot| slot.device).collect(),
            summaries: self.series.iter().map(|series| series.measures.summary()).collect(),
            group_summaries: self.groups.series.iter().map(|series| series.measures.summary()).collect(),
            groups: self.groups.ids,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.series.capacity() * size_of::<Series>()
            + self.devices.capacity() * size_of::<DeviceSlot>()
            + self.slots.bytes()
            + self.groups.bytes()
            + self.recent.as_ref().map_or(0, Recent::bytes)
    }
}

/// An on-time part that is written: what rolling values still need.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) start_ms: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) partial: bool,
    sensors: usize,
    slots: Slots,
    devices: Vec<u32>,
    summaries: Vec<Summary>,
    group_summaries: Vec<Summary>,
    groups: HashMap<GroupName, u32>,
}

impl Past {
    pub(super) fn of_device(&self, device: u32) -> Option<&[Summary]> {
        let slot = self.slots.get(device)?;
        self.summaries.get(slot * self.sensors..(slot + 1) * self.sensors)
    }

    pub(super) fn of_group(&self, name: &GroupName) -> Option<&[Summary]> {
        let group = *self.groups.get(name)? as usize;
        self.group_summaries.get(group * self.sensors..(group + 1) * self.sensors)
    }

    pub(super) fn mark_devices(&self, needed: &mut [bool]) {
        mark(self.devices.iter().copied(), needed);
    }

    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        for device in &mut self.devices {
            *device = renumbered.get(*device as usize).copied().unwrap_or(u32::MAX);
        }
        self.slots.rebuild(self.devices.iter().copied());
    }

    pub(super) fn bytes(&self) -> usize {
        (self.summaries.capacity() + self.group_summaries.capacity()) * size_of::<Summary>() + self.slots.bytes()
    }
}

fn mark(devices: impl Iterator<Item = u32>, needed: &mut [bool]) {
    for device in devices {
        if let Some(needed) = needed.get_mut(device as usize) {
            *needed = true;
        }
    }
}

/// A building and a floor, as far as readings say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupName {
    pub(super) building: Option<Arc<str>>,
    pub(super) floor: Option<i32>,
}

/// The groups of a part: a reading counts into the one of the place that it says itself.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) sensors: usize,
    pub(super) names: Vec<GroupName>,
    ids: HashMap<GroupName, u32>,
    /// `[group][sensor]`
    pub(super) series: Vec<GroupSeries>,
}

/// One sensor of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupSeries {
    pub(super) measures: Measures,
    pub(super) sketch: Sketch,
}

impl Groups {
    fn find_or_add(&mut self, name: GroupName, groups_max: usize) -> Option<u32> {
        if let Some(group) = self.ids.get(&name) {
            return Some(*group);
        }
        if self.names.len() >= groups_max {
            return None;
        }
        let group = u32::try_from(self.names.len()).ok()?;
        self.names.push(name.clone());
        self.ids.insert(name, group);
        self.series.resize_with(self.series.len() + self.sensors, GroupSeries::default);
        Some(group)
    }

    fn bytes(&self) -> usize {
        let sketches: usize = self.series.iter().map(|series| series.sketch.bytes()).sum();
        self.series.capacity() * size_of::<GroupSeries>() + self.names.capacity() * 2 * size_of::<GroupName>() + sketches
    }
}

/// The slot of a device in a part: dense where most devices of the partition are in it, sparse in late and early parts.
#[derive(Debug)]
enum Slots {
    Dense(Vec<u32>),
    Sparse(HashMap<u32, u32>),
}

const NO_SLOT: u32 = u32::MAX;

impl Slots {
    #[inline]
    fn get(&self, device: u32) -> Option<usize> {
        let slot = match self {
            Slots::Dense(slots) => slots.get(device as usize).copied().filter(|slot| *slot != NO_SLOT),
            Slots::Sparse(slots) => slots.get(&device).copied(),
        };
        slot.map(|slot| slot as usize)
    }

    fn set(&mut self, device: u32, slot: usize) {
        let slot = u32::try_from(slot).unwrap_or(NO_SLOT);
        match self {
            Slots::Dense(slots) => {
                let at = device as usize;
                if slots.len() <= at {
                    slots.resize(at + 1, NO_SLOT);
                }
                slots[at] = slot;
            }
            Slots::Sparse(slots) => {
                slots.insert(device, slot);
            }
        }
    }

    fn rebuild(&mut self, devices: impl Iterator<Item = u32>) {
        match self {
            Slots::Dense(slots) => *slots = Vec::new(),
            Slots::Sparse(slots) => slots.clear(),
        }
        for (slot, device) in devices.enumerate() {
            self.set(device, slot);
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Slots::Dense(slots) => slots.capacity() * size_of::<u32>(),
            Slots::Sparse(slots) => slots.capacity() * 2 * size_of::<u64>(),
        }
    }
}
