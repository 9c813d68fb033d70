//! What bad times get, from the bytes of a message to the rows that readers see; a test a line of issue 4. Default settings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::measured::Column;
use super::scenarios::{LANE, assign_all};
use super::world::{Running, WALL_MS, World};
use crate::batch::{Flag, Table};
use crate::lane::LaneEnd;
use crate::telemetry::Count;

/// A whole minute, half a day before the wall.
const NOON_MS: i64 = WALL_MS - 12 * HOUR;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const GRACE: i64 = 30 * SECOND;
/// When the clock closes the window that begins at noon.
const CLOSING_MS: i64 = NOON_MS + MINUTE + GRACE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    OnTime,
    Late,
    Early,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Became {
    /// The row of `readings`: event time, µs, and flags; and the part of a window that its value is in.
    Reading(i64, u16, Option<Part>),
    /// The reason in `rejects`.
    Reject(String),
}

use Became::{Reading, Reject};
use Part::{Early, Late, OnTime};

/// A reading that counts.
fn counted(event_ms: i64, part: Part) -> Became {
    Reading(event_ms * 1_000, 0, Some(part))
}

/// A reading that is stored with its flag and is in no window.
fn kept_out(event_us: i64, flag: Flag) -> Became {
    Reading(event_us, flag.mask(), None)
}

/// A row of `readings`.
struct Row {
    device: String,
    event_us: i64,
    kafka_ms: Option<i64>,
    quality: u16,
}

/// A row of `aggregates`.
struct Aggregate {
    partition: i32,
    device: String,
    window: (i64, i64),
    span: (i64, i64),
    on_time: bool,
    count: i64,
}

fn reading(columns: &Column<'_>, row: usize) -> Row {
    Row {
        device: columns.text("device_id", row).unwrap(),
        event_us: columns.long("event_time", row).unwrap(),
        kafka_ms: columns.long("kafka_time", row),
        quality: columns.mask("quality", row),
    }
}

fn aggregate(columns: &Column<'_>, row: usize) -> Aggregate {
    let long = |name: &str| columns.long(name, row).unwrap();
    Aggregate {
        partition: columns.small("partition", row).unwrap(),
        device: columns.text("device_id", row).unwrap(),
        window: (long("window_start"), long("window_end")),
        span: (long("offset_from"), long("offset_to")),
        on_time: long("on_time") == 1,
        count: long("count"),
    }
}

/// Messages of two partitions, and then a lane that reads them.
struct Plant {
    world: World,
    sent: Vec<(i32, i64, i64)>,
}

impl Plant {
    fn new() -> Self {
        let mut world = World::new(2);
        // All of a test is in one epoch, unless the test says otherwise.
        world.epoch_interval = Duration::from_secs(1);
        Self { world, sent: Vec::new() }
    }

    /// `time` as it stands in the message.
    fn send_to(&mut self, partition: usize, device: &str, kafka_ms: i64, time: &str, value: f64) {
        let source = self.world.partitions[partition].clone();
        self.sent.push((source.partition, self.world.kafka.end(&source), kafka_ms));
        let message = format!(
            r#"{{"device_id":"{device}","timestamp":{time},"sensors":{{"temperature":{{"value":{value},"unit":"°C"}}}}}}"#
        );
        self.world.append_at(partition, kafka_ms, message.as_bytes());
    }

    fn send(&mut self, device: &str, kafka_ms: i64, event_ms: i64, value: f64) {
        self.send_to(0, device, kafka_ms, &event_ms.to_string(), value);
    }

    fn start(&mut self) -> Running {
        let mut lane = self.world.start(LANE);
        assign_all(&self.world);
        lane.turns_until("all committed", |_| self.world.all_committed());
        lane
    }

    /// Reads everything, writes the windows that are open, and says what became of each message, in the order in which they were sent.
    fn run(&mut self) -> Vec<Became> {
        let lane = self.start();
        lane.control.drain_windows();
        self.end(lane)
    }

    fn end(&mut self, mut lane: Running) -> Vec<Became> {
        assert_eq!(lane.stop(), LaneEnd::Stopped);
        let (late, early) = (lane.metrics.counted(Count::PartsLate), lane.metrics.counted(Count::PartsEarly));
        assert!(late == 0 || early == 0, "a test has late parts or early ones: {late}, {early}");
        self.became(if early > 0 { Early } else { Late })
    }

