//! Which partitions are the lane's, and the messages of a batch sorted by them.

use super::batch::{Message, Run};
use crate::batch::TopicPartition;

/// The assignment that the lane has taken up.
#[derive(Default)]
pub(super) struct Assigned {
    partitions: Vec<TopicPartition>,
    /// Topic handles seen since the assignment began, with the place of their partition. A handle is an address that librdkafka may
    /// give to another topic once the assignment is over, and so this goes with it.
    places: Vec<(usize, i32, usize)>,
    /// The messages kept so far, by place.
    messages: Vec<Vec<Message>>,
    /// The places that have any, in the order in which they came.
    order: Vec<usize>,
    last: usize,
}

// SAFETY: `messages` is empty between calls, and it alone keeps this from being sent.
unsafe impl Send for Assigned {}

impl Assigned {
    pub(super) fn of(partitions: Vec<TopicPartition>) -> Self {
        let messages = partitions.iter().map(|_| Vec::new()).collect();
        Self { partitions, messages, ..Self::default() }
    }

    pub(super) fn partitions(&self) -> &[TopicPartition] {
        &self.partitions
    }

    /// Keeps the message, or destroys it where its partition is not ours any more.
    pub(super) fn keep(&mut self, message: Message) {
        let Some(place) = self.place_of(&message) else { return };
        if self.messages[place].is_empty() {
            self.order.push(place);
        }
        self.messages[place].push(message);
    }

    /// What was kept, one run a partition.
    pub(super) fn kept(&mut self) -> Vec<Run> {
        let order = std::mem::take(&mut self.order);
        let run_of = |place: usize| Run {
            source: self.partitions[place].clone(),
            messages: std::mem::take(&mut self.messages[place]),
        };
        order.into_iter().map(run_of).collect()
    }

    fn place_of(&mut self, message: &Message) -> Option<usize> {
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
        let place = self.partitions.iter().position(|ours| ours.partition == partition && *ours.topic == *topic)?;
        self.last = self.places.len();
        self.places.push((handle, partition, place));
        Some(place)
    }
}
