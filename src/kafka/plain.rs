//! The simulator's producer: idempotent, in order, and a full queue slows the sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::client::{log_line, on_client_cores};
use super::contract::time_left;
use super::error::{CloseLate, KafkaError};
use super::settings::{ClientSettings, Role};

const SERVE: Duration = Duration::from_millis(100);
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);

/// A record as the simulator has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainRecord<'a> {
    pub topic: &'a str,
    /// None: by the key, as the Java client does (murmur2), at random without a key.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// None: the time of sending.
    pub timestamp_ms: Option<i64>,
    /// Comes back with the delivery.
    pub opaque: u64,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub opaque: u64,
    /// Partition and offset, or why it was not written.
    pub outcome: Result<(i32, i64), DeliveryError>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    #[error("{0}")]
    Refused(String),
    /// Idempotence could not be kept; the producer is of no more use.
    #[error("the producer is dead: {0}; start again")]
    Fatal(String),
    #[error("{0} records are still unacknowledged")]
    Late(usize),
}

/// Called once a record, on the delivery thread: it must be quick.
pub trait Deliveries: Send + Sync + 'static {
    fn delivered(&self, delivered: Delivered);
}

impl<F: Fn(Delivered) + Send + Sync + 'static> Deliveries for F {
    fn delivered(&self, delivered: Delivered) {
        self(delivered);
    }
}

struct PlainContext<D> {
    client: String,
    deliveries: D,
}

impl<D: Deliveries> ClientContext for PlainContext<D> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(&self.client, level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!(target: "librdkafka", client = self.client, %error, "{reason}");
    }
}

impl<D: Deliveries> ProducerContext for PlainContext<D> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let outcome = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(DeliveryError::Refused(error.to_string())),
        };
        self.deliveries.delivered(Delivered { opaque: opaque as u64, outcome });
    }
}

struct Live<D: Deliveries> {
    producer: BaseProducer<PlainContext<D>>,
    stop: AtomicBool,
    /// Dropped last: who waits for the close sees it.
    _closed: Sender<()>,
}

/// Ends the delivery thread when it goes; whoever has the producer last closes it.
struct Hold<D: Deliveries>(Arc<Live<D>>);

impl<D: Deliveries> std::ops::Deref for Hold<D> {
    type Target = Live<D>;

    fn deref(&self) -> &Live<D> {
        &self.0
    }
}

impl<D: Deliveries> Drop for Hold<D> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

/// An idempotent producer with a thread that hands out the deliveries. Can be shared between threads.
pub struct PlainProducer<D: Deliveries> {
    live: Hold<D>,
    closed: std::sync::Mutex<Receiver<()>>,
}

impl<D: Deliveries> PlainProducer<D> {
    pub fn new(settings: &ClientSettings, deliveries: D) -> Result<Self, KafkaError> {
        let config = settings.config(Role::PlainProducer, &[])?;
        let client = settings.client_id.clone();
        let (sender, closed) = channel();
        let live = on_client_cores(settings, || {
            let made = config.create_with_context(PlainContext { client: client.clone(), deliveries });
            let producer =
                made.map_err(|error: ClientError| KafkaError::Create { client: client.clone(), reason: error.to_string() })?;
            let live = Arc::new(Live { producer, stop: AtomicBool::new(false), _closed: sender });
            let server = Arc::clone(&live);
            let serve = move || {
                while !server.stop.load(Ordering::Acquire) {
                    server.producer.poll(SERVE);
                }
            };
            let started = thread::Builder::new().name("kafka-deliver".into()).spawn(serve);
            started.map_err(|source| KafkaError::Thread { client: client.clone(), source })?;
            Ok(live)
        })?;
        Ok(PlainProducer { live: Hold(live), closed: std::sync::Mutex::new(closed) })
    }

    /// Queues a record; waits while the queue is full, however long that is. An error means that this record will never be sent
    /// (too large, no such topic or partition), and no delivery follows.
    pub fn send(&self, record: &PlainRecord<'_>) -> Result<(), DeliveryError> {
        let opaque = usize::try_from(record.opaque).map_err(|_| DeliveryError::Refused("the opaque is too large".to_owned()))?;
        loop {
            let failed = match self.live.producer.send(record_of(record, opaque)) {
                Ok(()) => return Ok(()),
                Err((error, _)) => error,
            };
            if let Some((_, text)) = self.live.producer.client().fatal_error() {
                return Err(DeliveryError::Fatal(text));
            }
            if !matches!(failed, ClientError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(DeliveryError::Refused(failed.to_string()));
            }
            thread::sleep(QUEUE_FULL_PAUSE);
        }
    }

    /// Records that wait for their delivery.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.live.producer.in_flight_count()).unwrap_or(0)
    }

    /// Waits until every record has had its delivery.
    pub fn flush(&self, deadline: Instant) -> Result<(), DeliveryError> {
        while self.in_flight() > 0 {
            if Instant::now() >= deadline {
                return Err(DeliveryError::Late(self.in_flight()));
            }
            thread::sleep(QUEUE_FULL_PAUSE);
        }
        Ok(())
    }

    /// Closes the producer, waiting up to `deadline`; what is unsent is given up.
    pub fn close(self, deadline: Instant) -> Result<(), CloseLate> {
        let client = format!("producer {}", self.live.producer.context().client);
        let PlainProducer { live, closed } = self;
        drop(live);
        let closed = closed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match closed.recv_timeout(time_left(deadline)) {
            Err(RecvTimeoutError::Timeout) => Err(CloseLate { client, waiting_for: "librdkafka's threads have not ended" }),
            _ => Ok(()),
        }
    }
}

fn record_of<'a>(record: &PlainRecord<'a>, opaque: usize) -> BaseRecord<'a, [u8], [u8], usize> {
    let mut out = BaseRecord::with_opaque_to(record.topic, opaque);
    out.partition = record.partition;
    out.key = record.key;
    out.payload = record.value;
    out.timestamp = record.timestamp_ms;
    if !record.headers.is_empty() {
        let empty = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers = record.headers.iter();
        out.headers = Some(headers.fold(empty, |headers, (key, value)| headers.insert(Header { key, value: *value })));
    }
    out
}
