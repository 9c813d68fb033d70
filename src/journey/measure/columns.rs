//! Parts → columns: a row a series that has anything to say.

mod arrays;

use std::sync::Arc;

use arrow::array::types::{Float64Type, TimestampMicrosecondType};
use arrow::array::{ArrayRef, Int32Array, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;

use self::arrays::{Texts, Validity, bit_runs, number_runs, numbers};
use super::devices::Devices;
use super::part::Part;
use super::past::Past;
use super::series::{Held, Measures, Rolling};
use crate::batch::{
    AggregateColumns, GroupColumns, MeasureColumns, MeasuredParts, PartColumns, SensorCatalog, TopicPartition, sketch_fields,
    sketch_item,
};

/// A chunk ends with the device or group that reaches so many rows, or so many bytes of text: bounds what is copied at once, and what
/// arrays must count.
const CHUNK_ROWS: usize = 65_536;
const CHUNK_TEXT_BYTES: usize = 1 << 26;
/// So many rows are gathered before they go to their columns: they fit the first cache.
const BLOCK_ROWS: usize = 128;
/// So many devices ahead their earlier windows are asked for.
const AHEAD: usize = 8;

/// What all rows of a part say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) on_time: bool,
    pub(super) partial: bool,
}

/// Collects the rows of parts of one partition.
pub(super) struct Writer<'a> {
    catalog: &'a SensorCatalog,
    aggregates: Aggregates,
    groups: Groups,
    parts: MeasuredParts,
}

/// What a row says of its series.
struct Line {
    measures: Measures,
    rolling: Rolling,
}

impl<'a> Writer<'a> {
    pub(super) fn new(catalog: &'a SensorCatalog, source: &TopicPartition) -> Self {
        let parts = MeasuredParts::none(source.clone());
        Self { catalog, aggregates: Aggregates::default(), groups: Groups::default(), parts }
    }

    /// For what is counted and told about the parts.
    pub(super) fn parts(&mut self) -> &mut MeasuredParts {
        &mut self.parts
    }

    /// `past`: the on-time parts of the windows before that rolling values combine, oldest first.
    pub(super) fn write(&mut self, part: &Part, label: Label, past: &[&Past], devices: &Devices) {
        self.write_devices(part, label, past, devices);
        self.write_groups(part, label, past);
    }

    fn write_devices(&mut self, part: &Part, label: Label, past: &[&Past], devices: &Devices) {
        let (tables, sensors) = (&part.tables, &self.catalog.sensors);
        let start_us = label.start_ms.saturating_mul(1_000);
        let rows_left = |from: usize| (tables.devices.len() - from).saturating_mul(sensors.len()).min(CHUNK_ROWS + sensors.len());
        self.aggregates.reserve(rows_left(0));
        let mut rolled = vec![Rolling::default(); sensors.len()];
        let mut block: Vec<(Line, Held)> = Vec::with_capacity(BLOCK_ROWS + sensors.len());
        for (at, slot) in tables.devices.iter().enumerate() {
            if let Some(next) = tables.devices.get(at + AHEAD) {
                for past in past {
                    past.fetch_device(next.device);
                }
            }
            rolled.fill(Rolling::default());
            for past in past {
                past.roll_device(slot.device, &mut rolled);
            }
            let rows = &mut self.aggregates;
            let begin = block.len();
            for (sensor, (spec, rolling)) in sensors.iter().zip(&rolled).enumerate() {
                let (measures, held) = tables.series.get(at, sensor, start_us);
                if measures.has_any() {
                    block.push((Line { measures, rolling: rolling.merged(measures.summary()) }, held));
                    rows.sensor.push_run(Some(&spec.name), 1);
                }
            }
            let added = block.len() - begin;
            let place = tables.groups.names.get(slot.group as usize);
            rows.device_id.push_run(Some(devices.name(slot.device)), added);
            rows.places.push_run(place.and_then(|place| place.building.as_deref()), place.and_then(|place| place.floor), added);
            rows.room.push_run(slot.room.as_deref(), added);
            let is_full = rows.labels.rows + block.len() >= CHUNK_ROWS || rows.text_bytes() >= CHUNK_TEXT_BYTES;
            if is_full || block.len() >= BLOCK_ROWS {
                rows.push_block(label, &block);
                block.clear();
            }
            if is_full {
                self.parts.aggregates.push(std::mem::take(rows).finish());
                rows.reserve(rows_left(at + 1));
            }
        }
        self.aggregates.push_block(label, &block);
    }

