//! What measure gives out: the parts of windows as columns, for the tables `aggregates` and `groups` and for the topic of aggregates.
//!
//! A part is the counted readings of one window of one partition with offsets in `[offset_from, offset_to)`; a row is what it says of one
//! series. What the columns mean is in `docs/windows.md`.

use arrow::array::{BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray};

use super::TopicPartition;

/// Which part of which window a row belongs to.
#[derive(Clone, Debug)]
pub struct PartColumns {
    pub window_start: TimestampMicrosecondArray,
    pub window_end: TimestampMicrosecondArray,
    /// Written when the clock passed the window, or by a drain: at most one a window and series of a partition.
    pub on_time: BooleanArray,
    /// The part could not be rebuilt whole, or one that its rolling values stand on.
    pub partial: BooleanArray,
    pub offset_from: Int64Array,
    pub offset_to: Int64Array,
}

/// What was measured. Values fold in offset order; booleans are 0 and 1.
#[derive(Clone, Debug)]
pub struct MeasureColumns {
    pub count: Int64Array,
    /// Values kept out because they were out of range or their device called them faulty.
    pub count_bad: Int64Array,
    /// Null where `count` is 0, as all that follow.
    pub mean: Float64Array,
    /// Sum of squared distances from the mean.
    pub m2: Float64Array,
    pub min: Float64Array,
    pub max: Float64Array,
    /// By (event time, partition, offset).
    pub first: Float64Array,
    pub last: Float64Array,
    pub first_time: TimestampMicrosecondArray,
    pub last_time: TimestampMicrosecondArray,
    /// Over the on-time parts of the N windows that end with this one; null in late and early parts.
    pub rolling_mean: Float64Array,
    pub rolling_stddev: Float64Array,
    /// How many of these windows had a value.
    pub rolling_windows: Int32Array,
}

/// Rows of `aggregates`: a series is one (device, sensor). The rows of one device and part stand together.
#[derive(Clone, Debug)]
pub struct AggregateColumns {
    pub part: PartColumns,
    pub device_id: StringArray,
    /// Of the device's last counted reading of the part, by offset; as `floor` and `room`.
    pub building: StringArray,
    pub floor: Int32Array,
    pub room: StringArray,
    pub sensor: StringArray,
    pub measures: MeasureColumns,
    /// Each value held until the next later one; null where that is no time.
    pub time_weighted_mean: Float64Array,
    /// Booleans: changes from one value to the next later one; null for numbers.
    pub transitions: Int64Array,
    /// Booleans: how long the value was true; null for numbers.
    pub time_on_us: Int64Array,
}

/// Rows of `groups`: a series is one (sensor, building, floor).
#[derive(Clone, Debug)]
pub struct GroupColumns {
    pub part: PartColumns,
    pub sensor: StringArray,
    pub building: StringArray,
    pub floor: Int32Array,
    pub measures: MeasureColumns,
    /// The quantile sketch: a list of (bucket, count), buckets ascending.
    pub buckets: ListArray,
}

impl AggregateColumns {
    pub fn len(&self) -> usize {
        self.part.offset_from.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl GroupColumns {
    pub fn len(&self) -> usize {
        self.part.offset_from.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A window that is known not to be whole: its rows say so, and the epoch too, for the window may have no row left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialWindow {
    pub start_ms: i64,
    pub end_ms: i64,
}

/// Parts of one partition that are ready to be written and published with the epoch.
#[derive(Clone, Debug)]
pub struct MeasuredParts {
    pub source: TopicPartition,
    /// In chunks; no chunk is empty, and none ends within a device.
    pub aggregates: Vec<AggregateColumns>,
    pub groups: Vec<GroupColumns>,
    pub partial: Vec<PartialWindow>,
    pub parts_on_time: u64,
    pub parts_late: u64,
    pub parts_early: u64,
}

impl MeasuredParts {
    pub fn none(source: TopicPartition) -> Self {
        Self {
            source,
            aggregates: Vec::new(),
            groups: Vec::new(),
            partial: Vec::new(),
            parts_on_time: 0,
            parts_late: 0,
            parts_early: 0,
        }
    }

    /// Whether there is nothing to write and nothing to say.
    pub fn is_empty(&self) -> bool {
        self.aggregates.is_empty() && self.groups.is_empty() && self.partial.is_empty()
    }

    /// Takes over what another has, of the same partition.
    pub fn append(&mut self, other: MeasuredParts) {
        debug_assert_eq!(self.source, other.source);
        self.aggregates.extend(other.aggregates);
        self.groups.extend(other.groups);
        self.partial.extend(other.partial);
        self.parts_on_time += other.parts_on_time;
        self.parts_late += other.parts_late;
        self.parts_early += other.parts_early;
    }
}
