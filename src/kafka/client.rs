//! What all clients share: they are made on a pinned thread, and their logs go to ours.

use std::thread;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;

use super::error::KafkaError;
use super::settings::ClientSettings;

/// Runs `make` on a short-lived thread that is pinned to the clients' cores: librdkafka's threads, and those that `make` starts,
/// inherit the affinity of the thread that makes them, and a lane's core is not for them.
pub(super) fn on_client_cores<T: Send>(
    settings: &ClientSettings,
    make: impl FnOnce() -> Result<T, KafkaError> + Send,
) -> Result<T, KafkaError> {
    let client = settings.client_id.clone();
    thread::scope(|scope| {
        let maker = thread::Builder::new().name("kafka-make".into()).spawn_scoped(scope, || {
            confine_thread(&settings.cores);
            make()
        });
        match maker.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(made)) => made,
            Ok(Err(_)) => Err(KafkaError::Create { client, reason: "its maker panicked".into() }),
            Err(source) => Err(KafkaError::Thread { client, source }),
        }
    })
}

/// Lets the calling thread run on these cores only, for clients' threads and for those that work with them; none: it stays where it is.
/// Where the host forbids it, it says so and goes on.
pub fn confine_thread(cores: &[usize]) {
    if cores.is_empty() {
        return;
    }
    // SAFETY: a cpu_set_t is plain bits and valid when zero; CPU_SET is given indices inside it; the call only reads it.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
            libc::CPU_SET(core, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) != 0
    };
    if failed {
        let error = std::io::Error::last_os_error();
        tracing::warn!(?cores, %error, "Kafka's threads are not pinned; look at cores.kafka");
    }
}

/// librdkafka's log line, as one of ours.
pub(super) fn log_line(client: &str, level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::error!(target: "librdkafka", client, facility, "{text}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", client, facility, "{text}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => tracing::info!(target: "librdkafka", client, facility, "{text}"),
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", client, facility, "{text}"),
    }
}

/// The context of clients that have no events of their own: admin, judge.
#[derive(Default)]
pub(super) struct QuietContext {
    pub(super) client: String,
}

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(&self.client, level, facility, text);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", client = self.client, %error, "{reason}");
    }
}

impl rdkafka::consumer::ConsumerContext for QuietContext {}
