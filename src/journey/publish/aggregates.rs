//! Parts of windows as records: one message a device and part, with all its sensors. Its schema is `docs/schemas/aggregate.v1.json`.
//!
//! A fleet makes as many of them a window as it has devices, so they are written as text at once: what is the same from one message to the
//! next (names of members, of sensors, of the part) is copied, only numbers are made.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray, StringArray};
use serde::Serialize;

use crate::batch::{AggregateColumns, MeasuredParts, OutRecord};

/// The version of the schema.
const VERSION: u32 = 1;

/// Appends the records of parts: key the device id, value JSON; a part of a device is one record. Times in ms or µs since 1970, as their
/// names say.
pub fn aggregate_records(parts: &MeasuredParts, topic: &Arc<str>, out: &mut Vec<OutRecord>) -> Result<(), serde_json::Error> {
    let mut text = Text::default();
    for columns in &parts.aggregates {
        let mut begin = 0;
        while begin < columns.len() {
            let end = (begin + 1..columns.len()).find(|row| !same_message(columns, begin, *row)).unwrap_or(columns.len());
            text.write(parts, columns, begin..end)?;
            out.push(OutRecord {
                topic: Arc::clone(topic),
                partition: None,
                key: Some(columns.device_id.value(begin).as_bytes().to_vec()),
                value: Some(text.message.clone()),
                headers: Vec::new(),
            });
            begin = end;
        }
    }
    Ok(())
}

/// The rows of one device and part stand together.
fn same_message(columns: &AggregateColumns, a: usize, b: usize) -> bool {
    let AggregateColumns { part, device_id, .. } = columns;
    part.window_start.value(a) == part.window_start.value(b)
        && part.offset_from.value(a) == part.offset_from.value(b)
        && device_id.value(a) == device_id.value(b)
}

/// The message that is being written, and what the next one may have in common with it.
#[derive(Default)]
struct Text {
    message: Vec<u8>,
    part: Option<Part>,
    /// Members of the part, in two pieces: the place stands between them.
    window: Vec<u8>,
    rest: Vec<u8>,
    sensors: Sensors,
}

/// What says which part a row is of; source and version are the same for all.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    window_start_us: i64,
    window_end_us: i64,
    on_time: bool,
    partial: bool,
    offset_from: i64,
    offset_to: i64,
}

impl Text {
    fn write(&mut self, parts: &MeasuredParts, columns: &AggregateColumns, rows: Range<usize>) -> Result<(), serde_json::Error> {
        let AggregateColumns { device_id, building, floor, room, .. } = columns;
        let row = rows.start;
        self.write_part(parts, columns, row)?;
        let message = &mut self.message;
        message.clear();
        put(message, b"{\"version\":", VERSION)?;
        put(message, b",\"device_id\":", device_id.value(row))?;
        message.extend_from_slice(&self.window);
        put(message, b",\"building\":", text(building, row))?;
        put(message, b",\"floor\":", number(floor, row))?;
        put(message, b",\"room\":", text(room, row))?;
        message.extend_from_slice(&self.rest);
        message.extend_from_slice(b",\"sensors\":{");
        let begin = message.len();
        for (name, row) in self.sensors.by_name(columns, rows)? {
            if message.len() > begin {
                message.push(b',');
            }
            message.extend_from_slice(name);
            write_sensor(message, columns, row)?;
        }
        message.extend_from_slice(b"}}");
        Ok(())
    }

    fn write_part(&mut self, parts: &MeasuredParts, columns: &AggregateColumns, row: usize) -> Result<(), serde_json::Error> {
        let part = Part {
            window_start_us: columns.part.window_start.value(row),
            window_end_us: columns.part.window_end.value(row),
            on_time: columns.part.on_time.value(row),
            partial: columns.part.partial.value(row),
            offset_from: columns.part.offset_from.value(row),
            offset_to: columns.part.offset_to.value(row),
        };
        if self.part == Some(part) {
            return Ok(());
        }
        self.part = Some(part);
        let window = &mut self.window;
        window.clear();
        put(window, b",\"window_start_ms\":", part.window_start_us / 1_000)?;
        put(window, b",\"window_end_ms\":", part.window_end_us / 1_000)?;
        let rest = &mut self.rest;
        rest.clear();
        put(rest, b",\"on_time\":", part.on_time)?;
        put(rest, b",\"partial\":", part.partial)?;
        put(rest, b",\"topic\":", &*parts.source.topic)?;
        put(rest, b",\"partition\":", parts.source.partition)?;
        put(rest, b",\"offset_from\":", part.offset_from)?;
        put(rest, b",\"offset_to\":", part.offset_to)
    }
}

