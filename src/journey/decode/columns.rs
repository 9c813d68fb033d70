//! Builders of the columns.

use arrow::array::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
    TimestampMillisecondBuilder, UInt8Builder, UInt32Builder,
};

use super::device::{Reading, Sample, SensorReading};
use super::envelope::Event;
use crate::batch::{
    Dictionaries, Dictionary, EventColumns, Flag, Flags, RawRow, ReadingColumns, SensorCatalog, SensorColumns, SensorKind,
    SensorValues,
};

fn kafka_time(message: &RawRow<'_>) -> Option<i64> {
    (message.kafka_time_ms >= 0).then_some(message.kafka_time_ms)
}

fn intern(dictionary: &mut Dictionary, text: Option<&str>) -> Option<u32> {
    text.map(|text| dictionary.intern(text))
}

enum Values {
    Number(Float64Builder),
    Boolean(BooleanBuilder),
}

struct SensorBuilder {
    values: Values,
    unit: UInt32Builder,
    status: UInt32Builder,
    quality: Vec<u16>,
}

impl SensorBuilder {
    fn new(kind: SensorKind, rows: usize) -> Self {
        Self {
            values: match kind {
                SensorKind::Number => Values::Number(Float64Builder::with_capacity(rows)),
                SensorKind::Boolean => Values::Boolean(BooleanBuilder::with_capacity(rows)),
            },
            unit: UInt32Builder::with_capacity(rows),
            status: UInt32Builder::with_capacity(rows),
            quality: Vec::with_capacity(rows),
        }
    }

    fn append(&mut self, reading: &SensorReading<'_>, dictionaries: &mut Dictionaries) {
        match &mut self.values {
            Values::Number(builder) => builder.append_option(match reading.sample {
                Sample::Number(value) => Some(value),
                _ => None,
            }),
            Values::Boolean(builder) => builder.append_option(match reading.sample {
                Sample::Boolean(value) => Some(value),
                _ => None,
            }),
        }
        self.unit.append_option(intern(&mut dictionaries.units, reading.unit));
        self.status.append_option(intern(&mut dictionaries.sensor_statuses, reading.status));
        let quality = if reading.sample == Sample::Bad { Flags::GOOD.with(Flag::BadValue) } else { Flags::GOOD };
        self.quality.push(quality.0);
    }

    fn finish(mut self) -> SensorColumns {
        SensorColumns {
            values: match self.values {
                Values::Number(mut builder) => SensorValues::Number(builder.finish()),
                Values::Boolean(mut builder) => SensorValues::Boolean(builder.finish()),
            },
            unit: self.unit.finish(),
            status: self.status.finish(),
            quality: self.quality,
        }
    }
}

pub(super) struct ReadingBuilder {
    offset: Int64Builder,
    kafka_time: TimestampMillisecondBuilder,
    event_time: TimestampMicrosecondBuilder,
    device: UInt32Builder,
    device_type: UInt32Builder,
    building: UInt32Builder,
    floor: Int32Builder,
    room: UInt32Builder,
    zone: UInt32Builder,
    model: UInt32Builder,
    firmware: UInt32Builder,
    battery: Float64Builder,
    signal_strength: Float64Builder,
    status: UInt32Builder,
    message_id: StringBuilder,
    source: UInt32Builder,
    sensors: Vec<SensorBuilder>,
    quality: Vec<u16>,
    extra: StringBuilder,
    format: UInt8Builder,
}

impl ReadingBuilder {
    pub(super) fn new(catalog: &SensorCatalog, rows: usize) -> Self {
        Self {
            offset: Int64Builder::with_capacity(rows),
            kafka_time: TimestampMillisecondBuilder::with_capacity(rows),
            event_time: TimestampMicrosecondBuilder::with_capacity(rows),
            device: UInt32Builder::with_capacity(rows),
            device_type: UInt32Builder::with_capacity(rows),
            building: UInt32Builder::with_capacity(rows),
            floor: Int32Builder::with_capacity(rows),
            room: UInt32Builder::with_capacity(rows),
            zone: UInt32Builder::with_capacity(rows),
            model: UInt32Builder::with_capacity(rows),
            firmware: UInt32Builder::with_capacity(rows),
            battery: Float64Builder::with_capacity(rows),
            signal_strength: Float64Builder::with_capacity(rows),
            status: UInt32Builder::with_capacity(rows),
            message_id: StringBuilder::with_capacity(rows, 0),
            source: UInt32Builder::with_capacity(rows),
            sensors: catalog.sensors.iter().map(|sensor| SensorBuilder::new(sensor.kind, rows)).collect(),
            quality: Vec::with_capacity(rows),
            extra: StringBuilder::with_capacity(rows, 0),
            format: UInt8Builder::with_capacity(rows),
        }
    }

