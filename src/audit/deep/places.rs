//! Names of devices, places and sensors as small numbers, for the length of one partition.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Values by number, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Numbered<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    pub(super) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.numbers.insert(value.clone(), number);
        self.values.push(value);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize)
    }
}

impl Numbered<Arc<str>> {
    /// Without a copy of a text that is known.
    pub(super) fn text(&mut self, text: &str) -> u32 {
        match self.numbers.get(text) {
            Some(number) => *number,
            None => self.number(text.into()),
        }
    }
}

/// What a row of `groups` is of, but for the sensor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) building: Option<u32>,
    pub(super) floor: Option<i32>,
}

/// Where a reading says that it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub(super) group: u32,
    pub(super) room: Option<u32>,
}

/// All names of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) devices: Numbered<Arc<str>>,
    /// Buildings and rooms.
    pub(super) texts: Numbered<Arc<str>>,
    pub(super) groups: Numbered<Group>,
    pub(super) sites: Numbered<Site>,
    pub(super) sensors: Numbered<Arc<str>>,
}

impl Names {
    pub(super) fn group(&mut self, building: Option<&str>, floor: Option<i32>) -> u32 {
        let building = building.map(|building| self.texts.text(building));
        self.groups.number(Group { building, floor })
    }

    pub(super) fn site(&mut self, building: Option<&str>, floor: Option<i32>, room: Option<&str>) -> u32 {
        let group = self.group(building, floor);
        let room = room.map(|room| self.texts.text(room));
        self.sites.number(Site { group, room })
    }

    /// A text, kept once.
    pub(super) fn shared(&mut self, text: &str) -> Option<Arc<str>> {
        let number = self.texts.text(text);
        self.text(Some(number))
    }

    fn text(&self, number: Option<u32>) -> Option<Arc<str>> {
        number.and_then(|number| self.texts.get(number)).cloned()
    }

    /// Building and floor of a group.
    pub(super) fn group_of(&self, number: u32) -> (Option<Arc<str>>, Option<i32>) {
        self.groups.get(number).map_or((None, None), |group| (self.text(group.building), group.floor))
    }

    /// Building, floor and room of a site.
    pub(super) fn site_of(&self, number: u32) -> (Option<Arc<str>>, Option<i32>, Option<Arc<str>>) {
        let Some(site) = self.sites.get(number) else { return (None, None, None) };
        let (building, floor) = self.group_of(site.group);
        (building, floor, self.text(site.room))
    }
}
