//! What outlives a batch: ids of devices, places, memory, lists; and settings that change between two programs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Measurer, Reading, Subject, Windows, batch, catalog, rows};
use crate::batch::{Dictionaries, MeasuredParts, ReplayState, SensorCatalog, SensorKind, SensorSpec, TopicPartition, UnitAlias};
use crate::journey::measure::ClockRun;

const WINDOWS: Windows =
    Windows { size_ms: 10, rolling: 3, grace_ms: 0, future_skew_ms: 5, age_max_ms: 1_000, devices_max: 100_000 };

fn source() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn reading(offset: i64, time_ms: i64, device: &str, value: f64) -> Reading {
    Reading {
        offset,
        kafka_ms: Some(time_ms),
        event_us: time_ms * 1_000,
        device: device.into(),
        building: Some("A"),
        room: Some("r"),
        sensors: [(Some(value), 0), (Some(1.0), 0)],
        ..Reading::default()
    }
}

struct Lane {
    measurer: Measurer,
    dictionaries: Dictionaries,
}

impl Lane {
    fn new(windows: Windows) -> Self {
        Self { measurer: Measurer::new(windows, catalog()), dictionaries: Dictionaries::default() }
    }

    fn measure(&mut self, readings: &[Reading], clock_ms: i64) -> MeasuredParts {
        let mut batch = batch(&source(), readings, &mut self.dictionaries);
        self.measurer.measure_rows(&mut batch, 0..readings.len(), &self.dictionaries, Some(clock_ms)).parts
    }

    /// With the clock that the readings themselves have.
    fn walk(&mut self, readings: &[Reading]) -> MeasuredParts {
        let mut batch = batch(&source(), readings, &mut self.dictionaries);
        let clock = ClockRun { before_ms: None, wall_ms: 9_000, may_close: true };
        self.measurer.measure(&mut batch, &self.dictionaries, clock).parts
    }

    fn replay(&mut self, readings: &[Reading]) {
        let batch = batch(&source(), readings, &mut self.dictionaries);
        self.measurer.replay(&batch, &self.dictionaries);
    }

    fn state(&self) -> ReplayState {
        self.measurer.replay_state(&source()).unwrap()
    }
}

fn devices(parts: &MeasuredParts) -> Vec<(String, i64)> {
    let device = |row: super::Row| match row.subject {
        Subject::Device(device) if row.sensor == 0 => Some((device, row.values.count)),
        _ => None,
    };
    rows(parts).into_iter().filter_map(device).collect()
}

#[test]
fn devices_that_are_gone_are_forgotten() {
    let mut lane = Lane::new(WINDOWS);
    let mut most = 0;
    for window in 0..200 {
        // A fixed device, and 500 that are never seen again.
        let time_ms = 1_000 + window * 10;
        let mut readings = vec![reading(window * 501, time_ms, "steady", 1.0)];
        readings.extend((1..501).map(|n| reading(window * 501 + n, time_ms, &format!("d{window}-{n}"), 1.0)));
        let parts = lane.measure(&readings, time_ms);
        if window > 0 {
            let found = devices(&parts);
            assert_eq!((found.len(), found[0].clone()), (501, ("steady".to_owned(), 1)));
            // The rolling values of the steady device go on across the renumbering.
            let windows = rows(&parts)[0].rolling.unwrap().1;
            assert_eq!(i64::from(windows), window.min(3));
        }
        most = most.max(lane.measurer.bytes());
        lane.dictionaries.trim(700);
    }
    assert!(most < 2 << 20, "{most} bytes");
}

#[test]
fn memory_is_what_is_said_of_a_device() {
    const DEVICES: i64 = 3_000;
    let mut lane = Lane::new(WINDOWS);
    for window in 0..6 {
        let time_ms = 1_000 + window * 10;
        // Ten readings each, so that both halves of the memory of repeats are there.
        for round in 0..10 {
            let first = (window * 10 + round) * DEVICES;
            let readings = (0..DEVICES).map(|n| reading(first + n, time_ms + round, &format!("device-{n}"), (n + round) as f64));
            lane.measure(&readings.collect::<Vec<_>>(), time_ms);
        }
    }
    let said = WINDOWS.bytes_a_device(catalog().len()) * usize::try_from(DEVICES).unwrap();
    let used = lane.measurer.bytes();
    assert!((said / 2..2 * said).contains(&used), "{used} bytes are used, {said} were said");
}

