//! Parts while their readings are folded: what each row of them must say.

use std::collections::HashMap;

use super::fold::{DeviceFold, GroupFold, Values};
use super::parts::PartKey;
use super::places::Names;
use super::readings::{Reading, Says, Sensor};
use super::stored::Subject;

/// The series of one subject, by sensor: few, so that looking through them is fastest.
#[derive(Clone, Debug)]
struct Series<F> {
    of: Vec<One<F>>,
}

#[derive(Clone, Debug)]
struct One<F> {
    sensor: u32,
    fold: F,
    /// A stored row of it was seen.
    is_told: bool,
}

impl<F> Default for Series<F> {
    fn default() -> Self {
        Self { of: Vec::new() }
    }
}

impl<F: Default> Series<F> {
    fn fold(&mut self, sensor: u32) -> &mut F {
        let known = self.of.iter().position(|one| one.sensor == sensor);
        let at = known.unwrap_or(self.of.len());
        if known.is_none() {
            self.of.push(One { sensor, fold: F::default(), is_told: false });
        }
        &mut self.of[at].fold
    }

    fn get(&mut self, sensor: u32) -> Option<&mut One<F>> {
        self.of.iter_mut().find(|one| one.sensor == sensor)
    }
}

#[derive(Clone, Debug, Default)]
struct DeviceSeries {
    /// Where the last counted reading was.
    site: u32,
    series: Series<DeviceFold>,
}

#[derive(Clone, Debug, Default)]
struct OpenPart {
    devices: HashMap<u32, DeviceSeries>,
    groups: HashMap<u32, Series<GroupFold>>,
}

/// What the readings give for a stored row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Recomputed {
    Values(Box<Values>),
    /// No reading counts in it.
    Nothing,
    /// A row of the same series and part was seen before.
    Twice,
}

/// The parts that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenParts {
    parts: HashMap<PartKey, OpenPart>,
}

impl OpenParts {
    pub(super) fn add(&mut self, key: PartKey, reading: &Reading, sensors: &[Sensor]) {
        let part = self.parts.entry(key).or_default();
        let device = part.devices.entry(reading.device).or_default();
        device.site = reading.site;
        if !reading.says_anything() {
            return;
        }
        let group = part.groups.entry(reading.group).or_default();
        for (says, sensor) in reading.says.iter().zip(sensors) {
            match *says {
                Says::Nothing => {}
                Says::Value(value) => {
                    device.series.fold(sensor.number).add(value, reading.time_us, sensor.is_boolean);
                    group.fold(sensor.number).add(value, reading.time_us);
                }
                Says::Bad => {
                    device.series.fold(sensor.number).fold.add_bad();
                    group.fold(sensor.number).fold.add_bad();
                }
            }
        }
    }

    /// What a row must say. It counts as told from here on.
    pub(super) fn tell(&mut self, key: PartKey, subject: Subject, sensor: u32, names: &Names) -> Recomputed {
        let Some(part) = self.parts.get_mut(&key) else { return Recomputed::Nothing };
        match subject {
            Subject::Device(device) => {
                let Some(device) = part.devices.get_mut(&device) else { return Recomputed::Nothing };
                let site = device.site;
                let Some(one) = device.series.get(sensor) else { return Recomputed::Nothing };
                if std::mem::replace(&mut one.is_told, true) {
                    return Recomputed::Twice;
                }
                let (building, floor, room) = names.site_of(site);
                Recomputed::Values(Box::new(Values { building, floor, room, ..one.fold.values() }))
            }
            Subject::Group(group) => {
                let Some(one) = part.groups.get_mut(&group).and_then(|series| series.get(sensor)) else {
                    return Recomputed::Nothing;
                };
                if std::mem::replace(&mut one.is_told, true) {
                    return Recomputed::Twice;
                }
                Recomputed::Values(Box::new(one.fold.values()))
            }
        }
    }

    /// Ends a part; gives the series that have something to say and no row, in order.
    pub(super) fn end(&mut self, key: PartKey) -> Vec<(Subject, u32)> {
        let Some(part) = self.parts.remove(&key) else { return Vec::new() };
        let mut untold = Vec::new();
        for (device, state) in part.devices {
            let series = state.series.of.iter().filter(|one| !one.is_told && one.fold.fold.says_anything());
            untold.extend(series.map(|one| (Subject::Device(device), one.sensor)));
        }
        for (group, series) in part.groups {
            let series = series.of.iter().filter(|one| !one.is_told && one.fold.fold.says_anything());
            untold.extend(series.map(|one| (Subject::Group(group), one.sensor)));
        }
        untold.sort_unstable();
        untold
    }
}
