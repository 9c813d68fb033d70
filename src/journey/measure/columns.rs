//! Parts → columns: a row a series that has anything to say.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Array, Int32Builder, Int64Array, Int64Builder, ListArray, StringBuilder,
    StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::OffsetBuffer;

use super::devices::Devices;
use super::part::{Part, Past};
use super::series::{Measures, Rolling};
use crate::batch::{
    AggregateColumns, GroupColumns, MeasureColumns, MeasuredParts, PartColumns, SensorCatalog, SensorKind, TopicPartition,
    sketch_fields, sketch_item,
};

/// A chunk ends with the device or group that reaches so many rows: bounds what is copied at once, and what arrays must count.
const CHUNK_ROWS: usize = 65_536;

/// What all rows of a part say.
#[derive(Clone, Copy, Debug)]
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
        let sensors = self.catalog.len();
        for (slot, series) in part.devices.iter().zip(part.series.chunks(sensors.max(1))) {
            let before: Vec<_> = past.iter().filter_map(|past| past.of_device(slot.device)).collect();
            let place = part.groups.names.get(slot.group as usize);
            for (sensor, (spec, series)) in self.catalog.sensors.iter().zip(series).enumerate() {
                if !series.measures.has_any() {
                    continue;
                }
                let rows = &mut self.aggregates;
                rows.part.push(label);
                rows.device_id.append_value(devices.name(slot.device));
                rows.building.append_option(place.and_then(|place| place.building.as_deref()));
                rows.floor.append_option(place.and_then(|place| place.floor));
                rows.room.append_option(slot.room.as_deref());
                rows.sensor.append_value(&spec.name);
                let rolling = label.on_time.then(|| rolled(before.iter().map(|past| past[sensor]), &series.measures));
                rows.measures.push(&series.measures, rolling);
                rows.time_weighted_mean.append_option(series.time_weighted_mean());
                let boolean = series.transitions_and_time_on().filter(|_| spec.kind == SensorKind::Boolean);
                rows.transitions.append_option(boolean.map(|boolean| boolean.0));
                rows.time_on_us.append_option(boolean.map(|boolean| boolean.1));
                rows.rows += 1;
            }
            if self.aggregates.rows >= CHUNK_ROWS {
                self.parts.aggregates.push(std::mem::take(&mut self.aggregates).finish());
            }
        }
    }

    fn write_groups(&mut self, part: &Part, label: Label, past: &[&Past]) {
        let sensors = self.catalog.len();
        for (name, series) in part.groups.names.iter().zip(part.groups.series.chunks(sensors.max(1))) {
            let before: Vec<_> = past.iter().filter_map(|past| past.of_group(name)).collect();
            for (sensor, (spec, series)) in self.catalog.sensors.iter().zip(series).enumerate() {
                if !series.measures.has_any() {
                    continue;
                }
                let rows = &mut self.groups;
                rows.part.push(label);
                rows.sensor.append_value(&spec.name);
                rows.building.append_option(name.building.as_deref());
                rows.floor.append_option(name.floor);
                let rolling = label.on_time.then(|| rolled(before.iter().map(|past| past[sensor]), &series.measures));
                rows.measures.push(&series.measures, rolling);
                rows.push_buckets(series.sketch.buckets());
                rows.rows += 1;
            }
            if self.groups.rows >= CHUNK_ROWS {
                self.parts.groups.push(std::mem::take(&mut self.groups).finish());
            }
        }
    }

    pub(super) fn finish(mut self) -> MeasuredParts {
        if self.aggregates.rows > 0 {
            self.parts.aggregates.push(self.aggregates.finish());
        }
        if self.groups.rows > 0 {
            self.parts.groups.push(self.groups.finish());
        }
        self.parts
    }
}

fn rolled(before: impl Iterator<Item = super::series::Summary>, own: &Measures) -> Rolling {
    let mut rolling = Rolling::default();
    before.for_each(|summary| rolling.merge(summary));
    rolling.merge(own.summary());
    rolling
}

#[derive(Default)]
struct PartBuilder {
    window_start: TimestampMicrosecondBuilder,
    window_end: TimestampMicrosecondBuilder,
    on_time: BooleanBuilder,
    partial: BooleanBuilder,
    offset_from: Int64Builder,
    offset_to: Int64Builder,
}

impl PartBuilder {
    fn push(&mut self, label: Label) {
        self.window_start.append_value(label.start_ms.saturating_mul(1_000));
        self.window_end.append_value(label.end_ms.saturating_mul(1_000));
        self.on_time.append_value(label.on_time);
        self.partial.append_value(label.partial);
        self.offset_from.append_value(label.from);
        self.offset_to.append_value(label.to);
    }

