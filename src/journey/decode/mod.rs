//! JSON bytes → columns, plainly: the oracle of every faster way to decode.
//!
//! ```text
//! bytes ──scan──▶ text ──document──▶ members ──device──▶ a reading ──columns──▶ DecodedBatch
//!   └ reject         └ reject           └──envelope──▶ an event ────┘
//! ```
//!
//! Which member goes to which column is the contract in `docs/formats.md`. A member that nobody took ends in `extra`, so nothing that
//! a device sends is lost. Decoding never fails: each row of a batch ends in exactly one of readings, events, rejects.

mod columns;
mod device;
mod document;
mod envelope;
mod extra;
mod scan;
mod time;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::columns::{EventBuilder, ReadingBuilder};
use self::device::Reading;
use self::document::{Document, Value};
use self::envelope::Envelope;
use self::scan::Refusal;
use crate::batch::{DecodedBatch, Dictionaries, Format, RawBatch, RawRow, RejectReason, RejectRow, SensorCatalog};

/// Decodes the batches of one lane.
#[derive(Debug)]
pub struct Decoder {
    catalog: Arc<SensorCatalog>,
}

/// The tables that a batch is decoded into.
struct Tables<'b> {
    readings: ReadingBuilder,
    events: EventBuilder,
    dictionaries: &'b mut Dictionaries,
}

impl Decoder {
    /// A decoder for these configured sensors.
    pub fn new(catalog: Arc<SensorCatalog>) -> Self {
        Self { catalog }
    }

    /// Decodes a batch. Each row ends in exactly one of readings, events, rejects, and each of them keeps the order of the rows.
    ///
    /// A text column holds 2 GiB, so a batch may have some 500 MB of values (paths make `extra` up to four times as long as what was
    /// sent). What a consumer queues is far below.
    pub fn decode(&mut self, raw: &RawBatch<'_>, dictionaries: &mut Dictionaries) -> DecodedBatch {
        let mut tables = Tables {
            readings: ReadingBuilder::new(&self.catalog, raw.rows.len()),
            events: EventBuilder::default(),
            dictionaries,
        };
        let mut rejects = Vec::new();
        for (row, message) in raw.rows.iter().enumerate() {
            if let Err(refusal) = self.decode_row(message, &mut tables) {
                rejects.push(RejectRow {
                    row,
                    offset: message.offset,
                    kafka_time_ms: message.kafka_time_ms,
                    reason: refusal.reason,
                    detail: refusal.detail,
                });
            }
        }
        DecodedBatch {
            source: raw.source.clone(),
            span: raw.span(),
            ingest_time_us: raw.ingest_time_us,
            readings: tables.readings.finish(),
            events: tables.events.finish(),
            rejects,
        }
    }

    fn decode_row(&self, message: &RawRow<'_>, tables: &mut Tables<'_>) -> Result<(), Refusal> {
        let Some(bytes) = message.value else {
            return Err(Refusal::new(RejectReason::Tombstone, "the record's value is null"));
        };
        let text = scan::text(bytes)?;
        let value = scan::first_value(text)?;
        match Document::parse(text, value.clone(), &[]) {
            Ok(document) => self.take(&document, message, tables),
            Err(refusal) => {
                // Python's json writes NaN and infinities as bare words. They are looked for only where a parse failed.
                let bare = scan::bare_numbers(text);
                if bare.is_empty() {
                    return Err(refusal);
                }
                let digits = scan::with_digits(text, &bare);
                self.take(&Document::parse(&digits, value, &bare)?, message, tables)
            }
        }
    }

    fn take(&self, document: &Document<'_>, message: &RawRow<'_>, tables: &mut Tables<'_>) -> Result<(), Refusal> {
        let root = document.root()?;
        if document.find(root, "message_id").is_some() {
            return match Envelope::read(document, root, message.kafka_time_ms, &self.catalog)? {
                Envelope::Reading(reading) => {
                    tables.readings.append(message, &reading, tables.dictionaries);
                    Ok(())
                }
                Envelope::Event(event) => {
                    tables.events.append(message, &event);
                    Ok(())
                }
            };
        }
        let reading = Reading::read(document, root, format_of(document, root), &self.catalog)?;
        tables.readings.append(message, &reading, tables.dictionaries);
        Ok(())
    }
}

/// The format of a message that is no envelope.
fn format_of(document: &Document<'_>, root: document::Members) -> Format {
    let has = |key| document.find(root, key).is_some();
    if let Some(Value::Object(_)) = document.value(root, "sensors") {
        let info = match document.value(root, "device_info") {
            Some(&Value::Object(info)) => document.find(info, "manufacturer").is_some(),
            _ => false,
        };
        if has("device_type") || info || has("last_seen") || has("created_at") { Format::Device } else { Format::Nested }
    } else if has("value") {
        Format::Single
    } else {
        Format::Flat
    }
}
