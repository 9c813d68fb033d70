//! JSON of another shape: nested too deep, no object, keys twice, members nobody knows, strange spellings that are still right.

use crate::batch::Flag;
use crate::batch::RejectReason::{MissingDeviceId, NotAnObject, TooDeep};

use super::super::expected::ExpectedSensor;
use super::super::random::Random;
use super::super::sensors::{SENSOR_COUNT, SENSORS};
use super::super::tree::{Node, quoted, raw};
use super::{Class, Draft, Inject, Kind, TREES, WITH_NUMBER};
use crate::batch::Format;

pub(super) const KINDS: &[Kind] = &[
    Kind::rejected("nested_33", TooDeep, Inject::Tree(|draft| arrays(draft, 32))),
    Kind::rejected("nested_arrays", TooDeep, Inject::Tree(|draft| arrays(draft, 100))),
    Kind::rejected("nested_objects", TooDeep, Inject::Tree(|draft| draft.add_at_top("x", bomb("{\"x\":", "0", "}", 100)))),
    Kind::rejected("nested_bomb", TooDeep, Inject::Tree(|draft| arrays(draft, 20_000))),
    Kind::rejected("array_at_top", NotAnObject, Inject::Bytes(in_brackets)),
    Kind::rejected("string_at_top", NotAnObject, Inject::Bytes(|bytes, _| replace(bytes, b"\"device_0001: 22.4\""))),
    Kind::rejected("number_at_top", NotAnObject, Inject::Bytes(|bytes, _| replace(bytes, b"22.4"))),
    Kind::rejected("null_at_top", NotAnObject, Inject::Bytes(|bytes, _| replace(bytes, b"null"))),
    Kind::rejected("true_at_top", NotAnObject, Inject::Bytes(|bytes, _| replace(bytes, b" true "))),
    Kind::rejected("empty_array", NotAnObject, Inject::Bytes(|bytes, _| replace(bytes, b"[]"))),
    Kind::rejected("empty_object", MissingDeviceId, Inject::Bytes(|bytes, _| replace(bytes, b"{ }"))),
    Kind::read("nested_32", Inject::Tree(|draft| arrays(draft, 31))),
    Kind::read("key_twice_device", Inject::Tree(key_twice_device)),
    Kind::read("key_twice_value", Inject::Tree(key_twice_value)).only(WITH_NUMBER),
    Kind::read("key_twice_unknown", Inject::Tree(key_twice_unknown)),
    Kind::read("key_escaped", Inject::Tree(key_escaped)),
    Kind::read("text_escaped", Inject::Tree(text_escaped)),
    Kind::read("unknown_members", Inject::Tree(unknown_members)),
    Kind::read("no_sensors", Inject::Tree(no_sensors)).only(TREES),
    Kind::read("no_location", Inject::Tree(|draft| draft.remove("location"))),
    Kind::read("location_number", Inject::Tree(|draft| draft.set("location", "7"))),
    Kind::read("oversized", Inject::Tree(oversized)).class(Class::Oversized),
    Kind::read("unknown_sensor", Inject::Tree(unknown_sensor)).class(Class::UnknownSensor),
];

fn replace(bytes: &mut Vec<u8>, with: &[u8]) {
    bytes.clear();
    bytes.extend_from_slice(with);
}

fn in_brackets(bytes: &mut Vec<u8>, _random: &mut Random) {
    bytes.insert(0, b'[');
    bytes.push(b']');
}

fn bomb(open: &str, middle: &str, close: &str, levels: usize) -> String {
    [open.repeat(levels), middle.to_owned(), close.repeat(levels)].concat()
}

/// A member of this many arrays in each other; the message's own object is one level more.
fn arrays(draft: &mut Draft<'_>, levels: usize) -> bool {
    draft.add_at_top("x", bomb("[", "", "]", levels))
}

/// The members of the device's object.
fn device<'t>(draft: &'t mut Draft<'_>) -> Option<&'t mut Vec<(String, Node)>> {
    let path = draft.device_path(&[]);
    draft.tree.at(&path)?.members()
}

fn flag_duplicate_key(draft: &mut Draft<'_>) {
    draft.expected.quality = draft.expected.quality.with(Flag::DuplicateKey);
}

/// Another device's id first, the right one after it.
fn key_twice_device(draft: &mut Draft<'_>) -> bool {
    let Some(members) = device(draft) else { return false };
    members.insert(0, ("device_id".into(), quoted("device_other")));
    flag_duplicate_key(draft);
    true
}

/// A wrong value first, the right one after it.
fn key_twice_value(draft: &mut Draft<'_>) -> bool {
    let Some(sensor) = draft.any_number() else { return false };
    let path = draft.sensor_path(sensor, "value");
    let Some((key, parent)) = path.split_last() else { return false };
    let Some(members) = draft.tree.at(parent).and_then(Node::members) else { return false };
    members.insert(0, ((*key).to_owned(), raw("-1.5")));
    flag_duplicate_key(draft);
    true
}

fn key_twice_unknown(draft: &mut Draft<'_>) -> bool {
    draft.tree.set(&["note"], Node::Object(vec![("a".into(), raw("1")), ("a".into(), raw("2"))]));
    flag_duplicate_key(draft);
    true
}

/// `device\u005fid` is `device_id`.
fn key_escaped(draft: &mut Draft<'_>) -> bool {
    let Some(members) = device(draft) else { return false };
    let Some((key, _)) = members.iter_mut().find(|(key, _)| key == "device_id") else { return false };
    "device\\u005fid".clone_into(key);
    true
}

fn text_escaped(draft: &mut Draft<'_>) -> bool {
    draft.set("status", "\"on\\u006cine\\/\\u680B\\ud83d\\ude00\"")
}

fn unknown_members(draft: &mut Draft<'_>) -> bool {
    draft.tree.set(
        &["vendor"],
        Node::Object(vec![
            ("calibrated".into(), raw("true")),
            ("codes".into(), raw("[1,2,[3,null]]")),
            ("空".into(), quoted("值")),
        ]),
    )
}

fn no_sensors(draft: &mut Draft<'_>) -> bool {
    let path = draft.device_path(&["sensors"]);
    draft.expected.sensors = [ExpectedSensor::default(); SENSOR_COUNT];
    draft.tree.set(&path, Node::Object(Vec::new()))
}

/// Under the million bytes that librdkafka and brokers take by default.
fn oversized(draft: &mut Draft<'_>) -> bool {
    let length = 900_000 + draft.random.below(50_000) as usize;
    draft.add_at_top("padding", format!("\"{}\"", "0123456789abcdef".repeat(length / 16)))
}

/// A sensor that is in no catalogue: it goes to `extra` and takes nothing from the others. A single device has no other one.
fn unknown_sensor(draft: &mut Draft<'_>) -> bool {
    match draft.reading.format {
        Format::Flat => draft.set("vibration", "1.8"),
        Format::Single => {
            draft.expected.sensors = [ExpectedSensor::default(); SENSOR_COUNT];
            draft.set("device_type", "\"vibration_sensor\"")
        }
        _ => {
            let path = draft.device_path(&["sensors", "vibration"]);
            let members = [("value", raw("1.8")), ("unit", quoted("mm/s")), ("status", quoted("normal"))]
                .map(|(key, node)| (key.into(), node));
            debug_assert!(SENSORS.iter().all(|sensor| sensor.name != "vibration"));
            draft.tree.set(&path, Node::Object(members.into()))
        }
    }
}
