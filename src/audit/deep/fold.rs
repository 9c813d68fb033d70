//! The definition of the windows' columns (`docs/windows.md`), as a plain fold over values in offset order. Written from the definition: it
//! shares no code with the stage that it checks.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns of a row that are measured, floats as their bits: equal is equal bit for bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) count: i64,
    pub(super) count_bad: i64,
    pub(super) mean: Option<u64>,
    pub(super) m2: Option<u64>,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) first_time_us: Option<i64>,
    pub(super) last_time_us: Option<i64>,
    pub(super) time_weighted_mean: Option<u64>,
    pub(super) transitions: Option<i64>,
    pub(super) time_on_us: Option<i64>,
    /// Of `aggregates`: where the device's last counted reading was. Of `groups` it is what the row is of.
    pub(super) building: Option<Arc<str>>,
    pub(super) floor: Option<i32>,
    pub(super) room: Option<Arc<str>>,
    /// `groups` only: (bucket, count).
    pub(super) buckets: Vec<(i32, i64)>,
}

/// A cell of a row, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Null,
    Whole(i64),
    Float(u64),
    Text(Arc<str>),
    Buckets(Vec<(i32, i64)>),
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Null => f.write_str("null"),
            Cell::Whole(number) => write!(f, "{number}"),
            Cell::Float(bits) => write!(f, "{:?} ({bits:016x})", f64::from_bits(*bits)),
            Cell::Text(text) => write!(f, "{text:?}"),
            Cell::Buckets(buckets) => write!(f, "{buckets:?}"),
        }
    }
}

impl Values {
    fn cells(&self) -> [(&'static str, Cell); 17] {
        let whole = |number: Option<i64>| number.map_or(Cell::Null, Cell::Whole);
        let float = |bits: Option<u64>| bits.map_or(Cell::Null, Cell::Float);
        let text = |text: &Option<Arc<str>>| text.clone().map_or(Cell::Null, Cell::Text);
        [
            ("count", Cell::Whole(self.count)),
            ("count_bad", Cell::Whole(self.count_bad)),
            ("mean", float(self.mean)),
            ("m2", float(self.m2)),
            ("min", float(self.min)),
            ("max", float(self.max)),
            ("first", float(self.first)),
            ("last", float(self.last)),
            ("first_time", whole(self.first_time_us)),
            ("last_time", whole(self.last_time_us)),
            ("time_weighted_mean", float(self.time_weighted_mean)),
            ("transitions", whole(self.transitions)),
            ("time_on_us", whole(self.time_on_us)),
            ("building", text(&self.building)),
            ("floor", whole(self.floor.map(i64::from))),
            ("room", text(&self.room)),
            ("buckets", Cell::Buckets(self.buckets.clone())),
        ]
    }

    /// The first column that differs: its name, what is stored, and what it must be.
    pub(super) fn difference(&self, recomputed: &Values) -> Option<String> {
        if self == recomputed {
            return None;
        }
        let pairs = self.cells().into_iter().zip(recomputed.cells());
        let mut different = pairs.filter(|((_, stored), (_, wanted))| stored != wanted);
        let ((name, stored), (_, wanted)) = different.next()?;
        let more = different.count();
        let others = if more == 0 { String::new() } else { format!(", and {more} more columns") };
        Some(format!("{name} is {stored}, the readings give {wanted}{others}"))
    }
}

/// Values that counted, folded in offset order.
#[derive(Clone, Debug, Default)]
pub(super) struct Fold {
    count: u64,
    count_bad: u64,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
    /// (event time, value).
    first: (i64, f64),
    last: (i64, f64),
}

impl Fold {
    /// Welford (1962) for mean and m2. Of equal times the earlier offset is first and the later one last, and offsets rise.
    pub(super) fn add(&mut self, value: f64, time_us: i64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.m2 += before * (value - self.mean);
        if self.count == 1 {
            (self.min, self.max, self.first, self.last) = (value, value, (time_us, value), (time_us, value));
            return;
        }
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        if time_us < self.first.0 {
            self.first = (time_us, value);
        }
        if time_us >= self.last.0 {
            self.last = (time_us, value);
        }
    }

    pub(super) fn add_bad(&mut self) {
        self.count_bad += 1;
    }

    /// Whether it makes a row.
    pub(super) fn says_anything(&self) -> bool {
        self.count > 0 || self.count_bad > 0
    }

