//! Which offsets of a partition were seen: one bit each, in chunks that are made when the first bit in them is set.

use std::collections::BTreeMap;

/// Offsets of a chunk: 8 KiB of bits.
const CHUNK: i64 = 65_536;
const WORDS: usize = 1_024;

/// A set of offsets.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    chunks: BTreeMap<i64, Box<[u64; WORDS]>>,
}

/// The chunk of an offset, the word in it, and the bit in that.
fn place(offset: i64) -> (i64, usize, u64) {
    // Below 65,536.
    let within = usize::try_from(offset.rem_euclid(CHUNK)).unwrap_or(0);
    (offset.div_euclid(CHUNK), within / 64, 1 << (within % 64))
}

impl Marks {
    /// Whether it is new.
    pub(super) fn set(&mut self, offset: i64) -> bool {
        let (chunk, word, bit) = place(offset);
        let word = &mut self.chunks.entry(chunk).or_insert_with(|| Box::new([0; WORDS]))[word];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes an offset out; whether it was in.
    pub(super) fn take(&mut self, offset: i64) -> bool {
        let (chunk, word, bit) = place(offset);
        let Some(words) = self.chunks.get_mut(&chunk) else { return false };
        let was_in = words[word] & bit != 0;
        words[word] &= !bit;
        was_in
    }

    /// The offsets that are in, within `[from, to)`, ascending.
    pub(super) fn within(&self, from: i64, to: i64) -> impl Iterator<Item = i64> + '_ {
        let chunks = self.chunks.range(from.div_euclid(CHUNK)..=to.div_euclid(CHUNK));
        let offsets = chunks.flat_map(|(chunk, words)| {
            let begin = chunk * CHUNK;
            let filled = words.iter().zip((begin..).step_by(64)).filter(|(word, _)| **word != 0);
            filled.flat_map(|(word, first)| bits_of(*word).map(move |bit| first + bit))
        });
        offsets.filter(move |offset| (from..to).contains(offset))
    }
}

/// The numbers of the bits that are set.
fn bits_of(word: u64) -> impl Iterator<Item = i64> {
    (0..64).filter(move |bit| word >> bit & 1 == 1)
}

/// Offsets that came in order, as runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// `[from, to)`, at most [`Runs::KEPT`].
    pub(super) kept: Vec<(i64, i64)>,
    pub(super) offsets: u64,
    pub(super) count: u64,
    last: Option<i64>,
}

impl Runs {
    const KEPT: usize = 100;

    pub(super) fn push(&mut self, offset: i64) {
        self.offsets += 1;
        let goes_on = self.last.is_some_and(|last| last.checked_add(1) == Some(offset));
        self.last = Some(offset);
        if !goes_on {
            self.count += 1;
        }
        let is_kept = usize::try_from(self.count).is_ok_and(|runs| runs == self.kept.len());
        if !goes_on && self.kept.len() < Self::KEPT {
            self.kept.push((offset, offset.saturating_add(1)));
        } else if goes_on
            && is_kept
            && let Some((_, to)) = self.kept.last_mut()
        {
            *to = offset.saturating_add(1);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offsets == 0
    }
}
