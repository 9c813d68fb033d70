//! A small world without Kafka: partitions with records, lanes with measurers, commits that succeed or are lost.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use schedule::Recorded;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::reference::UNTRUSTED;
use super::{Measurer, Reading, Row, Windows, batch, catalog, rows};
use crate::batch::{CommitNote, Dictionaries, MeasuredParts, NOTE_BYTES_MAX, ReplayState, TopicPartition};
use crate::journey::measure::ClockRun;

pub(super) const FUTURE: u16 = 1 << 6;
pub(super) const OLD: u16 = 1 << 7;
pub(super) const NO_KAFKA_TIME: u16 = 1 << 8;

/// What a grid of windows was begun with; a new era begins new rolling values.
type Key = (i64, u32, i64, i64, usize);

/// What the group knows of a partition.
#[derive(Clone)]
struct Committed {
    offset: i64,
    metadata: Option<String>,
    clock_ms: i64,
    key: Option<Key>,
    era: u32,
}

/// A row as committed: partition, era, N of the era.
#[derive(Clone, Debug)]
pub(super) struct DoneRow {
    pub(super) partition: usize,
    pub(super) era: u32,
    pub(super) rolling: u32,
    pub(super) row: Row,
}

/// Rows and flags, of an open epoch or of all that are committed.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) rows: Vec<DoneRow>,
    /// By partition and offset: flags, and the limit that was set.
    pub(super) flags: BTreeMap<(usize, i64), (u16, usize)>,
    /// Partition, start and end of windows that are known not to be whole, ms.
    pub(super) holes: BTreeSet<(usize, i64, i64)>,
}

/// A partition that a lane has.
struct Held {
    next: i64,
    clock_ms: i64,
    era: u32,
}

struct Lane {
    measurer: Measurer,
    dictionaries: Dictionaries,
    held: BTreeMap<usize, Held>,
    open: Outcome,
    touched: BTreeSet<usize>,
}

impl Lane {
    fn new(windows: Windows, is_canary: bool) -> Self {
        let mut measurer = Measurer::new(windows, catalog());
        measurer.ignores_from = is_canary;
        Self {
            measurer,
            dictionaries: Dictionaries::default(),
            held: BTreeMap::new(),
            open: Outcome::default(),
            touched: BTreeSet::new(),
        }
    }
}

/// See the module. `None` in a log is an offset without a reading.
pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) logs: Vec<Vec<Option<Reading>>>,
    pub(super) done: Outcome,
    log_starts: Vec<i64>,
    committed: Vec<Committed>,
    lanes: Vec<Lane>,
    windows: Windows,
    grace_most_ms: i64,
    is_canary: bool,
    /// Clocks may come back lower, or be anything.
    wild_clocks: bool,
    /// One device sends most, fast, and often the same again: the memory of repeats fills up.
    is_busy: bool,
    has_changed: bool,
    /// How near what was listed came to the furthest that may be.
    pub(super) reach_left_ms: i64,
    wall_ms: i64,
    eras: u32,
}

fn source(partition: usize) -> TopicPartition {
    TopicPartition::new("t", i32::try_from(partition).unwrap())
}

fn key(windows: &Windows) -> Key {
    (windows.size_ms, windows.rolling, windows.future_skew_ms, windows.age_max_ms, windows.devices_max)
}

impl World {
    pub(super) fn new(seed: u64, is_canary: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let windows = Windows {
            size_ms: 10,
            rolling: rng.random_range(1..4),
            grace_ms: [0, 3, 6, 14][rng.random_range(0..4)],
            future_skew_ms: 4,
            age_max_ms: [60, 120][rng.random_range(0..2)],
            devices_max: [2, 9, 9][rng.random_range(0..3)],
        };
        let partitions = rng.random_range(1..3);
        let start = Committed { offset: 0, metadata: None, clock_ms: i64::MIN, key: None, era: 0 };
        Self {
            logs: vec![Vec::new(); partitions],
            done: Outcome::default(),
            log_starts: vec![0; partitions],
            committed: vec![start; partitions],
            lanes: (0..2).map(|_| Lane::new(windows, is_canary)).collect(),
            windows,
            grace_most_ms: windows.grace_ms,
            is_canary,
            wild_clocks: rng.random_bool(0.4),
            is_busy: rng.random_bool(0.15),
            has_changed: false,
            reach_left_ms: i64::MAX,
            wall_ms: 1_000,
            eras: 0,
            rng,
        }
    }