/// A number that is not finite (sums of squares can overflow) is null in JSON.
fn write_sensor(message: &mut Vec<u8>, columns: &AggregateColumns, row: usize) -> Result<(), serde_json::Error> {
    let AggregateColumns { measures, time_weighted_mean, transitions, time_on_us, .. } = columns;
    put(message, b"{\"count\":", measures.count.value(row))?;
    put(message, b",\"count_bad\":", measures.count_bad.value(row))?;
    put(message, b",\"mean\":", number(&measures.mean, row))?;
    put(message, b",\"m2\":", number(&measures.m2, row))?;
    put(message, b",\"min\":", number(&measures.min, row))?;
    put(message, b",\"max\":", number(&measures.max, row))?;
    put(message, b",\"first\":", number(&measures.first, row))?;
    put(message, b",\"last\":", number(&measures.last, row))?;
    put(message, b",\"first_time_us\":", number(&measures.first_time, row))?;
    put(message, b",\"last_time_us\":", number(&measures.last_time, row))?;
    put(message, b",\"time_weighted_mean\":", number(time_weighted_mean, row))?;
    put_some(message, b",\"transitions\":", number(transitions, row))?;
    put_some(message, b",\"time_on_us\":", number(time_on_us, row))?;
    put_some(message, b",\"rolling_mean\":", number(&measures.rolling_mean, row))?;
    put_some(message, b",\"rolling_stddev\":", number(&measures.rolling_stddev, row))?;
    put_some(message, b",\"rolling_windows\":", number(&measures.rolling_windows, row))?;
    message.push(b'}');
    Ok(())
}

/// A member: its name with all that stands around it, and its value.
#[inline]
fn put<const N: usize>(text: &mut Vec<u8>, name: &[u8; N], value: impl Serialize) -> Result<(), serde_json::Error> {
    text.extend_from_slice(name);
    serde_json::to_writer(text, &value)
}

/// A member that is left out where it has no value.
#[inline]
fn put_some<const N: usize>(text: &mut Vec<u8>, name: &[u8; N], value: Option<impl Serialize>) -> Result<(), serde_json::Error> {
    value.map_or(Ok(()), |value| put(text, name, value))
}

/// The sensors met so far, by name, and which of them the rows of the message before were of: mostly those of the next are the same.
#[derive(Default)]
struct Sensors {
    known: Vec<Sensor>,
    /// Indices into `known`.
    rows: Vec<usize>,
}

struct Sensor {
    name: String,
    /// The name as JSON, with the colon.
    text: Vec<u8>,
    /// Its row in the message.
    row: Option<usize>,
}

impl Sensors {
    /// The rows of a message in the order of their sensors' names.
    fn by_name(
        &mut self,
        columns: &AggregateColumns,
        rows: Range<usize>,
    ) -> Result<impl Iterator<Item = (&[u8], usize)>, serde_json::Error> {
        self.known.iter_mut().for_each(|sensor| sensor.row = None);
        for (at, row) in rows.enumerate() {
            let name = columns.sensor.value(row);
            let before = self.rows.get(at).copied().filter(|before| self.known[*before].name == name);
            let index = match before {
                Some(index) => index,
                None => self.find_or_add(at, name)?,
            };
            self.known[index].row = Some(row);
        }
        Ok(self.known.iter().filter_map(|sensor| Some((&*sensor.text, sensor.row?))))
    }

    #[cold]
    fn find_or_add(&mut self, at: usize, name: &str) -> Result<usize, serde_json::Error> {
        self.rows.truncate(at);
        let index = match self.known.binary_search_by(|known| known.name.as_str().cmp(name)) {
            Ok(index) => index,
            Err(index) => {
                let mut text = serde_json::to_vec(name)?;
                text.push(b':');
                self.known.insert(index, Sensor { name: name.to_owned(), text, row: None });
                // What stood behind it has other indices now.
                self.rows.clear();
                return Ok(index);
            }
        };
        if self.rows.len() == at {
            self.rows.push(index);
        }
        Ok(index)
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn number<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests;
