//! Why a message was refused. The names stand in the `rejects` table, in the header `corelane-reason`, in metrics and in the labels
//! of the simulator; they never change.

/// Why a message is neither a reading nor an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RejectReason {
    /// The record's value is null.
    Tombstone,
    /// The value has no bytes, or only white space.
    Empty,
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// Not JSON (RFC 8259), after bare `NaN`, `Infinity` and `-Infinity` are read as numbers that are out of range.
    InvalidJson,
    /// JSON, and then something else than white space.
    TrailingBytes,
    /// Objects and arrays nested deeper than 32.
    TooDeep,
    /// JSON, but not an object.
    NotAnObject,
    /// No device id where the format has it.
    MissingDeviceId,
    /// The device id is not a string, or an empty one.
    BadDeviceId,
    /// No event time where the format has it.
    MissingTime,
    /// The event time is neither a number nor a numeric string nor RFC 3339, or lies outside of what the column can hold.
    BadTime,
    /// The event time is a date and time without a zone.
    TimeWithoutZone,
    /// An envelope whose `message_type` is missing or unknown.
    UnknownMessageType,
    /// An envelope without the member that its `message_type` promises (`payload.device` of a device_data).
    MissingPayload,
    /// An envelope past its `ttl`. No dead letter, no raw bytes.
    Expired,
}

impl RejectReason {
    pub const ALL: [RejectReason; 15] = [
        RejectReason::Tombstone,
        RejectReason::Empty,
        RejectReason::InvalidUtf8,
        RejectReason::InvalidJson,
        RejectReason::TrailingBytes,
        RejectReason::TooDeep,
        RejectReason::NotAnObject,
        RejectReason::MissingDeviceId,
        RejectReason::BadDeviceId,
        RejectReason::MissingTime,
        RejectReason::BadTime,
        RejectReason::TimeWithoutZone,
        RejectReason::UnknownMessageType,
        RejectReason::MissingPayload,
        RejectReason::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            RejectReason::Tombstone => "tombstone",
            RejectReason::Empty => "empty",
            RejectReason::InvalidUtf8 => "invalid_utf8",
            RejectReason::InvalidJson => "invalid_json",
            RejectReason::TrailingBytes => "trailing_bytes",
            RejectReason::TooDeep => "too_deep",
            RejectReason::NotAnObject => "not_an_object",
            RejectReason::MissingDeviceId => "missing_device_id",
            RejectReason::BadDeviceId => "bad_device_id",
            RejectReason::MissingTime => "missing_time",
            RejectReason::BadTime => "bad_time",
            RejectReason::TimeWithoutZone => "time_without_zone",
            RejectReason::UnknownMessageType => "unknown_message_type",
            RejectReason::MissingPayload => "missing_payload",
            RejectReason::Expired => "expired",
        }
    }

    /// Whether the message goes to the dead letters and the table keeps its bytes.
    pub fn keeps_bytes(self) -> bool {
        self != RejectReason::Expired
    }
}
