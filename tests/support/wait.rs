//! Waiting for a condition, with a deadline; and ports that nobody takes meanwhile.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often a condition is asked. Short against what is waited for (processes, brokers), long against the cost of asking.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks until the answer is `Some`, and panics with `what` once `deadline` has passed.
pub fn eventually<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A loopback port that is free now and that the system will not hand out meanwhile.
///
/// Not port 0: it gives ports of the range from which outgoing connections take theirs. While a killed broker is down, a client that
/// reconnects in a loop could take the broker's own port, and even be connected to itself.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 16_000; // up to 31,000; Linux hands out from 32,768 on
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run side by side begin at different places; threads of one go on from each other's.
    static BEGIN: LazyLock<u32> = LazyLock::new(|| {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        nanos.rotate_left(7) ^ std::process::id().wrapping_mul(2_654_435_761)
    });
    for _ in 0..COUNT {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from(BEGIN.wrapping_add(step) % u32::from(COUNT)).expect("less than COUNT");
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no free port between {FIRST} and {}: something holds thousands of them", FIRST + COUNT);
}
