use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt8Array, UInt32Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, UInt16Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, PageType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use super::*;
use crate::batch::{
    EventColumns, Headers, RawRow, ReadingColumns, RejectReason, RejectRow, SensorColumns, SensorValues, Span, TopicPartition,
};

fn settings() -> PersistSettings {
    PersistSettings { catalog: Arc::default(), compression: PageCompression::default(), row_group_rows: 1 << 20 }
}

fn footer() -> Footer {
    Footer {
        lake: "lake-id".to_owned(),
        writer: "plant.a.0".to_owned(),
        epoch: Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001),
        spans: vec![
            (TopicPartition::new("device-data", 3), Span { start: 10, next: 14 }),
            (TopicPartition::new("quo\"ted", 0), Span { start: 0, next: 2 }),
        ],
        rules_version: "none".to_owned(),
    }
}

/// `rows` readings from `first` on; of row `i` the device is `d<i>`, the temperature `i / 2`, every third one has no building.
fn readings(first: i64, rows: usize, dictionaries: &mut Dictionaries) -> ReadingColumns {
    let ids = |of: &dyn Fn(i64) -> Option<u32>| (first..).take(rows).map(of).collect::<UInt32Array>();
    let device: UInt32Array = (first..).take(rows).map(|row| Some(dictionaries.devices.intern(&format!("d{row}")))).collect();
    let building = dictionaries.buildings.intern("north");
    let status = dictionaries.sensor_statuses.intern("active");
    let none = ids(&|_| None);
    let numbers: Float64Array = (first..).take(rows).map(|row| (row % 4 != 1).then_some(row as f64 / 2.0)).collect();
    let number = |values: Float64Array| SensorColumns {
        values: SensorValues::Number(values),
        unit: none.clone(),
        status: ids(&|row| (row % 2 == 0).then_some(status)),
        quality: (first..).take(rows).map(|row| u16::from(row % 4 == 1)).collect(),
    };
    let switch = SensorColumns {
        values: SensorValues::Boolean(
            (first..).take(rows).map(|row| (row % 3 == 0).then_some(row % 2 == 0)).collect::<BooleanArray>(),
        ),
        unit: none.clone(),
        status: none.clone(),
        quality: vec![2; rows],
    };
    let empty = Float64Array::new_null(rows);
    ReadingColumns {
        offset: Int64Array::from_iter_values((first..).take(rows)),
        kafka_time: (first..).take(rows).map(|row| (row != first).then_some(1_795_230_000_000 + row)).collect(),
        event_time: TimestampMicrosecondArray::from_iter_values((first..).take(rows).map(|row| 1_795_230_000_000_000 + row)),
        device,
        device_type: none.clone(),
        building: ids(&|row| (row % 3 != 0).then_some(building)),
        floor: Int32Array::from_iter_values(std::iter::repeat_n(-1, rows)),
        room: none.clone(),
        zone: none.clone(),
        model: none.clone(),
        firmware: none.clone(),
        battery: Float64Array::from(vec![99.5; rows]),
        signal_strength: empty.clone(),
        status: none.clone(),
        message_id: StringArray::new_null(rows),
        source: none.clone(),
        sensors: vec![number(numbers), number(empty.clone()), number(empty.clone()), number(empty), switch],
        quality: (first..).take(rows).map(|row| if row == first { 256 } else { 0 }).collect(),
        extra: (first..).take(rows).map(|row| (row % 2 == 1).then(|| format!("{{\"n\":{row}}}"))).collect::<StringArray>(),
        format: UInt8Array::from_iter_values((first..).take(rows).map(|row| u8::try_from(row % 5).unwrap())),
    }
}

