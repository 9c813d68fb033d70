//! The two brokers: one process of each for the whole test binary, started by the first test that needs it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use corelane::broker::{Broker, BrokerOptions};

use crate::support::kafka::ApacheKafka;

/// A broker that is asked to behave.
#[derive(Debug)]
pub struct Target {
    pub bootstrap: String,
}

pub fn embedded() -> &'static Target {
    static RUNNING: OnceLock<(Target, Broker)> = OnceLock::new();
    let start = || {
        let options = BrokerOptions {
            retention_interval: Duration::from_millis(300),
            group_delay: Duration::ZERO,
            ..BrokerOptions::default()
        };
        let broker = Broker::start(options).unwrap();
        (Target { bootstrap: broker.address().to_string() }, broker)
    };
    &RUNNING.get_or_init(start).0
}

/// What the suite would wait for otherwise: retention is looked after each five minutes, time-outs each ten seconds.
const HASTE: &[(&str, &str)] = &[
    ("log.retention.check.interval.ms", "300"),
    ("log.initial.task.delay.ms", "300"),
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "300"),
];

pub fn apache_kafka() -> &'static Target {
    static RUNNING: Mutex<Option<ApacheKafka>> = Mutex::new(None);
    static TARGET: OnceLock<Target> = OnceLock::new();
    // Statics are not dropped: this ends the process and removes its data.
    extern "C" fn at_exit() {
        drop(RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    TARGET.get_or_init(|| {
        // SAFETY: a plain function without arguments; dropping the broker swallows its errors.
        unsafe { libc::atexit(at_exit) };
        let kafka = ApacheKafka::start(1, HASTE);
        let target = Target { bootstrap: kafka.bootstrap() };
        *RUNNING.lock().unwrap() = Some(kafka);
        target
    })
}
