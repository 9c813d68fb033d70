//! The clock of a partition: the highest Kafka timestamp seen on it.
//!
//! A stamp that is ahead of the wall by more than `future_skew` counts as the wall: a producer with a wrong clock (CreateTime) moves
//! time by at most that. The clock decides only when something is written, and in which hour's folder.

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
    pub fn observe(&mut self, kafka_time_ms: i64, wall_ms: i64, future_skew_ms: i64) {
        if kafka_time_ms < 0 {
            return;
        }
        let trusted = if kafka_time_ms > wall_ms.saturating_add(future_skew_ms) { wall_ms } else { kafka_time_ms };
        self.0 = Some(self.0.map_or(trusted, |now| now.max(trusted)));
    }
}
