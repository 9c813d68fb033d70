//! Whether the program lives and is ready, and which lane is why not.

use serde_json::{Value, json};

use crate::telemetry::{LaneState, Metrics};

/// One lane, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneHealth {
    pub lane: usize,
    pub state: LaneState,
    /// For people; empty where there is nothing to explain.
    pub reason: String,
}

/// What the probes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why the process is beyond repair and must be started anew: `/livez` is 503 then.
    pub dead: Option<String>,
    pub lanes: Vec<LaneHealth>,
}

impl Health {
    /// As the lanes say it, with nothing wrong with the process itself.
    pub fn of(metrics: &Metrics) -> Self {
        let lane = |lane: &std::sync::Arc<crate::telemetry::LaneMetrics>| LaneHealth {
            lane: lane.lane(),
            state: lane.state(),
            reason: lane.reason(),
        };
        Self { dead: None, lanes: metrics.lanes().iter().map(lane).collect() }
    }

    pub fn is_alive(&self) -> bool {
        self.dead.is_none()
    }

    /// Alive, and every lane replays or consumes. A program without lanes has not begun.
    pub fn is_ready(&self) -> bool {
        self.is_alive() && !self.lanes.is_empty() && self.lanes.iter().all(|lane| lane.state.is_ready())
    }

    /// The body of `/readyz`.
    pub(super) fn to_json(&self) -> Value {
        let lanes: Vec<Value> = self
            .lanes
            .iter()
            .map(|lane| {
                let ready = lane.state.is_ready();
                json!({"lane": lane.lane, "state": lane.state.name(), "ready": ready, "reason": lane.reason})
            })
            .collect();
        json!({"ready": self.is_ready(), "reason": self.reason(), "lanes": lanes})
    }

    /// The first thing in the way; empty when ready.
    fn reason(&self) -> String {
        if let Some(dead) = &self.dead {
            return dead.clone();
        }
        if self.lanes.is_empty() {
            return "no lane has started yet".to_owned();
        }
        match self.lanes.iter().find(|lane| !lane.state.is_ready()) {
            None => String::new(),
            Some(LaneHealth { lane, state, reason }) if reason.is_empty() => format!("lane {lane} is {}", state.name()),
            Some(LaneHealth { lane, state, reason }) => format!("lane {lane} is {}: {reason}", state.name()),
        }
    }
}