    fn write_groups(&mut self, part: &Part, label: Label, past: &[&Past]) {
        let (tables, sensors) = (&part.tables, &self.catalog.sensors);
        let start_us = label.start_ms.saturating_mul(1_000);
        let mut rolled = vec![Rolling::default(); sensors.len()];
        let mut block: Vec<Line> = Vec::with_capacity(sensors.len());
        for (at, name) in tables.groups.names.iter().enumerate() {
            rolled.fill(Rolling::default());
            for past in past {
                past.roll_group(name, &mut rolled);
            }
            block.clear();
            let rows = &mut self.groups;
            for (sensor, (spec, rolling)) in sensors.iter().zip(&rolled).enumerate() {
                let (measures, sketch) = tables.groups.get(at, sensor, start_us);
                if measures.has_any() {
                    block.push(Line { measures, rolling: rolling.merged(measures.summary()) });
                    rows.sensor.push_run(Some(&spec.name), 1);
                    rows.push_buckets(sketch.buckets());
                }
            }
            rows.places.push_run(name.building.as_deref(), name.floor, block.len());
            rows.push_block(label, &block);
            if rows.labels.rows >= CHUNK_ROWS || rows.text_bytes() >= CHUNK_TEXT_BYTES {
                self.parts.groups.push(std::mem::take(rows).finish());
            }
        }
    }

    pub(super) fn finish(mut self) -> MeasuredParts {
        if self.aggregates.labels.rows > 0 {
            self.parts.aggregates.push(self.aggregates.finish());
        }
        if self.groups.labels.rows > 0 {
            self.parts.groups.push(self.groups.finish());
        }
        self.parts
    }
}

/// What parts say, and for how many rows.
#[derive(Default)]
struct Labels {
    runs: Vec<(Label, usize)>,
    rows: usize,
}

impl Labels {
    fn push(&mut self, label: Label, rows: usize) {
        self.rows += rows;
        match self.runs.last_mut() {
            Some((last, run)) if *last == label => *run += rows,
            _ => self.runs.push((label, rows)),
        }
    }

    fn finish(&self) -> PartColumns {
        let times =
            |of: fn(&Label) -> i64| number_runs(self.runs.iter().map(|(label, rows)| (of(label).saturating_mul(1_000), *rows)));
        let offsets = |of: fn(&Label) -> i64| number_runs(self.runs.iter().map(|(label, rows)| (of(label), *rows)));
        let bits = |of: fn(&Label) -> bool| bit_runs(self.runs.iter().map(|(label, rows)| (of(label), *rows)));
        PartColumns {
            window_start: times(|label| label.start_ms),
            window_end: times(|label| label.end_ms),
            on_time: bits(|label| label.on_time),
            partial: bits(|label| label.partial),
            offset_from: offsets(|label| label.from),
            offset_to: offsets(|label| label.to),
        }
    }
}

/// [`Measures`] and rolling values.
#[derive(Default)]
struct Measured {
    count: Vec<i64>,
    count_bad: Vec<i64>,
    mean: Vec<f64>,
    m2: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    first: Vec<f64>,
    last: Vec<f64>,
    first_time: Vec<i64>,
    last_time: Vec<i64>,
    /// Of all from `mean` to `last_time`.
    has_values: Validity,
    rolling_mean: Vec<f64>,
    rolling_stddev: Vec<f64>,
    has_rolling: Validity,
    rolling_windows: Vec<i32>,
    on_time: Validity,
}

impl Measured {
    fn reserve(&mut self, rows: usize) {
        let floats = [&mut self.mean, &mut self.m2, &mut self.min, &mut self.max, &mut self.first, &mut self.last];
        for column in floats.into_iter().chain([&mut self.rolling_mean, &mut self.rolling_stddev]) {
            column.reserve(rows);
        }
        for column in [&mut self.count, &mut self.count_bad, &mut self.first_time, &mut self.last_time] {
            column.reserve(rows);
        }
        self.rolling_windows.reserve(rows);
    }

    fn push_block<'b>(&mut self, is_on_time: bool, lines: impl ExactSizeIterator<Item = &'b Line> + Clone) {
        let measures = || lines.clone().map(|line| &line.measures);
        self.count.extend(measures().map(|measures| measures.count.cast_signed()));
        self.count_bad.extend(measures().map(|measures| i64::from(measures.count_bad)));
        self.mean.extend(measures().map(|measures| measures.mean));
        self.m2.extend(measures().map(|measures| measures.m2));
        self.min.extend(measures().map(|measures| measures.min));
        self.max.extend(measures().map(|measures| measures.max));
        self.first.extend(measures().map(|measures| measures.first));
        self.last.extend(measures().map(|measures| measures.last));
        self.first_time.extend(measures().map(|measures| measures.first_time_us));
        self.last_time.extend(measures().map(|measures| measures.last_time_us));
        self.has_values.push_block(measures().map(|measures| measures.count > 0));
        let rolling = || lines.clone().map(|line| &line.rolling);
        self.rolling_mean.extend(rolling().map(|rolling| rolling.mean));
        self.rolling_stddev.extend(rolling().map(Rolling::stddev));
        self.rolling_windows.extend(rolling().map(|rolling| rolling.windows));
        self.has_rolling.push_block(rolling().map(|rolling| is_on_time && rolling.windows > 0));
        self.on_time.push_run(is_on_time, lines.len());
    }

    fn finish(self) -> MeasureColumns {
        let (has_values, has_rolling) = (self.has_values.finish(), self.has_rolling.finish());
        let value = |values| numbers::<Float64Type>(values, has_values.clone());
        let time = |values| numbers::<TimestampMicrosecondType>(values, has_values.clone());
        MeasureColumns {
            count: numbers(self.count, None),
            count_bad: numbers(self.count_bad, None),
            mean: value(self.mean),
            m2: value(self.m2),
            min: value(self.min),
            max: value(self.max),
            first: value(self.first),
            last: value(self.last),
            first_time: time(self.first_time),
            last_time: time(self.last_time),
            rolling_mean: numbers(self.rolling_mean, has_rolling.clone()),
            rolling_stddev: numbers(self.rolling_stddev, has_rolling),
            rolling_windows: numbers(self.rolling_windows, self.on_time.finish()),
        }
    }
}

