//! What librdkafka tells a lane's consumer from within `poll`: it is only recorded, the lane acts on it later.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka_sys as sys;

use super::super::client::log_line;
use super::super::contract::IntakeEvent;
use super::super::native::PartitionList;
use crate::batch::TopicPartition;

pub(in super::super) struct LaneContext {
    client: String,
    events: Mutex<Vec<IntakeEvent>>,
    /// Set when the consumer closes: from then on rebalances are answered at once, nobody else will.
    closing: AtomicBool,
}

impl LaneContext {
    pub(super) fn new(client: &str) -> Self {
        Self { client: client.to_owned(), events: Mutex::default(), closing: AtomicBool::new(false) }
    }

    pub(super) fn push(&self, event: IntakeEvent) {
        // A panic while the lock was held can only have come from a failed allocation; the list is whole.
        self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(event);
    }

    pub(super) fn drain(&self) -> Vec<IntakeEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(super) fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for LaneContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log_line(&self.client, level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        // A fatal error has its own text; `events` asks for it.
        if !matches!(error, ClientError::Global(RDKafkaErrorCode::Fatal)) {
            self.push(IntakeEvent::Trouble(format!("{error}: {reason}")));
        }
    }
}

impl ConsumerContext for LaneContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let native = consumer.client().native_ptr();
        if self.closing.load(Ordering::Acquire) {
            // SAFETY: the client is alive inside its own poll; null gives the assignment back.
            unsafe { sys::rd_kafka_assign(native, std::ptr::null()) };
            return;
        }
        let partitions = list.elements().iter().map(|entry| TopicPartition::new(entry.topic(), entry.partition())).collect();
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // Taken up with nothing in it: until it is, this member cannot take part in the next rebalance, and all others wait for
            // it, while the lane may wait for a dead lane's transaction.
            if let Ok(nothing) = PartitionList::of(&[]) {
                // SAFETY: the client is alive inside its own poll; the list is copied.
                unsafe { sys::rd_kafka_assign(native, nothing.as_ptr()) };
            }
            self.push(IntakeEvent::Assigned(partitions));
        } else {
            // SAFETY: the client is alive inside its own poll.
            let lost = unsafe { sys::rd_kafka_assignment_lost(native) } != 0;
            self.push(IntakeEvent::Revoked { partitions, lost });
        }
    }
}