    fn became(&self, loose: Part) -> Vec<Became> {
        let (mut readings, mut rejects, mut aggregates) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        self.world.for_each_batch(|table, batch| {
            let columns = Column(batch);
            for row in 0..batch.num_rows() {
                let place = || (columns.small("partition", row).unwrap(), columns.long("offset", row).unwrap());
                match table {
                    Table::Readings => drop(readings.insert(place(), reading(&columns, row))),
                    Table::Rejects => drop(rejects.insert(place(), columns.text("reason", row).unwrap())),
                    Table::Aggregates => aggregates.push(aggregate(&columns, row)),
                    Table::Events | Table::Groups => {}
                }
            }
        });
        let mut found = 0;
        let mut told = |(partition, offset, kafka_ms): (i32, i64, i64)| {
            if let Some(reason) = rejects.get(&(partition, offset)) {
                return Reject(reason.clone());
            }
            let row = &readings[&(partition, offset)];
            assert_eq!(row.kafka_ms, (kafka_ms >= 0).then_some(kafka_ms));
            let has = |part: &&Aggregate| {
                part.partition == partition
                    && part.device == row.device
                    && (part.window.0..part.window.1).contains(&row.event_us)
                    && (part.span.0..part.span.1).contains(&offset)
            };
            let parts: Vec<&Aggregate> = aggregates.iter().filter(|_| row.quality == 0).filter(has).collect();
            assert!(parts.len() <= 1, "in {} parts", parts.len());
            found += parts.len();
            Reading(row.event_us, row.quality, parts.first().map(|part| if part.on_time { OnTime } else { loose }))
        };
        let became = self.sent.iter().map(|sent| told(*sent)).collect();
        // No part has more than what was found in it.
        assert_eq!(aggregates.iter().map(|part| usize::try_from(part.count).unwrap()).sum::<usize>(), found);
        became
    }
}

/// A message with a foolish time among good ones of another device: it hurts nobody.
fn among_good_ones(time: &str) -> Became {
    let mut plant = Plant::new();
    plant.send("good", NOON_MS, NOON_MS, 1.0);
    plant.send_to(0, "odd", NOON_MS + 1, time, 2.0);
    plant.send("good", NOON_MS + 10 * SECOND, NOON_MS + 10 * SECOND, 3.0);
    // The clock closes their window: with a message in time, whatever the odd one said.
    plant.send("good", CLOSING_MS, CLOSING_MS, 4.0);
    let mut became = plant.run();
    let odd = became.remove(1);
    assert_eq!(became, [NOON_MS, NOON_MS + 10 * SECOND, CLOSING_MS].map(|event_ms| counted(event_ms, OnTime)));
    odd
}

#[test]
fn a_time_of_the_year_1_is_stored_as_old() {
    assert_eq!(among_good_ones(r#""0001-01-01T00:00:00Z""#), kept_out(-62_135_596_800_000_000, Flag::OldTime));
}

#[test]
fn a_time_of_1970_is_stored_as_old() {
    assert_eq!(among_good_ones("0"), kept_out(0, Flag::OldTime));
    assert_eq!(among_good_ones(r#""1970-01-01T00:00:00+00:00""#), kept_out(0, Flag::OldTime));
}

#[test]
fn a_time_of_the_year_9999_is_stored_as_future() {
    assert_eq!(among_good_ones(r#""9999-12-31T23:59:59Z""#), kept_out(253_402_300_799_000_000, Flag::FutureTime));
}

#[test]
fn seconds_that_a_device_read_as_milliseconds_are_stored_as_old() {
    assert_eq!(among_good_ones(r#""1970-01-21T18:39:36Z""#), kept_out(NOON_MS, Flag::OldTime));
    // Sent as the number that they are, seconds are right.
    assert_eq!(among_good_ones(&(NOON_MS / 1_000).to_string()), counted(NOON_MS, OnTime));
}

#[test]
fn a_time_an_hour_or_a_day_ahead_is_stored_as_future() {
    for ahead_ms in [HOUR, DAY] {
        let event_ms = NOON_MS + ahead_ms;
        assert_eq!(among_good_ones(&event_ms.to_string()), kept_out(event_ms * 1_000, Flag::FutureTime));
    }
}

#[test]
fn late_by_eight_days_is_stored_as_old() {
    let event_ms = NOON_MS - 8 * DAY;
    assert_eq!(among_good_ones(&event_ms.to_string()), kept_out(event_ms * 1_000, Flag::OldTime));
}

#[test]
fn a_broken_zone_is_rejected_with_its_reason() {
    for (zone, reason) in [
        ("+25:00", "bad_time"),
        ("+08:", "bad_time"),
        ("CET", "bad_time"),
        (" CET", "bad_time"),
        ("Z+01", "bad_time"),
        ("[Nowhere]", "time_without_zone"),
    ] {
        let time = format!("\"2026-11-20T12:00:00{zone}\"");
        assert_eq!(among_good_ones(&time), Reject(reason.into()), "{zone}");
    }
    assert_eq!(among_good_ones(r#""2026-11-20T20:00:00+08:00""#), counted(NOON_MS, OnTime));
}

#[test]
fn a_message_without_kafka_time_is_stored_with_its_flag() {
    let mut plant = Plant::new();
    plant.send("good", NOON_MS, NOON_MS, 1.0);
    plant.send("odd", -1, NOON_MS, 2.0);
    plant.send("good", CLOSING_MS, CLOSING_MS, 3.0);
    let none = kept_out(NOON_MS * 1_000, Flag::NoKafkaTime);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), none, counted(CLOSING_MS, OnTime)]);
}

/// The wall is where the good ones are: a stamp beyond it counts as the wall.
#[test]
fn a_create_time_producer_a_day_ahead_gets_early_parts_and_moves_no_clock() {
    let mut plant = Plant::new();
    plant.send("good", WALL_MS, WALL_MS, 1.0);
    plant.send("ahead", WALL_MS + DAY, WALL_MS + DAY, 2.0);
    plant.send("good", WALL_MS + 1, WALL_MS + 1, 3.0);
    plant.send("ahead", WALL_MS + DAY + 1, WALL_MS + DAY + 1, 4.0);
    plant.send("good", WALL_MS + 2, WALL_MS - SECOND, 5.0);
    assert_eq!(
        plant.run(),
        [
            counted(WALL_MS, OnTime),
            counted(WALL_MS + DAY, Early),
            counted(WALL_MS + 1, OnTime),
            counted(WALL_MS + DAY + 1, Early),
            counted(WALL_MS - SECOND, OnTime),
        ]
    );
}

#[test]
fn a_create_time_producer_an_hour_behind_gets_late_parts() {
    let mut plant = Plant::new();
    plant.send("good", NOON_MS, NOON_MS, 1.0);
    plant.send("behind", NOON_MS - HOUR, NOON_MS - HOUR, 2.0);
    plant.send("good", NOON_MS + 1, NOON_MS + 1, 3.0);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), counted(NOON_MS - HOUR, Late), counted(NOON_MS + 1, OnTime)]);
}

#[test]
fn late_by_a_second_within_the_grace_is_on_time() {
    let mut plant = Plant::new();
    plant.send("d", NOON_MS, NOON_MS, 1.0);
    plant.send("d", NOON_MS + MINUTE, NOON_MS + MINUTE - SECOND, 2.0);
    plant.send("d", CLOSING_MS - 1, NOON_MS + 1, 3.0);
    let all = [NOON_MS, NOON_MS + MINUTE - SECOND, NOON_MS + 1].map(|event_ms| counted(event_ms, OnTime));
    assert_eq!(plant.run(), all);
}

#[test]
fn late_by_a_second_after_the_closing_is_a_late_part() {
    let mut plant = Plant::new();
    plant.send("d", NOON_MS, NOON_MS, 1.0);
    plant.send("d", CLOSING_MS, CLOSING_MS, 2.0);
    plant.send("d", CLOSING_MS + SECOND, NOON_MS + 1, 3.0);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), counted(CLOSING_MS, OnTime), counted(NOON_MS + 1, Late)]);
}

#[test]
fn late_by_an_hour_is_a_late_part() {
    let mut plant = Plant::new();
    plant.send("d", NOON_MS, NOON_MS, 1.0);
    plant.send("d", NOON_MS + 1, NOON_MS - HOUR, 2.0);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), counted(NOON_MS - HOUR, Late)]);
}

