//! The clock of a partition: the highest Kafka timestamp seen on it.
//!
//! A producer's stamp (CreateTime) that is ahead of the wall by more than `future_skew` counts as the wall: a wrong clock moves time by at
//! most that. The broker's own (LogAppendTime) is trusted. The clock decides only when something is written, and in which hour's folder.

use crate::batch::trusted_stamp_ms;

/// See the module. Times in ms since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock(Option<i64>);

impl Clock {
    pub fn at(time_ms: Option<i64>) -> Self {
        Clock(time_ms)
    }

    /// None: no record had a Kafka time yet.
    pub fn now_ms(self) -> Option<i64> {
        self.0
    }

    /// Takes one record's Kafka time into account; -1 (none) changes nothing.
    pub fn observe(&mut self, kafka_time_ms: i64, guard_ms: i64, future_skew_ms: i64) {
        if kafka_time_ms >= 0 {
            self.advance_to(trusted_stamp_ms(kafka_time_ms, guard_ms, future_skew_ms));
        }
    }

    /// Never back.
    pub fn advance_to(&mut self, time_ms: i64) {
        self.0 = Some(self.0.map_or(time_ms, |now| now.max(time_ms)));
    }
}
