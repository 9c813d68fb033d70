//! The definition, from the readings alone and in the plainest way. Names nothing of the code under test; rows are plain data.

use std::collections::{BTreeMap, HashMap};

use super::{Reading, Row, Subject, Values};

/// Flags that keep a message out of the windows: future_time, old_time, no_kafka_time, duplicate, over_limit (bits 6 to 10).
pub(super) const UNTRUSTED: u16 = 0b111 << 6;
pub(super) const DUPLICATE: u16 = 1 << 9;
pub(super) const OVER_LIMIT: u16 = 1 << 10;
const MESSAGE_OUT: u16 = UNTRUSTED | DUPLICATE | OVER_LIMIT;
/// bad_value, missing, unknown_unit (bits 0 to 2).
const VALUE_OUT: u16 = 0b111;
/// out_of_range, device_fault (bits 3 and 4).
pub(super) const VALUE_BAD: u16 = 0b11 << 3;
/// How many counted readings of a device repeats are looked for among.
pub(super) const MEMORY: usize = 16;

pub(super) fn is_counted(reading: &Reading) -> bool {
    reading.quality & MESSAGE_OUT == 0
}

fn is_of(reading: &Reading, subject: &Subject) -> bool {
    match subject {
        Subject::Device(device) => reading.device == *device,
        Subject::Group(building, floor) => reading.building == building.as_deref() && reading.floor == *floor,
    }
}

/// What a row must say, from the readings that it names.
pub(super) fn fold(readings: &[Reading], row: &Row) -> Values {
    let named = |reading: &&Reading| {
        let inside = row.from <= reading.offset && reading.offset < row.to;
        inside && row.start_us <= reading.event_us && reading.event_us < row.end_us
    };
    let all: Vec<&Reading> =
        readings.iter().filter(named).filter(|reading| is_counted(reading) && is_of(reading, &row.subject)).collect();
    let flags = |reading: &&&Reading| reading.sensors[row.sensor].1;
    let is_good = |reading: &&&Reading| flags(reading) & (VALUE_OUT | VALUE_BAD) == 0 && reading.sensors[row.sensor].0.is_some();
    let good: Vec<(i64, f64)> =
        all.iter().filter(is_good).map(|reading| (reading.event_us, reading.sensors[row.sensor].0.unwrap())).collect();
    let mut values = Values {
        count: number(good.len()),
        count_bad: number(all.iter().filter(|reading| flags(reading) & VALUE_BAD != 0).count()),
        ..Values::default()
    };
    if let Subject::Device(_) = row.subject {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        values.place = all.last().map(|reading| (owned(reading.building), reading.floor, owned(reading.room)));
    }
    if good.is_empty() {
        return values;
    }
    // In offset order: of equal times the first one is first, and the last one last.
    let first = good.iter().min_by_key(|(time, _)| *time).unwrap();
    let last = good.iter().max_by_key(|(time, _)| *time).unwrap();
    let (mean, m2) = welford(&good);
    let min = good.iter().skip(1).fold(good[0].1, |min, (_, value)| if *value < min { *value } else { min });
    let max = good.iter().skip(1).fold(good[0].1, |max, (_, value)| if *value > max { *value } else { max });
    values.floats = Some([mean, m2, min, max, first.1, last.1].map(f64::to_bits));
    values.times = Some((first.0, last.0));
    match row.subject {
        Subject::Device(_) => hold(&good, row.sensor == 1, &mut values),
        Subject::Group(..) => {
            let mut buckets = BTreeMap::new();
            for (_, value) in &good {
                *buckets.entry(bucket(*value)).or_insert(0) += 1;
            }
            values.buckets = buckets.into_iter().collect();
        }
    }
    values
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

fn welford(values: &[(i64, f64)]) -> (f64, f64) {
    let (mut count, mut mean, mut m2) = (0.0, 0.0, 0.0);
    for (_, value) in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        m2 += delta * (value - mean);
    }
    (mean, m2)
}