#[test]
fn repeats_are_flagged_before_the_closing_and_count_at_it_and_after_it() {
    let mut plant = Plant::new();
    let repeat = kept_out(NOON_MS * 1_000, Flag::Duplicate);
    plant.send("d", NOON_MS, NOON_MS, 1.0);
    plant.send("d", NOON_MS + 1, NOON_MS, 1.0);
    plant.send("d", CLOSING_MS - 1, NOON_MS, 1.0);
    plant.send("d", CLOSING_MS, NOON_MS, 1.0);
    plant.send("d", CLOSING_MS + 1, NOON_MS, 1.0);
    let late = counted(NOON_MS, Late);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), repeat.clone(), repeat, late.clone(), late]);
}

#[test]
fn a_topic_that_turns_silent_still_gets_its_last_window() {
    let mut plant = Plant::new();
    plant.send("d", NOON_MS, NOON_MS, 1.0);
    let mut lane = plant.start();
    assert_eq!(lane.metrics.counted(Count::PartsOnTime), 0);
    lane.turns_until("the window of a silent topic", |lane| lane.metrics.counted(Count::PartsOnTime) > 0);
    assert_eq!(plant.end(lane), [counted(NOON_MS, OnTime)]);
}

#[test]
fn a_device_on_two_partitions_has_a_part_of_each() {
    let mut plant = Plant::new();
    for second in 0..4_u8 {
        let time_ms = NOON_MS + i64::from(second) * SECOND;
        plant.send_to(usize::from(second % 2), "d", time_ms, &time_ms.to_string(), f64::from(second));
    }
    let expected: Vec<Became> = (0..4).map(|second| counted(NOON_MS + second * SECOND, OnTime)).collect();
    assert_eq!(plant.run(), expected);
}

#[test]
fn devices_beyond_the_limit_are_stored_with_their_flag() {
    let mut plant = Plant::new();
    plant.world.windows.devices_max = 2;
    for (i, device) in ["a", "b", "c", "a"].into_iter().enumerate() {
        plant.send(device, NOON_MS, NOON_MS + i64::try_from(i).unwrap(), 1.0);
    }
    let over = kept_out((NOON_MS + 2) * 1_000, Flag::OverLimit);
    assert_eq!(plant.run(), [counted(NOON_MS, OnTime), counted(NOON_MS + 1, OnTime), over, counted(NOON_MS + 3, OnTime)]);
}
