//! What bad input gets, a test a line of issue 4: the row, the flag and the part that it must give. Default settings.

use super::world::{FUTURE, NO_KAFKA_TIME, OLD};
use super::{Measurer, Reading, Row, Subject, Windows, batch, catalog, rows};
use crate::batch::{Dictionaries, Flag, TopicPartition};
use crate::journey::measure::ClockRun;

/// A whole minute.
const NOON_MS: i64 = 1_795_262_400_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const DEFAULTS: Windows = Windows {
    size_ms: MINUTE,
    rolling: 5,
    grace_ms: 30 * SECOND,
    future_skew_ms: 30 * SECOND,
    age_max_ms: 7 * DAY,
    devices_max: 100_000,
};

/// One lane with its partitions, fed one reading at a time.
struct Plant {
    measurer: Measurer,
    dictionaries: Dictionaries,
    offsets: [i64; 2],
    clocks: [Option<i64>; 2],
    wall_ms: Option<i64>,
    rows: Vec<Row>,
}

impl Plant {
    fn new(windows: Windows) -> Self {
        Self {
            measurer: Measurer::new(windows, catalog()),
            dictionaries: Dictionaries::default(),
            offsets: [0; 2],
            clocks: [None; 2],
            wall_ms: None,
            rows: Vec::new(),
        }
    }

    fn source(partition: usize) -> TopicPartition {
        TopicPartition::new("t", i32::try_from(partition).unwrap())
    }

    /// What inspect flags, then what measure adds.
    fn send_to(&mut self, partition: usize, device: &str, kafka_ms: Option<i64>, event_us: i64, value: f64) -> u16 {
        let quality = match kafka_ms {
            None => NO_KAFKA_TIME,
            Some(kafka_ms) if event_us > (kafka_ms + DEFAULTS.future_skew_ms) * 1_000 => FUTURE,
            Some(kafka_ms) if event_us < (kafka_ms - DEFAULTS.age_max_ms) * 1_000 => OLD,
            Some(_) => 0,
        };
        let reading = Reading {
            offset: self.offsets[partition],
            kafka_ms,
            event_us,
            device: device.into(),
            quality,
            sensors: [(Some(value), 0), (None, 0)],
            ..Reading::default()
        };
        let mut batch = batch(&Self::source(partition), &[reading], &mut self.dictionaries);
        let wall_ms = self.wall_ms.or(kafka_ms).unwrap_or(i64::MAX);
        let before_ms = self.clocks[partition];
        let measured = self.measurer.measure(&mut batch, &self.dictionaries, ClockRun { before_ms, wall_ms, may_close: true });
        self.rows.extend(rows(&measured.parts));
        let stamp = kafka_ms.map(|stamp| if stamp > wall_ms + DEFAULTS.future_skew_ms { wall_ms } else { stamp });
        self.clocks[partition] = self.clocks[partition].max(stamp);
        self.offsets[partition] += 1;
        batch.readings.quality[0]
    }

    fn send(&mut self, device: &str, kafka_ms: i64, event_ms: i64, value: f64) -> u16 {
        self.send_to(0, device, Some(kafka_ms), event_ms * 1_000, value)
    }

    /// The clock of a silent partition goes on at the wall's pace.
    fn silence_until(&mut self, clock_ms: i64) {
        self.clocks[0] = self.clocks[0].max(Some(clock_ms));
        let parts = self.measurer.close_due(&Self::source(0), self.clocks[0]);
        self.rows.extend(rows(&parts));
    }

    /// Late and early parts come with the end of the epoch; the rows so far of devices, as (device, start, from, to, on time, count).
    fn end_epoch(&mut self) -> Vec<(String, i64, i64, i64, bool, i64)> {
        for partition in 0..2 {
            let parts = self.measurer.end_epoch(&Self::source(partition));
            self.rows.extend(rows(&parts));
        }
        let told = |row: Row| match row.subject {
            Subject::Device(device) => Some((device, row.start_us / 1_000, row.from, row.to, row.on_time, row.values.count)),
            Subject::Group(..) => None,
        };
        std::mem::take(&mut self.rows).into_iter().filter_map(told).collect()
    }
}

fn row(device: &str, start_ms: i64, (from, to): (i64, i64), on_time: bool, count: i64) -> (String, i64, i64, i64, bool, i64) {
    (device.to_owned(), start_ms, from, to, on_time, count)
}

