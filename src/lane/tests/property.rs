//! Random worlds: messages, gaps, batches, lanes, kills, expulsions, rebalances, lost answers, storage faults. Whatever happens, when it is
//! over every message is in exactly one table, once.

use proptest::prelude::*;

use super::world::{Running, World};
use crate::kafka::TxClass;
use crate::lake::{FaultMoment, StorageStep};

const NAMES: [&str; 3] = ["corelane.a.0", "corelane.a.1", "corelane.b.0"];

#[derive(Clone, Debug)]
enum Act {
    Append {
        partition: usize,
        kind: u8,
    },
    Turns {
        lane: usize,
        count: usize,
    },
    Kill {
        lane: usize,
    },
    Expel {
        lane: usize,
    },
    /// Gives partition p to lane `owners[p]`.
    Rebalance {
        owners: [usize; 3],
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
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3_usize, 0..6_u8).prop_map(|(partition, kind)| Act::Append { partition, kind }),
        8 => (0..3_usize, 1..12_usize).prop_map(|(lane, count)| Act::Turns { lane, count }),
        1 => (0..3_usize).prop_map(|lane| Act::Kill { lane }),
        1 => (0..3_usize).prop_map(|lane| Act::Expel { lane }),
        2 => [0..3_usize, 0..3_usize, 0..3_usize].prop_map(|owners| Act::Rebalance { owners }),
        2 => (0..3_usize, 0..8_usize, 0..4_usize, any::<bool>())
            .prop_map(|(lane, call, class, took_effect)| Act::FailCall { lane, call, class, took_effect }),
        1 => (0..3_usize, 0..4_usize, 0..3_usize).prop_map(|(lane, step, moment)| Act::FailStorage { lane, step, moment }),
    ]
}

const CALLS: [&str; 8] = ["begin", "send", "send_offsets", "commit", "commit", "abort", "renew", "read_committed"];
const CLASSES: [TxClass; 4] = [TxClass::Retry, TxClass::Abort, TxClass::Renew, TxClass::Unknown];
const STEPS: [StorageStep; 4] = [StorageStep::Put, StorageStep::Reveal, StorageStep::Discard, StorageStep::Staged];
const MOMENTS: [FaultMoment; 3] = [FaultMoment::Before, FaultMoment::Between, FaultMoment::After];

struct Play {
    world: World,
    lanes: [Option<Running>; 3],
    owners: [usize; 3],
}

impl Play {
    fn rebalance(&mut self) {
        let owned = |lane: usize| -> Vec<_> {
            self.world.partitions.iter().zip(self.owners).filter(|(_, owner)| *owner == lane).map(|(p, _)| p.clone()).collect()
        };
        let wanted: Vec<_> = (0..3).filter(|lane| self.lanes[*lane].is_some()).map(|lane| (NAMES[lane], owned(lane))).collect();
        let borrowed: Vec<_> = wanted.iter().map(|(name, partitions)| (*name, partitions.as_slice())).collect();
        self.world.kafka.rebalance(&borrowed);
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Append { partition, kind } => match kind {
                0 => self.world.append(partition, Some(b"[1]")),
                1 => self.world.append_event(partition),
                2 => self.world.kafka.append(&self.world.partitions[partition], None),
                _ => self.world.append_reading(partition),
            },
            Act::Turns { lane, count } => {
                for _ in 0..count {
                    self.turn(lane);
                }
            }
            Act::Kill { lane } => {
                self.lanes[lane] = None;
                self.world.kafka.forget_member(NAMES[lane]);
            }
            Act::Expel { lane } => self.world.kafka.expel(NAMES[lane]),
            Act::Rebalance { owners } => {
                self.owners = owners;
                for lane in 0..3 {
                    self.ensure(lane);
                }
                self.rebalance();
            }
            // "Abort" says that nothing was committed, and a reader that fails has read nothing: these have no effect.
            Act::FailCall { lane, call, class, took_effect } => {
                let may_take_effect = CLASSES[class] != TxClass::Abort && CALLS[call] != "read_committed";
                self.world.kafka.fail(NAMES[lane], CALLS[call], CLASSES[class], took_effect && may_take_effect);
            }
            Act::FailStorage { lane, step, moment } => {
                self.world.storage(NAMES[lane]).fail_step(STEPS[step], 1, MOMENTS[moment]);
            }
        }
    }

    fn ensure(&mut self, lane: usize) {
        if self.lanes[lane].is_none() {
            self.lanes[lane] = Some(self.world.start(NAMES[lane]));
        }
    }

    fn turn(&mut self, lane: usize) {
        let Some(running) = &mut self.lanes[lane] else { return };
        if let Some(end) = running.turn() {
            panic!("lane {lane} ended by itself: {end:?}");
        }
    }

    /// The faults end; everything is brought home.
    fn heal(&mut self) -> Result<(), String> {
        for lane in 0..3 {
            self.ensure(lane);
        }
        self.rebalance();
        for _ in 0..20_000 {
            for lane in 0..3 {
                self.turn(lane);
            }
            if self.world.all_committed() {
                for lane in self.lanes.iter_mut().flatten() {
                    lane.stop();
                }
                return self.world.check_exactly_once();
            }
        }
        Err("not everything was committed in the end".into())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_message_lands_once(acts in proptest::collection::vec(act(), 1..120), batch_max in 1..9_usize) {
        let mut play = Play { world: World::new(3), lanes: [None, None, None], owners: [0, 1, 2] };
        play.world.batch_max = batch_max;
        play.act(&Act::Rebalance { owners: [0, 1, 2] });
        for act in &acts {
            play.act(act);
        }
        prop_assert_eq!(play.heal(), Ok(()));
    }
}