#[test]
fn places_survive_emptied_dictionaries() {
    let mut lane = Lane::new(WINDOWS);
    lane.measure(&[reading(0, 1_000, "d", 1.0)], 1_000);
    lane.dictionaries.trim(0);
    // The ids are given again, to other texts.
    lane.dictionaries.buildings.intern("other");
    lane.dictionaries.devices.intern("other");
    lane.measure(&[reading(1, 1_001, "d", 2.0)], 1_001);
    let found = rows(&lane.measurer.close_due(&source(), Some(1_010)));
    let subjects: Vec<_> = found.iter().map(|row| (row.subject.clone(), row.values.count)).collect();
    let (device, group) = (Subject::Device("d".into()), Subject::Group(Some("A".into()), None));
    assert_eq!(subjects, [(device.clone(), 2), (device, 2), (group.clone(), 2), (group, 2)]);
}

#[test]
fn what_is_listed_is_rebuilt_and_nothing_else() {
    let all: Vec<Reading> =
        (0..40).map(|n| reading(n, 1_000 + n, ["a", "b"][usize::try_from(n % 2).unwrap()], n as f64)).collect();
    let mut first = Lane::new(WINDOWS);
    assert_eq!(first.walk(&all[..35]).parts_on_time, 3);
    let state = first.state();
    assert_eq!((state.open.len(), state.on_time.len(), state.written_until_ms), (1, 2, Some(1_030)));

    let mut second = Lane::new(WINDOWS);
    let replay = second.measurer.adopt(&source(), Some(&state), 35, 0);
    assert_eq!((replay.seek_to, replay.committed, second.measurer.replaying_to(&source())), (10, 35, Some(35)));
    // While it replays nothing is closed.
    assert!(second.measurer.close_due(&source(), Some(9_000)).is_empty() && second.measurer.drain(&source()).is_empty());
    assert_eq!(second.state(), state);
    second.replay(&all[10..20]);
    // A batch may reach past the committed offset.
    second.replay(&all[20..38]);
    assert!(second.measurer.go_live(&source()).is_empty());
    assert_eq!((second.state(), second.measurer.replaying_to(&source())), (state, None));
    let both = |lane: &mut Lane| {
        assert!(lane.walk(&all[35..40]).is_empty());
        rows(&lane.measurer.close_due(&source(), Some(1_040)))
    };
    let found = both(&mut second);
    assert_eq!(found, both(&mut first));
    assert!(found.iter().all(|row| row.rolling.unwrap().1 == 3 && row.from == 30 && row.to == 40));
}

#[test]
fn nothing_is_replayed_where_nothing_was_missed() {
    let mut lane = Lane::new(WINDOWS);
    let replay = lane.measurer.adopt(&source(), None, 7, 0);
    assert_eq!((replay.seek_to, lane.measurer.replaying_to(&source())), (7, None));
    let state = lane.state();
    assert_eq!((state.open.len(), state.on_time.len(), state.written_until_ms), (0, 0, None));
    let mut next = Lane::new(WINDOWS);
    assert_eq!(next.measurer.adopt(&source(), Some(&state), 9, 0).seek_to, 9);
    assert_eq!(next.measurer.replaying_to(&source()), None);
}

/// A lane that has committed 5 readings of an open window, and its successor after a replay.
fn taken_over(windows: Windows, log_start: i64) -> (Lane, MeasuredParts) {
    taken_over_by(Lane::new(windows), log_start)
}

/// What one lane has counted is rebuilt by a second one.
fn taken_over_by(mut second: Lane, log_start: i64) -> (Lane, MeasuredParts) {
    let all: Vec<Reading> = (0..5).map(|n| reading(n, 1_000 + n, "d", n as f64)).collect();
    let mut first = Lane::new(WINDOWS);
    first.measure(&all, 1_004);
    let state = first.state();
    let replay = second.measurer.adopt(&source(), Some(&state), 5, log_start);
    second.replay(&all[usize::try_from(replay.seek_to).unwrap()..]);
    let parts = second.measurer.go_live(&source());
    (second, parts)
}

