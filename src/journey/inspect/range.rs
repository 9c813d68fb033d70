//! Rule: a value outside of the sensor's physical range is flagged and kept.

use arrow::array::{Array, Float64Array};

use crate::batch::Flag;

/// Both ends belong to the range. A value of unknown unit is not judged: its range is not known.
pub(super) fn flag_outside((low, high): (f64, f64), values: &Float64Array, quality: &mut [u16]) {
    // Without branches, so that the compiler makes vectors of it.
    for (&value, quality) in values.values().iter().zip(quality.iter_mut()) {
        let outside = u16::from(value < low) | u16::from(value > high);
        let unit_known = !(*quality >> Flag::UnknownUnit as u8) & 1;
        *quality |= (outside & unit_known) << Flag::OutOfRange as u8;
    }
    // What lies in the slot of a null is no value.
    if let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) {
        for (is_valid, quality) in nulls.iter().zip(quality) {
            if !is_valid {
                *quality &= !Flag::OutOfRange.mask();
            }
        }
    }
}
