//! Which partitions are the lane's, how their messages get into the data queue, and the messages of a batch sorted by partition.

use super::super::error::KafkaError;
use super::super::native::{Queue, c_string};
use super::batch::{Message, Run};
use super::inner::Inner;
use crate::batch::TopicPartition;

/// The assignment that the lane has taken up.
#[derive(Default)]
pub(super) struct Assigned {
    partitions: Vec<Partition>,
    /// Topic handles seen since the assignment began, with the place of their partition. A handle is an address that librdkafka may
    /// give to another topic once the assignment is over, and so this goes with it.
    places: Vec<(usize, i32, usize)>,
    /// The places that have messages, in the order in which they came.
    order: Vec<usize>,
    last: usize,
    unsettled: usize,
}

struct Partition {
    source: TopicPartition,
    forward: Forward,
    /// Something came since the assignment began, and so the forwarding holds.
    settled: bool,
    /// After the last message that was taken, else where it was told to start.
    next: i64,
    /// The messages kept so far; empty between calls.
    messages: Vec<Message>,
}

/// The forwarding of a partition's own queue into the data queue.
struct Forward(Queue);

impl Drop for Forward {
    fn drop(&mut self) {
        self.0.end_signal();
    }
}

// SAFETY: only `messages` keeps this from being sent, and it is empty between calls.
unsafe impl Send for Assigned {}

impl Assigned {
    /// Forwards the partitions' queues. Where a partition was assigned before, librdkafka takes its forwarding away some time after
    /// the new assignment was made (`rd_kafka_toppar_fetch_stop`), and then its messages stay in its own queue. So that queue wakes
    /// the lane, too, and [`Assigned::forward_again`] repairs it until something came.
    pub(super) fn forward(inner: &Inner, starts: &[(TopicPartition, i64)]) -> Result<Self, KafkaError> {
        let mut partitions = Vec::new();
        for (source, start) in starts {
            let topic = c_string("a topic's name", &source.topic)?;
            // SAFETY: `inner` keeps the client alive, and whoever holds this drops it before its hold on `inner`.
            let queue = unsafe { Queue::of_partition(inner.native(), &topic, source.partition) };
            let queue = queue.ok_or_else(|| KafkaError::PartitionMissing(source.clone()))?;
            queue.signal(inner.wake());
            queue.forward_to(inner.data());
            let (source, next) = (source.clone(), *start);
            partitions.push(Partition { source, forward: Forward(queue), settled: false, next, messages: Vec::new() });
        }
        Ok(Self { unsettled: partitions.len(), partitions, ..Self::default() })
    }

    pub(super) fn forward_again(&self, inner: &Inner) {
        if self.unsettled > 0 {
            for partition in self.partitions.iter().filter(|partition| !partition.settled) {
                partition.forward.0.forward_to(inner.data());
            }
        }
    }

    pub(super) fn sources(&self) -> Vec<TopicPartition> {
        self.partitions.iter().map(|partition| partition.source.clone()).collect()
    }

    /// Where each partition goes on.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.partitions.iter().map(|partition| (partition.source.clone(), partition.next)).collect()
    }

    /// Notes that something came of the message's partition. None where that is not ours any more.
    pub(super) fn place_of(&mut self, message: &Message) -> Option<usize> {
        let place = self.find(message)?;
        let partition = &mut self.partitions[place];
        if !partition.settled {
            partition.settled = true;
            self.unsettled -= 1;
        }
        Some(place)
    }

    /// Keeps the message for its run.
    pub(super) fn keep(&mut self, place: usize, message: Message) {
        let messages = &mut self.partitions[place].messages;
        if messages.is_empty() {
            self.order.push(place);
        }
        messages.push(message);
    }

    /// What was kept, one run a partition.
    pub(super) fn kept(&mut self) -> Vec<Run> {
        let order = std::mem::take(&mut self.order);
        let run_of = |place: usize| {
            let partition = &mut self.partitions[place];
            if let Some(last) = partition.messages.last() {
                partition.next = last.offset() + 1;
            }
            Run { source: partition.source.clone(), messages: std::mem::take(&mut partition.messages) }
        };
        order.into_iter().map(run_of).collect()
    }

    fn find(&mut self, message: &Message) -> Option<usize> {
        let (handle, partition) = (message.topic_handle() as usize, message.partition());
        let is_it = |&(seen, number, _): &(usize, i32, usize)| seen == handle && number == partition;
        // Messages come in long runs of one partition.
        if let Some(entry) = self.places.get(self.last).filter(|entry| is_it(entry)) {
            return Some(entry.2);
        }
        if let Some(index) = self.places.iter().position(is_it) {
            self.last = index;
            return Some(self.places[index].2);
        }
        let topic = message.topic();
        let is_ours = |ours: &Partition| ours.source.partition == partition && *ours.source.topic == *topic;
        let place = self.partitions.iter().position(is_ours)?;
        self.last = self.places.len();
        self.places.push((handle, partition, place));
        Some(place)
    }
}
