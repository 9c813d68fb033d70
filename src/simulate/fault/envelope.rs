//! Envelopes that do not hold what they promise.

use crate::batch::RejectReason::{Expired, MissingPayload, UnknownMessageType};

use super::super::random::Random;
use super::super::reading::Reading;
use super::super::tree::{quoted, raw};
use super::{Draft, ENVELOPE, Inject, Kind};

pub(super) const KINDS: &[Kind] = &[
    Kind::rejected("message_type_unknown", UnknownMessageType, Inject::Tree(|draft| message_type(draft, "\"firmware_update\"")))
        .only(ENVELOPE),
    Kind::rejected("message_type_number", UnknownMessageType, Inject::Tree(|draft| message_type(draft, "7"))).only(ENVELOPE),
    Kind::rejected(
        "message_type_missing",
        UnknownMessageType,
        Inject::Tree(|draft| draft.tree.remove(&["message_type"]).is_some()),
    )
    .only(ENVELOPE),
    Kind::rejected("payload_missing", MissingPayload, Inject::Tree(|draft| draft.tree.remove(&["payload"]).is_some()))
        .only(ENVELOPE),
    Kind::rejected("payload_array", MissingPayload, Inject::Tree(|draft| draft.tree.set(&["payload"], raw("[]")))).only(ENVELOPE),
    Kind::rejected(
        "payload_device_missing",
        MissingPayload,
        Inject::Tree(|draft| draft.tree.remove(&["payload", "device"]).is_some()),
    )
    .only(ENVELOPE),
    Kind::rejected("payload_device_string", MissingPayload, Inject::Tree(device_string)).only(ENVELOPE),
    Kind::rejected("expired", Expired, Inject::Reading(expired)).only(ENVELOPE),
    Kind::read("ttl_zero", Inject::Reading(ttl_zero)).only(ENVELOPE),
];

fn message_type(draft: &mut Draft<'_>, text: &str) -> bool {
    draft.tree.set(&["message_type"], raw(text))
}

fn device_string(draft: &mut Draft<'_>) -> bool {
    draft.tree.set(&["payload", "device"], quoted("device_0001"))
}

/// Two hours old with a life of ten minutes.
fn expired(reading: &mut Reading, random: &mut Random) {
    reading.event_ms = reading.sent_ms - random.between(7_200_000, 14_400_000);
    reading.ttl_s = 600;
}

/// Just as old, with a life without end.
fn ttl_zero(reading: &mut Reading, random: &mut Random) {
    expired(reading, random);
    reading.ttl_s = 0;
}