    pub(super) fn append(&mut self, message: &RawRow<'_>, reading: &Reading<'_>, dictionaries: &mut Dictionaries) {
        let (place, info) = (&reading.place, &reading.info);
        self.offset.append_value(message.offset);
        self.kafka_time.append_option(kafka_time(message));
        self.event_time.append_value(reading.event_time_us);
        self.device.append_value(dictionaries.devices.intern(reading.device_id));
        self.device_type.append_option(intern(&mut dictionaries.device_types, reading.device_type));
        self.building.append_option(intern(&mut dictionaries.buildings, place.building));
        self.floor.append_option(place.floor);
        self.room.append_option(intern(&mut dictionaries.rooms, place.room));
        self.zone.append_option(intern(&mut dictionaries.zones, place.zone));
        self.model.append_option(intern(&mut dictionaries.models, info.model));
        self.firmware.append_option(intern(&mut dictionaries.firmwares, info.firmware));
        self.battery.append_option(info.battery);
        self.signal_strength.append_option(info.signal_strength);
        self.status.append_option(intern(&mut dictionaries.statuses, reading.status));
        self.message_id.append_option(reading.message_id);
        self.source.append_option(intern(&mut dictionaries.sources, reading.source));
        for (sensor, sample) in self.sensors.iter_mut().zip(&reading.sensors) {
            sensor.append(sample, dictionaries);
        }
        let quality = if reading.duplicate_key { Flags::GOOD.with(Flag::DuplicateKey) } else { Flags::GOOD };
        self.quality.push(quality.0);
        self.extra.append_option(reading.extra.as_deref());
        self.format.append_value(reading.format as u8);
    }

    pub(super) fn finish(mut self) -> ReadingColumns {
        ReadingColumns {
            offset: self.offset.finish(),
            kafka_time: self.kafka_time.finish(),
            event_time: self.event_time.finish(),
            device: self.device.finish(),
            device_type: self.device_type.finish(),
            building: self.building.finish(),
            floor: self.floor.finish(),
            room: self.room.finish(),
            zone: self.zone.finish(),
            model: self.model.finish(),
            firmware: self.firmware.finish(),
            battery: self.battery.finish(),
            signal_strength: self.signal_strength.finish(),
            status: self.status.finish(),
            message_id: self.message_id.finish(),
            source: self.source.finish(),
            sensors: self.sensors.into_iter().map(SensorBuilder::finish).collect(),
            quality: self.quality,
            extra: self.extra.finish(),
            format: self.format.finish(),
        }
    }
}

#[derive(Default)]
pub(super) struct EventBuilder {
    offset: Int64Builder,
    kafka_time: TimestampMillisecondBuilder,
    event_time: TimestampMicrosecondBuilder,
    event_type: StringBuilder,
    message_id: StringBuilder,
    device_id: StringBuilder,
    source: StringBuilder,
    alert_id: StringBuilder,
    alert_type: StringBuilder,
    severity: StringBuilder,
    title: StringBuilder,
    message: StringBuilder,
    status: StringBuilder,
    priority: StringBuilder,
    payload: StringBuilder,
}

impl EventBuilder {
    pub(super) fn append(&mut self, message: &RawRow<'_>, event: &Event<'_>) {
        self.offset.append_value(message.offset);
        self.kafka_time.append_option(kafka_time(message));
        self.event_time.append_option(event.event_time_us);
        self.event_type.append_value(event.event_type);
        self.message_id.append_option(event.message_id);
        self.device_id.append_option(event.device_id);
        self.source.append_option(event.source);
        self.alert_id.append_option(event.alert_id);
        self.alert_type.append_option(event.alert_type);
        self.severity.append_option(event.severity);
        self.title.append_option(event.title);
        self.message.append_option(event.message);
        self.status.append_option(event.status);
        self.priority.append_option(event.priority);
        self.payload.append_option(event.payload.as_deref());
    }

    pub(super) fn finish(mut self) -> EventColumns {
        EventColumns {
            offset: self.offset.finish(),
            kafka_time: self.kafka_time.finish(),
            event_time: self.event_time.finish(),
            event_type: self.event_type.finish(),
            message_id: self.message_id.finish(),
            device_id: self.device_id.finish(),
            source: self.source.finish(),
            alert_id: self.alert_id.finish(),
            alert_type: self.alert_type.finish(),
            severity: self.severity.finish(),
            title: self.title.finish(),
            message: self.message.finish(),
            status: self.status.finish(),
            priority: self.priority.finish(),
            payload: self.payload.finish(),
        }
    }
}
