//! Sends a fleet's messages at their times, and brings the reports home.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::batch::{RejectReason, Table};

use super::deliver::{Deliver, DeliverError, Delivery, DeliveryReport};
use super::fleet::Fleet;
use super::flight::Flight;
use super::label::Label;
use super::labels::{LabelError, LabelWriter};
use super::metrics::Metrics;
use super::options::Clock;

/// Messages between two looks at the clock, the stop flag and the reports.
const SLICE: u32 = 64;
/// The longest sleep, so that a stop is heard soon.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// At the end: so long without any report, and the rest counts as failed.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Live messages may be stamped this much ahead of the wall, µs: sleeps are not exact.
const AHEAD_US: i64 = 1_000_000;

/// How fast simulated time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Simulated seconds a second; 1 is live.
    Times(f64),
    /// As fast as messages are taken.
    Max,
}

/// How fast, and until when. A run on a schedule also ends where simulated time reaches the present.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    pub speed: Speed,
    pub messages: Option<u64>,
    /// Wall time.
    pub duration: Option<Duration>,
    /// Simulated time, ms: no message is stamped at or after it.
    pub until_ms: Option<i64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { speed: Speed::Times(1.0), messages: None, duration: None, until_ms: None }
    }
}

/// Messages of one fault and outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sort {
    /// Empty: none.
    pub fault: &'static str,
    pub table: Table,
    pub reason: Option<RejectReason>,
}

/// What a run did.
#[derive(Debug)]
pub struct Summary {
    pub sent: u64,
    pub sent_bytes: u64,
    pub delivered: u64,
    pub failed: u64,
    /// Intervals that devices passed in silence.
    pub silent: u64,
    /// Messages sent, by fault and expected outcome.
    pub sorts: BTreeMap<Sort, u64>,
    /// Messages sent, by anomaly.
    pub anomalies: BTreeMap<&'static str, u64>,
    /// Failed deliveries, by reason.
    pub failures: BTreeMap<String, u64>,
    pub elapsed: Duration,
    /// Half of the deliveries, and 99 of 100, were reported within this time, ms; None: none was.
    pub latency_p50_ms: Option<u64>,
    pub latency_p99_ms: Option<u64>,
    /// Why it ended early.
    pub ended_by: Option<DeliverError>,
}

impl Summary {
    /// Messages sent that must end in this table.
    pub fn expected(&self, table: Table) -> u64 {
        self.sorts.iter().filter(|(sort, _)| sort.table == table).map(|(_, count)| count).sum()
    }

    /// Rejects expected, by reason.
    pub fn expected_rejects(&self) -> BTreeMap<RejectReason, u64> {
        let mut reasons = BTreeMap::new();
        for (sort, count) in &self.sorts {
            if let Some(reason) = sort.reason {
                *reasons.entry(reason).or_default() += count;
            }
        }
        reasons
    }
}

/// Sends messages until the pace says that it is enough or `stop` is set, then waits for the reports still missing and closes the
/// labels. Only labels that cannot be written are an error; deliveries that fail are counted.
pub fn drive(
    fleet: &mut Fleet,
    deliver: &mut dyn Deliver,
    pace: &Pace,
    stop: &AtomicBool,
    labels: Option<LabelWriter>,
) -> Result<Summary, LabelError> {
    let mut run = Run::new(fleet, deliver, labels);
    let ended_by = run.send_all(fleet, deliver, pace, stop).err();
    run.collect_all(deliver);
    run.summary(ended_by)
}

/// Whether the next message may go.
enum Turn {
    Now,
    Later(Duration),
    Never,
}

struct Run {
    begun: Instant,
    first_us: i64,
    first_seq: u64,
    flight: Flight,
    metrics: Arc<Metrics>,
    readings: u64,
    sorts: BTreeMap<Sort, u64>,
    anomalies: BTreeMap<&'static str, u64>,
}

impl Run {
    fn new(fleet: &mut Fleet, deliver: &mut dyn Deliver, mut labels: Option<LabelWriter>) -> Self {
        // Reports of an earlier run are not ours.
        deliver.reports(Duration::ZERO, &mut |_| {});
        if let Some(labels) = &mut labels {
            labels.set_devices(fleet.options().devices);
        }
        fleet.set_wall(wall_us());
        let (first_us, first_seq) = (fleet.due_us(), fleet.next_seq());
        let metrics = fleet.metrics();
        Self {
            begun: Instant::now(),
            first_us,
            first_seq,
            flight: Flight::new(first_seq, labels, Arc::clone(&metrics)),
            metrics,
            readings: 0,
            sorts: BTreeMap::new(),
            anomalies: BTreeMap::new(),
        }
    }

