//! Pace: how fast, and when it is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::{Deliver, DeliverError, DeliveryReport, Message, Pace, Rates, Speed, Summary, drive};
use super::memory::MemoryKafka;
use super::*;

fn now_ms() -> i64 {
    super::super::drive::wall_us() / 1_000
}

fn run(options: FleetOptions, pace: &Pace) -> (Summary, MemoryKafka) {
    let mut kafka = MemoryKafka::with_partitions(2);
    let mut fleet = Fleet::new(options).unwrap();
    let summary = drive(&mut fleet, &mut kafka, pace, &AtomicBool::new(false), None).unwrap();
    (summary, kafka)
}

#[test]
fn live_messages_keep_their_rate() {
    let start_ms = now_ms();
    let fleet = FleetOptions { interval_us: 1_000_000, clock: Clock::Schedule { start_ms }, ..options(Rates::NONE) };
    let (summary, _) = run(fleet, &Pace { duration: Some(Duration::from_millis(500)), ..Pace::default() });
    // 1,000 devices a second for half a second; a busy machine may only make it slower to notice the end.
    assert!((400..=800).contains(&summary.sent), "{}", summary.sent);
    assert!(summary.elapsed >= Duration::from_millis(500));
}

#[test]
fn a_run_on_a_schedule_ends_at_the_present() {
    let begun_ms = now_ms();
    let clock = Clock::Schedule { start_ms: begun_ms - 60_000 };
    let fleet = FleetOptions { interval_us: 1_000_000, clock, ..options(Rates::NONE) };
    let (summary, _) = run(fleet, &Pace { speed: Speed::Max, ..Pace::default() });
    assert!((60_000..70_000).contains(&summary.sent), "{}", summary.sent);
}

#[test]
fn simulated_time_can_be_bounded() {
    let pace = Pace { speed: Speed::Max, until_ms: Some(START_MS + 10_000), ..Pace::default() };
    let (summary, _) = run(options(Rates::NONE), &pace);
    assert_eq!(summary.sent, 2_000);
}

#[test]
fn simulated_time_can_run_faster() {
    let begun = Instant::now();
    let pace = Pace { speed: Speed::Times(100.0), until_ms: Some(START_MS + 20_000), ..Pace::default() };
    let (summary, _) = run(options(Rates::NONE), &pace);
    assert_eq!(summary.sent, 4_000);
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
}

#[test]
fn the_wall_clock_stamps_messages_in_order_and_no_device_twice_at_once() {
    let begun_ms = now_ms();
    let fleet = FleetOptions { devices: 10, clock: Clock::Wall, ..options(Rates::NONE) };
    let (summary, kafka) = run(fleet, &Pace { speed: Speed::Max, messages: Some(500), ..Pace::default() });
    assert_eq!(summary.sent, 500);
    // 50 rounds of at least 2 ms each.
    assert!(summary.elapsed >= Duration::from_millis(90), "{:?}", summary.elapsed);
    let stored: usize = kafka.partitions.iter().map(Vec::len).sum();
    assert_eq!(stored, 500);
    assert!(now_ms() - begun_ms < 60_000);
}

#[test]
fn a_second_run_goes_on_where_the_first_one_ended() {
    let mut fleet = Fleet::new(options(Rates::NONE)).unwrap();
    let mut kafka = MemoryKafka::with_partitions(1);
    let pace = Pace { speed: Speed::Max, messages: Some(100), ..Pace::default() };
    for _ in 0..2 {
        drive(&mut fleet, &mut kafka, &pace, &AtomicBool::new(false), None).unwrap();
    }
    let seqs: Vec<u64> = kafka.partitions[0].iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (0..200).collect::<Vec<_>>());
}

/// Sets the stop flag at a message.
struct Stopping<'a> {
    kafka: MemoryKafka,
    stop: &'a AtomicBool,
}

impl Deliver for Stopping<'_> {
    fn send(&mut self, message: &Message<'_>) -> Result<(), DeliverError> {
        if message.seq == 1_000 {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.kafka.send(message)
    }

    fn reports(&mut self, wait: Duration, visit: &mut dyn FnMut(DeliveryReport)) {
        self.kafka.reports(wait, visit);
    }
}

#[test]
fn a_stop_is_heard_and_all_reports_are_waited_for() {
    let stop = AtomicBool::new(false);
    let mut deliver = Stopping { kafka: MemoryKafka::with_partitions(2), stop: &stop };
    let mut fleet = Fleet::new(options(everything())).unwrap();
    let metrics = Arc::clone(&fleet.metrics());
    let summary = drive(&mut fleet, &mut deliver, &Pace { speed: Speed::Max, ..Pace::default() }, &stop, None).unwrap();
    assert!((1_001..1_100).contains(&summary.sent), "{}", summary.sent);
    assert_eq!((summary.delivered, metrics.in_flight()), (summary.sent, 0));
    assert_eq!(metrics.latency_buckets().map(|(_, count)| count).sum::<u64>(), summary.sent);
    assert!(summary.latency_p99_ms.is_some());
}
