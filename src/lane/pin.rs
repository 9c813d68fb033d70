//! Pinning: a lane has a core of its own, its delivery thread goes where Kafka's threads are
//! (`kafka::confine_thread`). The server pins its own threads.

use core_affinity::CoreId;

/// Pins the calling thread to a core. False where the host forbids it or has no such core: the lane runs all the same, slower.
pub(super) fn pin_to(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}
