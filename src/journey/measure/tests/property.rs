//! Random messages, clocks, batches, epochs, lanes, kills, reassignments, silent partitions, drains, retention, settings changed; and the
//! checks by definition, from the readings and the committed rows.
//!
//! `CORELANE_CASES=100000` searches further, `CORELANE_SEED=N` begins at a seed.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::{DUPLICATE, OVER_LIMIT, VALUE_BAD, fold, is_counted, judge, rolling};
use super::world::{DoneRow, World};
use super::{Reading, Row, Subject};

/// Actions of a case.
const LENGTHS: [usize; 4] = [30, 80, 160, 300];

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// None, or what is wrong.
fn run(seed: u64, is_canary: bool) -> Result<World, String> {
    let mut world = World::new(seed, is_canary);
    let length = LENGTHS[usize::try_from(seed).unwrap() % LENGTHS.len()];
    (0..length).for_each(|_| world.act());
    world.heal();
    for partition in 0..world.logs.len() {
        check_partition(&world, partition)?;
    }
    Ok(world)
}

fn check_partition(world: &World, partition: usize) -> Result<(), String> {
    let (readings, limits): (Vec<Reading>, Vec<usize>) = world.committed_readings(partition).into_iter().unzip();
    let rows: Vec<&DoneRow> = world.done.rows.iter().filter(|row| row.partition == partition).collect();
    let holes: Vec<(i64, i64)> =
        world.done.holes.iter().filter(|hole| hole.0 == partition).map(|hole| (hole.1 * 1_000, hole.2 * 1_000)).collect();
    let in_hole = |reading: &Reading| holes.iter().any(|hole| hole.0 <= reading.event_us && reading.event_us < hole.1);
    for DoneRow { row, .. } in &rows {
        let expected = fold(&readings, row);
        if !row.partial && row.values != expected {
            return Err(format!("{row:?}\n   by definition {expected:?}"));
        }
    }
    disjoint(&rows)?;
    complete(&readings, &rows, &in_hole)?;
    on_time(&rows)?;
    flags(&readings, &limits, &rows, &in_hole)
}

/// The parts of a window do not overlap; all rows of a part name the same offsets.
fn disjoint(rows: &[&DoneRow]) -> Result<(), String> {
    let mut windows: BTreeMap<(i64, i64), BTreeSet<(i64, i64)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for DoneRow { row, .. } in rows {
        if row.from >= row.to {
            return Err(format!("an empty interval: {row:?}"));
        }
        if !seen.insert((row.subject.clone(), row.sensor, row.start_us, row.end_us, row.from)) {
            return Err(format!("twice the same row: {row:?}"));
        }
        windows.entry((row.start_us, row.end_us)).or_default().insert((row.from, row.to));
    }
    for (window, parts) in windows {
        let parts: Vec<_> = parts.into_iter().collect();
        if parts.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err(format!("parts of window {window:?} overlap: {parts:?}"));
        }
    }
    Ok(())
}

/// Every counted value is in exactly one row of its device and in one of its group.
fn complete(readings: &[Reading], rows: &[&DoneRow], in_hole: &impl Fn(&Reading) -> bool) -> Result<(), String> {
    for reading in readings.iter().filter(|reading| is_counted(reading) && !in_hole(reading)) {
        let subjects =
            [Subject::Device(reading.device.clone()), Subject::Group(reading.building.map(str::to_owned), reading.floor)];
        for subject in subjects {
            for (sensor, (value, flags)) in reading.sensors.iter().enumerate() {
                let covers = |row: &&&DoneRow| {
                    let row = &row.row;
                    let in_window = row.start_us <= reading.event_us && reading.event_us < row.end_us;
                    let in_part = row.from <= reading.offset && reading.offset < row.to;
                    row.subject == subject && row.sensor == sensor && in_window && in_part
                };
                let found = rows.iter().filter(covers).count();
                if found > 1 || (says_anything(*value, *flags) && found == 0) {
                    return Err(format!("{reading:?} is in {found} rows of {subject:?}, sensor {sensor}"));
                }
            }
        }
    }
    Ok(())
}

/// At most one on-time row a window and series; rolling values follow from on-time rows, late and early ones have none.
fn on_time(rows: &[&DoneRow]) -> Result<(), String> {
    let mut found = BTreeMap::new();
    for DoneRow { row, era, .. } in rows {
        if !row.on_time {
            if row.rolling.is_some() || row.partial {
                return Err(format!("a late or early row with more than it may say: {row:?}"));
            }
            continue;
        }
        let key = (&row.subject, row.sensor, *era, row.start_us, row.end_us);
        if found.insert(key, row).is_some() {
            return Err(format!("two on-time rows: {row:?}"));
        }
    }
    for DoneRow { row, era, rolling: slots, .. } in rows.iter().filter(|done| done.row.on_time && !done.row.partial) {
        let size_us = row.end_us - row.start_us;
        let slot = |back: i64| {
            let start_us = row.start_us - back * size_us;
            found.get(&(&row.subject, row.sensor, *era, start_us, start_us + size_us)).copied()
        };
        let before: Vec<&Row> = (0..i64::from(*slots)).rev().filter_map(slot).collect();
        let expected = rolling(&before);
        if row.rolling != Some(expected) {
            return Err(format!("rolling of {row:?}\n   by definition {expected:?}"));
        }
    }
    Ok(())
}

