//! Labels as Parquet, a row a message, written as delivery reports come in. `docs/simulator.md` explains the columns.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, UInt16Builder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::batch::RejectReason;

use super::deliver::Delivery;
use super::label::Label;
use super::place::Places;
use super::sensors::{SENSOR_COUNT, SENSORS, SWITCH};

/// Rows that are gathered before they are encoded.
const BATCH_ROWS: usize = 8_192;
/// Rows a row group: about 2 MB of labels in memory.
const GROUP_ROWS: usize = 131_072;

/// Labels that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("cannot create the labels file {path}: {source}; choose another path with --labels")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("cannot write the labels: {0}; is the disk full?")]
    Write(#[from] parquet::errors::ParquetError),
    #[error("cannot put the labels into columns: {0}")]
    Columns(#[from] arrow::error::ArrowError),
}

type Sink = Box<dyn Write + Send>;

/// Writes the ground truth of a run; [`LabelWriter::finish`] makes the file readable.
pub struct LabelWriter {
    schema: Arc<Schema>,
    writer: ArrowWriter<Sink>,
    columns: Columns,
    rows: usize,
    topic: String,
    /// Set when the driver tells how many devices there are.
    places: Places,
    device_id: String,
}

impl LabelWriter {
    /// Creates the file, replacing an older one. `topic` is where the messages go.
    pub fn create(path: &Path, topic: &str) -> Result<Self, LabelError> {
        let file = File::create(path).map_err(|source| LabelError::Create { path: path.to_owned(), source })?;
        Self::to(Box::new(file), topic)
    }

    /// Writes to anything else.
    pub fn to(sink: Sink, topic: &str) -> Result<Self, LabelError> {
        let schema = schema();
        let properties = properties(&schema)?;
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))?;
        let places = Places::new(1);
        Ok(Self {
            schema,
            writer,
            columns: Columns::default(),
            rows: 0,
            topic: topic.to_owned(),
            places,
            device_id: String::new(),
        })
    }

    /// How device ids look follows from the size of the fleet.
    pub(super) fn set_devices(&mut self, devices: u32) {
        self.places = Places::new(devices);
    }

    /// Adds the row of one message whose delivery is known; None: it was never reported.
    pub(super) fn push(&mut self, label: &Label, delivery: Option<&Delivery>) -> Result<(), LabelError> {
        self.device_id.clear();
        self.places.push_id(&mut self.device_id, label.device);
        self.columns.push(label, delivery, &self.device_id, &self.topic);
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.encode() } else { Ok(()) }
    }

    fn encode(&mut self) -> Result<(), LabelError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), self.columns.finish())?;
        self.writer.write(&batch)?;
        self.rows = 0;
        Ok(())
    }

    /// Writes what is left and the footer.
    pub fn finish(mut self) -> Result<(), LabelError> {
        if self.rows > 0 {
            self.encode()?;
        }
        self.writer.close()?;
        Ok(())
    }
}

/// Only texts repeat: a dictionary of sequence numbers or measurements would be hashed for nothing.
fn properties(schema: &Schema) -> Result<WriterProperties, LabelError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false);
    for field in schema.fields() {
        let column = ColumnPath::from(field.name().as_str());
        properties = match field.data_type() {
            DataType::Utf8 if field.name() != "device_id" => properties.set_column_dictionary_enabled(column, true),
            DataType::Int64 | DataType::Timestamp(..) => properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED),
            _ => properties,
        };
    }
    Ok(properties.build())
}

