//! The simulator's messages through a Kafka producer.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::kafka::{
    Admin, ClientSettings, CloseLate, Delivered, Deliveries, DeliveryError, KafkaError, PlainProducer, PlainRecord,
};
use crate::simulate::{Deliver, DeliverError, Delivery, DeliveryReport, Message};

/// How long Kafka may take to say that the topic is there.
const CONNECT: Duration = Duration::from_secs(15);

/// Where the producer's own thread leaves the reports.
#[derive(Default)]
struct Inbox {
    reports: Mutex<Vec<DeliveryReport>>,
    news: Condvar,
}

impl Inbox {
    fn put(&self, report: DeliveryReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.push(report);
        // Whoever waits took all that were there before.
        if reports.len() == 1 {
            self.news.notify_one();
        }
    }

    /// Swaps what has come for an empty `taken`; waits up to `wait` where nothing has.
    fn take(&self, taken: &mut Vec<DeliveryReport>, wait: Duration) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.is_empty() && !wait.is_zero() {
            let waited = self.news.wait_timeout_while(reports, wait, |reports| reports.is_empty());
            reports = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut *reports, taken);
    }
}

/// The end of [`Inbox`] that the producer has.
struct Post(Arc<Inbox>);

impl Deliveries for Post {
    fn delivered(&self, delivered: Delivered) {
        let delivery = match delivered.outcome {
            Ok((partition, offset)) => Delivery::Stored { partition, offset },
            Err(error) => Delivery::Failed { reason: error.to_string() },
        };
        self.0.put(DeliveryReport { seq: delivered.opaque, delivery });
    }
}

/// Sends to one topic, keys by Java's murmur2.
pub(in crate::cli) struct KafkaDeliver {
    producer: PlainProducer<Post>,
    inbox: Arc<Inbox>,
    topic: String,
    taken: Vec<DeliveryReport>,
}

impl KafkaDeliver {
    /// Makes the producer, once Kafka has said that the topic is there.
    pub(in crate::cli) fn connect(settings: &ClientSettings, topic: &str) -> Result<Self, KafkaError> {
        Admin::new(settings)?.partitions_of(topic, Instant::now() + CONNECT)?;
        let inbox = Arc::new(Inbox::default());
        let producer = PlainProducer::new(settings, Post(Arc::clone(&inbox)))?;
        Ok(Self { producer, inbox, topic: topic.to_owned(), taken: Vec::new() })
    }

    /// Ends the producer; what is still unsent is given up.
    pub(in crate::cli) fn close(self, deadline: Instant) -> Result<(), CloseLate> {
        self.producer.close(deadline)
    }
}

impl Deliver for KafkaDeliver {
    fn send(&mut self, message: &Message<'_>) -> Result<(), DeliverError> {
        let record = PlainRecord {
            topic: &self.topic,
            key: Some(message.key),
            value: message.value,
            timestamp_ms: Some(message.kafka_time_ms),
            opaque: message.seq,
            ..PlainRecord::default()
        };
        match self.producer.send(&record) {
            Ok(()) => Ok(()),
            // This message alone cannot be sent, and no report will come of it but ours.
            Err(error @ DeliveryError::Refused(_)) => {
                self.inbox.put(DeliveryReport { seq: message.seq, delivery: Delivery::Failed { reason: error.to_string() } });
                Ok(())
            }
            Err(error) => Err(DeliverError { seq: message.seq, reason: error.to_string() }),
        }
    }

    fn reports(&mut self, wait: Duration, visit: &mut dyn FnMut(DeliveryReport)) {
        self.inbox.take(&mut self.taken, wait);
        self.taken.drain(..).for_each(visit);
    }
}
