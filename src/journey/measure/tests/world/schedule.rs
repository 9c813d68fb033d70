//! One log under many schedules: what is sent stands before anything is read, and only who reads it, how far, and when, is random.

use rand::Rng;

use super::{Lane, Reading, Windows, World};

/// A log, and the windows that measure it.
#[derive(Clone)]
pub(in super::super) struct Recorded {
    logs: Vec<Vec<Option<Reading>>>,
    windows: Windows,
}

impl Recorded {
    /// With no limit reached. Without repeats, too, what counts follows from each reading alone.
    pub(in super::super) fn new(seed: u64, length: usize, has_repeats: bool) -> Self {
        let mut world = World::new(seed, false);
        (world.is_busy, world.windows.devices_max) = (false, 9);
        for _ in 0..length {
            let partition = world.rng.random_range(0..world.logs.len());
            world.record(partition);
        }
        for reading in world.logs.iter_mut().flatten().flatten().filter(|_| !has_repeats) {
            // No two of a partition are equal; of those that the world sent again only the times are.
            reading.sensors[0].0 = Some(reading.sensors[0].0.unwrap_or(1.0) + reading.offset as f64 / 1_024.0);
        }
        Self { logs: world.logs, windows: world.windows }
    }
}

impl World {
    /// Reads what is recorded by a schedule of its own.
    pub(in super::super) fn of(recorded: &Recorded, schedule: u64) -> Self {
        let Recorded { logs, windows } = recorded.clone();
        let mut world = Self::new(schedule, false);
        let start = world.committed[0].clone();
        (world.log_starts, world.committed) = (vec![0; logs.len()], vec![start; logs.len()]);
        world.lanes = (0..2).map(|_| Lane::new(windows, false)).collect();
        (world.windows, world.grace_most_ms, world.logs) = (windows, windows.grace_ms, logs);
        // Behind the records, between them, far ahead.
        world.wall_ms = [1_000, 1_000, 1_200, 100_000][world.rng.random_range(0..4)];
        world
    }

    /// Everything at once, by clocks that are right, in one epoch.
    pub(in super::super) fn undisturbed(recorded: &Recorded) -> Self {
        let mut world = Self::of(recorded, 0);
        (world.wild_clocks, world.wall_ms) = (false, 100_000);
        world.heal();
        world
    }

    /// One step of a schedule.
    pub(in super::super) fn act_on_record(&mut self) {
        let partition = self.rng.random_range(0..self.logs.len());
        match self.rng.random_range(0..100) {
            0..48 => {
                let count = [1, 2, 3, 5, 9, 30][self.rng.random_range(0..6)];
                self.feed(partition, count);
            }
            48..56 => self.tick(partition),
            56..78 => self.commit(),
            78..86 => self.reassign(partition),
            86..94 => self.kill(),
            94..97 => self.drain_all(),
            _ => self.trim(),
        }
    }
}
