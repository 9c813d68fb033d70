//! What the configuration needs to know of the machine; an argument, so that tests do not depend on where they run.

/// The machine as this process may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Ids of the cores that the process may run on, ascending; never empty.
    pub cores: Vec<usize>,
}

impl Machine {
    /// Cores `0..count`; at least one.
    pub fn with_cores(count: usize) -> Self {
        Self { cores: (0..count.max(1)).collect() }
    }

    /// The cores of the calling thread's affinity mask (containers and `taskset` narrow it); ask before any thread is pinned.
    pub fn detect() -> Self {
        let mut cores: Vec<usize> = core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
        cores.sort_unstable();
        cores.dedup();
        if cores.is_empty() {
            // Hosts that do not tell their mask still tell a count.
            return Self::with_cores(std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        }
        Self { cores }
    }
}
