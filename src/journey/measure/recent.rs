//! The last 16 counted readings of each device of a part, as hashes: a repeat is known among them.

use super::memory::{empty, fetch};
use super::settings::REPEATS_KNOWN;

/// A device that sends once in 10 s needs 6 of the 16 in a window of a minute: half are kept apart.
const HALF: usize = REPEATS_KNOWN / 2;
/// A device that has no second half.
pub(super) const NO_SECOND: u32 = u32::MAX;

/// Hashes of the readings of a device in a ring, on a cache line. 0 is no hash.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Half([u64; HALF]);

impl Half {
    const EMPTY: Self = Self([0; HALF]);

    fn has(&self, hash: u64) -> bool {
        // All are compared, without a branch between.
        self.0.iter().filter(|known| **known == hash).count() > 0
    }
}

/// Hashes by device slot. Where the second half of a slot is, its device knows.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: Vec<Half>,
    second: Vec<Half>,
}

impl Recent {
    /// For the next device slot.
    pub(super) fn open_slot(&mut self) {
        self.first.push(Half::EMPTY);
    }

    pub(super) fn clear(&mut self) {
        empty(&mut self.first);
        empty(&mut self.second);
    }

    pub(super) fn knows(&self, slot: u32, second: u32, hash: u64) -> bool {
        let hash = hash.max(1);
        self.first[slot as usize].has(hash) || self.second.get(second as usize).is_some_and(|half| half.has(hash))
    }

    /// `before`: how many readings of the slot were counted before this one.
    #[inline]
    pub(super) fn remember(&mut self, slot: u32, second: &mut u32, before: u32, hash: u64) {
        let at = before as usize % REPEATS_KNOWN;
        if at < HALF {
            self.first[slot as usize].0[at] = hash.max(1);
            return;
        }
        if *second == NO_SECOND {
            *second = u32::try_from(self.second.len()).unwrap_or(NO_SECOND);
            self.second.push(Half::EMPTY);
        }
        if let Some(half) = self.second.get_mut(*second as usize) {
            half.0[at - HALF] = hash.max(1);
        }
    }

    /// Where the next reading of a device will be remembered.
    #[inline]
    pub(super) fn fetch(&self, slot: u32, second: u32, before: u32) {
        let (halves, at) =
            if before as usize % REPEATS_KNOWN < HALF { (&self.first, slot as usize) } else { (&self.second, second as usize) };
        if let Some(half) = halves.get(at) {
            fetch(half);
        }
    }

    pub(super) const BYTES_A_DEVICE: usize = 2 * size_of::<Half>();

    pub(super) fn bytes(&self) -> usize {
        (self.first.capacity() + self.second.capacity()) * size_of::<Half>()
    }
}
