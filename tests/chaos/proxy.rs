//! The network between a process and a broker: a small TCP proxy that can be cut, slow, or half open. It changes no byte.
//!
//! Kafka tells its clients where each broker is, so a proxy stands before each listener and the listener advertises the proxy.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a waiting thread looks up.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Every piece of data comes this much later.
    Slow(Duration),
    /// Connections stay; what is sent, in either direction, vanishes. They end when the weather changes, for their streams are torn.
    HalfOpen,
    /// No connection lives.
    Cut,
}

/// Listens on one port and forwards to another, both of loopback.
pub(crate) struct Proxy {
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

struct State {
    weather: Mutex<Weather>,
    /// Grows when the connections of before must end.
    generation: AtomicU64,
    ends: AtomicBool,
}

impl State {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, generation: u64) -> bool {
        self.ends.load(Ordering::Acquire) || self.generation.load(Ordering::Acquire) != generation
    }
}

impl Proxy {
    pub(crate) fn start(port: u16, target: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap_or_else(|error| panic!("proxy on port {port}: {error}"));
        listener.set_nonblocking(true).unwrap();
        let state =
            Arc::new(State { weather: Mutex::new(Weather::Fair), generation: AtomicU64::new(0), ends: AtomicBool::new(false) });
        let shared = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || accept(&listener, target, &shared));
        Proxy { state, acceptor: Some(acceptor) }
    }

    /// What is torn ends: connections that were half open, and all of them before a cut.
    pub(crate) fn set(&self, weather: Weather) {
        let mut now = self.state.weather.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == Weather::HalfOpen || weather == Weather::Cut {
            self.state.generation.fetch_add(1, Ordering::AcqRel);
        }
        *now = weather;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Release);
        if let Some(acceptor) = self.acceptor.take() {
            // Connections end by themselves, within a look.
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, target: u16, state: &Arc<State>) {
    while !state.ends.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((client, _)) if state.weather() != Weather::Cut => connect(client, target, state),
            // Dropped: refused, as far as the client can see.
            Ok(_) => {}
            Err(_) => std::thread::sleep(LOOK / 4),
        }
    }
}

/// Two threads a connection, one a direction. A broker that is down refuses, and so do we.
fn connect(client: TcpStream, target: u16, state: &Arc<State>) {
    let generation = state.generation.load(Ordering::Acquire);
    let Ok(broker) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let both = || Some((client.try_clone().ok()?, broker.try_clone().ok()?));
    let (Some(forth), Some(back)) = (both(), both()) else { return };
    for (from, to) in [(forth.0, forth.1), (back.1, back.0)] {
        let state = Arc::clone(state);
        std::thread::spawn(move || carry(from, to, &state, generation));
    }
}

/// Carries one direction until either end closes or the connection is torn.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &State, generation: u64) {
    // The read time-out is how a quiet connection sees that it is over.
    let ready = from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(LOOK))).and_then(|()| to.set_nodelay(true));
    let mut buffer = vec![0; 64 << 10];
    while ready.is_ok() && !state.is_over(generation) {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        match state.weather() {
            Weather::Fair => {}
            Weather::Slow(late) => std::thread::sleep(late),
            Weather::HalfOpen => continue,
            Weather::Cut => break,
        }
        if state.is_over(generation) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::support::wait::{eventually, free_port};

    const SOON: Duration = Duration::from_secs(20);

    /// Answers each byte with the next one.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        if stream.write_all(&[byte[0] + 1]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        port
    }

    fn ask(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        stream.write_all(&[byte])?;
        let mut answer = [0];
        stream.read_exact(&mut answer).map(|()| answer[0])
    }

    fn open(port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    #[test]
    fn fair_weather_carries_and_a_cut_ends() {
        let port = free_port();
        let proxy = Proxy::start(port, echo());
        let mut stream = open(port);
        assert_eq!(ask(&mut stream, 1).unwrap(), 2);
        proxy.set(Weather::Cut);
        eventually(SOON, "the cut", || ask(&mut stream, 1).is_err().then_some(()));
        assert!(ask(&mut open(port), 1).is_err(), "a new connection during the cut");
        proxy.set(Weather::Fair);
        assert_eq!(ask(&mut open(port), 1).unwrap(), 2);
    }

    #[test]
    fn a_slow_network_is_late() {
        let port = free_port();
        let proxy = Proxy::start(port, echo());
        let mut stream = open(port);
        ask(&mut stream, 1).unwrap();
        proxy.set(Weather::Slow(Duration::from_millis(60)));
        let began = Instant::now();
        assert_eq!(ask(&mut stream, 5).unwrap(), 6);
        assert!(began.elapsed() >= Duration::from_millis(120), "there and back: {:?}", began.elapsed());
    }

    #[test]
    fn half_open_swallows_and_ends_when_it_is_over() {
        let port = free_port();
        let proxy = Proxy::start(port, echo());
        let mut stream = open(port);
        ask(&mut stream, 1).unwrap();
        proxy.set(Weather::HalfOpen);
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let silence = ask(&mut stream, 1).unwrap_err();
        assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "it stays open: {silence}");
        proxy.set(Weather::Fair);
        eventually(SOON, "the end of a torn connection", || {
            let end = ask(&mut stream, 1).map_err(|error| error.kind());
            (!matches!(end, Ok(_) | Err(ErrorKind::WouldBlock | ErrorKind::TimedOut))).then_some(())
        });
    }
}