/// Building and floor of runs of rows.
#[derive(Default)]
struct Places {
    building: Texts,
    floor: Vec<i32>,
    has_floor: Validity,
}

impl Places {
    fn push_run(&mut self, building: Option<&str>, floor: Option<i32>, rows: usize) {
        self.building.push_run(building, rows);
        self.floor.resize(self.floor.len() + rows, floor.unwrap_or(0));
        self.has_floor.push_run(floor.is_some(), rows);
    }

    fn finish(self) -> (StringArray, Int32Array) {
        (self.building.finish(), numbers(self.floor, self.has_floor.finish()))
    }
}

#[derive(Default)]
struct Aggregates {
    labels: Labels,
    device_id: Texts,
    places: Places,
    room: Texts,
    sensor: Texts,
    measured: Measured,
    time_weighted_mean: Vec<f64>,
    has_mean: Validity,
    transitions: Vec<i64>,
    time_on_us: Vec<i64>,
    is_boolean: Validity,
}

impl Aggregates {
    fn reserve(&mut self, rows: usize) {
        for texts in [&mut self.device_id, &mut self.places.building, &mut self.room, &mut self.sensor] {
            texts.reserve(rows);
        }
        self.places.floor.reserve(rows);
        self.measured.reserve(rows);
        self.time_weighted_mean.reserve(rows);
        self.transitions.reserve(rows);
        self.time_on_us.reserve(rows);
    }

    fn text_bytes(&self) -> usize {
        self.device_id.bytes().max(self.places.building.bytes()).max(self.room.bytes()).max(self.sensor.bytes())
    }

    fn push_block(&mut self, label: Label, block: &[(Line, Held)]) {
        self.labels.push(label, block.len());
        self.measured.push_block(label.on_time, block.iter().map(|(line, _)| line));
        let held = || block.iter().map(|(_, held)| held);
        self.time_weighted_mean.extend(held().map(|held| held.time_weighted_mean.unwrap_or(0.0)));
        self.has_mean.push_block(held().map(|held| held.time_weighted_mean.is_some()));
        let boolean = || held().map(|held| held.boolean.unwrap_or_default());
        self.transitions.extend(boolean().map(|boolean| i64::from(boolean.transitions)));
        self.time_on_us.extend(boolean().map(|boolean| boolean.time_on_us));
        self.is_boolean.push_block(held().map(|held| held.boolean.is_some()));
    }

    fn finish(self) -> AggregateColumns {
        let (building, floor) = self.places.finish();
        let is_boolean = self.is_boolean.finish();
        AggregateColumns {
            part: self.labels.finish(),
            device_id: self.device_id.finish(),
            building,
            floor,
            room: self.room.finish(),
            sensor: self.sensor.finish(),
            measures: self.measured.finish(),
            time_weighted_mean: numbers(self.time_weighted_mean, self.has_mean.finish()),
            transitions: numbers(self.transitions, is_boolean.clone()),
            time_on_us: numbers(self.time_on_us, is_boolean),
        }
    }
}

#[derive(Default)]
struct Groups {
    labels: Labels,
    sensor: Texts,
    places: Places,
    measured: Measured,
    lengths: Vec<usize>,
    buckets: Vec<i32>,
    counts: Vec<i64>,
}

impl Groups {
    fn text_bytes(&self) -> usize {
        self.sensor.bytes().max(self.places.building.bytes())
    }

    fn push_block(&mut self, label: Label, block: &[Line]) {
        self.labels.push(label, block.len());
        self.measured.push_block(label.on_time, block.iter());
    }

    fn push_buckets(&mut self, buckets: Vec<(i32, u32)>) {
        self.lengths.push(buckets.len());
        self.buckets.extend(buckets.iter().map(|(bucket, _)| *bucket));
        self.counts.extend(buckets.iter().map(|(_, count)| i64::from(*count)));
    }

    fn finish(self) -> GroupColumns {
        let items: [ArrayRef; 2] = [Arc::new(Int32Array::from(self.buckets)), Arc::new(Int64Array::from(self.counts))];
        let items = StructArray::new(sketch_fields(), Vec::from(items), None);
        let buckets = ListArray::new(sketch_item(), OffsetBuffer::from_lengths(self.lengths), Arc::new(items), None);
        let (building, floor) = self.places.finish();
        GroupColumns {
            part: self.labels.finish(),
            sensor: self.sensor.finish(),
            building,
            floor,
            measures: self.measured.finish(),
            buckets,
        }
    }
}
