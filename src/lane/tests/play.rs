//! What can happen in a random world, and how it is played.

use super::measured::{self, Seen};
use super::world::{Running, Sample, World};
use crate::journey::measure::Windows;
use crate::kafka::TxClass;
use crate::lake::{FaultMoment, StorageStep};
use crate::lane::LaneEnd;

const NAMES: [&str; 3] = ["corelane.a.0", "corelane.a.1", "corelane.b.0"];

#[derive(Clone, Debug)]
pub(super) enum Act {
    Append {
        partition: usize,
        kind: u8,
    },
    Samples {
        partition: usize,
        samples: Vec<Sample>,
    },
    /// Stops as an operator does, and writes open windows if told to. A stop that hangs in a fault ends as a kill.
    Stop {
        lane: usize,
        drain: bool,
    },
    /// Retention removes what lies so many offsets before the committed one.
    Retain {
        partition: usize,
        keep: i64,
    },
    /// The windows are configured anew; each lane has the new settings from its next start on, and all are started anew.
    Configure {
        size: usize,
        rolling: u32,
    },
    Turns {
        lane: usize,
        count: usize,
    },
    AllTurn {
        count: usize,
    },
    /// `noticed`: the group gives its partitions to the living at once.
    Kill {
        lane: usize,
        noticed: bool,
    },
    Expel {
        lane: usize,
    },
    /// Expelled and back in the group before it hears of it.
    Bounce {
        lane: usize,
        polls: usize,
    },
    /// Kafka does not answer this lane's judging for a while.
    Away {
        lane: usize,
    },
    /// Gives partition p to lane `owners[p]`; dead lanes come back before, or the next living one stands in.
    Rebalance {
        owners: [usize; 3],
        revive: bool,
    },
    /// All partitions go to `first`, to `second`, and back, with so many turns of everybody before each step.
    ThereAndBack {
        first: usize,
        second: usize,
        count: usize,
    },
    FailCall {
        lane: usize,
        call: usize,
        class: usize,
        took_effect: bool,
    },
    FailStorage {
        lane: usize,
        step: usize,
        moment: usize,
    },
    /// What the group says is on its way for so many polls.
    Deafen {
        lane: usize,
        polls: usize,
    },
    DelayAnswer {
        lane: usize,
        polls: usize,
    },
    /// The next commit is without an answer and on its way until the next `Land`.
    DelayCommit {
        lane: usize,
    },
    Land,
    /// Kafka ends a transaction that was open for too long.
    TimeOut {
        lane: usize,
    },
}

const CALLS: [&str; 8] = ["begin", "send", "send_offsets", "commit", "commit", "abort", "renew", "read_committed"];
const CLASSES: [TxClass; 6] =
    [TxClass::Retry, TxClass::Abort, TxClass::Abort, TxClass::Renew, TxClass::Unknown, TxClass::Unknown];
const STEPS: [StorageStep; 4] = [StorageStep::Put, StorageStep::Reveal, StorageStep::Discard, StorageStep::Staged];
const MOMENTS: [FaultMoment; 3] = [FaultMoment::Before, FaultMoment::Between, FaultMoment::After];

/// Turns of each lane in which everything must come home once the faults have ended.
const TURNS_MAX: usize = 4_000;
/// A member is deaf to its group for less than so many polls; it polls once a turn.
pub(super) const DEAF_POLLS: usize = 20;
/// Lanes say where they stand now and then, and a deaf one says what was: after so many turns without other news it is so.
const CALM_TURNS: usize = DEAF_POLLS + 4;
/// Judging fails so often while Kafka is away.
const AWAY_CALLS: usize = 6;
/// A world, and who is alive in it.
pub(super) struct Play {
    pub(super) world: World,
    pub(super) lanes: [Option<Running>; 3],
    pub(super) owners: [usize; 3],
    /// N, where the windows are of one kind all the time.
    pub(super) rolling: Option<i64>,
}

