//! Who sent it cannot be told.

use crate::batch::RejectReason::{BadDeviceId, MissingDeviceId};

use super::{Inject, Kind};

pub(super) const KINDS: &[Kind] = &[
    Kind::rejected("device_id_missing", MissingDeviceId, Inject::Tree(|draft| draft.remove("device_id"))),
    Kind::rejected("device_id_null", MissingDeviceId, Inject::Tree(|draft| draft.set("device_id", "null"))),
    Kind::rejected("device_id_empty", BadDeviceId, Inject::Tree(|draft| draft.set("device_id", "\"\""))),
    Kind::rejected("device_id_number", BadDeviceId, Inject::Tree(|draft| draft.set("device_id", "42"))),
    Kind::rejected("device_id_bool", BadDeviceId, Inject::Tree(|draft| draft.set("device_id", "true"))),
    Kind::rejected("device_id_object", BadDeviceId, Inject::Tree(|draft| draft.set("device_id", "{\"id\":\"device_0001\"}"))),
    Kind::rejected("device_id_array", BadDeviceId, Inject::Tree(|draft| draft.set("device_id", "[\"device_0001\"]"))),
];