    fn send_all(
        &mut self,
        fleet: &mut Fleet,
        deliver: &mut dyn Deliver,
        pace: &Pace,
        stop: &AtomicBool,
    ) -> Result<(), DeliverError> {
        let mut wait = Duration::ZERO;
        loop {
            self.collect(deliver, wait);
            wait = Duration::ZERO;
            let is_over = pace.duration.is_some_and(|duration| self.begun.elapsed() >= duration);
            if is_over || stop.load(Ordering::Relaxed) || self.flight.has_failed_labels() {
                return Ok(());
            }
            fleet.set_wall(wall_us());
            let now_ms = self.elapsed_ms();
            for _ in 0..SLICE {
                match self.turn(fleet, pace) {
                    Turn::Now => self.send(fleet, deliver, now_ms)?,
                    Turn::Later(until) => {
                        wait = until.clamp(Duration::from_millis(1), SLEEP_MAX);
                        break;
                    }
                    Turn::Never => return Ok(()),
                }
            }
        }
    }

    fn turn(&self, fleet: &mut Fleet, pace: &Pace) -> Turn {
        if pace.messages.is_some_and(|messages| fleet.next_seq() - self.first_seq >= messages) {
            return Turn::Never;
        }
        let due_us = fleet.due_us();
        if pace.until_ms.is_some_and(|until_ms| due_us >= until_ms.saturating_mul(1_000)) {
            return Turn::Never;
        }
        let ahead_us = due_us - fleet.wall_us();
        let is_scheduled = fleet.options().clock != Clock::Wall;
        match pace.speed {
            _ if !is_scheduled && ahead_us > 0 => Turn::Later(Duration::from_micros(ahead_us.unsigned_abs())),
            _ if !is_scheduled => Turn::Now,
            Speed::Max if ahead_us > 0 => Turn::Never,
            Speed::Max => Turn::Now,
            Speed::Times(times) => {
                let since_start_us = (due_us - self.first_us) as f64 / times.max(1e-9);
                let left_us = since_start_us - self.begun.elapsed().as_micros() as f64;
                if left_us > 0.0 {
                    Turn::Later(Duration::from_micros(positive(left_us)))
                } else if ahead_us > AHEAD_US {
                    Turn::Never
                } else {
                    Turn::Now
                }
            }
        }
    }

    fn send(&mut self, fleet: &mut Fleet, deliver: &mut dyn Deliver, now_ms: u64) -> Result<(), DeliverError> {
        fleet.build();
        let message = fleet.message();
        self.flight.begin(fleet.label(), now_ms);
        self.metrics.count_sent(message.key.len() + message.value.map_or(0, <[u8]>::len));
        self.sort(fleet.label());
        deliver.send(&message).inspect_err(|error| {
            // It was never handed over, so nobody will report it.
            let delivery = Delivery::Failed { reason: error.reason.clone() };
            self.flight.report(&DeliveryReport { seq: error.seq, delivery }, now_ms);
        })
    }

    fn sort(&mut self, label: &Label) {
        let (table, reason) = (label.expected.table, label.expected.reason);
        if label.fault.is_empty() && table == Table::Readings {
            self.readings += 1;
        } else {
            *self.sorts.entry(Sort { fault: label.fault, table, reason }).or_default() += 1;
        }
        let anomaly = label.anomaly.name();
        if !anomaly.is_empty() {
            *self.anomalies.entry(anomaly).or_default() += 1;
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn collect(&mut self, deliver: &mut dyn Deliver, wait: Duration) {
        let begun = self.begun;
        let flight = &mut self.flight;
        // The clock is asked once a visit, not once a report.
        let mut now_ms = None;
        deliver.reports(wait, &mut |report| {
            let now_ms = *now_ms.get_or_insert_with(|| u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
            flight.report(&report, now_ms);
        });
    }

    /// Waits for the reports still missing.
    fn collect_all(&mut self, deliver: &mut dyn Deliver) {
        let mut last_news = Instant::now();
        while self.flight.missing() > 0 {
            let before = self.flight.missing();
            self.collect(deliver, SLEEP_MAX);
            if self.flight.missing() < before {
                last_news = Instant::now();
            } else if last_news.elapsed() > SILENCE_MAX {
                self.flight.give_up("no delivery report");
            }
        }
    }

    fn summary(mut self, ended_by: Option<DeliverError>) -> Result<Summary, LabelError> {
        let elapsed = self.begun.elapsed();
        if self.readings > 0 {
            self.sorts.insert(Sort { fault: "", table: Table::Readings, reason: None }, self.readings);
        }
        let failures = self.flight.finish()?;
        Ok(Summary {
            sent: self.metrics.sent(),
            sent_bytes: self.metrics.sent_bytes(),
            delivered: self.metrics.delivered(),
            failed: self.metrics.failed(),
            silent: self.metrics.silent(),
            sorts: self.sorts,
            anomalies: self.anomalies,
            failures,
            elapsed,
            latency_p50_ms: self.metrics.latency_quantile_ms(0.5),
            latency_p99_ms: self.metrics.latency_quantile_ms(0.99),
            ended_by,
        })
    }
}

/// Whole microseconds of a number above zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // above zero, and a cast from float saturates
fn positive(micros: f64) -> u64 {
    micros as u64
}

/// Now, µs since the epoch.
pub(super) fn wall_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