fn events(offsets: &[i64]) -> EventColumns {
    let rows = offsets.len();
    let null = StringArray::new_null(rows);
    EventColumns {
        offset: Int64Array::from(offsets.to_vec()),
        kafka_time: TimestampMillisecondArray::from(vec![5; rows]),
        event_time: TimestampMicrosecondArray::new_null(rows),
        event_type: StringArray::from(vec!["heartbeat"; rows]),
        message_id: null.clone(),
        device_id: null.clone(),
        source: StringArray::from(vec!["gateway"; rows]),
        alert_id: null.clone(),
        alert_type: null.clone(),
        severity: null.clone(),
        title: null.clone(),
        message: null.clone(),
        status: null.clone(),
        priority: null,
        payload: StringArray::from(vec!["{}"; rows]),
    }
}

fn batch(readings: ReadingColumns, events: EventColumns, rejects: Vec<RejectRow>) -> InspectedBatch {
    InspectedBatch {
        source: TopicPartition::new("device-data", 3),
        span: Span { start: 0, next: 1 },
        ingest_time_us: 1_795_230_001_000_000,
        readings,
        events,
        rejects,
    }
}

fn reject(row: usize, reason: RejectReason) -> RejectRow {
    let index = i64::try_from(row).unwrap();
    RejectRow { row, offset: 100 + index, kafka_time_ms: index - 1, reason, detail: format!("row {row}") }
}

fn raw<'a>(values: &[Option<&'a [u8]>]) -> RawBatch<'a> {
    let row = |(offset, &value)| RawRow { offset, kafka_time_ms: 0, key: None, value, headers: Headers::NONE };
    RawBatch {
        source: TopicPartition::new("device-data", 3),
        rows: (100..).zip(values).map(row).collect(),
        ingest_time_us: 0,
        stamped_by_broker: false,
    }
}

fn read(segment: &EncodedSegment) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(segment.bytes.clone())).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
}