    /// One step of a case.
    pub(super) fn act(&mut self) {
        let partition = self.rng.random_range(0..self.logs.len());
        match self.rng.random_range(0..100) {
            0..50 => self.record(partition),
            50..74 => {
                let count = [1, 2, 3, 5, 9, 30][self.rng.random_range(0..6)];
                self.feed(partition, count);
            }
            // Where time stands nearly still, records come instead.
            74..80 if self.is_busy && self.rng.random_bool(0.95) => (0..2).for_each(|_| self.record(partition)),
            74..80 => self.tick(partition),
            80..90 => self.commit(),
            90..92 => self.reassign(partition),
            92..94 => self.kill(),
            94..95 => self.drain_all(),
            95..97 => self.change_settings(),
            97..98 => self.retain(partition),
            _ => self.trim(),
        }
    }

    /// Everything is read, drained and committed.
    pub(super) fn heal(&mut self) {
        for partition in 0..self.logs.len() {
            self.feed(partition, usize::MAX);
        }
        self.commit();
        self.drain_all();
    }

    fn record(&mut self, partition: usize) {
        let rng = &mut self.rng;
        let is_busy = self.is_busy && rng.random_bool(0.9);
        let longest = 7 + usize::from(rng.random_bool(0.05));
        let step_ms = [0, 0, 0, 1, 1, 2, 3, 40][rng.random_range(0..longest)];
        self.wall_ms += if is_busy { i64::from(rng.random_bool(0.05)) } else { step_ms };
        let offset = i64::try_from(self.logs[partition].len()).unwrap();
        let kafka_ms = self.wall_ms - rng.random_range(0..3) + if rng.random_bool(0.01) { 50 } else { 0 };
        if rng.random_bool(0.05) {
            self.logs[partition].push(None);
            return;
        }
        let earlier: Vec<Reading> = self.logs[partition].iter().rev().take(40).flatten().cloned().collect();
        if rng.random_bool(if is_busy { 0.4 } else { 0.15 }) && !earlier.is_empty() {
            let repeat = earlier[rng.random_range(0..earlier.len())].clone();
            self.logs[partition].push(Some(Reading { offset, kafka_ms: Some(kafka_ms), ..repeat }));
            return;
        }
        let age = rng.random_range(0..30);
        let event_ms = match rng.random_range(0..20) {
            0..12 => kafka_ms - age % 4,
            12..15 => kafka_ms - 5 - age,
            15 => kafka_ms - 40 - age,
            16 => kafka_ms - 110 - age,
            _ => kafka_ms + age % 13,
        };
        let value = f64::from(rng.random_range(-3..20)) / 10.0;
        let bad = |rng: &mut StdRng| if rng.random_bool(0.1) { 1 << rng.random_range(0..5) } else { 0 };
        self.logs[partition].push(Some(Reading {
            offset,
            kafka_ms: rng.random_bool(0.97).then_some(kafka_ms),
            event_us: event_ms * 1_000 + rng.random_range(0..3) * 400,
            device: format!("d{}", if is_busy { 0 } else { rng.random_range(0..3) }),
            building: [Some("A"), Some("A"), Some("B"), None][rng.random_range(0..4)],
            floor: [Some(1), Some(1), None][rng.random_range(0..3)],
            room: [Some("r1"), Some("r2"), None][rng.random_range(0..3)],
            quality: 0,
            sensors: [
                (rng.random_bool(0.9).then_some(value), bad(rng)),
                (rng.random_bool(0.9).then(|| f64::from(u8::from(rng.random_bool(0.5)))), bad(rng)),
            ],
        }));
    }

