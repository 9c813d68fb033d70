//! An on-time part that is written: what rolling values still need of it.

use std::collections::HashMap;

use super::devices::{mark, renumbered_of};
use super::groups::GroupName;
use super::memory::fetch;
use super::series::{Rolling, Summary};
use super::slots::Slots;

/// See the module.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) start_ms: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) partial: bool,
    pub(super) sensors: usize,
    pub(super) slots: Slots,
    /// `[device slot][sensor]`
    pub(super) summaries: Vec<Summary>,
    pub(super) groups: HashMap<GroupName, u32>,
    /// `[group][sensor]`
    pub(super) group_summaries: Vec<Summary>,
}

impl Past {
    fn of_device(&self, device: u32) -> Option<&[Summary]> {
        let slot = self.slots.get(device)? as usize;
        self.summaries.get(slot * self.sensors..(slot + 1) * self.sensors)
    }

    /// Adds what was measured of a device to rolling values, one a sensor.
    pub(super) fn roll_device(&self, device: u32, rolled: &mut [Rolling]) {
        roll(self.of_device(device), rolled);
    }

    /// Asks for what [`Past::roll_device`] will read.
    pub(super) fn fetch_device(&self, device: u32) {
        if let Some(summaries) = self.of_device(device) {
            fetch(summaries);
        }
    }

    pub(super) fn roll_group(&self, name: &GroupName, rolled: &mut [Rolling]) {
        let Some(group) = self.groups.get(name).map(|group| *group as usize) else { return };
        roll(self.group_summaries.get(group * self.sensors..(group + 1) * self.sensors), rolled);
    }

    pub(super) fn mark_devices(&self, needed: &mut [bool]) {
        mark(self.slots.devices(), needed);
    }

    pub(super) fn renumber(&mut self, renumbered: &[u32]) {
        self.slots.renumber(|device| renumbered_of(device, renumbered));
    }

    pub(super) fn bytes_a_device(sensors: usize) -> usize {
        sensors * size_of::<Summary>() + size_of::<u32>()
    }

    pub(super) fn bytes(&self) -> usize {
        (self.summaries.capacity() + self.group_summaries.capacity()) * size_of::<Summary>()
            + self.slots.bytes()
            + self.groups.capacity() * size_of::<(GroupName, u32)>()
    }
}

fn roll(summaries: Option<&[Summary]>, rolled: &mut [Rolling]) {
    for (rolling, summary) in rolled.iter_mut().zip(summaries.unwrap_or_default()) {
        *rolling = rolling.merged(*summary);
    }
}
