//! How much memory a run may come to take, told once at its start (decision 0039).

use super::crew::windows_of;
use crate::config::Config;
use crate::telemetry::process;

/// What bounds the memory of a run, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    buffers: u64,
    /// Of all partitions, should each have `windows.devices_max` devices at a time.
    windows: u64,
    devices_max: u64,
    partitions: u64,
    bytes_a_device: u64,
}

impl Reach {
    fn of(config: &Config, partitions: usize) -> Reach {
        let bytes_a_device = windows_of(config).bytes_a_device(config.sensors.len()) as u64;
        let (devices_max, partitions) = (config.windows.devices_max, partitions as u64);
        let windows = bytes_a_device.saturating_mul(devices_max).saturating_mul(partitions);
        Reach { buffers: config.memory.budget_bytes, windows, devices_max, partitions, bytes_a_device }
    }

    /// Whether it is more than there is.
    fn exceeds(&self, available: Option<u64>) -> bool {
        available.is_some_and(|bytes| self.buffers.saturating_add(self.windows) > bytes)
    }
}

/// Says what both limits can reach, and warns where that is more than the process may have.
pub(super) fn tell(config: &Config, partitions: usize) {
    let reach = Reach::of(config, partitions);
    let mib = |bytes: u64| bytes >> 20;
    tracing::info!(
        buffers_mib = mib(reach.buffers),
        windows_mib = mib(reach.windows),
        partitions = reach.partitions,
        devices_max = reach.devices_max,
        bytes_a_device = reach.bytes_a_device,
        "memory that buffers and windows can reach"
    );
    let available = process::memory_limit_bytes();
    if reach.exceeds(available) {
        tracing::warn!(
            available_mib = available.map(mib),
            "windows could outgrow the memory that this process may have: lower windows.devices_max (devices in one window of a partition), \
             or spread the partitions over more machines"
        );
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
