//! The source of chance: xoshiro256++ (Blackman and Vigna, public domain), seeded by SplitMix64.
//!
//! Own code because the same seed must give the same bytes for as long as labels and recordings are kept; the small generators of
//! `rand` promise that only within one version.

use rand::RngCore;

/// A deterministic generator of 64-bit numbers.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut mix = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut mix)) }
    }

    /// Uniform in `0..n` (0 for `n` = 0); the bias of the multiply-shift is below 2^-32 here.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        let high = self.next_u64() >> 32;
        u32::try_from((high * u64::from(n)) >> 32).unwrap_or(0)
    }

    /// Uniform in `low..high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u32::try_from(high - low).unwrap_or(u32::MAX);
        low + i64::from(self.below(span))
    }

    /// True with this probability (resolution 2^-32).
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        ((self.next_u64() >> 32) as f64) < probability * 4_294_967_296.0
    }

    /// One of `items`; None where there are none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let n = u32::try_from(items.len()).unwrap_or(u32::MAX);
        items.get(self.below(n) as usize)
    }

    /// Fisher and Yates.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let n = u32::try_from(last + 1).unwrap_or(u32::MAX);
            items.swap(last, self.below(n) as usize);
        }
    }
}

/// One step of SplitMix64; also a good hash of small numbers.
pub(super) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (mut c, mut d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        c ^= self.state[1] << 17;
        d = d.rotate_left(45);
        self.state = [a, b, c, d];
        result
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
