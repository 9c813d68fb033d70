//! The five formats: which members a message has, and in which order. Samples are in the contract's `formats/`.
//!
//! Every reading carries `seq` at the top, which no column takes, so it is found again in `extra`.

use crate::batch::Format;

use super::digits::{TimeText, push_unsigned};
use super::members::Members;
use super::place::{Place, Places};
use super::reading::Reading;
use super::sensors::{SENSORS, SWITCH};

/// Writes messages; keeps the buffers for texts that are put together.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) places: Places,
    pub(super) times: TimeText,
    /// The id of the device whose message is written; also the message's key.
    pub(super) device_id: String,
    pub(super) room: String,
    pub(super) text: String,
}

const SINGLE_TYPES: [&str; 5] =
    ["temperature_sensor", "humidity_sensor", "pressure_sensor", "current_sensor", "switch_status_sensor"];

impl Layout {
    pub(super) fn new(devices: u32) -> Self {
        Self {
            places: Places::new(devices),
            times: TimeText::new(),
            device_id: String::new(),
            room: String::new(),
            text: String::new(),
        }
    }

    /// Writes the members of a reading; ids and keys must have been set by [`Layout::begin`].
    pub(super) fn write(&mut self, to: &mut impl Members, reading: &Reading) {
        match reading.format {
            Format::Nested => self.nested(to, reading),
            Format::Device => {
                self.device(to, reading, "temperature");
                to.integer("\"seq\":", seq(reading));
            }
            Format::Envelope => self.envelope(to, reading),
            Format::Flat => self.flat(to, reading),
            Format::Single => self.single(to, reading),
        }
    }

    /// Sets the device id for the message to come.
    pub(super) fn begin(&mut self, device: u32) {
        self.device_id.clear();
        self.places.push_id(&mut self.device_id, device);
    }

    fn nested(&mut self, to: &mut impl Members, reading: &Reading) {
        let place = self.places.of(reading.device);
        to.text("\"device_id\":", &self.device_id);
        to.integer("\"timestamp\":", reading.event_ms);
        location(to, place, room_text(&mut self.room, place), false);
        to.open("\"sensors\":");
        sensors(to, reading);
        to.close();
        to.open("\"device_info\":");
        to.text("\"model\":", place.model);
        to.text("\"firmware\":", place.firmware);
        to.integer("\"battery\":", reading.battery);
        to.integer("\"signal_strength\":", reading.signal);
        to.close();
        to.integer("\"seq\":", seq(reading));
    }

    /// The members of a device object, as Go services write it; also the inner object of an envelope.
    fn device(&mut self, to: &mut impl Members, reading: &Reading, device_type: &str) {
        let place = self.places.of(reading.device);
        to.text("\"device_id\":", &self.device_id);
        to.text("\"device_type\":", device_type);
        to.integer("\"timestamp\":", reading.event_ms);
        let text = time_text(&mut self.times, &mut self.text, reading.event_ms, 8);
        to.text("\"created_at\":", text);
        to.text("\"updated_at\":", text);
        to.open("\"device_info\":");
        to.text("\"model\":", place.model);
        to.text("\"manufacturer\":", place.maker);
        to.text("\"firmware\":", place.firmware);
        to.text("\"hardware\":", "2.1.0");
        to.text("\"serial_number\":", &self.device_id["device_".len()..]);
        to.integer("\"battery\":", reading.battery);
        to.integer("\"signal_strength\":", reading.signal);
        to.text("\"network_type\":", place.network);
        to.close();
        location(to, place, room_text(&mut self.room, place), true);
        to.open("\"sensors\":");
        sensors(to, reading);
        to.integer("\"last_update\":", reading.event_ms);
        to.close();
        to.text("\"status\":", "online");
        to.integer("\"last_seen\":", reading.event_ms);
    }

    fn envelope(&mut self, to: &mut impl Members, reading: &Reading) {
        self.envelope_head(to, reading, "device_data");
        to.open("\"payload\":");
        to.open("\"device\":");
        self.device(to, reading, "sensor");
        to.close();
        to.integer("\"batch_size\":", 1);
        to.close();
        to.open("\"headers\":");
        to.text("\"content_type\":", "application/json");
        to.close();
        envelope_priority(to, reading);
        to.integer("\"ttl\":", reading.ttl_s);
        to.integer("\"seq\":", seq(reading));
    }

