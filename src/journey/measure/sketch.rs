//! The quantile sketch of a group: how many values fell into each bucket.
//!
//! A bucket is read off the bits of a float: its sign, its exponent and the top 6 bits of its mantissa, so that 64 buckets lie between a
//! power of two and the next. The middle of a bucket is at most 1/128 (0.8 %) from any value in it, relative to the value. No logarithm is
//! taken: the same value has the same bucket on every machine, and in SQL the middle is
//! `pow(2, (b >> 6) - 1023) * (1 + ((b & 63) + 0.5) / 64)` for `b = abs(bucket)`.

use std::collections::BTreeMap;

use super::memory::fetch;

/// Buckets between a power of two and the next.
const OCTAVE: u32 = 64;
/// Bits of a mantissa below those that tell the bucket.
const SHIFT: u32 = 52 - OCTAVE.trailing_zeros();
/// 17 bits are left, and above them the sign.
const SIGN: u32 = 1 << 17;

/// A bucket with its sign as a bit.
#[inline]
fn key_of(value: f64) -> u32 {
    (value.to_bits() >> SHIFT) as u32
}

/// Bucket 0 is of zero and of what is too small to be normal (below 2^-1022).
#[inline]
fn is_zero(key: u32) -> bool {
    key & !SIGN < OCTAVE
}

/// Negative for negative values.
fn bucket_of_key(key: u32) -> i32 {
    let magnitude = (key & !SIGN).cast_signed();
    if is_zero(key) {
        0
    } else if key & SIGN == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// The bucket of a finite value.
#[cfg(test)]
pub(super) fn bucket_of(value: f64) -> i32 {
    bucket_of_key(key_of(value))
}

/// Counts by bucket.
///
/// Each value of each group touches a count, and a fleet has many groups: so counts are bytes, an octave is a cache line, and what a byte
/// cannot hold is carried.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    positive: Octaves,
    /// Where there are any but a few positive values.
    others: Option<Box<Others>>,
}

#[derive(Clone, Debug, Default)]
struct Others {
    negative: Octaves,
    /// By bucket: what was carried, and all of the buckets far from those in octaves.
    carried: BTreeMap<i32, u32>,
}

/// Counts of neighbouring octaves of one sign: values of one sensor lie in few of them.
#[derive(Clone, Debug, Default)]
struct Octaves {
    /// The key of the second count; the first count is of bucket 0.
    base: u32,
    counts: Vec<u8>,
}

/// 64 octaves, 2^64 from the smallest value to the largest, are 4 KiB; buckets further apart have no counts of their own.
const OCTAVES_MAX: u32 = 64;

impl Sketch {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let key = key_of(value);
        match self.positive.count_of(key) {
            Some(count) if *count < u8::MAX => *count += 1,
            _ => self.add_other(key),
        }
    }

    /// Asks for the count that a value will change.
    #[inline]
    pub(super) fn fetch(&self, value: f64) {
        if let Some(count) = self.positive.counts.get(self.positive.index_of(key_of(value))) {
            fetch(count);
        }
    }

    #[inline(never)]
    fn add_other(&mut self, key: u32) {
        let octaves =
            if key & SIGN == 0 || is_zero(key) { &mut self.positive } else { &mut self.others.get_or_insert_default().negative };
        if octaves.count_of(key).is_none() {
            octaves.grow(key);
        }
        let carried = match octaves.count_of(key) {
            Some(count) if *count < u8::MAX => {
                *count += 1;
                return;
            }
            // With this one.
            Some(count) => u32::from(std::mem::take(count)) + 1,
            None => 1,
        };
        let sum = self.others.get_or_insert_default().carried.entry(bucket_of_key(key)).or_insert(0);
        *sum = sum.saturating_add(carried);
    }

    /// Forgets the values, but not where they were.
    pub(super) fn clear(&mut self) {
        self.positive.clear();
        if let Some(others) = &mut self.others {
            others.negative.clear();
            others.carried.clear();
        }
    }

    /// (bucket, count) of each bucket that holds any, buckets ascending.
    pub(super) fn buckets(&self) -> Vec<(i32, u32)> {
        let Some(others) = &self.others else { return self.positive.buckets().collect() };
        let mut all: Vec<(i32, u32)> = others.negative.buckets().rev().chain(self.positive.buckets()).collect();
        if !others.carried.is_empty() {
            all.extend(others.carried.iter().map(|(bucket, count)| (*bucket, *count)));
            all.sort_unstable();
            all.dedup_by(|same, first| {
                let is_same = same.0 == first.0;
                first.1 = if is_same { first.1.saturating_add(same.1) } else { first.1 };
                is_same
            });
        }
        all
    }

    pub(super) fn bytes(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| {
            size_of::<Others>() + others.negative.bytes() + others.carried.len() * 2 * size_of::<(i32, u32)>()
        });
        self.positive.bytes() + others
    }
}

impl Octaves {
    /// Of the count of a key; beyond the end where it has none.
    #[inline]
    fn index_of(&self, key: u32) -> usize {
        // Below the base, or of the other sign: far beyond the end.
        if is_zero(key) { 0 } else { (key.wrapping_sub(self.base) as usize).saturating_add(1) }
    }

    #[inline]
    fn count_of(&mut self, key: u32) -> Option<&mut u8> {
        let at = self.index_of(key);
        self.counts.get_mut(at)
    }

    /// Takes bucket 0 or the octave of a key in, if that is not too far away.
    fn grow(&mut self, key: u32) {
        if self.counts.is_empty() {
            self.counts.push(0);
        }
        if is_zero(key) {
            return;
        }
        let octave = key - key % OCTAVE;
        let length = u32::try_from(self.counts.len() - 1).unwrap_or(u32::MAX);
        if length == 0 {
            self.base = octave;
        }
        let base = self.base.min(octave);
        let wanted = (self.base + length).max(octave + OCTAVE) - base;
        if wanted > OCTAVES_MAX * OCTAVE {
            return;
        }
        let below = (self.base - base) as usize;
        self.counts.splice(1..1, std::iter::repeat_n(0, below));
        self.counts.resize(wanted as usize + 1, 0);
        self.base = base;
    }

    fn clear(&mut self) {
        self.counts.fill(0);
    }

    fn buckets(&self) -> impl DoubleEndedIterator<Item = (i32, u32)> + '_ {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(at, count)| {
            let above = u32::try_from(at).unwrap_or(u32::MAX).checked_sub(1);
            (above.map_or(0, |above| bucket_of_key(self.base.saturating_add(above))), u32::from(*count))
        })
    }

    fn bytes(&self) -> usize {
        self.counts.capacity()
    }
}
