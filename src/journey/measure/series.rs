//! What one series of one part has measured: one value at a time, in offset order.

/// Count, mean and spread, extremes, first and last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measures {
    pub(super) count: u32,
    pub(super) count_bad: u32,
    pub(super) mean: f64,
    pub(super) m2: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) first_time_us: i64,
    pub(super) last_time_us: i64,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            count: 0,
            count_bad: 0,
            mean: 0.0,
            m2: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            first: 0.0,
            last: 0.0,
            first_time_us: i64::MAX,
            last_time_us: i64::MIN,
        }
    }
}

impl Measures {
    /// Welford, "Note on a method for calculating corrected sums of squares and products" (1962).
    #[inline]
    pub(super) fn add(&mut self, value: f64, time_us: i64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / f64::from(self.count);
        self.m2 += delta * (value - self.mean);
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
        // Offsets rise: of equal times the earlier offset is first, the later one last.
        if time_us < self.first_time_us {
            self.first_time_us = time_us;
            self.first = value;
        }
        if time_us >= self.last_time_us {
            self.last_time_us = time_us;
            self.last = value;
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.count > 0 || self.count_bad > 0
    }

    pub(super) fn summary(&self) -> Summary {
        Summary { count: self.count, mean: self.mean, m2: self.m2 }
    }
}

/// [`Measures`] of a device's sensor, and how long its values held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Series {
    pub(super) measures: Measures,
    /// Sum of value × µs until the next later value. A value that comes out of order holds for no time.
    held: f64,
    /// Event time of the first value in offset order, where holding begins.
    held_since_us: i64,
    transitions: u32,
}

impl Series {
    #[inline]
    pub(super) fn add(&mut self, value: f64, time_us: i64) {
        if self.measures.count == 0 {
            self.held_since_us = time_us;
        } else if time_us >= self.measures.last_time_us {
            let last = self.measures.last;
            self.held += last * (time_us - self.measures.last_time_us) as f64;
            #[expect(clippy::float_cmp, reason = "a boolean is exactly 0 or 1")]
            let changed = last != value;
            self.transitions += u32::from(changed);
        }
        self.measures.add(value, time_us);
    }

    /// None: no time passed between the values.
    pub(super) fn time_weighted_mean(&self) -> Option<f64> {
        let span_us = self.measures.last_time_us.saturating_sub(self.held_since_us);
        (self.measures.count > 1 && span_us > 0).then(|| self.held / span_us as f64)
    }

    /// Of a boolean: changes, and µs that it was true. Both are exact: sums of whole µs stay far below 2^53.
    pub(super) fn transitions_and_time_on(&self) -> Option<(i64, i64)> {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let time_on_us = self.held as i64;
        (self.measures.count > 0).then_some((i64::from(self.transitions), time_on_us))
    }
}

/// What rolling values need of a written series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u32,
    pub(super) mean: f64,
    pub(super) m2: f64,
}

/// Summaries merged from the oldest window to the newest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rolling {
    count: f64,
    mean: f64,
    m2: f64,
    pub(super) windows: i32,
}

impl Rolling {
    /// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    pub(super) fn merge(&mut self, summary: Summary) {
        if summary.count == 0 {
            return;
        }
        self.windows += 1;
        let count = f64::from(summary.count);
        if self.windows == 1 {
            (self.count, self.mean, self.m2) = (count, summary.mean, summary.m2);
            return;
        }
        let sum = self.count + count;
        let delta = summary.mean - self.mean;
        self.mean += delta * count / sum;
        self.m2 = self.m2 + summary.m2 + delta * delta * self.count * count / sum;
        self.count = sum;
    }

    /// Mean and standard deviation of the population; None without any value.
    pub(super) fn mean_and_stddev(&self) -> Option<(f64, f64)> {
        (self.windows > 0).then(|| (self.mean, (self.m2 / self.count).sqrt()))
    }
}
