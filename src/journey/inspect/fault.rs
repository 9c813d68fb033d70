//! Rule: a sensor that its own device calls faulty is flagged, its value kept.

use crate::batch::{Dictionary, Flag, KeyColumn};

/// Which ids of the sensors' statuses mean a fault.
#[derive(Debug, Default)]
pub(super) struct FaultWords {
    is_fault: Vec<bool>,
}

impl FaultWords {
    pub(super) fn forget(&mut self) {
        self.is_fault.clear();
    }

    /// Looks up the statuses that came since the last time.
    pub(super) fn learn(&mut self, statuses: &Dictionary) {
        for id in self.is_fault.len()..statuses.len() {
            let word = u32::try_from(id).map_or("", |id| statuses.get(id));
            self.is_fault.push(word.eq_ignore_ascii_case("error") || word.eq_ignore_ascii_case("fault"));
        }
    }
}

pub(super) fn flag_faults(words: &FaultWords, status: &KeyColumn, quality: &mut [u16]) {
    for (id, quality) in status.iter().zip(quality) {
        if id.is_some_and(|id| words.is_fault.get(id as usize) == Some(&true)) {
            *quality |= Flag::DeviceFault.mask();
        }
    }
}
