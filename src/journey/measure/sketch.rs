//! The quantile sketch of a group: how many values fell into each bucket.
//!
//! A bucket is read off the bits of a float: its sign, its exponent and the top 6 bits of its mantissa, so that 64 buckets lie between a
//! power of two and the next. The middle of a bucket is at most 1/128 (0.8 %) from any value in it, relative to the value. No logarithm is
//! taken: the same value has the same bucket on every machine, and in SQL the middle is
//! `pow(2, (b >> 6) - 1023) * (1 + ((b & 63) + 0.5) / 64)` for `b = abs(bucket)`.

/// Buckets between a power of two and the next.
const OCTAVE: usize = 64;
/// Bits of a mantissa below those that tell the bucket.
const SHIFT: u32 = 52 - OCTAVE.trailing_zeros();

/// The bucket of a finite value: negative for negative ones, and 0 for zero and what is too small to be normal (below 2^-1022).
#[inline]
pub(super) fn bucket_of(value: f64) -> i32 {
    let magnitude = (value.to_bits() & !(1 << 63)) >> SHIFT;
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "17 bits are left")]
    let bucket = magnitude as i32;
    if bucket < 64 {
        return 0;
    }
    if value < 0.0 { -bucket } else { bucket }
}

/// Counts by bucket, in pages of an octave: values of one sensor lie in few of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sketch {
    /// By octave.
    pages: Vec<Page>,
    /// Of the value before: most values follow one of their own octave.
    recent: usize,
}

#[derive(Clone, Debug)]
struct Page {
    octave: i32,
    counts: Box<[u32; OCTAVE]>,
}

impl Sketch {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let bucket = bucket_of(value);
        // Of a negative bucket, too, the low bits count upwards within the page.
        let octave = bucket >> OCTAVE.trailing_zeros();
        #[expect(clippy::cast_sign_loss, reason = "masked to 0..64")]
        let within = (bucket & (OCTAVE as i32 - 1)) as usize;
        if self.pages.get(self.recent).is_none_or(|page| page.octave != octave) {
            self.recent = self.page_of(octave);
        }
        if let Some(page) = self.pages.get_mut(self.recent) {
            page.counts[within] += 1;
        }
    }

    #[cold]
    fn page_of(&mut self, octave: i32) -> usize {
        match self.pages.binary_search_by_key(&octave, |page| page.octave) {
            Ok(at) => at,
            Err(at) => {
                self.pages.insert(at, Page { octave, counts: Box::new([0; OCTAVE]) });
                at
            }
        }
    }

    /// (bucket, count) of each bucket that holds any, buckets ascending.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (i32, u32)> + '_ {
        self.pages.iter().flat_map(|page| {
            let base = page.octave << OCTAVE.trailing_zeros();
            (base..).zip(page.counts.iter().copied()).filter(|(_, count)| *count > 0)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.pages.len() * (size_of::<Page>() + OCTAVE * size_of::<u32>())
    }
}
