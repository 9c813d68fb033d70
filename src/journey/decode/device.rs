//! A reading out of the object that describes a device, in any of the five formats.

use super::document::{Document, Fate, Members, Value};
use super::extra;
use super::scan::Refusal;
use super::time;
use crate::batch::{Format, RejectReason, SensorCatalog, SensorKind};

/// What a message says a sensor shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    Absent,
    Bad,
    Number(f64),
    Boolean(bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SensorReading<'d> {
    pub(super) sample: Sample,
    pub(super) unit: Option<&'d str>,
    pub(super) status: Option<&'d str>,
}

impl SensorReading<'_> {
    const ABSENT: Self = Self { sample: Sample::Absent, unit: None, status: None };
}

/// Where a device stands.
#[derive(Debug, Default)]
pub(super) struct Place<'d> {
    pub(super) building: Option<&'d str>,
    pub(super) floor: Option<i32>,
    pub(super) room: Option<&'d str>,
    pub(super) zone: Option<&'d str>,
}

/// What a device is.
#[derive(Debug, Default)]
pub(super) struct Info<'d> {
    pub(super) model: Option<&'d str>,
    pub(super) firmware: Option<&'d str>,
    pub(super) battery: Option<f64>,
    pub(super) signal_strength: Option<f64>,
}

/// One row of the readings, its strings borrowed from the document.
#[derive(Debug)]
pub(super) struct Reading<'d> {
    pub(super) format: Format,
    pub(super) duplicate_key: bool,
    pub(super) event_time_us: i64,
    pub(super) device_id: &'d str,
    pub(super) device_type: Option<&'d str>,
    pub(super) status: Option<&'d str>,
    pub(super) place: Place<'d>,
    pub(super) info: Info<'d>,
    pub(super) message_id: Option<&'d str>,
    pub(super) source: Option<&'d str>,
    /// In the order of the catalogue.
    pub(super) sensors: Vec<SensorReading<'d>>,
    pub(super) extra: Option<String>,
}

impl<'d> Reading<'d> {
    /// The reading of a message whose top is the device.
    pub(super) fn read(
        document: &'d Document<'_>,
        root: Members,
        format: Format,
        catalog: &SensorCatalog,
    ) -> Result<Self, Refusal> {
        let mut reading = Self::of_device(document, root, format, catalog)?;
        reading.extra = extra::of(document, root, None);
        Ok(reading)
    }

    /// The reading without what only the whole message can tell: its id, its source, what is left over.
    pub(super) fn of_device(
        document: &'d Document<'_>,
        device: Members,
        format: Format,
        catalog: &SensorCatalog,
    ) -> Result<Self, Refusal> {
        let prefix = if format == Format::Envelope { "payload.device." } else { "" };
        let device_id = device_id(document, device, prefix)?;
        let path = if format == Format::Envelope { "payload.device.timestamp" } else { "timestamp" };
        let event_time_us = time::read(document.value(device, "timestamp"), path)?;
        for key in ["timestamp", "created_at", "updated_at"] {
            document.discard(device, key);
        }
        let device_type = document.text(device, "device_type");
        let status = document.text(device, "status");
        let sensors = match format {
            Format::Nested | Format::Device | Format::Envelope => nested_sensors(document, device, catalog),
            Format::Flat => flat_sensors(document, device, catalog),
            Format::Single => single_sensor(document, device, catalog),
        };
        Ok(Self {
            format,
            duplicate_key: document.duplicate_key,
            event_time_us,
            device_id,
            device_type,
            status,
            place: place(document, device, format),
            info: info(document, device, format),
            message_id: None,
            source: None,
            sensors,
            extra: None,
        })
    }
}

fn device_id<'d>(document: &'d Document<'_>, device: Members, prefix: &str) -> Result<&'d str, Refusal> {
    let refuse = |reason, what: &str| Err(Refusal::new(reason, format!("{prefix}device_id {what}")));
    match document.value(device, "device_id") {
        None => refuse(RejectReason::MissingDeviceId, "is missing"),
        Some(Value::Null) => refuse(RejectReason::MissingDeviceId, "is null"),
        Some(Value::Text(id)) if id.is_empty() => refuse(RejectReason::BadDeviceId, "is an empty string"),
        Some(Value::Text(id)) => {
            document.discard(device, "device_id");
            Ok(id)
        }
        Some(other) => refuse(RejectReason::BadDeviceId, &format!("is {}, not a string", other.kind())),
    }
}