#[test]
fn changed_windows_are_written_on_their_old_grid_and_whole() {
    for windows in [Windows { size_ms: 7, ..WINDOWS }, Windows { rolling: 1, ..WINDOWS }] {
        let (mut lane, parts) = taken_over(windows, 0);
        let found = rows(&parts);
        assert!(!found.is_empty() && parts.partial.is_empty());
        for row in &found {
            assert_eq!((row.start_us, row.end_us, row.from, row.to), (1_000_000, 1_010_000, 0, 5));
            assert_eq!((row.values.count, row.on_time, row.partial), (5, true, false));
        }
        let state = lane.state();
        assert_eq!((state.size_ms, state.rolling), (windows.size_ms, windows.rolling));
        assert_eq!((state.open.len(), state.on_time.len(), state.written_until_ms), (0, 0, Some(1_010)));
        // What still comes for the old window is late, on the new grid.
        lane.measure(&[reading(5, 1_000, "d", 9.0)], 1_004);
        let late = rows(&lane.measurer.end_epoch(&source()));
        assert!(late.iter().all(|row| !row.on_time && row.from == 5 && row.end_us - row.start_us == windows.size_ms * 1_000));
    }
}

#[test]
fn changed_rules_of_flags_make_listed_windows_partial() {
    for windows in [Windows { age_max_ms: 999, ..WINDOWS }, Windows { devices_max: 7, ..WINDOWS }] {
        let (lane, parts) = taken_over(windows, 0);
        assert!(rows(&parts).iter().all(|row| row.partial && row.on_time));
        let told: Vec<_> = parts.partial.iter().map(|window| (window.start_ms, window.end_ms)).collect();
        assert_eq!(told, [(1_000, 1_010)]);
        assert!(lane.state().open.is_empty());
    }
}

/// A sensor, and it once more with another one of its members each.
fn sensors() -> (SensorSpec, Vec<SensorSpec>) {
    let alias = |unit: &str, factor, offset| UnitAlias { unit: unit.into(), factor, offset };
    let sensor = SensorSpec {
        name: "t".into(),
        unit: "°C".into(),
        kind: SensorKind::Number,
        range: Some((-50.0, 150.0)),
        required: false,
        aliases: vec![alias("F", 0.5, -17.0)],
    };
    let others = vec![
        SensorSpec { name: "u".into(), ..sensor.clone() },
        SensorSpec { unit: "K".into(), ..sensor.clone() },
        SensorSpec { kind: SensorKind::Boolean, ..sensor.clone() },
        SensorSpec { range: None, ..sensor.clone() },
        SensorSpec { range: Some((-50.0, 151.0)), ..sensor.clone() },
        SensorSpec { range: Some((-51.0, 150.0)), ..sensor.clone() },
        SensorSpec { required: true, ..sensor.clone() },
        SensorSpec { aliases: Vec::new(), ..sensor.clone() },
        SensorSpec { aliases: vec![alias("f", 0.5, -17.0)], ..sensor.clone() },
        SensorSpec { aliases: vec![alias("F", 0.6, -17.0)], ..sensor.clone() },
        SensorSpec { aliases: vec![alias("F", 0.5, -18.0)], ..sensor.clone() },
        SensorSpec { aliases: vec![alias("F", 0.5, -17.0), alias("f", 0.5, -17.0)], ..sensor.clone() },
    ];
    (sensor, others)
}

#[test]
fn the_hash_of_flags_knows_each_member_of_a_sensor_and_what_trust_follows_from() {
    let hash = |windows: Windows, sensors: &[SensorSpec]| windows.flags_hash(&SensorCatalog { sensors: sensors.to_vec() });
    let (sensor, others) = sensors();
    let mut seen = BTreeSet::from([hash(WINDOWS, std::slice::from_ref(&sensor))]);
    for other in &others {
        assert!(seen.insert(hash(WINDOWS, std::slice::from_ref(other))), "{other:?}");
        assert!(seen.insert(hash(WINDOWS, &[sensor.clone(), other.clone()])), "{other:?} beside the first");
    }
    for windows in
        [Windows { future_skew_ms: 6, ..WINDOWS }, Windows { age_max_ms: 999, ..WINDOWS }, Windows { devices_max: 7, ..WINDOWS }]
    {
        assert!(seen.insert(hash(windows, std::slice::from_ref(&sensor))), "{windows:?}");
    }
    // What decides when something is written, and on which grid, decides no flag.
    let elsewhere = Windows { size_ms: 7, rolling: 1, grace_ms: 9, ..WINDOWS };
    let only = std::slice::from_ref(&sensor);
    assert_eq!(hash(elsewhere, only), hash(WINDOWS, only));
}