impl Play {
    fn rebalance(&mut self) {
        let standing_in = |owner: usize| (owner..owner + 3).map(|lane| lane % 3).find(|lane| self.lanes[*lane].is_some());
        let owned = |lane: usize| -> Vec<_> {
            let owners = self.world.partitions.iter().zip(self.owners);
            owners.filter(|(_, owner)| standing_in(*owner) == Some(lane)).map(|(partition, _)| partition.clone()).collect()
        };
        let wanted: Vec<_> = (0..3).filter(|lane| self.lanes[*lane].is_some()).map(|lane| (NAMES[lane], owned(lane))).collect();
        let borrowed: Vec<_> = wanted.iter().map(|(name, partitions)| (*name, partitions.as_slice())).collect();
        self.world.kafka.rebalance(&borrowed);
    }

    pub(super) fn act(&mut self, act: &Act) {
        match *act {
            Act::Append { partition, kind } => match kind {
                0 => self.world.append(partition, Some(b"[1]")),
                1 => self.world.append_event(partition),
                2 => self.world.kafka.append(&self.world.partitions[partition], None),
                _ => self.world.append_reading(partition),
            },
            Act::Samples { partition, ref samples } => {
                for sample in samples {
                    self.world.append_sample(partition, sample);
                }
            }
            Act::Stop { lane, drain } => self.stop(lane, drain),
            Act::Retain { partition, keep } => {
                let source = &self.world.partitions[partition];
                if let Some((committed, _)) = self.world.kafka.committed(source) {
                    self.world.kafka.retain_from(source, committed - keep);
                }
            }
            Act::Configure { size, rolling } => {
                self.world.windows = Windows { size_ms: [10_000, 7_000, 15_000][size], rolling, ..self.world.windows };
                for lane in 0..3 {
                    self.act(&Act::Kill { lane, noticed: false });
                    self.ensure(lane);
                }
                self.rebalance();
            }
            Act::Turns { lane, count } => {
                for _ in 0..count {
                    self.turn(lane);
                }
            }
            Act::AllTurn { count } => {
                for turn in 0..3 * count {
                    self.turn(turn % 3);
                }
            }
            Act::Kill { lane, noticed } => {
                self.lanes[lane] = None;
                self.world.kafka.forget_member(NAMES[lane]);
                if noticed {
                    self.rebalance();
                }
            }
            Act::ThereAndBack { first, second, count } => {
                for owner in [first, second, first] {
                    self.act(&Act::AllTurn { count });
                    self.owners = [owner; 3];
                    self.rebalance();
                }
            }
            Act::Bounce { lane, polls } => {
                self.world.kafka.deafen(NAMES[lane], polls);
                self.world.kafka.expel(NAMES[lane]);
                self.rebalance();
            }
            Act::Expel { lane } => self.world.kafka.expel(NAMES[lane]),
            Act::Rebalance { owners, revive } => {
                self.owners = owners;
                for lane in (0..3).filter(|_| revive) {
                    self.ensure(lane);
                }
                self.rebalance();
            }
            ref fault => self.fault(fault),
        }
    }

    /// What goes wrong between a lane, Kafka and the disk.
    fn fault(&mut self, act: &Act) {
        match *act {
            Act::Away { lane } => {
                for _ in 0..AWAY_CALLS {
                    self.world.kafka.fail(NAMES[lane], "renew", TxClass::Unknown, false);
                }
            }
            // "Abort" says that nothing was committed, and a reader that fails has read nothing: these have no effect.
            Act::FailCall { lane, call, class, took_effect } => {
                let may_take_effect = CLASSES[class] != TxClass::Abort && CALLS[call] != "read_committed";
                self.world.kafka.fail(NAMES[lane], CALLS[call], CLASSES[class], took_effect && may_take_effect);
            }
            Act::FailStorage { lane, step, moment } => {
                self.world.storage(NAMES[lane]).fail_step(STEPS[step], 1, MOMENTS[moment]);
            }
            Act::Deafen { lane, polls } => self.world.kafka.deafen(NAMES[lane], polls),
            Act::DelayAnswer { lane, polls } => self.world.kafka.delay_answer(NAMES[lane], polls),
            Act::DelayCommit { lane } => self.world.kafka.delay_commit(NAMES[lane]),
            Act::Land => self.world.kafka.land_commits(),
            Act::TimeOut { lane } => self.world.kafka.time_out_transaction(NAMES[lane]),
            ref other => unreachable!("{other:?} is no fault"),
        }
    }