/// A reading with a foolish time among good ones of another device: it is flagged, and hurts nobody.
fn is_kept_out(event_us: i64, flag: u16) {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("good", NOON_MS, NOON_MS, 1.0), 0);
    assert_eq!(plant.send_to(0, "odd", Some(NOON_MS + 1), event_us, 2.0), flag);
    assert_eq!(plant.send("good", NOON_MS + 10 * SECOND, NOON_MS + 10 * SECOND, 3.0), 0);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("good", NOON_MS, (0, 3), true, 2)]);
}

#[test]
fn a_time_of_the_year_1_is_old() {
    is_kept_out(-62_135_596_800_000_000, OLD);
}

#[test]
fn a_time_of_1970_is_old() {
    is_kept_out(0, OLD);
}

#[test]
fn seconds_read_as_milliseconds_are_old() {
    is_kept_out(NOON_MS / 1_000 * 1_000, OLD);
}

#[test]
fn a_time_of_the_year_9999_is_future() {
    is_kept_out(253_402_300_799_000_000, FUTURE);
    is_kept_out(i64::MAX, FUTURE);
}

#[test]
fn a_time_an_hour_ahead_is_future() {
    is_kept_out((NOON_MS + HOUR) * 1_000, FUTURE);
}

#[test]
fn a_time_a_day_ahead_is_future() {
    is_kept_out((NOON_MS + DAY) * 1_000, FUTURE);
}

#[test]
fn late_by_eight_days_is_old() {
    is_kept_out((NOON_MS - 8 * DAY) * 1_000, OLD);
}

#[test]
fn a_record_without_kafka_time_is_kept_out() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send_to(0, "odd", None, NOON_MS * 1_000, 1.0), NO_KAFKA_TIME);
    // Without any clock nothing can be closed, and nothing is listed.
    assert_eq!(plant.measurer.replay_state(&Plant::source(0)).unwrap().written_until_ms, None);
    assert_eq!(plant.send("good", NOON_MS, NOON_MS, 1.0), 0);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("good", NOON_MS, (1, 2), true, 1)]);
}

#[test]
fn a_create_time_producer_a_day_ahead_gets_early_parts_and_moves_no_clock() {
    let mut plant = Plant::new(DEFAULTS);
    plant.wall_ms = Some(NOON_MS);
    assert_eq!(plant.send("good", NOON_MS, NOON_MS, 1.0), 0);
    // Its stamps and its event times agree: trusted by the message alone.
    assert_eq!(plant.send("ahead", NOON_MS + DAY, NOON_MS + DAY, 2.0), 0);
    assert_eq!(plant.send("good", NOON_MS, NOON_MS + 1, 3.0), 0);
    assert_eq!(plant.send("ahead", NOON_MS + DAY, NOON_MS + DAY + 1, 4.0), 0);
    let early = row("ahead", NOON_MS + DAY, (1, 4), false, 2);
    assert_eq!(plant.end_epoch(), [early]);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("good", NOON_MS, (0, 4), true, 2)]);
    // A day later the rest of that window is on time, and the two parts do not overlap.
    plant.wall_ms = None;
    assert_eq!(plant.send("good", NOON_MS + DAY, NOON_MS + DAY, 5.0), 0);
    assert_eq!(plant.send("ahead", NOON_MS + DAY + 2, NOON_MS + DAY + 2, 6.0), 0);
    plant.silence_until(NOON_MS + DAY + MINUTE + DEFAULTS.grace_ms);
    let start = NOON_MS + DAY;
    assert_eq!(plant.end_epoch(), [row("good", start, (4, 6), true, 1), row("ahead", start, (4, 6), true, 1)]);
}

#[test]
fn a_create_time_producer_an_hour_behind_gets_late_parts() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("good", NOON_MS, NOON_MS, 1.0), 0);
    assert_eq!(plant.send("behind", NOON_MS - HOUR, NOON_MS - HOUR, 2.0), 0);
    assert_eq!(plant.send("good", NOON_MS + 1, NOON_MS + 1, 3.0), 0);
    assert_eq!(plant.send("behind", NOON_MS - HOUR, NOON_MS - HOUR + 1, 2.0), 0);
    assert_eq!(plant.end_epoch(), [row("behind", NOON_MS - HOUR, (1, 4), false, 2)]);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("good", NOON_MS, (0, 4), true, 2)]);
}

