//! One HTTP server for people and machines that look: `/livez`, `/readyz`, `/metrics`, `/version`.
//!
//! It is best effort. It runs on threads of its own, asks through [`View`] for values that lanes have written down long before, and
//! no answer, client or failure of it can hold a lane or an offset. Every request is bounded: bytes, time, and how many at once.

mod answers;
mod health;
mod listener;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

pub use health::{Health, LaneHealth};
use listener::{BoundedListener, Places};

/// What the server shows. Asked on a thread of the server, never on a lane; a panic in it is answered with 500.
pub trait View: Send + Sync {
    /// Text format of Prometheus: [`Metrics::encode`](crate::telemetry::Metrics::encode).
    fn metrics_text(&self) -> String;
    fn health(&self) -> Health;
    /// Version, commit, runtime of the lanes, cores, lake and instance: whatever tells this process from another.
    fn version(&self) -> serde_json::Value;
}

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Port 0 takes a free one: [`Server::address`] says which.
    pub listen: SocketAddr,
    /// Asked of every request as `Authorization: Bearer <token>`; the probes then answer strangers with their status alone. The
    /// configuration refuses to go without one on an address other than loopback, unless a proxy stands before it.
    pub token: Option<String>,
    /// Each thread of the server is pinned to one of these; none: the threads run where the caller of [`Server::start`] may run.
    pub cores: Vec<usize>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}. {remedy}")]
    Listen { address: SocketAddr, source: std::io::Error, remedy: &'static str },
    #[error("the server's token is empty or has characters other than visible ASCII. Give one without white space, or none")]
    BadToken,
    #[error("cannot start the server's threads: {source}. See the limits of threads and memory (ulimit -u, cgroup pids.max)")]
    Threads { source: std::io::Error },
    #[error("the server at {address} was stopped with {open} connections still open: they were cut")]
    Late { address: SocketAddr, open: usize },
}

/// What one client may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// From connecting, or from the last byte of an answer, to the end of the next request and its answer.
    request_time: Duration,
    /// Line, headers and body of one request.
    request_bytes: usize,
    /// How long a view may think.
    answer_time: Duration,
    /// At once; further ones wait in the backlog of the socket.
    connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Longer than the usual scrape interval of 15 s, so that a scraper keeps its connection.
            request_time: Duration::from_secs(30),
            request_bytes: 64 * 1024,
            answer_time: Duration::from_secs(5),
            connections: 64,
        }
    }
}

/// The running server. Dropping it cuts everything; [`Server::stop`] lets answers under way end.
pub struct Server {
    address: SocketAddr,
    places: Places,
    /// None once it is shut down.
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
}

impl Server {
    /// Listens, or says why that is impossible; answers from then on.
    pub fn start(options: ServeOptions, view: Arc<dyn View>) -> Result<Self, ServeError> {
        Self::start_within(options, view, Limits::default())
    }

    fn start_within(options: ServeOptions, view: Arc<dyn View>, limits: Limits) -> Result<Self, ServeError> {
        let ServeOptions { listen, token, cores } = options;
        if token.as_ref().is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(ServeError::BadToken);
        }
        let (socket, address) = bind(listen)?;
        let runtime = runtime(cores).map_err(|source| ServeError::Threads { source })?;
        let listener = {
            let _inside = runtime.enter();
            BoundedListener::new(socket, limits).map_err(|source| listen_error(listen, source))?
        };
        let places = listener.places();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let router = answers::router(view, token, limits.answer_time);
        runtime.spawn(async move {
            let signal = async move {
                // A sender that was dropped means stop as well.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(signal).await {
                tracing::error!(%error, "the server ended");
            }
            let _ = end.send(());
        });
        tracing::info!(%address, "serving /livez /readyz /metrics /version");
        Ok(Self { address, places, runtime: Some(runtime), stop: Some(stop), ended })
    }

    /// Where it listens, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets answers under way end until the deadline, then cuts them and says how many there were.
    pub fn stop(mut self, deadline: Instant) -> Result<(), ServeError> {
        self.stop.take();
        // An error means that the task is gone: ended too.
        let late =
            self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) == Err(mpsc::RecvTimeoutError::Timeout);
        let open = self.places.taken();
        self.shut_down();
        if late { Err(ServeError::Late { address: self.address, open }) } else { Ok(()) }
    }

    /// In the background: a view that hangs must not hold the stop of the program, and a caller may be inside a runtime of its own.
    fn shut_down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Bound here and not on the runtime, so that the caller learns at once whether the port is taken.
fn bind(listen: SocketAddr) -> Result<(std::net::TcpListener, SocketAddr), ServeError> {
    let fault = |source| listen_error(listen, source);
    let socket = std::net::TcpListener::bind(listen).map_err(fault)?;
    socket.set_nonblocking(true).map_err(fault)?;
    let address = socket.local_addr().map_err(fault)?;
    Ok((socket, address))
}

fn listen_error(address: SocketAddr, source: std::io::Error) -> ServeError {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let remedy = match source.kind() {
        AddrInUse => {
            "Another process listens there: stop it (ss -ltnp shows it), or set serve.listen to another port, 0 for a free one"
        }
        PermissionDenied => "Ports below 1024 need CAP_NET_BIND_SERVICE: set serve.listen to a port from 1024 on",
        AddrNotAvailable => {
            "No interface of this host has that address: set serve.listen to one that ip addr shows, or to 127.0.0.1"
        }
        _ => "Set serve.listen to another address",
    };
    ServeError::Listen { address, source, remedy }
}

fn runtime(cores: Vec<usize>) -> Result<Runtime, std::io::Error> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(cores.len().max(1)).max_blocking_threads(4).thread_name("serve").enable_io().enable_time();
    if !cores.is_empty() {
        let next = AtomicUsize::new(0);
        builder.on_thread_start(move || {
            let core = cores[next.fetch_add(1, Relaxed) % cores.len()];
            if !core_affinity::set_for_current(CoreId { id: core }) {
                tracing::warn!(core, "a thread of the server could not be pinned to its core; it runs anywhere");
            }
        });
    }
    builder.build()
}
