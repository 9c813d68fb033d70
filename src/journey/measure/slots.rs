//! Where a device stands in a part.

use std::collections::HashMap;

/// By device: dense where most devices of the partition are in the part, sparse in late and early parts.
#[derive(Debug)]
pub(super) enum Slots {
    Dense(Vec<u32>),
    Sparse(HashMap<u32, u32>),
}

/// Of a device that a part has not met.
pub(super) const NO_SLOT: u32 = u32::MAX;

impl Slots {
    #[inline]
    pub(super) fn get(&self, device: u32) -> Option<u32> {
        match self {
            Slots::Dense(slots) => slots.get(device as usize).copied().filter(|slot| *slot != NO_SLOT),
            Slots::Sparse(slots) => slots.get(&device).copied(),
        }
    }

    /// Gives the slot as it is told from now on.
    pub(super) fn set(&mut self, device: u32, slot: usize) -> u32 {
        let slot = u32::try_from(slot).unwrap_or(NO_SLOT);
        self.insert(device, slot);
        slot
    }

    fn insert(&mut self, device: u32, slot: u32) {
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

    pub(super) fn devices(&self) -> impl Iterator<Item = u32> + '_ {
        let (dense, sparse) = match self {
            Slots::Dense(slots) => (Some((0..).zip(slots).filter(|(_, slot)| **slot != NO_SLOT)), None),
            Slots::Sparse(slots) => (None, Some(slots.keys().copied())),
        };
        dense.into_iter().flatten().map(|(device, _)| device).chain(sparse.into_iter().flatten())
    }

    /// For devices that have other ids now; None: a device that has none any more.
    pub(super) fn renumber(&mut self, new_id: impl Fn(u32) -> Option<u32>) {
        let slots: Vec<(u32, u32)> = self.devices().filter_map(|device| Some((new_id(device)?, self.get(device)?))).collect();
        match self {
            Slots::Dense(dense) => *dense = Vec::new(),
            Slots::Sparse(sparse) => sparse.clear(),
        }
        for (device, slot) in slots {
            self.insert(device, slot);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Slots::Dense(slots) => slots.capacity() * size_of::<u32>(),
            Slots::Sparse(slots) => slots.capacity() * 2 * size_of::<u64>(),
        }
    }
}
