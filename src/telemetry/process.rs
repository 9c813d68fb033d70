//! What the kernel says of this process, from `/proc/self`.

use std::fs;
use std::path::Path;

use procfs::process::{LimitValue, Process};
use procfs::{Current, Meminfo, ProcResult};

/// One look at the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessValues {
    /// CPU seconds of all threads, also of those that have ended, in user mode. Steps of a clock tick, 10 ms.
    pub cpu_user_seconds: f64,
    /// The same in the kernel.
    pub cpu_system_seconds: f64,
    /// VmRSS.
    pub resident_bytes: u64,
    /// VmHWM: the highest VmRSS so far.
    pub resident_peak_bytes: u64,
    pub threads: u64,
    pub open_fds: u64,
    /// The soft limit; None: unlimited.
    pub fds_max: Option<u64>,
    /// Seconds since the epoch.
    pub start_time_seconds: u64,
}

impl ProcessValues {
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_user_seconds + self.cpu_system_seconds
    }
}

/// What the machine has, or less where a control group (version 2) allows less. None where `/proc` is not mounted.
pub fn memory_limit_bytes() -> Option<u64> {
    let machine = Meminfo::current().ok()?.mem_total;
    let own =
        Process::myself().ok()?.cgroups().ok()?.0.into_iter().find(|group| group.hierarchy == 0).map(|group| group.pathname);
    let root = Path::new("/sys/fs/cgroup");
    let folder = root.join(own.unwrap_or_default().trim_start_matches('/'));
    // A group has no more than those that it is in; in a container the root is the container's own.
    let groups = folder.ancestors().take_while(|folder| folder.starts_with(root));
    let limits = groups.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok());
    Some(limits.fold(machine, u64::min))
}

/// Looks at this process. Fails where `/proc` is not mounted.
pub fn read() -> ProcResult<ProcessValues> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    let status = process.status()?;
    let ticks = procfs::ticks_per_second() as f64;
    let fds_max = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(limit) => Some(limit),
        LimitValue::Unlimited => None,
    };
    Ok(ProcessValues {
        cpu_user_seconds: stat.utime as f64 / ticks,
        cpu_system_seconds: stat.stime as f64 / ticks,
        // /proc counts in KiB here.
        resident_bytes: status.vmrss.unwrap_or(0) * 1024,
        resident_peak_bytes: status.vmhwm.unwrap_or(0) * 1024,
        threads: status.threads,
        open_fds: process.fd_count()? as u64,
        fds_max,
        start_time_seconds: procfs::boot_time_secs()? + stat.starttime / procfs::ticks_per_second(),
    })
}

/// CPU seconds of the process so far, user and system, all threads; 0 where `/proc` is not mounted.
pub fn cpu_seconds() -> f64 {
    read().map_or(0.0, |values| values.cpu_seconds())
}

/// Resident memory now (VmRSS), bytes; 0 where `/proc` is not mounted.
pub fn rss_bytes() -> u64 {
    read().map_or(0, |values| values.resident_bytes)
}

/// The highest resident memory so far (VmHWM), bytes; 0 where `/proc` is not mounted.
pub fn vm_hwm_bytes() -> u64 {
    read().map_or(0, |values| values.resident_peak_bytes)
}