    /// What inspect says of a reading under the settings of now.
    fn inspected(&self, reading: &Reading) -> Reading {
        let Windows { future_skew_ms, age_max_ms, .. } = self.windows;
        let quality = match reading.kafka_ms {
            None => NO_KAFKA_TIME,
            Some(kafka_ms) if reading.event_us > (kafka_ms + future_skew_ms) * 1_000 => FUTURE,
            Some(kafka_ms) if reading.event_us < (kafka_ms - age_max_ms) * 1_000 => OLD,
            Some(_) => 0,
        };
        Reading { quality, ..reading.clone() }
    }

    fn readings(&self, partition: usize, from: i64, to: i64) -> Vec<Reading> {
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        self.logs[partition][range].iter().flatten().map(|reading| self.inspected(reading)).collect()
    }

    fn end(&self, partition: usize) -> i64 {
        i64::try_from(self.logs[partition].len()).unwrap()
    }

    /// The lane that has a partition; the first one takes what nobody has, and replays.
    fn lane_of(&mut self, partition: usize) -> usize {
        if let Some(lane) = self.lanes.iter().position(|lane| lane.held.contains_key(&partition)) {
            return lane;
        }
        let lane = self.rng.random_range(0..self.lanes.len());
        self.take_over(lane, partition);
        lane
    }

    fn take_over(&mut self, lane: usize, partition: usize) {
        let committed = self.committed[partition].clone();
        let note = committed.metadata.as_deref().map(|text| CommitNote::parse(text).unwrap());
        let replay = match note {
            Some(CommitNote::Epoch { replay, .. }) => replay,
            _ => None,
        };
        let source = source(partition);
        let started = self.lanes[lane].measurer.adopt(&source, replay.as_ref(), committed.offset, self.log_starts[partition]);
        assert!(started.seek_to <= committed.offset && started.seek_to >= self.log_starts[partition]);
        let mut next = started.seek_to;
        while next < committed.offset {
            let to = (next + self.rng.random_range(1..7)).min(self.end(partition));
            let readings = self.readings(partition, next, to);
            let Lane { measurer, dictionaries, .. } = &mut self.lanes[lane];
            measurer.replay(&batch(&source, &readings, dictionaries), dictionaries);
            next = to;
        }
        if replay.is_none() {
            assert_eq!(self.lanes[lane].measurer.replaying_to(&source), None);
        }
        let parts = self.lanes[lane].measurer.go_live(&source);
        self.keep(lane, partition, (committed.era, committed.key.map_or(0, |key| key.1)), &parts);
        let era = if committed.key == Some(key(&self.windows)) {
            committed.era
        } else {
            self.eras += 1;
            self.eras
        };
        let lower = if self.wild_clocks { [0, 7, 30, 100_000][self.rng.random_range(0..4)] } else { 0 };
        let clock_ms = committed.clock_ms.saturating_sub(lower);
        self.lanes[lane].held.insert(partition, Held { next: committed.offset, clock_ms, era });
    }

    fn keep(&mut self, lane: usize, partition: usize, (era, rolling): (u32, u32), parts: &MeasuredParts) {
        let lane = &mut self.lanes[lane];
        if !parts.is_empty() {
            lane.touched.insert(partition);
        }
        lane.open.rows.extend(rows(parts).into_iter().map(|row| DoneRow { partition, era, rolling, row }));
        lane.open.holes.extend(parts.partial.iter().map(|window| (partition, window.start_ms, window.end_ms)));
    }