fn place<'d>(document: &'d Document<'_>, device: Members, format: Format) -> Place<'d> {
    if let Some(location) = document.enter(device, "location") {
        return Place {
            building: document.text_or_number(location, "building"),
            floor: document.take(location, "floor", whole_number),
            room: document.text_or_number(location, "room"),
            zone: document.text_or_number(location, "zone"),
        };
    }
    let building = if format == Format::Flat { document.text_or_number(device, "location") } else { None };
    Place { building, ..Place::default() }
}

/// `3`, `3.0`, `"3"`.
fn whole_number(value: &Value<'_>) -> Option<i32> {
    let text = match value {
        Value::Number(text) => text,
        Value::Text(text) => return text.trim().parse().ok(),
        _ => return None,
    };
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        let whole = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
        #[allow(clippy::cast_possible_truncation)] // whole, and in range
        whole.then_some(number as i32)
    })
}

fn info<'d>(document: &'d Document<'_>, device: Members, format: Format) -> Info<'d> {
    let (name, is_single) = match format {
        Format::Flat => return Info { battery: document.number(device, "battery_level"), ..Info::default() },
        Format::Single => ("metadata", true),
        Format::Nested | Format::Device | Format::Envelope => ("device_info", false),
    };
    let mut info = match document.enter(device, name) {
        None => Info::default(),
        Some(members) => Info {
            model: document.text(members, "model"),
            firmware: document.text(members, "firmware"),
            battery: document
                .number(members, "battery")
                .or_else(|| if is_single { document.number(members, "battery_level") } else { None }),
            signal_strength: document.number(members, "signal_strength"),
        },
    };
    if is_single && info.battery.is_none() {
        info.battery = document.number(device, "battery_level");
    }
    info
}

fn nested_sensors<'d>(document: &'d Document<'_>, device: Members, catalog: &SensorCatalog) -> Vec<SensorReading<'d>> {
    let Some(sensors) = document.enter(device, "sensors") else {
        return vec![SensorReading::ABSENT; catalog.len()];
    };
    document.discard(sensors, "last_update");
    let one = |spec: &crate::batch::SensorSpec| {
        // A bare value in place of the object is read as in the flat format.
        let Some(members) = document.enter(sensors, &spec.name) else {
            return SensorReading { sample: sample(document, sensors, &spec.name, spec.kind), ..SensorReading::ABSENT };
        };
        document.discard(members, "min");
        document.discard(members, "max");
        SensorReading {
            sample: sample(document, members, "value", spec.kind),
            unit: document.text(members, "unit"),
            status: document.text(members, "status"),
        }
    };
    catalog.sensors.iter().map(one).collect()
}

fn flat_sensors<'d>(document: &'d Document<'_>, device: Members, catalog: &SensorCatalog) -> Vec<SensorReading<'d>> {
    let one = |spec: &crate::batch::SensorSpec| SensorReading {
        sample: sample(document, device, &spec.name, spec.kind),
        ..SensorReading::ABSENT
    };
    catalog.sensors.iter().map(one).collect()
}

/// The sensor's name is the device's type without `_sensor`. One that is not configured stays where it is, for `extra`.
fn single_sensor<'d>(document: &'d Document<'_>, device: Members, catalog: &SensorCatalog) -> Vec<SensorReading<'d>> {
    let mut sensors = vec![SensorReading::ABSENT; catalog.len()];
    let device_type = document.text(device, "device_type").unwrap_or_default();
    let name = device_type.strip_suffix("_sensor").unwrap_or(device_type);
    if let Some(index) = catalog.index_of(name) {
        sensors[index] = SensorReading {
            sample: sample(document, device, "value", catalog.sensors[index].kind),
            unit: document.text(device, "unit"),
            status: document.text(device, "status"),
        };
    }
    sensors
}

/// A bad value is left for `extra`, where people can see what was sent.
fn sample(document: &Document<'_>, object: Members, key: &str, kind: SensorKind) -> Sample {
    let Some(member) = document.find(object, key) else {
        return Sample::Absent;
    };
    let sample = match (kind, &member.value) {
        (_, Value::Null) => Sample::Absent,
        (SensorKind::Number, value) => value.finite().map_or(Sample::Bad, Sample::Number),
        (SensorKind::Boolean, value) => boolean(value).map_or(Sample::Bad, Sample::Boolean),
    };
    if sample != Sample::Bad {
        member.fate.set(Fate::Taken);
    }
    sample
}

/// `true`, `"true"`, `"on"`, 1 and their opposites; words in any case.
fn boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Text(word) if word.eq_ignore_ascii_case("on") || word.eq_ignore_ascii_case("true") => Some(true),
        Value::Text(word) if word.eq_ignore_ascii_case("off") || word.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(_) => match value.finite() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        _ => None,
    }
}