#[test]
fn a_topic_that_turns_silent_still_gets_its_last_window() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 1.0), 0);
    let due_ms = plant.measurer.next_closing_ms(&Plant::source(0)).unwrap();
    // First the window before, in which nothing was.
    assert_eq!(due_ms, NOON_MS + DEFAULTS.grace_ms);
    plant.silence_until(due_ms);
    assert_eq!(plant.end_epoch(), []);
    assert_eq!(plant.measurer.next_closing_ms(&Plant::source(0)), Some(NOON_MS + MINUTE + DEFAULTS.grace_ms));
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms - 1);
    assert_eq!(plant.end_epoch(), []);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("d", NOON_MS, (0, 1), true, 1)]);
}

#[test]
fn a_million_devices_are_held_to_the_limit() {
    let limit = 1_000;
    let mut plant = Plant::new(Windows { devices_max: limit, ..DEFAULTS });
    let reading = |device: i64| Reading {
        offset: device,
        kafka_ms: Some(NOON_MS),
        event_us: NOON_MS * 1_000,
        device: format!("device_{device}"),
        sensors: [(Some(1.0), 0), (None, 0)],
        ..Reading::default()
    };
    let mut over = 0;
    for thousand in 0..1_000 {
        let readings: Vec<Reading> = (thousand * 1_000..(thousand + 1) * 1_000).map(reading).collect();
        let mut batch = batch(&Plant::source(0), &readings, &mut plant.dictionaries);
        let clock = ClockRun { before_ms: Some(NOON_MS), wall_ms: NOON_MS, may_close: true };
        let measured = plant.measurer.measure(&mut batch, &plant.dictionaries, clock);
        over += measured.counted.over_limit;
        let flagged = batch.readings.quality.iter().filter(|quality| **quality == Flag::OverLimit.mask()).count();
        assert_eq!(flagged as u64, measured.counted.over_limit);
        plant.dictionaries.trim(100_000);
    }
    assert_eq!(over, 999_000);
    // A device that is in still counts.
    plant.offsets[0] = 1_000_000;
    assert_eq!(plant.send("device_7", NOON_MS, NOON_MS + 1, 2.0), 0);
    assert_eq!(plant.send("device_7000", NOON_MS, NOON_MS + 1, 2.0), Flag::OverLimit.mask());
    assert!(plant.measurer.bytes() < 8 << 20, "{} bytes", plant.measurer.bytes());
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    let rows = plant.end_epoch();
    assert_eq!(rows.len(), limit);
    assert_eq!(rows[7], row("device_7", NOON_MS, (0, 1_000_002), true, 2));
}

#[test]
fn places_are_held_to_the_limit_too() {
    let mut plant = Plant::new(Windows { devices_max: 2, ..DEFAULTS });
    let reading = |offset: i64, floor: i32| Reading {
        offset,
        kafka_ms: Some(NOON_MS),
        event_us: NOON_MS * 1_000 + offset,
        device: "d".into(),
        floor: Some(floor),
        sensors: [(Some(1.0), 0), (None, 0)],
        ..Reading::default()
    };
    let readings = [reading(0, 1), reading(1, 2), reading(2, 3), reading(3, 1)];
    let mut batch = batch(&Plant::source(0), &readings, &mut plant.dictionaries);
    plant.measurer.measure(&mut batch, &plant.dictionaries, ClockRun { before_ms: None, wall_ms: NOON_MS, may_close: true });
    assert_eq!(batch.readings.quality, [0, 0, Flag::OverLimit.mask(), 0]);
}

#[test]
fn a_device_on_two_partitions_gets_a_part_of_each() {
    let mut plant = Plant::new(DEFAULTS);
    for second in 0..4_u8 {
        let time_ms = NOON_MS + i64::from(second) * SECOND;
        let partition = usize::from(second % 2);
        assert_eq!(plant.send_to(partition, "d", Some(time_ms), time_ms * 1_000, f64::from(second)), 0);
    }
    for partition in 0..2 {
        let parts = plant.measurer.close_due(&Plant::source(partition), Some(NOON_MS + 2 * MINUTE));
        let found = rows(&parts);
        let values = &found[0].values;
        assert_eq!((values.count, found[0].from, found[0].to, found[0].on_time), (2, 0, 2, true));
        // 0 and 2, 1 and 3: each partition has the fold of its own readings.
        let mean = partition as f64 + 1.0;
        assert_eq!(values.floats.unwrap()[0], mean.to_bits());
    }
}