/// Repeats and the limit follow from the readings of an on-time part; elsewhere nothing is a repeat or over the limit.
fn flags(readings: &[Reading], limits: &[usize], rows: &[&DoneRow], in_hole: &impl Fn(&Reading) -> bool) -> Result<(), String> {
    let mut parts: BTreeSet<(i64, i64, i64, i64)> = BTreeSet::new();
    let mut partial = BTreeSet::new();
    for row in rows.iter().map(|done| &done.row).filter(|row| row.on_time) {
        parts.insert((row.start_us, row.end_us, row.from, row.to));
        if row.partial {
            partial.insert((row.start_us, row.end_us, row.from, row.to));
        }
    }
    let mut expected = BTreeMap::new();
    for (start_us, end_us, from, to) in parts.difference(&partial) {
        let own = |reading: &&Reading| {
            let in_part = *from <= reading.offset && reading.offset < *to;
            in_part && *start_us <= reading.event_us && reading.event_us < *end_us && !World::is_untrusted(reading)
        };
        let own: Vec<&Reading> = readings.iter().filter(own).collect();
        let first = readings.iter().position(|reading| Some(reading.offset) == own.first().map(|own| own.offset));
        expected.extend(judge(&own, first.map_or(usize::MAX, |first| limits[first])));
    }
    let is_partial = |reading: &Reading| {
        partial
            .iter()
            .any(|(start, end, from, to)| (*start..*end).contains(&reading.event_us) && (*from..*to).contains(&reading.offset))
    };
    for reading in readings.iter().filter(|reading| !World::is_untrusted(reading) && !in_hole(reading) && !is_partial(reading)) {
        let expected = expected.get(&reading.offset).copied();
        let is_known = expected.is_some() || reading.quality == 0 || !may_be_without_row(reading, readings);
        if is_known && reading.quality != expected.unwrap_or(0) {
            return Err(format!("{reading:?}: flags {}, by definition {expected:?}", reading.quality));
        }
    }
    Ok(())
}

/// Whether a flagged reading may be of an on-time part that has no row to tell its offsets: such a part has counted readings, and none of
/// them says anything.
fn may_be_without_row(reading: &Reading, readings: &[Reading]) -> bool {
    const SIZE_MOST_US: i64 = 15_000;
    let is_near = |other: &&Reading| {
        other.offset < reading.offset && (other.event_us - reading.event_us).abs() < SIZE_MOST_US && is_counted(other)
    };
    let is_silent = |other: &Reading| other.sensors.iter().all(|(value, flags)| !says_anything(*value, *flags));
    let is_repeat = reading.quality & DUPLICATE != 0;
    readings.iter().filter(is_near).any(&is_silent) && (!is_repeat || is_silent(reading))
}

/// Whether a value, with its flags, is counted in some row.
fn says_anything(value: Option<f64>, flags: u16) -> bool {
    (value.is_some() && flags == 0) || flags & VALUE_BAD != 0
}

#[test]
fn every_row_is_the_fold_of_the_readings_that_it_names() {
    let first = from_environment("CORELANE_SEED", 0);
    let cases = from_environment("CORELANE_CASES", 3_000);
    let (mut on_time, mut loose, mut partial, mut rolled, mut flagged) = (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for seed in first..first + cases {
        match run(seed, false) {
            Err(violation) => panic!("CORELANE_SEED={seed}: {violation}"),
            Ok(world) => {
                flagged += world.done.flags.values().filter(|flags| flags.0 & (DUPLICATE | OVER_LIMIT) != 0).count() as u64;
                for DoneRow { row, .. } in &world.done.rows {
                    on_time += u64::from(row.on_time);
                    loose += u64::from(!row.on_time);
                    partial += u64::from(row.partial);
                    rolled += u64::from(row.rolling.is_some_and(|rolling| rolling.1 > 1));
                }
            }
        }
    }
    println!(
        "seeds {first}..{}: {on_time} on-time rows, {loose} late or early, {partial} partial, {rolled} rolled, {flagged} flagged",
        first + cases
    );
    // A search that meets nothing proves nothing.
    assert!(cases < 100 || [on_time, loose, partial, rolled, flagged].iter().all(|count| *count > cases));
}

#[test]
fn a_replay_that_ignores_where_a_window_began_is_found() {
    let found = (0..5_000).find_map(|seed| Some((seed, run(seed, true).err()?)));
    println!("the canary: {found:?}");
    assert!(found.is_some(), "the canary was not found");
}