    fn stop(&mut self, lane: usize, drain: bool) {
        let Some(running) = &mut self.lanes[lane] else { return };
        if drain {
            running.control.drain_windows();
        }
        running.control.stop();
        // What it waits for may be another lane's to do.
        for _ in 0..400 {
            for other in (0..3).filter(|other| *other != lane) {
                self.turn(other);
            }
            if self.lanes[lane].as_mut().is_none_or(|running| running.turn().is_some()) {
                break;
            }
        }
        self.act(&Act::Kill { lane, noticed: false });
    }

    /// A fault during its recovery kills a lane that starts.
    fn ensure(&mut self, lane: usize) {
        if self.lanes[lane].is_none() {
            self.lanes[lane] = self.world.try_start(NAMES[lane]).ok();
        }
    }

    fn turn(&mut self, lane: usize) {
        let Some(running) = &mut self.lanes[lane] else { return };
        match running.turn() {
            None => {}
            // Retention was faster than a replay, or than a lane that has not heard that others read on: the crew gives it a new client.
            Some(LaneEnd::Rebuild(reason))
                if reason.contains("cannot be read again") || reason.contains("cannot be read on from") =>
            {
                self.act(&Act::Kill { lane, noticed: true });
                self.ensure(lane);
                self.rebalance();
            }
            Some(end) => panic!("lane {lane} ended by itself: {end:?}"),
        }
    }

    /// Everything is committed, and each partition is live with somebody, as far as lanes say.
    fn is_calm(&self) -> bool {
        let lanes = || self.lanes.iter().flatten();
        let owned: usize = lanes().map(|lane| lane.metrics.partitions().len()).sum();
        self.world.all_committed() && owned == self.owners.len() && lanes().all(Running::is_live)
    }

    /// The faults end; everything is brought home.
    pub(super) fn heal(&mut self) -> Result<Seen, String> {
        self.world.kafka.land_commits();
        for lane in 0..3 {
            while self.lanes[lane].is_none() {
                self.ensure(lane);
            }
        }
        self.rebalance();
        let mut calm = 0;
        for _ in 0..TURNS_MAX {
            for lane in 0..3 {
                self.turn(lane);
                // What is left of the faults may meet the start of a new client, too.
                while self.lanes[lane].is_none() {
                    self.ensure(lane);
                    self.rebalance();
                }
            }
            calm = if self.is_calm() { calm + 1 } else { 0 };
            if calm == CALM_TURNS {
                for lane in self.lanes.iter_mut().flatten() {
                    lane.control.drain_windows();
                    lane.stop();
                }
                self.world.check_exactly_once()?;
                return measured::check(&self.world, self.rolling, self.world.windows.devices_max);
            }
        }
        Err(format!("not everything was committed in the end, or somebody is not live:\n{}", self.standing()))
    }

    /// Where everybody stands, for people.
    fn standing(&self) -> String {
        let lanes = self.lanes.iter().enumerate().filter_map(|(number, lane)| Some((number, &lane.as_ref()?.metrics)));
        let lanes = lanes.map(|(number, metrics)| {
            format!("lane {number}: {:?} {:?} {:?}", metrics.state(), metrics.reason(), metrics.partitions())
        });
        let committed = |source| self.world.kafka.committed(source).map(|(offset, _)| offset);
        let partitions = self.world.partitions.iter().map(|source| {
            format!("{source}: committed {:?}, last message {:?}", committed(source), self.world.kafka.last_message(source))
        });
        lanes.chain(partitions).collect::<Vec<_>>().join("\n")
    }
}
