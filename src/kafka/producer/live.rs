//! One librdkafka producer with its two threads: one that serves deliveries, one that makes the calls that block.
//!
//! `rd_kafka_send_offsets_to_transaction` ignores its timeout when the group's coordinator dies (librdkafka #5456, #5511) and cannot
//! be cancelled. So every call that may block runs on the second thread, and who waits for it leaves at the deadline. A producer left
//! like that is abandoned: it lives until the call comes back, then the thread that made the call closes it, where nobody waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::super::client::{log_line, on_client_cores};
use super::super::contract::{TxClass, TxError, time_left};
use super::super::error::{KafkaError, tx_error};
use super::super::native::NativeClient;
use super::super::settings::ClientSettings;

/// How long the delivery thread waits for events, and so how soon it ends.
const SERVE: Duration = Duration::from_millis(100);

pub(super) struct DeliveryContext {
    client: String,
    /// The first delivery that failed since it was asked last.
    failed: Mutex<Option<String>>,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(&self.client, level, facility, text);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", client = self.client, %error, "{reason}");
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            use rdkafka::Message;
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| format!("a record for {}[{}]: {error}", message.topic(), message.partition()));
        }
    }
}

/// What the threads of one producer share. The last of them closes it.
pub(super) struct Live {
    pub(super) producer: BaseProducer<DeliveryContext>,
    stop: AtomicBool,
    /// Dropped last: who waits for the close sees it.
    _closed: Sender<()>,
}

impl Live {
    pub(super) fn native(&self) -> NativeClient {
        self.producer.client().native_ptr()
    }

    /// The first delivery that failed since the last call.
    pub(super) fn take_failed(&self) -> Option<String> {
        self.producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }
}

type Job = Box<dyn FnOnce(&Live) + Send>;

/// A lane's hold on its producer. Dropping it never waits.
pub(super) struct Hold {
    pub(super) live: Arc<Live>,
    jobs: Sender<Job>,
    closed: Receiver<()>,
}

impl Hold {
    pub(super) fn make(settings: &ClientSettings, config: &ClientConfig, name: &str) -> Result<Hold, KafkaError> {
        let (sender, closed) = channel();
        let (jobs, work) = channel::<Job>();
        let context = DeliveryContext { client: name.to_owned(), failed: Mutex::new(None) };
        let live = on_client_cores(settings, || {
            let created = config.create_with_context(context);
            let producer = created.map_err(|error: rdkafka::error::KafkaError| KafkaError::Create {
                client: name.to_owned(),
                reason: error.to_string(),
            })?;
            let live = Arc::new(Live { producer, stop: AtomicBool::new(false), _closed: sender });
            let (server, caller) = (Arc::clone(&live), Arc::clone(&live));
            let no_thread = |source| KafkaError::Thread { client: name.to_owned(), source };
            thread::Builder::new().name("kafka-caller".into()).spawn(move || run_jobs(caller, &work)).map_err(no_thread)?;
            let served = thread::Builder::new().name("kafka-deliver".into()).spawn(move || serve(&server));
            served.map_err(|source| {
                live.stop.store(true, Ordering::Release);
                no_thread(source)
            })?;
            Ok(live)
        })?;
        Ok(Hold { live, jobs, closed })
    }

    /// Runs a call that may block, and leaves at the deadline whatever the call does. `abandon`: where it is still under way then.
    pub(super) fn call<T: Send + 'static>(
        &self,
        name: &'static str,
        deadline: Instant,
        job: impl FnOnce(&Live) -> T + Send + 'static,
    ) -> Result<T, TxError> {
        let (answer, answered) = sync_channel(1);
        // Where nobody waits for the answer any more, it is of no use to anybody.
        let work: Job = Box::new(move |live| drop(answer.send(job(live))));
        let gone = || tx_error(TxClass::Renew, name, "_GONE", "the thread that makes the producer's calls has ended");
        self.jobs.send(work).map_err(|_| gone())?;
        answered.recv_timeout(time_left(deadline)).map_err(|error| match error {
            RecvTimeoutError::Timeout => tx_error(
                TxClass::Unknown,
                name,
                "_STUCK",
                "it ignored its timeout; the producer is abandoned and its epoch judged",
            ),
            RecvTimeoutError::Disconnected => gone(),
        })
    }

    /// Lets go of the producer, and waits up to the deadline until it is closed.
    pub(super) fn close(self, deadline: Instant) -> bool {
        let closed = {
            let Hold { live, jobs, closed } = self;
            live.stop.store(true, Ordering::Release);
            drop((live, jobs));
            closed
        };
        !matches!(closed.recv_timeout(time_left(deadline)), Err(RecvTimeoutError::Timeout))
    }

    /// Lets go of the producer without waiting.
    pub(super) fn abandon(self) {
        self.live.stop.store(true, Ordering::Release);
    }
}

fn serve(live: &Arc<Live>) {
    while !live.stop.load(Ordering::Acquire) {
        live.producer.poll(SERVE);
    }
}

/// Ends when the lane has let go, after the call under way. Closing can take seconds, and here nobody waits for it.
fn run_jobs(live: Arc<Live>, work: &Receiver<Job>) {
    while let Ok(job) = work.recv() {
        job(&live);
    }
    drop(live);
}
