//! What the HTTP server shows of a running crew.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Config;
use crate::lane::Crew;
use crate::serve::{Health, ServeError, ServeOptions, Server, View};
use crate::telemetry::{Build, Metrics};

/// How long answers under way may take when the program ends.
const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// The crew, as far as strangers may see it.
pub(super) struct CrewView {
    metrics: Arc<Metrics>,
    version: Value,
    dead: Mutex<Option<String>>,
}

impl CrewView {
    pub(super) fn of(crew: &Crew) -> Arc<Self> {
        let config = crew.config();
        let version = json!({
            "version": Build::THIS.version,
            "commit": Build::THIS.commit,
            "runtime": "epoll",
            "cores": {"lanes": config.lanes.cores, "kafka": config.cores.kafka, "control": config.cores.control},
            "lake": crew.lake_id(),
            "instance": crew.instance(),
            "group": config.kafka.group,
        });
        Arc::new(Self { metrics: Arc::clone(crew.metrics()), version, dead: Mutex::new(None) })
    }

    /// A lane has ended for good: `/livez` says so until the process ends.
    pub(super) fn set_dead(&self, reason: &str) {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl View for CrewView {
    fn metrics_text(&self) -> String {
        self.metrics.encode()
    }

    fn health(&self) -> Health {
        let dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health { dead, ..Health::of(&self.metrics) }
    }

    fn version(&self) -> Value {
        self.version.clone()
    }
}

/// Starts the server where the configuration wants one. It is best effort: a port that is taken is no reason not to run.
pub(super) fn start_server(config: &Config, view: Arc<CrewView>) -> Option<Server> {
    let listen = config.serve.listen?;
    let token = config.serve.token.as_ref().map(|token| token.expose().to_owned());
    match Server::start(ServeOptions { listen, token, cores: config.cores.control.clone() }, view) {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::warn!(%error, "no HTTP server; the lanes run all the same");
            None
        }
    }
}

pub(super) fn stop_server(server: Option<Server>) {
    if let Some(Err(late @ ServeError::Late { .. })) = server.map(|server| server.stop(Instant::now() + STOP_DEADLINE)) {
        tracing::info!(%late, "stopping");
    }
}