    fn feed(&mut self, partition: usize, count: usize) {
        let lane = self.lane_of(partition);
        let Held { next, clock_ms, era } = self.lanes[lane].held[&partition];
        let to = self.end(partition).min(next.saturating_add(i64::try_from(count).unwrap_or(i64::MAX)));
        if to == next {
            return;
        }
        let readings = self.readings(partition, next, to);
        let source = source(partition);
        let mut batch = batch(&source, &readings, &mut self.lanes[lane].dictionaries);
        let in_pieces = self.rng.random_bool(0.5);
        let mut clock = clock_ms;
        let mut begin = 0;
        while begin < readings.len() {
            let end = if in_pieces { (begin + self.rng.random_range(1..5)).min(readings.len()) } else { readings.len() };
            let before_ms = (clock > i64::MIN).then_some(clock);
            clock = readings[begin..end].iter().filter_map(|reading| self.stamp(reading)).fold(clock, i64::max);
            let jitter = if self.wild_clocks && self.rng.random_bool(0.4) { self.rng.random_range(-60..30) } else { 0 };
            let Lane { measurer, dictionaries, .. } = &mut self.lanes[lane];
            let measured = if in_pieces {
                let given = (clock > i64::MIN).then(|| clock.saturating_add(jitter));
                measurer.measure_rows(&mut batch, begin..end, dictionaries, given)
            } else {
                measurer.measure(&mut batch, dictionaries, ClockRun { before_ms, wall_ms: self.wall_ms, may_close: true })
            };
            let crate::journey::measure::Counted { on_time, late, early, untrusted, duplicates, over_limit } = measured.counted;
            assert_eq!(on_time + late + early + untrusted + duplicates + over_limit, (end - begin) as u64);
            self.keep(lane, partition, (era, self.windows.rolling), &measured.parts);
            begin = end;
        }
        let limit = self.windows.devices_max;
        let lane = &mut self.lanes[lane];
        let flags = readings.iter().zip(&batch.readings.quality);
        lane.open.flags.extend(flags.map(|(reading, quality)| ((partition, reading.offset), (*quality, limit))));
        lane.touched.insert(partition);
        lane.held.insert(partition, Held { next: to, clock_ms: clock, era });
    }

    fn stamp(&self, reading: &Reading) -> Option<i64> {
        let stamp = reading.kafka_ms?;
        Some(if stamp > self.wall_ms + self.windows.future_skew_ms { self.wall_ms } else { stamp })
    }

    /// A silent partition, or a clock gone wild.
    fn tick(&mut self, partition: usize) {
        self.wall_ms += [0, 1, 5, 15, 40, 90][self.rng.random_range(0..6)];
        let lane = self.lane_of(partition);
        let jump = if self.wild_clocks { [-200, -30, -3, 0, 12, 100][self.rng.random_range(0..6)] } else { 0 };
        let clock_ms = self.wall_ms + jump;
        let parts = self.lanes[lane].measurer.close_due(&source(partition), Some(clock_ms));
        let era = self.lanes[lane].held[&partition].era;
        self.keep(lane, partition, (era, self.windows.rolling), &parts);
        if let Some(held) = self.lanes[lane].held.get_mut(&partition) {
            held.clock_ms = held.clock_ms.max(clock_ms);
        }
    }

    /// All lanes end their epochs.
    fn commit(&mut self) {
        for lane in 0..self.lanes.len() {
            let touched: Vec<usize> = self.lanes[lane].touched.iter().copied().collect();
            for partition in touched {
                let source = source(partition);
                let parts = self.lanes[lane].measurer.end_epoch(&source);
                assert_eq!(self.lanes[lane].measurer.pending_bytes_of(&source), 0);
                let Held { next, clock_ms, era } = self.lanes[lane].held[&partition];
                self.keep(lane, partition, (era, self.windows.rolling), &parts);
                let replay = self.lanes[lane].measurer.replay_state(&source).unwrap();
                self.check_list(&replay);
                self.check_reach(partition, &replay, clock_ms);
                let note = CommitNote::Epoch { epoch: Uuid::now_v7(), clock_ms: Some(clock_ms), replay: Some(replay) };
                let metadata = note.to_metadata();
                assert!(metadata.len() < NOTE_BYTES_MAX);
                assert_eq!(CommitNote::parse(&metadata), Some(note));
                let key = Some(key(&self.windows));
                self.committed[partition] = Committed { offset: next, metadata: Some(metadata), clock_ms, key, era };
            }
            let lane = &mut self.lanes[lane];
            lane.touched.clear();
            let open = std::mem::take(&mut lane.open);
            self.done.rows.extend(open.rows);
            self.done.flags.extend(open.flags);
            self.done.holes.extend(open.holes);
        }
    }

    fn check_list(&self, replay: &ReplayState) {
        let Windows { size_ms, rolling, future_skew_ms, .. } = self.windows;
        let open_most = (self.grace_most_ms + future_skew_ms) / size_ms + 2;
        assert!(i64::try_from(replay.open.len()).unwrap() <= open_most, "{replay}");
        assert!(replay.on_time.len() < rolling as usize, "{replay}");
    }