#[test]
fn repeats_before_at_and_after_the_closing() {
    let mut plant = Plant::new(DEFAULTS);
    let duplicate = Flag::Duplicate.mask();
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 1.0), 0);
    assert_eq!(plant.send("d", NOON_MS + 1, NOON_MS, 1.0), duplicate);
    // Another time, another value, another device: no repeats.
    assert_eq!(plant.send("d", NOON_MS + 2, NOON_MS + 1, 1.0), 0);
    assert_eq!(plant.send("d", NOON_MS + 3, NOON_MS, 2.0), 0);
    assert_eq!(plant.send("e", NOON_MS + 4, NOON_MS, 1.0), 0);
    // The last moment of the window: the repeat is known.
    let closing_ms = NOON_MS + MINUTE + DEFAULTS.grace_ms;
    assert_eq!(plant.send("d", closing_ms - 1, NOON_MS, 1.0), duplicate);
    // At the closing, and after it: the window is written, the memory went with it; it counts into a late part.
    assert_eq!(plant.send("d", closing_ms, NOON_MS, 1.0), 0);
    assert_eq!(plant.send("d", closing_ms + 1, NOON_MS, 1.0), 0);
    let rows = plant.end_epoch();
    assert_eq!(
        rows,
        [row("d", NOON_MS, (0, 6), true, 3), row("e", NOON_MS, (0, 6), true, 1), row("d", NOON_MS, (6, 8), false, 2)]
    );
}

#[test]
fn a_repeat_is_known_among_the_last_16_counted_readings() {
    let mut plant = Plant::new(DEFAULTS);
    for value in 0..17_u8 {
        assert_eq!(plant.send("d", NOON_MS, NOON_MS, f64::from(value)), 0);
    }
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 1.0), Flag::Duplicate.mask());
    // A repeat is not remembered again, and what came before the last 16 is forgotten.
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 0.0), 0);
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 1.0), 0);
    assert_eq!(plant.send("d", NOON_MS, NOON_MS, 3.0), Flag::Duplicate.mask());
}

#[test]
fn late_by_a_second_within_the_grace_is_on_time() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("d", NOON_MS + MINUTE, NOON_MS + MINUTE, 1.0), 0);
    assert_eq!(plant.send("d", NOON_MS + MINUTE + 1, NOON_MS + MINUTE - SECOND, 2.0), 0);
    plant.silence_until(NOON_MS + MINUTE + DEFAULTS.grace_ms);
    assert_eq!(plant.end_epoch(), [row("d", NOON_MS, (1, 2), true, 1)]);
}

#[test]
fn late_by_a_second_after_the_closing_is_a_late_part() {
    let mut plant = Plant::new(DEFAULTS);
    let closing_ms = NOON_MS + MINUTE + DEFAULTS.grace_ms;
    assert_eq!(plant.send("d", closing_ms, closing_ms, 1.0), 0);
    assert_eq!(plant.send("d", closing_ms + SECOND, NOON_MS + MINUTE - 1, 2.0), 0);
    assert_eq!(plant.end_epoch(), [row("d", NOON_MS, (1, 2), false, 1)]);
}

#[test]
fn a_gateway_that_comes_back_after_two_hours_loses_nothing() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("live", NOON_MS, NOON_MS, 0.0), 0);
    for minute in 0..120 {
        assert_eq!(plant.send("gateway", NOON_MS + 1, NOON_MS - 2 * HOUR + minute * MINUTE, 1.0), 0);
    }
    let rows = plant.end_epoch();
    let late: Vec<_> = rows.iter().filter(|row| row.0 == "gateway").collect();
    // The last one is of the window that is still open.
    assert_eq!((rows.len(), late.len()), (119, 119));
    assert!(late.iter().all(|row| !row.4 && row.5 == 1 && row.3 == row.2 + 1));
    let state = plant.measurer.replay_state(&Plant::source(0)).unwrap();
    assert_eq!(state.open.iter().map(|window| window.from).collect::<Vec<_>>(), [120, 0]);
    assert_eq!(plant.measurer.pending_bytes(), 0);
}

#[test]
fn a_late_hour_in_another_epoch_is_another_part() {
    let mut plant = Plant::new(DEFAULTS);
    assert_eq!(plant.send("d", NOON_MS + HOUR, NOON_MS, 1.0), 0);
    assert_eq!(plant.end_epoch(), [row("d", NOON_MS, (0, 1), false, 1)]);
    assert_eq!(plant.send("d", NOON_MS + HOUR, NOON_MS, 1.0), 0);
    assert_eq!(plant.end_epoch(), [row("d", NOON_MS, (1, 2), false, 1)]);
}
