//! The devices of a partition as dense ids, freed when no part names them any more; and which id a lane's dictionary id stands for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::batch::Dictionaries;

/// Below so many devices nothing is freed.
const KEPT_MIN: usize = 1_024;

/// The devices of one partition.
#[derive(Debug)]
pub(super) struct Devices {
    ids: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    /// Told apart from all other states of the ids: what is cached under another token is worth nothing.
    token: u32,
    /// At so many devices it is worth looking which are needed.
    free_at: usize,
}

impl Devices {
    pub(super) fn new(token: u32) -> Self {
        Self { ids: HashMap::new(), names: Vec::new(), token, free_at: KEPT_MIN }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, id: u32) -> &str {
        self.names.get(id as usize).map_or("", |name| name)
    }

    pub(super) fn is_worth_freeing(&self) -> bool {
        self.names.len() >= self.free_at
    }

    /// Keeps the devices that `needed` marks. Gives the new id of each old one (of those kept), or None when too few would go.
    pub(super) fn free(&mut self, needed: &[bool], token: u32) -> Option<Vec<u32>> {
        let kept = needed.iter().filter(|needed| **needed).count();
        self.free_at = (kept * 2).max(KEPT_MIN);
        if kept * 2 > self.names.len() {
            return None;
        }
        let mut renumbered = vec![u32::MAX; self.names.len()];
        let mut names = Vec::with_capacity(kept);
        for (old, name) in std::mem::take(&mut self.names).into_iter().enumerate() {
            if needed.get(old) == Some(&true) {
                renumbered[old] = u32::try_from(names.len()).unwrap_or(u32::MAX);
                names.push(name);
            }
        }
        self.ids = (0..).zip(&names).map(|(id, name): (u32, _)| (Arc::clone(name), id)).collect();
        self.names = names;
        self.token = token;
        Some(renumbered)
    }

    fn add(&mut self, name: &str) -> u32 {
        let id = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// A name, its two counts, and its places in the list and in the map.
    pub(super) const BYTES_A_DEVICE: usize = 24 + 16 + 2 * size_of::<Arc<str>>() + 8;

    pub(super) fn bytes(&self) -> usize {
        self.names.len() * Self::BYTES_A_DEVICE
    }
}

/// By a lane's dictionary id: the partition state that asked last, and the device's id there. A device is seldom on two partitions.
#[derive(Debug, Default)]
pub(super) struct DeviceCache {
    generation: u64,
    known: Vec<(u32, u32)>,
}

impl DeviceCache {
    /// To be called before the ids of `dictionaries` are used.
    pub(super) fn follow(&mut self, dictionaries: &Dictionaries) {
        if self.generation != dictionaries.generation() {
            self.generation = dictionaries.generation();
            self.known.clear();
        }
        if self.known.len() < dictionaries.devices.len() {
            self.known.resize(dictionaries.devices.len(), (0, 0));
        }
    }

    /// The id of a device that the partition has met.
    #[inline]
    pub(super) fn find(&mut self, devices: &Devices, dictionaries: &Dictionaries, key: u32) -> Option<u32> {
        let entry = self.known.get_mut(key as usize)?;
        if entry.0 == devices.token {
            return Some(entry.1);
        }
        let id = *devices.ids.get(dictionaries.devices.get(key))?;
        *entry = (devices.token, id);
        Some(id)
    }

    /// The same, of a device that is new if need be.
    pub(super) fn find_or_add(&mut self, devices: &mut Devices, dictionaries: &Dictionaries, key: u32) -> u32 {
        if let Some(id) = self.find(devices, dictionaries, key) {
            return id;
        }
        let id = devices.add(dictionaries.devices.get(key));
        if let Some(entry) = self.known.get_mut(key as usize) {
            *entry = (devices.token, id);
        }
        id
    }

    pub(super) fn bytes(&self) -> usize {
        self.known.capacity() * size_of::<(u32, u32)>()
    }
}

/// Marks devices that a part names.
pub(super) fn mark(devices: impl Iterator<Item = u32>, needed: &mut [bool]) {
    for device in devices {
        if let Some(needed) = needed.get_mut(device as usize) {
            *needed = true;
        }
    }
}

/// The new id of a device, from what [`Devices::free`] gave; None: it was not kept.
pub(super) fn renumbered_of(device: u32, renumbered: &[u32]) -> Option<u32> {
    renumbered.get(device as usize).copied().filter(|id| *id != u32::MAX)
}