    pub(super) fn values(&self) -> Values {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let counts = Values { count: whole(self.count), count_bad: whole(self.count_bad), ..Values::default() };
        if self.count == 0 {
            return counts;
        }
        let float = |value: f64| Some(value.to_bits());
        Values {
            mean: float(self.mean),
            m2: float(self.m2),
            min: float(self.min),
            max: float(self.max),
            first: float(self.first.1),
            last: float(self.last.1),
            first_time_us: Some(self.first.0),
            last_time_us: Some(self.last.0),
            ..counts
        }
    }
}

/// A device's sensor in one part: the fold, and how long its values held.
#[derive(Clone, Debug, Default)]
pub(super) struct DeviceFold {
    pub(super) fold: Fold,
    is_boolean: bool,
    /// The first value by offset, and of those that came in the order of their times the latest: (event time, value).
    held_from_us: i64,
    latest: (i64, f64),
    held: f64,
    transitions: i64,
}

impl DeviceFold {
    pub(super) fn add(&mut self, value: f64, time_us: i64, is_boolean: bool) {
        self.is_boolean = is_boolean;
        if self.fold.count == 0 {
            (self.held_from_us, self.latest) = (time_us, (time_us, value));
        } else if time_us >= self.latest.0 {
            // The value before held until now. One that comes out of order holds for no time.
            self.held += self.latest.1 * (time_us - self.latest.0) as f64;
            self.transitions += i64::from(self.latest.1.partial_cmp(&value) != Some(std::cmp::Ordering::Equal));
            self.latest = (time_us, value);
        }
        self.fold.add(value, time_us);
    }

    pub(super) fn values(&self) -> Values {
        let mut values = self.fold.values();
        if self.fold.count == 0 {
            return values;
        }
        let span_us = self.latest.0.saturating_sub(self.held_from_us);
        if self.fold.count > 1 && span_us > 0 {
            values.time_weighted_mean = Some((self.held / span_us as f64).to_bits());
        }
        if self.is_boolean {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number of µs, far below 2^53")]
            let time_on_us = self.held as i64;
            (values.transitions, values.time_on_us) = (Some(self.transitions), Some(time_on_us));
        }
        values
    }
}

/// A place's sensor in one part: the fold, and its sketch.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupFold {
    pub(super) fold: Fold,
    buckets: BTreeMap<i32, i64>,
}

impl GroupFold {
    pub(super) fn add(&mut self, value: f64, time_us: i64) {
        self.fold.add(value, time_us);
        *self.buckets.entry(bucket_of(value)).or_insert(0) += 1;
    }

    pub(super) fn values(&self) -> Values {
        let buckets = self.buckets.iter().map(|(bucket, count)| (*bucket, *count)).collect();
        Values { buckets, ..self.fold.values() }
    }
}

/// The bucket of a value: 64 of equal width lie between a power of two and the next, numbered by exponent; negative for negative values, 0
/// for zero and what is below the smallest normal number.
fn bucket_of(value: f64) -> i32 {
    let magnitude = value.abs();
    if magnitude < f64::MIN_POSITIVE {
        return 0;
    }
    let bits = magnitude.to_bits();
    // Below 2^11 and 2^6: the sign is off.
    let exponent = i32::try_from(bits >> 52).unwrap_or(0);
    let step = i32::try_from((bits >> 46) & 63).unwrap_or(0);
    let bucket = exponent * 64 + step;
    if value < 0.0 { -bucket } else { bucket }
}

/// What rolling values combine: count, mean and m2 of an on-time row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) count: i64,
    pub(super) mean: f64,
    pub(super) m2: f64,
}

/// Rolling mean and standard deviation as bits, and how many windows had a value.
pub(super) type Rolling = (Option<u64>, Option<u64>, i32);

/// Combines rows that have values, oldest first: Chan, Golub and LeVeque (1979).
pub(super) fn roll(rows: impl IntoIterator<Item = Summary>) -> Rolling {
    let mut windows = 0;
    let (mut count, mut mean, mut m2) = (0.0, 0.0, 0.0);
    for row in rows {
        windows += 1;
        let added = row.count as f64;
        if windows == 1 {
            (count, mean, m2) = (added, row.mean, row.m2);
            continue;
        }
        let sum = count + added;
        let delta = row.mean - mean;
        mean += delta * added / sum;
        m2 = m2 + row.m2 + delta * delta * count * added / sum;
        count = sum;
    }
    if windows == 0 {
        return (None, None, 0);
    }
    let deviation: f64 = m2 / count;
    (Some(mean.to_bits()), Some(deviation.sqrt().to_bits()), windows)
}
