//! Thins out what librdkafka says again and again. It is done here and not where the lines are made: `kafka` stands on the same floor
//! as `telemetry` and knows nothing of it.

use std::fmt::{self, Write as _};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::Throttle;

/// The target of librdkafka's lines.
const TARGET: &str = "librdkafka";

/// Holds back a line of librdkafka that came a short time ago already: of the same client, facility and thread (which is the broker).
pub(super) struct Repeats {
    throttle: Throttle,
}

impl Repeats {
    pub(super) fn new(interval: Duration) -> Self {
        Self { throttle: Throttle::new(interval) }
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        // Who asks for debug wants every line.
        if event.metadata().target() != TARGET || *event.metadata().level() > Level::INFO {
            return true;
        }
        let mut key = Key(event.metadata().level().to_string());
        event.record(&mut key);
        match self.throttle.pass(&key.0) {
            None => false,
            Some(0) => true,
            Some(held_back) => {
                tracing::info!(held_back, "librdkafka repeats itself");
                true
            }
        }
    }
}

/// What makes lines alike.
struct Key(String);

impl Visit for Key {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "client" | "facility" => write!(self.0, " {value:?}"),
            // `[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: Connect to … failed: … (after 3ms in state CONNECT)`
            "message" => {
                let text = format!("{value:?}");
                let alike: String = text.split(']').next().unwrap_or_default().chars().take(100).collect();
                write!(self.0, " {alike}")
            }
            _ => Ok(()),
        };
    }
}
