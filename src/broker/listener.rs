//! Threads: one that accepts, one that sweeps, one a connection; and how they all end.

use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::state::Shared;
use super::{BrokerError, BrokerOptions, connection};

/// A connection's thread needs little: requests are decoded on the heap.
const STACK_BYTES: usize = 512 << 10;
/// Connections at a time; a client makes two or three.
const CONNECTIONS_MAX: usize = 4096;

/// The broker's threads.
#[derive(Debug)]
pub(super) struct Listener {
    shared: Arc<Shared>,
    address: SocketAddr,
    connections: Arc<Connections>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, (TcpStream, Option<JoinHandle<()>>)>,
    closed: bool,
}

impl Listener {
    pub(super) fn start(options: BrokerOptions) -> Result<Self, BrokerError> {
        let listen = options.listen;
        let failed = |source| BrokerError::Listen { address: listen, source };
        let socket = TcpListener::bind(listen).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::new(options));
        let connections = Arc::new(Connections::default());
        let mut listener = Self { shared: Arc::clone(&shared), address, connections, threads: Vec::new() };
        let connections = Arc::clone(&listener.connections);
        let sweeper = Arc::clone(&shared);
        listener.spawn("broker-sweep", move || sweeper.sweep_until_stopped())?;
        listener.spawn("broker-accept", move || connections.accept(&socket, &shared))?;
        Ok(listener)
    }

    fn spawn(&mut self, name: &str, life: impl FnOnce() + Send + 'static) -> Result<(), BrokerError> {
        // On an error the listener is dropped, which ends what was started.
        let thread = Builder::new().name(name.to_owned()).spawn(life).map_err(|source| BrokerError::Thread { source })?;
        self.threads.push(thread);
        Ok(())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Ends everything and waits for it.
    pub(super) fn stop(&mut self) {
        self.shared.begin_stop();
        self.connections.close();
        // The accepting thread sits in a blocking call; a connection of our own gets it out, and it sees that all is closed.
        let own = match self.address.ip() {
            ip if ip.is_unspecified() && ip.is_ipv6() => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], self.address.port())),
            ip if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], self.address.port())),
            _ => self.address,
        };
        let reached = TcpStream::connect(own).is_ok();
        for thread in self.threads.drain(..) {
            // Unreachable, it would be waited for in vain; then it ends with the process.
            if reached || thread.thread().name() != Some("broker-accept") {
                let _ = thread.join();
            }
        }
        self.connections.join();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.stop();
        }
    }
}

impl Connections {
    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, socket: &TcpListener, shared: &Arc<Shared>) {
        for stream in socket.incoming() {
            if self.lock().closed {
                return;
            }
            match stream {
                Ok(stream) => self.open(stream, shared),
                // Out of file descriptors, most likely: closing connections give some back.
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    }

    /// Gives a connection its thread. One that cannot have it is closed; its client tries again.
    fn open(self: &Arc<Self>, stream: TcpStream, shared: &Arc<Shared>) {
        let Ok(handle) = stream.try_clone() else { return };
        let mut open = self.lock();
        if open.closed || open.by_number.len() >= CONNECTIONS_MAX {
            return;
        }
        let number = open.next;
        open.next += 1;
        open.by_number.insert(number, (handle, None));
        let (connections, shared) = (Arc::clone(self), Arc::clone(shared));
        let life = move || {
            let _forget = Forget { connections, number };
            connection::serve(&shared, stream);
        };
        let thread = Builder::new().name("broker-client".to_owned()).stack_size(STACK_BYTES).spawn(life);
        match thread {
            Ok(thread) => {
                if let Some(entry) = open.by_number.get_mut(&number) {
                    entry.1 = Some(thread);
                }
            }
            Err(_) => {
                open.by_number.remove(&number);
            }
        }
    }

    fn close(&self) {
        let mut open = self.lock();
        open.closed = true;
        for (stream, _) in open.by_number.values() {
            // Already closed by the other side, perhaps.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn join(&self) {
        let threads: Vec<JoinHandle<()>> = self.lock().by_number.drain().filter_map(|(_, (_, thread))| thread).collect();
        for thread in threads {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Forgets a connection when its thread ends, a panic included.
struct Forget {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        // While the broker stops, `join` has the list.
        if !open.closed {
            open.by_number.remove(&self.number);
        }
    }
}