fn texts(rows: &RecordBatch, name: &str) -> Vec<Option<String>> {
    column(rows, name).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// Closed by another thread, as a lane does.
fn close(open: OpenSegments) -> Vec<EncodedSegment> {
    std::thread::spawn(move || open.close(&footer())).join().unwrap().unwrap()
}

#[test]
fn readings_come_back_as_they_were() {
    let mut dictionaries = Dictionaries::default();
    let batch = batch(readings(10, 4, &mut dictionaries), events(&[]), vec![]);
    let mut open = OpenSegments::new(settings());
    let taken = open.append(&batch, &raw(&[]), &dictionaries, Hour(7)).unwrap();
    assert_eq!(taken, RowsTaken { readings: 4, events: 0, rejects: 0 });
    let segments = close(open);
    assert_eq!(segments.len(), 1);
    assert_eq!((segments[0].table, segments[0].hour, segments[0].rows), (Table::Readings, Hour(7), 4));
    assert_eq!(segments[0].crc32c, crc32c::crc32c(&segments[0].bytes));

    let rows = read(&segments[0]);
    // The schema of the contract, units included.
    assert_eq!(rows.schema().fields(), readings_schema(&SensorCatalog::default()).fields());
    assert_eq!(rows.schema().field_with_name("temperature").unwrap().metadata()["unit"], "°C");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(texts(&rows, "device_id"), ["d10", "d11", "d12", "d13"].map(some));
    assert_eq!(texts(&rows, "building"), [some("north"), some("north"), None, some("north")]);
    assert_eq!(texts(&rows, "format"), ["nested", "device", "envelope", "flat"].map(some));
    assert_eq!(texts(&rows, "extra"), [None, some("{\"n\":11}"), None, some("{\"n\":13}")]);
    assert_eq!(texts(&rows, "topic"), ["device-data"; 4].map(some));
    assert_eq!(texts(&rows, "temperature_status"), [some("active"), None, some("active"), None]);
    assert_eq!(column(&rows, "partition").as_primitive::<Int32Type>().values(), &[3; 4]);
    assert_eq!(column(&rows, "floor").as_primitive::<Int32Type>().values(), &[-1; 4]);
    assert_eq!(column(&rows, "offset").as_primitive::<Int64Type>().values(), &[10, 11, 12, 13]);
    let temperature: Vec<_> = column(&rows, "temperature").as_primitive::<Float64Type>().iter().collect();
    assert_eq!(temperature, [Some(5.0), Some(5.5), Some(6.0), None]);
    let switch: Vec<_> = column(&rows, "switch_status").as_boolean().iter().collect();
    assert_eq!(switch, [None, None, Some(true), None]);
    assert_eq!(column(&rows, "temperature_quality").as_primitive::<UInt16Type>().values(), &[0, 0, 0, 1]);
    assert_eq!(column(&rows, "quality").as_primitive::<UInt16Type>().values(), &[256, 0, 0, 0]);
    let kafka_time: Vec<_> = column(&rows, "kafka_time").as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(kafka_time, [None, Some(1_795_230_000_011), Some(1_795_230_000_012), Some(1_795_230_000_013)]);
    let event_time = column(&rows, "event_time").as_primitive::<TimestampMicrosecondType>();
    assert_eq!(event_time.value(1), 1_795_230_000_000_011);
    assert_eq!(column(&rows, "ingest_time").as_primitive::<TimestampMicrosecondType>().value(3), 1_795_230_001_000_000);
}

#[test]
fn events_and_rejects_have_their_tables_and_expired_keeps_no_bytes() {
    let mut dictionaries = Dictionaries::default();
    let rejects = vec![
        reject(0, RejectReason::InvalidJson),
        reject(1, RejectReason::Tombstone),
        reject(3, RejectReason::Expired),
        reject(4, RejectReason::InvalidUtf8),
    ];
    let batch = batch(readings(0, 0, &mut dictionaries), events(&[102]), rejects);
    let raw = raw(&[Some(b"{"), None, Some(b"event"), Some(b"stale"), Some(b"\xff\0")]);
    let mut open = OpenSegments::new(settings());
    let taken = open.append(&batch, &raw, &dictionaries, Hour(7)).unwrap();
    assert_eq!(taken, RowsTaken { readings: 0, events: 1, rejects: 4 });
    let segments = close(open);
    assert_eq!(segments.iter().map(|segment| segment.table).collect::<Vec<_>>(), [Table::Events, Table::Rejects]);

    let events = read(&segments[0]);
    assert_eq!(events.schema().fields(), events_schema().fields());
    assert_eq!(texts(&events, "event_type"), [Some("heartbeat".to_owned())]);
    assert_eq!(texts(&events, "payload"), [Some("{}".to_owned())]);
    assert_eq!(texts(&events, "source"), [Some("gateway".to_owned())]);
    assert_eq!(column(&events, "event_time").null_count(), 1);

    let rejects = read(&segments[1]);
    assert_eq!(rejects.schema().fields(), rejects_schema().fields());
    let reasons = ["invalid_json", "tombstone", "expired", "invalid_utf8"].map(|name| Some(name.to_owned()));
    assert_eq!(texts(&rejects, "reason"), reasons);
    assert_eq!(texts(&rejects, "detail")[3].as_deref(), Some("row 4"));
    let bytes: Vec<_> = column(&rejects, "raw").as_binary::<i32>().iter().collect();
    assert_eq!(bytes, [Some(b"{".as_slice()), None, None, Some(b"\xff\0")]);
    assert_eq!(column(&rejects, "offset").as_primitive::<Int64Type>().values(), &[100, 101, 103, 104]);
    let kafka_time: Vec<_> = column(&rejects, "kafka_time").as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(kafka_time, [None, Some(0), Some(2), Some(3)]);
}

#[test]
fn each_hour_has_its_own_segment_in_order() {
    let mut dictionaries = Dictionaries::default();
    let mut open = OpenSegments::new(settings());
    assert!(open.is_empty());
    for (hour, first) in [(9, 0), (8, 100), (9, 200), (-1, 300)] {
        let batch = batch(readings(first, 3, &mut dictionaries), events(&[first + 3]), vec![]);
        open.append(&batch, &raw(&[]), &dictionaries, Hour(hour)).unwrap();
    }
    assert!(!open.is_empty());
    let segments = close(open);
    let found: Vec<_> = segments.iter().map(|segment| (segment.table, segment.hour.0, segment.rows)).collect();
    let expected = [
        (Table::Readings, -1, 3),
        (Table::Readings, 8, 3),
        (Table::Readings, 9, 6),
        (Table::Events, -1, 1),
        (Table::Events, 8, 1),
        (Table::Events, 9, 2),
    ];
    assert_eq!(found, expected);
    let offsets = read(&segments[2]);
    assert_eq!(column(&offsets, "offset").as_primitive::<Int64Type>().values(), &[0, 1, 2, 200, 201, 202]);
}

#[test]
fn the_footer_says_whose_rows_these_are() {
    let mut dictionaries = Dictionaries::default();
    let mut open = OpenSegments::new(settings());
    let batch = batch(readings(10, 4, &mut dictionaries), events(&[]), vec![]);
    open.append(&batch, &raw(&[]), &dictionaries, Hour(7)).unwrap();
    let segments = close(open);
    let reader = SerializedFileReader::new(Bytes::from(segments[0].bytes.clone())).unwrap();
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref()).unwrap();
    assert_eq!(value("corelane.lake"), "lake-id");
    assert_eq!(value("corelane.writer"), "plant.a.0");
    assert_eq!(value("corelane.epoch"), "0198c0de-0000-7000-8000-000000000001");
    assert_eq!(value("corelane.rows"), "4");
    assert_eq!(value("corelane.rules"), "none");
    let spans: serde_json::Value = serde_json::from_str(value("corelane.spans")).unwrap();
    let expected = serde_json::json!([
        {"topic": "device-data", "partition": 3, "start": 10, "next": 14},
        {"topic": "quo\"ted", "partition": 0, "start": 0, "next": 2},
    ]);
    assert_eq!(spans, expected);
}