fn schema() -> Arc<Schema> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fields = vec![
        Field::new("seq", DataType::Int64, false),
        Field::new("topic", DataType::Utf8, false),
        Field::new("partition", DataType::Int32, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("device_id", DataType::Utf8, false),
        Field::new("kafka_time_ms", DataType::Int64, false),
        Field::new("format", DataType::Utf8, false),
        Field::new("fault", DataType::Utf8, false),
        Field::new("anomaly", DataType::Utf8, false),
        Field::new("repeat", DataType::Boolean, false),
        Field::new("duplicate_of", DataType::Int64, true),
        Field::new("expected_table", DataType::Utf8, false),
        Field::new("expected_reason", DataType::Utf8, true),
        Field::new("expected_format", DataType::Utf8, false),
        Field::new("event_time", micros, true),
        Field::new("quality", DataType::UInt16, false),
    ];
    for (index, sensor) in SENSORS.iter().enumerate() {
        let values = if index == SWITCH { DataType::Boolean } else { DataType::Float64 };
        fields.push(Field::new(sensor.name, values, true));
        fields.push(Field::new(format!("{}_quality", sensor.name), DataType::UInt16, false));
    }
    Arc::new(Schema::new(fields))
}

/// One builder a column, in the order of the schema.
#[derive(Default)]
struct Columns {
    seq: Int64Builder,
    topic: StringBuilder,
    partition: Int32Builder,
    offset: Int64Builder,
    device_id: StringBuilder,
    kafka_time_ms: Int64Builder,
    format: StringBuilder,
    fault: StringBuilder,
    anomaly: StringBuilder,
    repeat: BooleanBuilder,
    duplicate_of: Int64Builder,
    table: StringBuilder,
    reason: StringBuilder,
    expected_format: StringBuilder,
    event_time: TimestampMicrosecondBuilder,
    quality: UInt16Builder,
    numbers: [Float64Builder; SENSOR_COUNT],
    switch: BooleanBuilder,
    sensor_quality: [UInt16Builder; SENSOR_COUNT],
}

impl Columns {
    fn push(&mut self, label: &Label, delivery: Option<&Delivery>, device_id: &str, topic: &str) {
        let (partition, offset) = match delivery {
            Some(&Delivery::Stored { partition, offset }) => (Some(partition), Some(offset)),
            Some(Delivery::Failed { .. }) | None => (None, None),
        };
        let expected = &label.expected;
        self.seq.append_value(label.seq.cast_signed());
        self.topic.append_value(topic);
        self.partition.append_option(partition);
        self.offset.append_option(offset);
        self.device_id.append_value(device_id);
        self.kafka_time_ms.append_value(label.kafka_time_ms);
        self.format.append_value(label.format.name());
        self.fault.append_value(label.fault);
        self.anomaly.append_value(label.anomaly.name());
        self.repeat.append_value(label.duplicate_of.is_some());
        self.duplicate_of.append_option(label.duplicate_of.map(u64::cast_signed));
        self.table.append_value(expected.table.name());
        self.reason.append_option(expected.reason.map(RejectReason::name));
        self.expected_format.append_value(expected.format.name());
        self.event_time.append_option(expected.event_time_us);
        self.quality.append_value(expected.quality.0);
        for (index, sensor) in expected.sensors.iter().enumerate() {
            if index == SWITCH {
                self.switch.append_option(sensor.value.map(|value| value > 0.5));
            } else {
                self.numbers[index].append_option(sensor.value);
            }
            self.sensor_quality[index].append_value(sensor.quality.0);
        }
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.seq.finish()),
            Arc::new(self.topic.finish()),
            Arc::new(self.partition.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.device_id.finish()),
            Arc::new(self.kafka_time_ms.finish()),
            Arc::new(self.format.finish()),
            Arc::new(self.fault.finish()),
            Arc::new(self.anomaly.finish()),
            Arc::new(self.repeat.finish()),
            Arc::new(self.duplicate_of.finish()),
            Arc::new(self.table.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.expected_format.finish()),
            Arc::new(self.event_time.finish().with_timezone("UTC")),
            Arc::new(self.quality.finish()),
        ];
        for index in 0..SENSOR_COUNT {
            if index == SWITCH {
                columns.push(Arc::new(self.switch.finish()));
            } else {
                columns.push(Arc::new(self.numbers[index].finish()));
            }
            columns.push(Arc::new(self.sensor_quality[index].finish()));
        }
        columns
    }
}
