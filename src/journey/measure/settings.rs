//! What windows are like, and the hash of everything that decides which readings count.

use std::fmt::Write;

use super::devices::Devices;
use super::part::Tables;
use super::past::Past;
use crate::batch::SensorCatalog;

/// Counted readings of a device and part that repeats are looked for among.
pub(super) const REPEATS_KNOWN: usize = 16;

/// Settings of the windows. `rolling` + (`grace` + `future_skew`) / `size` is at most 70, so that the commit metadata fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Length of a window; at least 1.
    pub size_ms: i64,
    /// How many windows rolling values combine (N); at least 1.
    pub rolling: u32,
    /// How long after its end, by the partition's clock, a window stays open.
    pub grace_ms: i64,
    /// A window that starts more than this after the clock is not opened.
    pub future_skew_ms: i64,
    /// Beyond this age inspect distrusts an event time; here it is a part of [`Windows::flags_hash`] only.
    pub age_max_ms: i64,
    /// Devices in one open window of a partition, and places; what is beyond is flagged `over_limit`. At least 1.
    pub devices_max: usize,
}

impl Windows {
    /// What would be of no use at 0 is 1.
    pub(super) fn at_least_one(self) -> Self {
        Self { size_ms: self.size_ms.max(1), rolling: self.rolling.max(1), devices_max: self.devices_max.max(1), ..self }
    }

    /// Memory in bytes of a device of a partition that is in each of its windows: those that are open, one whose memory waits for the next,
    /// and those that rolling values still need. Lists grow by doubling, so for a moment it may be nearly twice as much.
    pub fn bytes_a_device(&self, sensors: usize) -> usize {
        let Windows { size_ms, rolling, grace_ms, future_skew_ms, .. } = self.at_least_one();
        // The window of now, those that may still come in late or ahead of it, and the waiting one.
        let open = usize::try_from((grace_ms + future_skew_ms) / size_ms).unwrap_or(0) + 3;
        let past = rolling as usize - 1;
        open * Tables::bytes_a_device(sensors) + past * Past::bytes_a_device(sensors) + Devices::BYTES_A_DEVICE
    }

    /// A hash of what decides flags. Where it differs from the one in a note, the listed windows cannot be rebuilt as they were.
    pub fn flags_hash(&self, catalog: &SensorCatalog) -> u64 {
        let mut text = format!("{} {} {} {REPEATS_KNOWN}", self.future_skew_ms, self.age_max_ms, self.devices_max);
        for sensor in &catalog.sensors {
            // Floats print as the shortest text that reads back as the same bits, on every machine alike. Writing to a String cannot fail.
            let _ = write!(text, "\n{} {:?} {:?} {:?} {}", sensor.name, sensor.unit, sensor.kind, sensor.range, sensor.required);
            for alias in &sensor.aliases {
                let _ = write!(text, " {:?} {:?} {:?}", alias.unit, alias.factor, alias.offset);
            }
        }
        fnv1a(text.as_bytes())
    }
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): the same on every machine and in every version, unlike the standard library's hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
