//! The last 16 counted readings of each device of a part, as hashes: a repeat is known among them.

use super::settings::REPEATS_KNOWN;

/// A device that sends once in 10 s needs 6 of the 16 in a window of a minute: half are kept apart.
const HALF: usize = REPEATS_KNOWN / 2;
const NONE: u32 = u32::MAX;

/// Hashes by device slot, and within it in a ring. 0 is no hash.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: Vec<[u64; HALF]>,
    second_of: Vec<u32>,
    second: Vec<[u64; HALF]>,
}

impl Recent {
    /// For the next device slot.
    pub(super) fn open_slot(&mut self) {
        self.first.push([0; HALF]);
        self.second_of.push(NONE);
    }

    #[inline]
    pub(super) fn knows(&self, slot: usize, hash: u64) -> bool {
        let hash = hash.max(1);
        // All are compared, without a branch between.
        let in_half = |half: &[u64; HALF]| half.iter().filter(|known| **known == hash).count() > 0;
        in_half(&self.first[slot]) || self.second.get(self.second_of[slot] as usize).is_some_and(in_half)
    }

    /// `before`: how many readings of the slot were counted before this one.
    #[inline]
    pub(super) fn remember(&mut self, slot: usize, before: u32, hash: u64) {
        let at = before as usize % REPEATS_KNOWN;
        if at < HALF {
            self.first[slot][at] = hash.max(1);
            return;
        }
        if self.second_of[slot] == NONE {
            self.second_of[slot] = u32::try_from(self.second.len()).unwrap_or(NONE);
            self.second.push([0; HALF]);
        }
        if let Some(half) = self.second.get_mut(self.second_of[slot] as usize) {
            half[at - HALF] = hash.max(1);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        (self.first.capacity() + self.second.capacity()) * size_of::<[u64; HALF]>() + self.second_of.capacity() * size_of::<u32>()
    }
}
