//! Arrow arrays of columns that grow by blocks of rows, or by runs of equal ones: a row at a time through Arrow's builders costs several
//! times as much.

use arrow::array::types::ArrowPrimitiveType;
use arrow::array::{BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};

/// Which rows have a value.
pub(super) struct Validity(NullBufferBuilder);

impl Default for Validity {
    fn default() -> Self {
        Self(NullBufferBuilder::new(0))
    }
}

impl Validity {
    pub(super) fn push_run(&mut self, is_valid: bool, rows: usize) {
        if is_valid {
            self.0.append_n_non_nulls(rows);
        } else {
            self.0.append_n_nulls(rows);
        }
    }

    pub(super) fn push_block(&mut self, are_valid: impl ExactSizeIterator<Item = bool> + Clone) {
        let rows = are_valid.len();
        if are_valid.clone().all(|is_valid| is_valid) {
            self.0.append_n_non_nulls(rows);
        } else {
            are_valid.for_each(|is_valid| self.0.append(is_valid));
        }
    }

    pub(super) fn finish(mut self) -> Option<NullBuffer> {
        self.0.finish()
    }
}

/// Text that stays the same for some rows.
pub(super) struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    validity: Validity,
}

impl Default for Texts {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: Vec::new(), validity: Validity::default() }
    }
}

impl Texts {
    pub(super) fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows);
    }

    /// A chunk ends long before its offsets could overflow.
    pub(super) fn push_run(&mut self, text: Option<&str>, rows: usize) {
        for _ in 0..rows {
            self.bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
            self.offsets.push(i32::try_from(self.bytes.len()).unwrap_or(i32::MAX));
        }
        self.validity.push_run(text.is_some(), rows);
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn finish(self) -> StringArray {
        StringArray::new(OffsetBuffer::new(self.offsets.into()), Buffer::from_vec(self.bytes), self.validity.finish())
    }
}

pub(super) fn numbers<T: ArrowPrimitiveType>(values: Vec<T::Native>, validity: Option<NullBuffer>) -> PrimitiveArray<T> {
    PrimitiveArray::new(values.into(), validity)
}

/// The value of each run for its rows.
pub(super) fn number_runs<T: ArrowPrimitiveType>(runs: impl Iterator<Item = (T::Native, usize)>) -> PrimitiveArray<T> {
    let mut values = Vec::new();
    runs.for_each(|(value, rows)| values.resize(values.len() + rows, value));
    numbers(values, None)
}

pub(super) fn bit_runs(runs: impl Iterator<Item = (bool, usize)>) -> BooleanArray {
    let mut bits = BooleanBufferBuilder::new(0);
    runs.for_each(|(bit, rows)| bits.append_n(rows, bit));
    BooleanArray::new(bits.finish(), None)
}