#[test]
fn a_changed_sensor_makes_listed_windows_partial() {
    let mut changed = SensorCatalog::clone(&catalog());
    changed.sensors[0].range = Some((0.0, 3.0));
    let lane = Lane { measurer: Measurer::new(WINDOWS, Arc::new(changed)), dictionaries: Dictionaries::default() };
    let (lane, parts) = taken_over_by(lane, 0);
    let found = rows(&parts);
    assert!(!found.is_empty() && found.iter().all(|row| row.partial && row.on_time));
    assert!(lane.state().open.is_empty());
}

/// Of devices, the first sensor: start, from, to, on time, count.
fn told(parts: &MeasuredParts) -> Vec<(i64, i64, i64, bool, i64)> {
    let of_device = |row: &super::Row| matches!(row.subject, Subject::Device(_)) && row.sensor == 0;
    let tell = |row: super::Row| (row.start_us / 1_000, row.from, row.to, row.on_time, row.values.count);
    rows(parts).into_iter().filter(of_device).map(tell).collect()
}

#[test]
fn closings_that_are_held_back_come_with_a_later_call() {
    let walk = |lane: &mut Lane, readings: &[Reading], before_ms: Option<i64>, may_close: bool| {
        let mut batch = batch(&source(), readings, &mut lane.dictionaries);
        let clock = ClockRun { before_ms, wall_ms: 9_000, may_close };
        lane.measurer.measure(&mut batch, &lane.dictionaries, clock).parts
    };
    for by_message in [false, true] {
        let mut lane = Lane::new(WINDOWS);
        assert!(walk(&mut lane, &[reading(0, 1_000, "d", 1.0)], None, true).is_empty());
        // The clock would pass two closings here. It stands before the first of them, so the last message is early.
        let held = [1_009, 1_012, 1_003, 1_025].into_iter().zip(1..);
        let held: Vec<Reading> = held.map(|(time_ms, offset)| reading(offset, time_ms, "d", offset as f64)).collect();
        assert!(walk(&mut lane, &held, Some(1_000), false).is_empty());
        assert_eq!(lane.state().open.len(), 2);
        let parts = if by_message {
            walk(&mut lane, &[reading(5, 1_026, "e", 1.0)], Some(1_025), true)
        } else {
            lane.measurer.close_due(&source(), Some(1_025))
        };
        assert_eq!(told(&parts), [(1_000, 0, 5, true, 3), (1_010, 2, 5, true, 1)]);
        assert_eq!(told(&lane.measurer.end_epoch(&source())), [(1_020, 4, 5, false, 1)]);
    }
}

#[test]
fn a_changed_grace_changes_nothing_that_is_listed() {
    let (lane, parts) = taken_over(Windows { grace_ms: 9, ..WINDOWS }, 0);
    assert!(parts.is_empty());
    assert_eq!(lane.state().open.len(), 1);
}

#[test]
fn what_retention_took_makes_a_window_partial() {
    let (mut lane, parts) = taken_over(WINDOWS, 2);
    assert!(parts.is_empty());
    let parts = lane.measurer.close_due(&source(), Some(1_010));
    let found = rows(&parts);
    assert!(found.iter().all(|row| row.partial && row.values.count == 3 && row.from == 0));
    assert_eq!(parts.partial.len(), 1);
    // All of it is gone: no row is left to say so, the window still does.
    let (mut lane, _) = taken_over(WINDOWS, 5);
    let parts = lane.measurer.close_due(&source(), Some(1_010));
    assert!(rows(&parts).is_empty() && !parts.is_empty());
    assert_eq!(parts.partial.len(), 1);
}

#[test]
fn a_partition_that_is_not_ours_has_nothing() {
    let mut lane = Lane::new(WINDOWS);
    lane.measure(&[reading(0, 1_000, "d", 1.0)], 1_000);
    lane.measurer.release(&source());
    assert!(lane.measurer.drain(&source()).is_empty());
    assert_eq!((lane.measurer.replay_state(&source()), lane.measurer.next_closing_ms(&source())), (None, None));
}