    /// Nothing is read again that lies further back than docs/windows.md says, in Kafka time. Where clocks are wild, settings change or
    /// retention has moved a beginning, what is listed says nothing of the clock.
    fn check_reach(&mut self, partition: usize, replay: &ReplayState, clock_ms: i64) {
        let Windows { size_ms, rolling, grace_ms, future_skew_ms, .. } = self.windows;
        if self.wild_clocks || self.has_changed || self.log_starts[partition] > 0 || clock_ms == i64::MIN {
            return;
        }
        let reach_ms = grace_ms + size_ms * i64::from(rolling) + future_skew_ms;
        let listed = replay.open.iter().map(|window| window.from).chain(replay.on_time.iter().map(|part| part.from));
        for from in listed {
            let first = self.logs[partition][usize::try_from(from).unwrap()].as_ref().unwrap();
            let kafka_ms = first.kafka_ms.unwrap();
            assert!(kafka_ms > clock_ms - reach_ms, "{from} is of {kafka_ms}, the clock says {clock_ms}: {replay}");
            self.reach_left_ms = self.reach_left_ms.min(kafka_ms - (clock_ms - reach_ms));
        }
    }

    fn reassign(&mut self, partition: usize) {
        if self.rng.random_bool(0.7) {
            self.commit();
        }
        // An open epoch that is not committed falls with the assignment, and with it the state of all the lane's partitions.
        let lane = self.lane_of(partition);
        let windows = self.windows;
        if self.lanes[lane].touched.is_empty() {
            self.lanes[lane].measurer.release(&source(partition));
            self.lanes[lane].held.remove(&partition);
        } else {
            self.lanes[lane] = Lane::new(windows, self.is_canary);
        }
        let other = 1 - lane;
        self.take_over(other, partition);
    }

    fn kill(&mut self) {
        for lane in &mut self.lanes {
            *lane = Lane::new(self.windows, self.is_canary);
        }
    }

    fn change_settings(&mut self) {
        let windows = self.windows;
        let rng = &mut self.rng;
        self.windows = Windows {
            size_ms: [windows.size_ms, windows.size_ms, 7, 10, 15][rng.random_range(0..5)],
            rolling: [windows.rolling, 1, 2, 3][rng.random_range(0..4)],
            grace_ms: [0, 3, 6][rng.random_range(0..3)],
            future_skew_ms: [windows.future_skew_ms, windows.future_skew_ms, 2, 6][rng.random_range(0..4)],
            ..windows
        };
        self.grace_most_ms = self.grace_most_ms.max(self.windows.grace_ms) + windows.size_ms;
        self.has_changed = true;
        self.kill();
    }

    fn retain(&mut self, partition: usize) {
        let most = self.committed[partition].offset;
        self.log_starts[partition] = (self.log_starts[partition] + self.rng.random_range(1..9)).min(most);
    }

    fn drain_all(&mut self) {
        for partition in 0..self.logs.len() {
            let lane = self.lane_of(partition);
            let parts = self.lanes[lane].measurer.drain(&source(partition));
            let era = self.lanes[lane].held[&partition].era;
            self.keep(lane, partition, (era, self.windows.rolling), &parts);
        }
        self.commit();
        self.kill();
    }

    /// The dictionaries of a lane are emptied between two batches.
    fn trim(&mut self) {
        for lane in &mut self.lanes {
            lane.dictionaries.trim(0);
        }
    }

    /// The readings of a partition with their committed flags, and the limit of the time.
    pub(super) fn committed_readings(&self, partition: usize) -> Vec<(Reading, usize)> {
        let flagged = |reading: &Reading| {
            let (quality, limit) = self.done.flags[&(partition, reading.offset)];
            (Reading { quality, ..reading.clone() }, limit)
        };
        self.logs[partition].iter().flatten().map(flagged).collect()
    }

    pub(super) fn is_untrusted(reading: &Reading) -> bool {
        reading.quality & UNTRUSTED != 0
    }
}
