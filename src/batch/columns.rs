//! The columns of a batch, after decoding and after inspection.

use arrow::array::{
    BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    UInt8Array, UInt32Array,
};

use super::{RejectReason, Span, TopicPartition};

/// Ids into one of the [`Dictionaries`](super::Dictionaries); null where the message has no such member.
pub type KeyColumn = UInt32Array;
/// Text that does not repeat (message ids, extra, payloads).
pub type TextColumn = StringArray;

/// How a message was laid out; found from its bytes, per message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Format {
    Nested = 0,
    Device = 1,
    Envelope = 2,
    Flat = 3,
    Single = 4,
}

impl Format {
    pub const ALL: [Format; 5] = [Format::Nested, Format::Device, Format::Envelope, Format::Flat, Format::Single];

    pub fn name(self) -> &'static str {
        match self {
            Format::Nested => "nested",
            Format::Device => "device",
            Format::Envelope => "envelope",
            Format::Flat => "flat",
            Format::Single => "single",
        }
    }
}

/// Values of one sensor, a row a reading.
#[derive(Clone, Debug)]
pub enum SensorValues {
    Number(Float64Array),
    Boolean(BooleanArray),
}

/// One configured sensor over the rows of a batch.
#[derive(Clone, Debug)]
pub struct SensorColumns {
    /// As sent after decode; in the sensor's unit after inspect. Null: absent, or flagged `bad_value`.
    pub values: SensorValues,
    /// The unit as sent (`Dictionaries::units`); null: none was sent, the sensor's own is meant.
    pub unit: KeyColumn,
    /// The device's own status (`Dictionaries::sensor_statuses`).
    pub status: KeyColumn,
    /// Masks of [`Flag`](super::Flag).
    pub quality: Vec<u16>,
}

/// Readings as columns, all of the same length. Row `i` of each belongs to one message.
#[derive(Clone, Debug)]
pub struct ReadingColumns {
    pub offset: Int64Array,
    /// Null: the record had none.
    pub kafka_time: TimestampMillisecondArray,
    pub event_time: TimestampMicrosecondArray,
    pub device: KeyColumn,
    pub device_type: KeyColumn,
    pub building: KeyColumn,
    pub floor: Int32Array,
    pub room: KeyColumn,
    pub zone: KeyColumn,
    pub model: KeyColumn,
    pub firmware: KeyColumn,
    /// Per cent.
    pub battery: Float64Array,
    /// dBm.
    pub signal_strength: Float64Array,
    pub status: KeyColumn,
    pub message_id: TextColumn,
    pub source: KeyColumn,
    /// In the order of the catalogue.
    pub sensors: Vec<SensorColumns>,
    /// Masks of [`Flag`](super::Flag) of the message itself.
    pub quality: Vec<u16>,
    /// A JSON object of the members that have no column, by path (`location.latitude`); null where there are none.
    pub extra: TextColumn,
    /// Discriminants of [`Format`].
    pub format: UInt8Array,
}

impl ReadingColumns {
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Events as columns: heartbeats, system_status, alerts of devices. Few, so plain text.
#[derive(Clone, Debug)]
pub struct EventColumns {
    pub offset: Int64Array,
    pub kafka_time: TimestampMillisecondArray,
    /// Of the inner object where it has one, else of the envelope; null where neither can be read.
    pub event_time: TimestampMicrosecondArray,
    /// `alert`, `heartbeat` or `system_status`.
    pub event_type: TextColumn,
    pub message_id: TextColumn,
    pub device_id: TextColumn,
    pub source: TextColumn,
    pub alert_id: TextColumn,
    pub alert_type: TextColumn,
    pub severity: TextColumn,
    pub title: TextColumn,
    pub message: TextColumn,
    pub status: TextColumn,
    /// A number or a word, as text.
    pub priority: TextColumn,
    /// The whole `payload`, JSON.
    pub payload: TextColumn,
}

impl EventColumns {
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One refused message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectRow {
    /// Index into the rows of the raw batch, where key, value and headers are.
    pub row: usize,
    pub offset: i64,
    /// -1: the record had none.
    pub kafka_time_ms: i64,
    pub reason: RejectReason,
    /// For people: what exactly, and where in the message.
    pub detail: String,
}

/// A batch after decoding: each row of the raw batch is in exactly one of readings, events, rejects.
#[derive(Clone, Debug)]
pub struct DecodedBatch {
    pub source: TopicPartition,
    pub span: Span,
    pub ingest_time_us: i64,
    pub readings: ReadingColumns,
    pub events: EventColumns,
    pub rejects: Vec<RejectRow>,
}

/// A batch whose values are in the units of the columns and whose flags are final. Made by `journey::inspect` alone.
#[derive(Clone, Debug)]
pub struct InspectedBatch {
    pub source: TopicPartition,
    pub span: Span,
    pub ingest_time_us: i64,
    pub readings: ReadingColumns,
    pub events: EventColumns,
    pub rejects: Vec<RejectRow>,
}
