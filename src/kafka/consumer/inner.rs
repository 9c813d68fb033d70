//! What a lane's consumer, its batches and its helper threads share; the last of them closes it.

use std::mem::ManuallyDrop;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rdkafka::Message;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::super::client::on_client_cores;
use super::super::contract::{IntakeEvent, PartitionFault};
use super::super::error::KafkaError;
use super::super::native::{NativeClient, Queue, WakeFd};
use super::super::settings::{ClientSettings, Role};
use super::GroupMember;
use super::context::LaneContext;
use crate::batch::TopicPartition;

pub(in super::super) struct Inner {
    parts: ManuallyDrop<Parts>,
    name: String,
}

/// The order of the fields is the order in which they must go.
struct Parts {
    /// The partitions' messages.
    data: Queue,
    /// The client's own events.
    control: Queue,
    consumer: BaseConsumer<LaneContext>,
    wake: WakeFd,
    /// Dropped last: who waits for the close sees it.
    _closed: Sender<()>,
}

impl Inner {
    pub(super) fn make(settings: &ClientSettings, role: Role, member: &GroupMember) -> Result<(Inner, Receiver<()>), KafkaError> {
        let mut fixed = vec![("group.id", member.group.as_str())];
        if let Some(instance) = &member.instance {
            fixed.push(("group.instance.id", instance));
        }
        let config = settings.config(role, &fixed)?;
        let name = member.instance.clone().unwrap_or_else(|| member.group.clone());
        let failed = |reason: String| KafkaError::Create { client: name.clone(), reason };
        let wake = WakeFd::new().map_err(|error| failed(format!("no eventfd: {error}; look at `ulimit -n`")))?;
        let consumer: BaseConsumer<LaneContext> = on_client_cores(settings, || {
            config.create_with_context(LaneContext::new(&name)).map_err(|error| failed(error.to_string()))
        })?;
        let native = consumer.client().native_ptr();
        // SAFETY: the consumer is alive, and outlives both queues by the order of the fields of `Parts`.
        let queues = unsafe { Queue::new(native).zip(Queue::of_consumer(native)) };
        let (data, control) = queues.ok_or_else(|| failed("it has no queues".to_owned()))?;
        data.signal(&wake);
        control.signal(&wake);
        let (sender, closed) = channel();
        let parts = Parts { data, control, consumer, wake, _closed: sender };
        let topics: Vec<&str> = member.topics.iter().map(String::as_str).collect();
        if !topics.is_empty() {
            parts.consumer.subscribe(&topics).map_err(|error| failed(error.to_string()))?;
        }
        Ok((Inner { parts: ManuallyDrop::new(parts), name }, closed))
    }

    pub(in super::super) fn native(&self) -> NativeClient {
        self.parts.consumer.client().native_ptr()
    }

    pub(super) fn client(&self) -> &Client<LaneContext> {
        self.parts.consumer.client()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn data(&self) -> &Queue {
        &self.parts.data
    }

    pub(super) fn wake(&self) -> &WakeFd {
        &self.parts.wake
    }

    /// Serves the client's own queue until it is empty. `poll` gives None after a rebalance too, so that None does not mean empty.
    pub(super) fn serve(&self) {
        loop {
            match self.parts.consumer.poll(Duration::ZERO) {
                None if self.parts.control.is_empty() => return,
                // An error is in the events already.
                None | Some(Err(_)) => {}
                // All partitions are forwarded before they are assigned. Were it not so, messages would be lost here.
                Some(Ok(message)) => {
                    let source = TopicPartition::new(message.topic(), message.partition());
                    let reason = format!("offset {} came through the wrong queue", message.offset());
                    self.parts.consumer.context().push(IntakeEvent::PartitionFailed {
                        source,
                        fault: PartitionFault::Other,
                        reason,
                    });
                }
            }
        }
    }

    /// What happened since the last call.
    pub(super) fn told(&self) -> Vec<IntakeEvent> {
        self.parts.consumer.context().drain()
    }

    /// Adds an event, and wakes the lane for it.
    pub(super) fn report(&self, event: IntakeEvent) {
        self.parts.consumer.context().push(event);
        self.parts.wake.raise();
    }

    pub(super) fn fatal(&self) -> Option<String> {
        self.parts.consumer.client().fatal_error().map(|(code, text)| format!("{code}: {text}"))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: taken once, here, and not used again.
        let parts = unsafe { ManuallyDrop::take(&mut self.parts) };
        // Closing waits for librdkafka's threads and for brokers that may not answer. Without a thread for it, it must be done here.
        let closing = thread::Builder::new().name("kafka-close".into());
        if let Err(error) = closing.spawn(move || drop(parts)) {
            tracing::warn!(client = self.name, %error, "closed on the caller's thread");
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.consumer.context().begin_closing();
        // The eventfd closes with us: librdkafka must not write to its number any more.
        self.data.end_signal();
        self.control.end_signal();
    }
}