    pub(super) fn envelope_head(&mut self, to: &mut impl Members, reading: &Reading, message_type: &str) {
        self.text.clear();
        message_id(&mut self.text, reading);
        to.text("\"message_id\":", &self.text);
        to.text("\"message_type\":", message_type);
        to.integer("\"timestamp\":", reading.event_ms);
        to.text("\"source\":", ["edge-gateway-1", "edge-gateway-2", "producer-1"][(reading.device % 3) as usize]);
    }

    fn flat(&mut self, to: &mut impl Members, reading: &Reading) {
        let place = self.places.of(reading.device);
        to.text("\"device_id\":", &self.device_id);
        to.text("\"device_type\":", "multi_sensor");
        to.text("\"location\":", place.building);
        to.text("\"status\":", "online");
        for sensor in reading.sensors() {
            value(to, SENSORS[sensor].key, reading, sensor);
        }
        to.integer("\"battery_level\":", reading.battery);
        to.text("\"timestamp\":", time_text(&mut self.times, &mut self.text, reading.event_ms, 8));
        to.integer("\"seq\":", seq(reading));
    }

    fn single(&mut self, to: &mut impl Members, reading: &Reading) {
        let place = self.places.of(reading.device);
        let sensor = reading.mask.trailing_zeros() as usize;
        to.text("\"device_id\":", &self.device_id);
        to.text("\"device_type\":", SINGLE_TYPES.get(sensor).copied().unwrap_or_default());
        to.text("\"timestamp\":", time_text(&mut self.times, &mut self.text, reading.event_ms, 0));
        value(to, "\"value\":", reading, sensor);
        if !SENSORS[sensor].unit.is_empty() {
            to.text("\"unit\":", SENSORS[sensor].unit);
        }
        location(to, place, room_text(&mut self.room, place), false);
        to.text("\"status\":", "online");
        to.open("\"metadata\":");
        to.text("\"model\":", place.model);
        to.text("\"firmware\":", place.firmware);
        to.integer("\"battery_level\":", reading.battery);
        to.close();
        to.integer("\"seq\":", seq(reading));
    }
}

pub(super) fn seq(reading: &Reading) -> i64 {
    reading.seq.cast_signed()
}

fn value(to: &mut impl Members, key: &'static str, reading: &Reading, sensor: usize) {
    if sensor == SWITCH {
        to.boolean(key, reading.is_on());
    } else {
        to.fixed(key, reading.values[sensor], SENSORS[sensor].decimals);
    }
}

/// The members of `sensors`.
fn sensors(to: &mut impl Members, reading: &Reading) {
    for sensor in reading.sensors() {
        to.open(SENSORS[sensor].key);
        value(to, "\"value\":", reading, sensor);
        if sensor == SWITCH {
            to.text("\"status\":", if reading.is_on() { "on" } else { "off" });
        } else {
            to.text("\"unit\":", SENSORS[sensor].unit);
            to.text("\"status\":", "normal");
        }
        to.close();
    }
}

fn location(to: &mut impl Members, place: Place<'_>, room: &str, with_zone: bool) {
    to.open("\"location\":");
    to.text("\"building\":", place.building);
    to.integer("\"floor\":", place.floor);
    to.text("\"room\":", room);
    if with_zone {
        to.text("\"zone\":", place.zone);
    }
    to.close();
}

fn envelope_priority(to: &mut impl Members, reading: &Reading) {
    match reading.device % 3 {
        0 => to.integer("\"priority\":", 5),
        1 => to.text("\"priority\":", "normal"),
        _ => to.text("\"priority\":", "high"),
    }
}

fn room_text<'a>(buffer: &'a mut String, place: Place<'_>) -> &'a str {
    buffer.clear();
    let room = place.room;
    for digit in [room / 1000, room / 100 % 10, room / 10 % 10, room % 10] {
        if digit > 0 || !buffer.is_empty() {
            buffer.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
    }
    buffer
}

fn time_text<'a>(times: &mut TimeText, buffer: &'a mut String, time_ms: i64, zone_hours: i64) -> &'a str {
    let mut bytes = std::mem::take(buffer).into_bytes();
    bytes.clear();
    times.push(&mut bytes, time_ms, zone_hours);
    *buffer = String::from_utf8(bytes).unwrap_or_default();
    buffer
}

/// `m-<seq>-<device>`: unique within a run and the same in the next one.
pub(super) fn message_id(out: &mut String, reading: &Reading) {
    let mut bytes = std::mem::take(out).into_bytes();
    bytes.extend_from_slice(b"m-");
    push_unsigned(&mut bytes, reading.seq);
    bytes.push(b'-');
    push_unsigned(&mut bytes, u64::from(reading.device));
    *out = String::from_utf8(bytes).unwrap_or_default();
}
