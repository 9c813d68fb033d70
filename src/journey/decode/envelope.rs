//! Envelopes: a reading for device_data, an event for alert, heartbeat and system_status, nothing else.

use super::device::Reading;
use super::document::{Document, Members, Value};
use super::extra;
use super::scan::Refusal;
use super::time;
use crate::batch::{Format, RejectReason, SensorCatalog};

/// What an envelope holds.
#[derive(Debug)]
pub(super) enum Envelope<'d> {
    Reading(Reading<'d>),
    Event(Event<'d>),
}

/// One row of the events, its strings borrowed from the document.
#[derive(Debug)]
#[allow(clippy::struct_field_names)] // columns have the names that they have
pub(super) struct Event<'d> {
    pub(super) event_time_us: Option<i64>,
    pub(super) event_type: &'static str,
    pub(super) message_id: Option<&'d str>,
    pub(super) device_id: Option<&'d str>,
    pub(super) source: Option<&'d str>,
    pub(super) alert_id: Option<&'d str>,
    pub(super) alert_type: Option<&'d str>,
    pub(super) severity: Option<&'d str>,
    pub(super) title: Option<&'d str>,
    pub(super) message: Option<&'d str>,
    pub(super) status: Option<&'d str>,
    pub(super) priority: Option<&'d str>,
    pub(super) payload: Option<String>,
}

impl<'d> Envelope<'d> {
    pub(super) fn read(
        document: &'d Document<'_>,
        root: Members,
        kafka_time_ms: i64,
        catalog: &SensorCatalog,
    ) -> Result<Self, Refusal> {
        let envelope = match document.value(root, "message_type") {
            Some(Value::Text(name)) => match &**name {
                "device_data" => Envelope::Reading(reading(document, root, catalog)?),
                "alert" => Envelope::Event(event(document, root, "alert")?),
                "heartbeat" => Envelope::Event(event(document, root, "heartbeat")?),
                "system_status" => Envelope::Event(event(document, root, "system_status")?),
                other => return Err(unknown_type(&format!("\"{}\"", other.chars().take(64).collect::<String>()))),
            },
            Some(other) => return Err(unknown_type(other.kind())),
            None => return Err(unknown_type("missing")),
        };
        expire(document, root, kafka_time_ms)?;
        Ok(envelope)
    }
}

fn unknown_type(what: &str) -> Refusal {
    let detail = format!("message_type is {what}; known are device_data, alert, heartbeat and system_status");
    Refusal::new(RejectReason::UnknownMessageType, detail)
}

fn missing_payload(path: &str) -> Refusal {
    Refusal::new(RejectReason::MissingPayload, format!("{path} is missing or not an object"))
}

/// Refuses an envelope whose time and `ttl` (seconds) end before the Kafka time.
fn expire(document: &Document<'_>, root: Members, kafka_time_ms: i64) -> Result<(), Refusal> {
    if kafka_time_ms < 0 {
        return Ok(());
    }
    match time::expiry(document.value(root, "timestamp"), document.value(root, "ttl")) {
        Some(end_us) if end_us < kafka_time_ms.saturating_mul(1_000) => {
            let late_ms = kafka_time_ms.saturating_sub(end_us.div_euclid(1_000));
            Err(Refusal::new(RejectReason::Expired, format!("timestamp and ttl ended {late_ms} ms before the Kafka time")))
        }
        _ => Ok(()),
    }
}

fn reading<'d>(document: &'d Document<'_>, root: Members, catalog: &SensorCatalog) -> Result<Reading<'d>, Refusal> {
    let payload = document.enter(root, "payload").ok_or_else(|| missing_payload("payload"))?;
    let device = document.enter(payload, "device").ok_or_else(|| missing_payload("payload.device"))?;
    let mut reading = Reading::of_device(document, device, Format::Envelope, catalog)?;
    reading.message_id = document.text(root, "message_id");
    reading.source = document.text(root, "source");
    // That it is device_data, the format says already.
    document.discard(root, "message_type");
    document.discard(root, "headers");
    document.discard(payload, "batch_size");
    document.discard(payload, "batch_id");
    reading.extra = extra::of(document, root, Some(device));
    Ok(reading)
}

/// An alert promises `payload.alert`; the other two say something by being sent at all.
fn event<'d>(document: &'d Document<'_>, root: Members, event_type: &'static str) -> Result<Event<'d>, Refusal> {
    let payload = document.enter(root, "payload");
    let inner = payload.and_then(|payload| document.enter(payload, event_type));
    if event_type == "alert" && inner.is_none() {
        return Err(missing_payload("payload.alert"));
    }
    let objects = || inner.into_iter().chain(payload);
    let text = |key| objects().find_map(|object| document.text_or_number(object, key));
    let event_time_us =
        objects().chain([root]).find_map(|object| time::read(document.value(object, "timestamp"), "timestamp").ok());
    Ok(Event {
        event_time_us,
        event_type,
        message_id: document.text_or_number(root, "message_id"),
        device_id: text("device_id"),
        source: document.text_or_number(root, "source"),
        alert_id: text("alert_id"),
        alert_type: text("alert_type"),
        severity: text("severity"),
        title: text("title"),
        message: text("message"),
        status: text("status"),
        priority: document.text_or_number(root, "priority"),
        payload: document.value(root, "payload").filter(|value| **value != Value::Null).map(|value| {
            let mut json = String::new();
            extra::push_json(document, value, &mut json);
            json
        }),
    })
}
