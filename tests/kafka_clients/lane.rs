//! A lane as the tests need it: it takes what comes, notes what happens, and waits for conditions.

use std::time::{Duration, Instant};

use corelane::batch::TopicPartition;
use corelane::kafka::{ClientSettings, GroupMember, Intake, IntakeBatch, IntakeEvent, LaneConsumer};

use crate::PATIENCE;

pub(crate) struct Lane {
    pub(crate) consumer: LaneConsumer,
    pub(crate) events: Vec<IntakeEvent>,
    pub(crate) rows: Vec<(TopicPartition, i64, Vec<u8>)>,
}

impl Lane {
    pub(crate) fn join(settings: &ClientSettings, group: &str, instance: Option<&str>, topic: &str) -> Lane {
        let member = GroupMember { group: group.into(), instance: instance.map(str::to_owned), topics: vec![topic.to_owned()] };
        Lane { consumer: LaneConsumer::join(settings, &member).unwrap(), events: Vec::new(), rows: Vec::new() }
    }

    /// One round of the loop: wakes, takes all there is, notes what happened.
    pub(crate) fn turn(&mut self) {
        self.consumer.wait(Duration::from_millis(20));
        self.consumer.clear_wake();
        while let Some(batch) = self.consumer.take() {
            for run in batch.runs(0) {
                let row_of =
                    |row: &corelane::batch::RawRow<'_>| (run.source.clone(), row.offset, row.value.unwrap_or_default().to_vec());
                self.rows.extend(run.rows.iter().map(row_of));
            }
        }
        self.events.extend(self.consumer.events());
    }

    /// Turns until the answer is `Some`.
    pub(crate) fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&mut Lane) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}; events {:?}", self.events);
            self.turn();
        }
    }

    /// The next assignment that the group gives; what was noted before it goes.
    pub(crate) fn assigned(&mut self) -> Vec<TopicPartition> {
        self.until("an assignment", |lane| {
            let at = lane.events.iter().position(|event| matches!(event, IntakeEvent::Assigned(_)))?;
            match lane.events.drain(..=at).next_back() {
                Some(IntakeEvent::Assigned(mut partitions)) => {
                    partitions.sort();
                    Some(partitions)
                }
                _ => None,
            }
        })
    }

    /// Takes up the next assignment, from the first offset on.
    pub(crate) fn take_up(&mut self) -> Vec<TopicPartition> {
        let partitions = self.assigned();
        let starts: Vec<_> = partitions.iter().map(|partition| (partition.clone(), 0)).collect();
        self.consumer.assign(&starts).unwrap();
        partitions
    }

    pub(crate) fn revoked(&self) -> Option<(Vec<TopicPartition>, bool)> {
        self.events.iter().find_map(|event| match event {
            IntakeEvent::Revoked { partitions, lost } => Some((partitions.clone(), *lost)),
            _ => None,
        })
    }

    pub(crate) fn until_rows(&mut self, count: usize) {
        self.until(&format!("{count} rows"), |lane| (lane.rows.len() >= count).then_some(()));
    }

    pub(crate) fn offsets_of(&self, source: &TopicPartition) -> Vec<i64> {
        self.rows.iter().filter(|(of, ..)| of == source).map(|(_, offset, _)| *offset).collect()
    }
}
