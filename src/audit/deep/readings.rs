//! Readings of one partition and epoch, read back from Parquet in offset order.

use std::path::Path;

use arrow::array::{
    Array, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt16Array,
};
use arrow::datatypes::{DataType, Schema};

use super::places::Names;
use super::tables::{TableFile, column};
use crate::batch::{Flag, TopicPartition};

/// Flags of a message that keep it out of the windows.
const MESSAGE_OUT: [Flag; 5] = [Flag::FutureTime, Flag::OldTime, Flag::NoKafkaTime, Flag::Duplicate, Flag::OverLimit];
/// Flags of a sensor that keep its value out and count it as bad.
const VALUE_BAD: [Flag; 2] = [Flag::OutOfRange, Flag::DeviceFault];
/// Flags of a sensor that keep its value out.
const VALUE_OUT: [Flag; 3] = [Flag::BadValue, Flag::Missing, Flag::UnknownUnit];

fn has_any(quality: u16, flags: &[Flag]) -> bool {
    flags.iter().any(|flag| quality & flag.mask() != 0)
}

/// What a sensor of a reading is to the windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Says {
    Nothing,
    Value(f64),
    Bad,
}

impl Says {
    fn of(value: Option<f64>, quality: u16) -> Says {
        match value {
            _ if has_any(quality, &VALUE_BAD) => Says::Bad,
            Some(value) if !has_any(quality, &VALUE_OUT) => Says::Value(value),
            _ => Says::Nothing,
        }
    }
}

/// A reading that counts, names as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) offset: i64,
    pub(super) time_us: i64,
    pub(super) device: u32,
    pub(super) site: u32,
    pub(super) group: u32,
    /// In the order of [`ReadingRows::sensors`].
    pub(super) says: Box<[Says]>,
}

impl Reading {
    /// Whether it counts in any row.
    pub(super) fn says_anything(&self) -> bool {
        self.says.iter().any(|says| *says != Says::Nothing)
    }
}

/// A sensor of the readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sensor {
    pub(super) number: u32,
    pub(super) is_boolean: bool,
}

/// The readings of one partition and epoch that count, in offset order.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadingRows {
    pub(super) sensors: Vec<Sensor>,
    pub(super) rows: Vec<Reading>,
}

impl ReadingRows {
    /// Adds those of a file.
    pub(super) fn add_file(&mut self, path: &Path, source: &TopicPartition, names: &mut Names) -> Result<(), String> {
        let file = TableFile::open(path)?;
        let sensors = sensors_of(file.schema());
        let quality: Vec<String> = sensors.iter().map(|(name, _)| format!("{name}_quality")).collect();
        let mut columns = vec!["event_time", "device_id", "building", "floor", "room", "quality", "topic", "partition", "offset"];
        columns.extend(sensors.iter().map(|(name, _)| name.as_str()));
        columns.extend(quality.iter().map(String::as_str));
        let numbered: Vec<Sensor> = sensors
            .iter()
            .map(|(name, is_boolean)| Sensor { number: names.sensors.text(name), is_boolean: *is_boolean })
            .collect();
        if self.rows.is_empty() {
            self.sensors = numbered;
        } else if self.sensors != numbered {
            return Err("its sensors are others than those of another file of its epoch".to_owned());
        }
        for batch in file.read(&columns, Some(source))? {
            let batch = batch.map_err(|error| error.to_string())?;
            self.add_batch(&batch, (&sensors, &quality), names)?;
        }
        Ok(())
    }

    fn add_batch(
        &mut self,
        batch: &RecordBatch,
        (sensors, quality): (&[(String, bool)], &[String]),
        names: &mut Names,
    ) -> Result<(), String> {
        let times = column::<TimestampMicrosecondArray>(batch, "event_time")?;
        let devices = column::<StringArray>(batch, "device_id")?;
        let buildings = column::<StringArray>(batch, "building")?;
        let floors = column::<Int32Array>(batch, "floor")?;
        let rooms = column::<StringArray>(batch, "room")?;
        let masks = column::<UInt16Array>(batch, "quality")?;
        let offsets = column::<Int64Array>(batch, "offset")?;
        let mut values: Vec<(Values<'_>, &UInt16Array)> = Vec::with_capacity(sensors.len());
        for ((name, is_boolean), quality) in sensors.iter().zip(quality) {
            values.push((Values::of(batch, name, *is_boolean)?, column(batch, quality)?));
        }
        for row in 0..batch.num_rows() {
            if has_any(masks.value(row), &MESSAGE_OUT) {
                continue;
            }
            let floor = floors.is_valid(row).then(|| floors.value(row));
            let (building, room) = (text_at(buildings, row), text_at(rooms, row));
            self.rows.push(Reading {
                offset: offsets.value(row),
                time_us: times.value(row),
                device: names.devices.text(devices.value(row)),
                site: names.site(building, floor, room),
                group: names.group(building, floor),
                says: values.iter().map(|(values, quality)| Says::of(values.get(row), quality.value(row))).collect(),
            });
        }
        Ok(())
    }

    /// In offset order, whatever the order of the files.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by_key(|reading| reading.offset);
    }
}

pub(super) fn text_at(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// A sensor's values, booleans as 0 and 1.
enum Values<'a> {
    Numbers(&'a Float64Array),
    Booleans(&'a BooleanArray),
}

impl<'a> Values<'a> {
    fn of(batch: &'a RecordBatch, name: &str, is_boolean: bool) -> Result<Self, String> {
        if is_boolean { Ok(Values::Booleans(column(batch, name)?)) } else { Ok(Values::Numbers(column(batch, name)?)) }
    }

    fn get(&self, row: usize) -> Option<f64> {
        match self {
            Values::Numbers(values) => values.is_valid(row).then(|| values.value(row)),
            Values::Booleans(values) => values.is_valid(row).then(|| f64::from(u8::from(values.value(row)))),
        }
    }
}

/// The sensors of a file by its columns: `x` and `x_quality`. Whether each is a boolean.
fn sensors_of(schema: &Schema) -> Vec<(String, bool)> {
    let sensor = |name: &str| {
        let value = schema.field_with_name(name.strip_suffix("_quality")?).ok()?;
        match value.data_type() {
            DataType::Float64 => Some((value.name().clone(), false)),
            DataType::Boolean => Some((value.name().clone(), true)),
            _ => None,
        }
    };
    let masks = schema.fields().iter().filter(|field| *field.data_type() == DataType::UInt16);
    masks.filter_map(|field| sensor(field.name())).collect()
}
