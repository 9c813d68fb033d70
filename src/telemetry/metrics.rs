//! All lanes and the process: what is scraped, and what the terminal shows.

use std::sync::Arc;

use super::{LaneMetrics, Snapshot, encode, process};

/// What was built, for `/version` and `corelane_build_info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    pub version: &'static str,
    /// The git commit, where the build was told (`CORELANE_COMMIT` in the environment of the compiler).
    pub commit: Option<&'static str>,
}

impl Build {
    pub const THIS: Build = Build { version: env!("CARGO_PKG_VERSION"), commit: option_env!("CORELANE_COMMIT") };
}

/// The metrics of the whole program. Looking at them costs the lanes nothing.
pub struct Metrics {
    lanes: Vec<Arc<LaneMetrics>>,
}

impl Metrics {
    /// The lanes in the order of their numbers; each number once.
    pub fn new(lanes: Vec<Arc<LaneMetrics>>) -> Self {
        Self { lanes }
    }

    pub fn lanes(&self) -> &[Arc<LaneMetrics>] {
        &self.lanes
    }

    /// Everything in the text format of Prometheus (0.0.4). Where `/proc` is not mounted, without the process.
    pub fn encode(&self) -> String {
        encode::text(&self.lanes, process::read().ok())
    }

    /// Totals of all lanes, and the process, now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.lanes, process::read().unwrap_or_default())
    }
}
