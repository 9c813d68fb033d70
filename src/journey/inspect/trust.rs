//! Rule: an event time far from the message's own Kafka time is not trusted. A function of the message alone: no device can move time
//! for another.

use arrow::array::{Array, TimestampMicrosecondArray, TimestampMillisecondArray};

use crate::batch::Flag;

/// How far from the Kafka time an event time is trusted, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) future_skew_ms: i64,
    pub(super) age_max_ms: i64,
}

pub(super) fn flag_untrusted(
    window: &Window,
    event_time: &TimestampMicrosecondArray,
    kafka_time: &TimestampMillisecondArray,
    quality: &mut [u16],
) {
    let micros = |ms: i64| ms.saturating_mul(1_000);
    let (skew, age) = (micros(window.future_skew_ms), micros(window.age_max_ms));
    for ((&event, kafka), quality) in event_time.values().iter().zip(kafka_time).zip(quality) {
        let Some(kafka) = kafka.map(micros) else {
            *quality |= Flag::NoKafkaTime.mask();
            continue;
        };
        *quality |= u16::from(event > kafka.saturating_add(skew)) << Flag::FutureTime as u8;
        *quality |= u16::from(event < kafka.saturating_sub(age)) << Flag::OldTime as u8;
    }
    debug_assert_eq!(event_time.null_count(), 0, "a reading always has an event time");
}
