//! Strings that come again and again (devices, places, models, units) as dense ids, interned once at decode.
//!
//! An id is meaningful only beside the [`Dictionaries`] it came from: one set a lane, never shared between threads. No batch outlives
//! a step of the lane's loop, so between two batches a dictionary that bad input has filled with strings may be emptied
//! ([`Dictionaries::trim`]).

use std::collections::HashMap;

/// Strings of one column as ids `0..len`, in order of first appearance.
#[derive(Debug, Default)]
pub struct Dictionary {
    ids: HashMap<Box<str>, u32>,
    values: Vec<Box<str>>,
}

impl Dictionary {
    /// The id of `text`, a new one at its first appearance.
    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.ids.insert(text.into(), id);
        self.values.push(text.into());
        id
    }

    /// The string of an id that [`Dictionary::intern`] gave; empty for any other.
    pub fn get(&self, id: u32) -> &str {
        self.values.get(id as usize).map_or("", |text| text)
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn clear(&mut self) {
        self.ids.clear();
        self.values.clear();
    }
}

/// The dictionaries of one lane, one a column.
#[derive(Debug, Default)]
pub struct Dictionaries {
    pub devices: Dictionary,
    pub device_types: Dictionary,
    pub buildings: Dictionary,
    pub rooms: Dictionary,
    pub zones: Dictionary,
    pub models: Dictionary,
    pub firmwares: Dictionary,
    pub statuses: Dictionary,
    pub sources: Dictionary,
    /// Units of all sensors.
    pub units: Dictionary,
    /// The device's own status of a sensor.
    pub sensor_statuses: Dictionary,
    generation: u64,
}

impl Dictionaries {
    /// Changes when ids were given up: who caches by id (unit conversions) begins anew then.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Empties every dictionary when one of them holds more than `entries_max` strings. Only between batches.
    pub fn trim(&mut self, entries_max: usize) {
        let all = [
            &mut self.devices,
            &mut self.device_types,
            &mut self.buildings,
            &mut self.rooms,
            &mut self.zones,
            &mut self.models,
            &mut self.firmwares,
            &mut self.statuses,
            &mut self.sources,
            &mut self.units,
            &mut self.sensor_statuses,
        ];
        if all.iter().any(|dictionary| dictionary.len() > entries_max) {
            for dictionary in all {
                dictionary.clear();
            }
            self.generation += 1;
        }
    }
}
