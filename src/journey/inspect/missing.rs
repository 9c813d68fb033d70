//! Rule: a sensor configured as `required` that a message does not have is flagged.

use arrow::array::Array;

use crate::batch::{Flag, SensorValues};

/// A value that was there and bad is not missing.
pub(super) fn flag_missing(values: &SensorValues, quality: &mut [u16]) {
    let array: &dyn Array = match values {
        SensorValues::Number(values) => values,
        SensorValues::Boolean(values) => values,
    };
    let Some(nulls) = array.nulls() else {
        return;
    };
    for (is_valid, quality) in nulls.iter().zip(quality) {
        if !is_valid && *quality & Flag::BadValue.mask() == 0 {
            *quality |= Flag::Missing.mask();
        }
    }
}