/// Values that come in the order of their times, each held until the next one; those that come out of order are passed over.
fn hold(values: &[(i64, f64)], is_boolean: bool, out: &mut Values) {
    let mut chain = vec![values[0]];
    for value in &values[1..] {
        if value.0 >= chain[chain.len() - 1].0 {
            chain.push(*value);
        }
    }
    // What was lower than the first by offset is not in the chain either: it came out of order.
    let held: f64 = chain.windows(2).fold(0.0, |held, pair| held + pair[0].1 * (pair[1].0 - pair[0].0) as f64);
    let span = chain[chain.len() - 1].0 - chain[0].0;
    out.time_weighted_mean = (span > 0).then(|| (held / span as f64).to_bits());
    if is_boolean {
        let transitions = chain.windows(2).filter(|pair| pair[0].1.to_bits() != pair[1].1.to_bits()).count();
        let time_on = chain.windows(2).filter(|pair| pair[0].1 != 0.0).map(|pair| pair[1].0 - pair[0].0).sum();
        out.transitions_and_time_on = Some((number(transitions), time_on));
    }
}

/// By the definition: 64 buckets of equal width between a power of two and the next; found by halving and doubling, which is exact.
pub(super) fn bucket(value: f64) -> i32 {
    let mut magnitude = value.abs();
    if magnitude < f64::MIN_POSITIVE {
        return 0;
    }
    let mut exponent = 0;
    while magnitude >= 2.0 {
        magnitude /= 2.0;
        exponent += 1;
    }
    while magnitude < 1.0 {
        magnitude *= 2.0;
        exponent -= 1;
    }
    let step = (1..64).take_while(|step| magnitude >= 1.0 + f64::from(*step) / 64.0).count();
    let bucket = (exponent + 1023) * 64 + i32::try_from(step).unwrap();
    if value < 0.0 { -bucket } else { bucket }
}

/// The middle of a bucket.
pub(super) fn middle(bucket: i32) -> f64 {
    let magnitude = bucket.abs();
    if magnitude == 0 {
        return 0.0;
    }
    let middle = 2_f64.powi((magnitude >> 6) - 1023) * (1.0 + (f64::from(magnitude & 63) + 0.5) / 64.0);
    if bucket < 0 { -middle } else { middle }
}

/// Rolling values of an on-time row from the on-time rows of the N windows that end with its own, oldest first (Chan et al.).
pub(super) fn rolling(rows: &[&Row]) -> (Option<(u64, u64)>, i32) {
    let mut merged: Option<(f64, f64, f64)> = None;
    let mut windows = 0;
    for row in rows {
        let Some(floats) = row.values.floats else { continue };
        let (count, mean, m2) = (row.values.count as f64, f64::from_bits(floats[0]), f64::from_bits(floats[1]));
        windows += 1;
        merged = Some(match merged {
            None => (count, mean, m2),
            Some(before) => {
                let sum = before.0 + count;
                let delta = mean - before.1;
                (sum, before.1 + delta * count / sum, before.2 + m2 + delta * delta * before.0 * count / sum)
            }
        });
    }
    (merged.map(|(count, mean, m2)| (mean.to_bits(), (m2 / count).sqrt().to_bits())), windows)
}

/// The flags of one part's trusted readings in offset order: repeats and what is over the limit.
pub(super) fn judge(readings: &[&Reading], limit: usize) -> HashMap<i64, u16> {
    let mut memory: HashMap<&str, Vec<&Reading>> = HashMap::new();
    let mut places = Vec::new();
    let mut flags = HashMap::new();
    for reading in readings {
        let known = memory.get(reading.device.as_str());
        let same = |other: &&Reading| other.event_us == reading.event_us && values_of(other) == values_of(reading);
        let recent = known.map_or(&[][..], |known| &known[known.len().saturating_sub(MEMORY)..]);
        let place = (reading.building, reading.floor);
        let flag = if recent.iter().any(same) {
            DUPLICATE
        } else if (known.is_none() && memory.len() >= limit) || (!places.contains(&place) && places.len() >= limit) {
            OVER_LIMIT
        } else {
            if !places.contains(&place) {
                places.push(place);
            }
            memory.entry(&reading.device).or_default().push(reading);
            0
        };
        flags.insert(reading.offset, flag);
    }
    flags
}

fn values_of(reading: &Reading) -> [Option<u64>; 2] {
    reading.sensors.map(|(value, _)| value.map(f64::to_bits))
}
