//! The quantile sketch of a group: how many values fell into each bucket.
//!
//! A bucket is read off the bits of a float: its sign, its exponent and the top 6 bits of its mantissa, so that 64 buckets lie between a
//! power of two and the next. The middle of a bucket is at most 1/128 (0.8 %) from any value in it, relative to the value. No logarithm is
//! taken: the same value has the same bucket on every machine, and in SQL the middle is
//! `pow(2, (b >> 6) - 1023) * (1 + ((b & 63) + 0.5) / 64)` for `b = abs(bucket)`.

use std::collections::BTreeMap;

/// Buckets between a power of two and the next.
const OCTAVE: i32 = 64;
/// Bits of a mantissa below those that tell the bucket.
const SHIFT: u32 = 52 - OCTAVE.trailing_zeros();

/// The bucket of a finite value: negative for negative ones, and 0 for zero and what is too small to be normal (below 2^-1022).
#[inline]
pub(super) fn bucket_of(value: f64) -> i32 {
    let magnitude = (value.to_bits() & !(1 << 63)) >> SHIFT;
    let bucket = i32::try_from(magnitude).unwrap_or(i32::MAX); // 17 bits are left
    if bucket < OCTAVE {
        return 0;
    }
    if value < 0.0 { -bucket } else { bucket }
}

/// Counts by bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    zero: u32,
    positive: Octaves,
    negative: Octaves,
    /// Buckets far from those above.
    rare: BTreeMap<i32, u32>,
}

/// Counts of neighbouring octaves of one sign: values of one sensor lie in few of them.
#[derive(Clone, Debug, Default)]
struct Octaves {
    /// The bucket of the first count.
    base: i32,
    counts: Vec<u32>,
}

/// 64 octaves, 2^64 from the smallest value to the largest, are 16 KiB; what lies further apart is counted among the rare ones.
const COUNTS_MAX: i32 = 64 * OCTAVE;

impl Sketch {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let bucket = bucket_of(value);
        if bucket == 0 {
            self.zero += 1;
            return;
        }
        let octaves = if bucket > 0 { &mut self.positive } else { &mut self.negative };
        match octaves.count_of(bucket.abs()) {
            Some(count) => *count += 1,
            None => self.add_new(bucket),
        }
    }

    #[cold]
    fn add_new(&mut self, bucket: i32) {
        let octaves = if bucket > 0 { &mut self.positive } else { &mut self.negative };
        octaves.grow(bucket.abs());
        match octaves.count_of(bucket.abs()) {
            Some(count) => *count += 1,
            None => *self.rare.entry(bucket).or_insert(0) += 1,
        }
    }

    /// (bucket, count) of each bucket that holds any, buckets ascending.
    pub(super) fn buckets(&self) -> Vec<(i32, u32)> {
        let negative = self.negative.buckets().rev().map(|(bucket, count)| (-bucket, count));
        let zero = (self.zero > 0).then_some((0, self.zero));
        let mut all: Vec<(i32, u32)> = negative.chain(zero).chain(self.positive.buckets()).collect();
        if !self.rare.is_empty() {
            all.extend(self.rare.iter().map(|(bucket, count)| (*bucket, *count)));
            all.sort_unstable();
        }
        all
    }

    pub(super) fn bytes(&self) -> usize {
        (self.positive.counts.capacity() + self.negative.counts.capacity()) * size_of::<u32>()
            + self.rare.len() * 2 * size_of::<(i32, u32)>()
    }
}

impl Octaves {
    #[inline]
    fn count_of(&mut self, bucket: i32) -> Option<&mut u32> {
        // Below the base: far beyond the end.
        self.counts.get_mut(bucket.wrapping_sub(self.base).cast_unsigned() as usize)
    }

    /// Takes the octave of a bucket in, if it is not too far away.
    fn grow(&mut self, bucket: i32) {
        let octave = bucket - bucket % OCTAVE;
        if self.counts.is_empty() {
            self.base = octave;
        }
        let length = i32::try_from(self.counts.len()).unwrap_or(i32::MAX);
        let base = self.base.min(octave);
        let end = (self.base + length).max(octave + OCTAVE);
        let Ok(wanted) = usize::try_from(end - base) else { return };
        if end - base > COUNTS_MAX {
            return;
        }
        let below = usize::try_from(self.base - base).unwrap_or(0);
        let mut counts = vec![0; wanted];
        counts[below..below + self.counts.len()].copy_from_slice(&self.counts);
        (self.base, self.counts) = (base, counts);
    }

    fn buckets(&self) -> impl DoubleEndedIterator<Item = (i32, u32)> + '_ {
        let numbered = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        numbered.map(|(at, count)| (self.base.saturating_add(i32::try_from(at).unwrap_or(i32::MAX)), *count))
    }
}