#[test]
fn columns_are_encoded_as_readers_and_disks_want_them() {
    let mut dictionaries = Dictionaries::default();
    let mut open = OpenSegments::new(settings());
    let batch = batch(readings(10, 40, &mut dictionaries), events(&[]), vec![]);
    open.append(&batch, &raw(&[]), &dictionaries, Hour(7)).unwrap();
    let segments = close(open);
    let reader = SerializedFileReader::new(Bytes::from(segments[0].bytes.clone())).unwrap();
    let group = reader.metadata().row_group(0);
    let chunk = |name: &str| group.columns().iter().find(|chunk| chunk.column_path().string() == name).unwrap();
    assert!(matches!(chunk("device_id").compression(), Compression::ZSTD(level) if level.compression_level() == 1));
    assert!(chunk("building").dictionary_page_offset().is_some());
    assert!(chunk("event_time").encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
    let Some(Statistics::Int64(times)) = chunk("event_time").statistics() else { panic!("no statistics of event_time") };
    assert_eq!((times.min_opt(), times.max_opt()), (Some(&1_795_230_000_000_010), Some(&1_795_230_000_000_049)));
    assert!(chunk("extra").statistics().is_none());
    let group = reader.get_row_group(0).unwrap();
    for index in 0..group.num_columns() {
        for page in group.get_column_page_reader(index).unwrap() {
            assert_ne!(page.unwrap().page_type(), PageType::DATA_PAGE_V2, "column {index}");
        }
    }
}

#[test]
fn encoded_bytes_grow_with_the_rows_and_stand_for_the_files() {
    let mut dictionaries = Dictionaries::default();
    let mut open = OpenSegments::new(PersistSettings { row_group_rows: 20_000, ..settings() });
    assert_eq!(open.encoded_bytes(), 0);
    let mut told = Vec::new();
    for step in 0..50 {
        let batch = batch(readings(step * 1_000, 1_000, &mut dictionaries), events(&[]), vec![]);
        open.append(&batch, &raw(&[]), &dictionaries, Hour(7)).unwrap();
        told.push(open.encoded_bytes());
    }
    // Within a row group it grows with every batch; at its end the buffers are given up.
    assert!(told[..19].is_sorted_by(|before, after| before < after), "{told:?}");
    assert!(told[20] < told[18] && told[40] < told[38], "{told:?}");
    let last = open.encoded_bytes();
    let segments = close(open);
    let file = segments[0].bytes.len();
    assert!(last * 2 > file && last < 20 * file, "{last} bytes told, the file has {file}");
    let reader = SerializedFileReader::new(Bytes::from(segments[0].bytes.clone())).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3);
    let rows = read(&segments[0]);
    assert_eq!(rows.num_rows(), 50_000);
    let sum: i64 = column(&rows, "offset").as_primitive::<Int64Type>().values().iter().sum();
    assert_eq!(sum, 50_000 * 49_999 / 2);
    assert_eq!(texts(&rows, "device_id")[49_999].as_deref(), Some("d49999"));
}