    fn finish(mut self) -> PartColumns {
        PartColumns {
            window_start: self.window_start.finish(),
            window_end: self.window_end.finish(),
            on_time: self.on_time.finish(),
            partial: self.partial.finish(),
            offset_from: self.offset_from.finish(),
            offset_to: self.offset_to.finish(),
        }
    }
}

#[derive(Default)]
struct MeasureBuilder {
    count: Int64Builder,
    count_bad: Int64Builder,
    mean: Float64Builder,
    m2: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    first: Float64Builder,
    last: Float64Builder,
    first_time: TimestampMicrosecondBuilder,
    last_time: TimestampMicrosecondBuilder,
    rolling_mean: Float64Builder,
    rolling_stddev: Float64Builder,
    rolling_windows: Int32Builder,
}

impl MeasureBuilder {
    fn push(&mut self, measures: &Measures, rolling: Option<Rolling>) {
        self.count.append_value(i64::from(measures.count));
        self.count_bad.append_value(i64::from(measures.count_bad));
        let any = (measures.count > 0).then_some(measures);
        self.mean.append_option(any.map(|measures| measures.mean));
        self.m2.append_option(any.map(|measures| measures.m2));
        self.min.append_option(any.map(|measures| measures.min));
        self.max.append_option(any.map(|measures| measures.max));
        self.first.append_option(any.map(|measures| measures.first));
        self.last.append_option(any.map(|measures| measures.last));
        self.first_time.append_option(any.map(|measures| measures.first_time_us));
        self.last_time.append_option(any.map(|measures| measures.last_time_us));
        let values = rolling.and_then(|rolling| rolling.mean_and_stddev());
        self.rolling_mean.append_option(values.map(|values| values.0));
        self.rolling_stddev.append_option(values.map(|values| values.1));
        self.rolling_windows.append_option(rolling.map(|rolling| rolling.windows));
    }

    fn finish(mut self) -> MeasureColumns {
        MeasureColumns {
            count: self.count.finish(),
            count_bad: self.count_bad.finish(),
            mean: self.mean.finish(),
            m2: self.m2.finish(),
            min: self.min.finish(),
            max: self.max.finish(),
            first: self.first.finish(),
            last: self.last.finish(),
            first_time: self.first_time.finish(),
            last_time: self.last_time.finish(),
            rolling_mean: self.rolling_mean.finish(),
            rolling_stddev: self.rolling_stddev.finish(),
            rolling_windows: self.rolling_windows.finish(),
        }
    }
}

#[derive(Default)]
struct Aggregates {
    rows: usize,
    part: PartBuilder,
    device_id: StringBuilder,
    building: StringBuilder,
    floor: Int32Builder,
    room: StringBuilder,
    sensor: StringBuilder,
    measures: MeasureBuilder,
    time_weighted_mean: Float64Builder,
    transitions: Int64Builder,
    time_on_us: Int64Builder,
}

impl Aggregates {
    fn finish(mut self) -> AggregateColumns {
        AggregateColumns {
            part: self.part.finish(),
            device_id: self.device_id.finish(),
            building: self.building.finish(),
            floor: self.floor.finish(),
            room: self.room.finish(),
            sensor: self.sensor.finish(),
            measures: self.measures.finish(),
            time_weighted_mean: self.time_weighted_mean.finish(),
            transitions: self.transitions.finish(),
            time_on_us: self.time_on_us.finish(),
        }
    }
}

#[derive(Default)]
struct Groups {
    rows: usize,
    part: PartBuilder,
    sensor: StringBuilder,
    building: StringBuilder,
    floor: Int32Builder,
    measures: MeasureBuilder,
    lengths: Vec<usize>,
    buckets: Vec<i32>,
    counts: Vec<i64>,
}

impl Groups {
    fn push_buckets(&mut self, buckets: Vec<(i32, u32)>) {
        let begin = self.buckets.len();
        for (bucket, count) in buckets {
            self.buckets.push(bucket);
            self.counts.push(i64::from(count));
        }
        self.lengths.push(self.buckets.len() - begin);
    }

    fn finish(mut self) -> GroupColumns {
        let items: [ArrayRef; 2] = [Arc::new(Int32Array::from(self.buckets)), Arc::new(Int64Array::from(self.counts))];
        let items = StructArray::new(sketch_fields(), Vec::from(items), None);
        let buckets = ListArray::new(sketch_item(), OffsetBuffer::from_lengths(self.lengths), Arc::new(items), None);
        GroupColumns {
            part: self.part.finish(),
            sensor: self.sensor.finish(),
            building: self.building.finish(),
            floor: self.floor.finish(),
            measures: self.measures.finish(),
            buckets,
        }
    }
}
