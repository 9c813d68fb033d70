//! Pinning: a lane has a core of its own, its delivery thread shares Kafka's. The server pins its own threads.

use core_affinity::CoreId;

/// Pins the calling thread to a core. False where the host forbids it or has no such core: the lane runs all the same, slower.
pub(super) fn pin_to(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}

/// Lets the calling thread run on these cores only. False where the host forbids it.
pub(super) fn confine_to(cores: &[usize]) -> bool {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let cores_max = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    for &core in cores.iter().filter(|core| **core < cores_max) {
        // SAFETY: `core` is below CPU_SETSIZE, so the bit lies within the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: `set` is valid for its own size; 0 names the calling thread.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) == 0 }
}