#[test]
fn large_rejects_are_taken_in_pieces_and_counted_as_memory() {
    let mut dictionaries = Dictionaries::default();
    let mut open = OpenSegments::new(PersistSettings { compression: PageCompression::None, ..settings() });
    let value = vec![0x7b; 1 << 20];
    let values = vec![Some(value.as_slice()); 40];
    let rejects = (0..40).map(|row| reject(row, RejectReason::InvalidJson)).collect();
    let batch = batch(readings(0, 0, &mut dictionaries), events(&[]), rejects);
    let taken = open.append(&batch, &raw(&values), &dictionaries, Hour(0)).unwrap();
    assert_eq!(taken.rejects, 40);
    assert!(open.encoded_bytes() >= 40 << 20, "{}", open.encoded_bytes());
    let rows = read(&close(open)[0]);
    let bytes = column(&rows, "raw").as_binary::<i32>();
    assert_eq!((bytes.len(), bytes.value_data().len()), (40, 40 << 20));
}

#[test]
fn what_does_not_fit_is_an_error_and_no_panic() {
    let mut dictionaries = Dictionaries::default();
    let good = batch(readings(0, 2, &mut dictionaries), events(&[]), vec![]);
    let append = |batch: &InspectedBatch, settings: PersistSettings| {
        OpenSegments::new(settings).append(batch, &raw(&[]), &dictionaries, Hour(0)).unwrap_err()
    };
    let mut short = good.clone();
    short.readings.quality.pop();
    assert!(matches!(append(&short, settings()), PersistError::Columns { table: Table::Readings, .. }));
    let mut nameless = good.clone();
    nameless.readings.device = UInt32Array::from(vec![None, Some(0)]);
    assert!(matches!(append(&nameless, settings()), PersistError::Columns { .. }));
    let mut sensors = good.clone();
    sensors.readings.sensors.pop();
    assert!(matches!(append(&sensors, settings()), PersistError::Columns { .. }));
    let mut format = good.clone();
    format.readings.format = UInt8Array::from(vec![0, 5]);
    assert!(matches!(append(&format, settings()), PersistError::Format { code: 5, row: 1 }));
    let mut reject_only = good.clone();
    reject_only.readings = readings(0, 0, &mut Dictionaries::default());
    reject_only.rejects = vec![reject(7, RejectReason::Empty)];
    assert!(matches!(append(&reject_only, settings()), PersistError::RejectRow { row: 7, rows: 0 }));
    let level = PersistSettings { compression: PageCompression::Zstd(99), ..settings() };
    assert!(append(&good, level).to_string().contains("1 to 22"));
}

#[test]
fn every_compression_reads_back() {
    for compression in [PageCompression::Zstd(3), PageCompression::Snappy, PageCompression::None] {
        let mut dictionaries = Dictionaries::default();
        let mut open = OpenSegments::new(PersistSettings { compression, ..settings() });
        let batch = batch(readings(0, 100, &mut dictionaries), events(&[]), vec![]);
        open.append(&batch, &raw(&[]), &dictionaries, Hour(0)).unwrap();
        assert_eq!(read(&close(open)[0]).num_rows(), 100, "{compression:?}");
    }
}
