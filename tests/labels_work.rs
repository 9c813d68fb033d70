//! The comparison of a lake with the simulator's labels: does it see what is wrong? Each fault of a lake, made by hand, is found.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, UInt16Array,
};
use parquet::arrow::ArrowWriter;
use support::readers::{FaultReport, LabelReport, read_labels};
use support::scratch::Scratch;

/// A message, its label and its row alike; a test changes rows to be unlike.
#[derive(Clone)]
struct Row {
    offset: i64,
    table: &'static str,
    fault: &'static str,
    reason: Option<&'static str>,
    quality: u16,
    temperature: Option<f64>,
    temperature_quality: u16,
    is_on: Option<bool>,
    event_us: Option<i64>,
    device_id: &'static str,
    format: &'static str,
    kafka_ms: i64,
}

const TIME_US: i64 = 1_700_000_000_000_000;
const SENSORS: [&str; 5] = ["temperature", "humidity", "pressure", "current", "switch_status"];

fn row(offset: i64) -> Row {
    Row {
        offset,
        table: "readings",
        fault: "",
        reason: None,
        quality: 0,
        temperature: Some(21.5),
        temperature_quality: 0,
        is_on: Some(true),
        event_us: Some(TIME_US + offset),
        device_id: "device_1",
        format: "nested",
        kafka_ms: TIME_US / 1_000 + offset,
    }
}

/// Six readings (one with a bad value), one event, one reject.
fn messages() -> Vec<Row> {
    let mut rows: Vec<Row> = (0..8).map(row).collect();
    rows[5] = Row { fault: "value_nan", temperature: None, temperature_quality: 1, is_on: None, ..row(5) };
    rows[6] = Row { table: "events", temperature: None, is_on: None, ..row(6) };
    let reject = Row { table: "rejects", fault: "truncated", reason: Some("invalid_json"), ..row(7) };
    rows[7] = Row { temperature: None, is_on: None, event_us: None, ..reject };
    rows
}

fn write(path: &Path, columns: Vec<(String, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn array<A: FromIterator<V> + arrow::array::Array + 'static, V>(rows: &[Row], value: impl Fn(&Row) -> V) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<A>())
}

fn times(rows: &[Row]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.event_us).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// Value and quality of a sensor; only temperature and switch have values.
fn sensor_columns(rows: &[Row], sensor: &str) -> [(String, ArrayRef); 2] {
    let values = match sensor {
        "temperature" => array::<Float64Array, _>(rows, |row| row.temperature),
        "switch_status" => array::<BooleanArray, _>(rows, |row| row.is_on),
        _ => array::<Float64Array, _>(rows, |_| None::<f64>),
    };
    let quality = |row: &Row| Some(if sensor == "temperature" { row.temperature_quality } else { 0 });
    [(sensor.to_owned(), values), (format!("{sensor}_quality"), array::<UInt16Array, _>(rows, quality))]
}

fn write_table(lake: &Path, table: &str, rows: &[Row]) {
    let rows: Vec<Row> = rows.iter().filter(|row| row.table == table).cloned().collect();
    if rows.is_empty() {
        return;
    }
    let kafka_times = rows.iter().map(|row| Some(row.kafka_ms)).collect::<TimestampMillisecondArray>();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("topic", array::<StringArray, _>(&rows, |_| Some("device-data"))),
        ("partition", array::<Int32Array, _>(&rows, |_| Some(3))),
        ("offset", array::<Int64Array, _>(&rows, |row| Some(row.offset))),
        ("kafka_time", Arc::new(kafka_times.with_timezone("UTC"))),
    ];
    if table == "rejects" {
        columns.push(("reason", array::<StringArray, _>(&rows, |row| row.reason)));
    } else {
        columns.push(("event_time", times(&rows)));
        columns.push(("device_id", array::<StringArray, _>(&rows, |row| Some(row.device_id))));
    }
    let mut columns: Vec<(String, ArrayRef)> = columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect();
    if table == "readings" {
        columns.push(("format".to_owned(), array::<StringArray, _>(&rows, |row| Some(row.format))));
        columns.push(("quality".to_owned(), array::<UInt16Array, _>(&rows, |row| Some(row.quality))));
        for sensor in SENSORS {
            columns.extend(sensor_columns(&rows, sensor));
        }
    }
    write(&lake.join(table).join("date=2023-11-14/hour=22/a.parquet"), columns);
}

fn write_labels(path: &Path, rows: &[Row]) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("seq", array::<Int64Array, _>(rows, |row| Some(row.offset + 100))),
        ("device_id", array::<StringArray, _>(rows, |row| Some(row.device_id))),
        ("kafka_time_ms", array::<Int64Array, _>(rows, |row| Some(row.kafka_ms))),
        ("topic", array::<StringArray, _>(rows, |_| Some("device-data"))),
        ("partition", array::<Int32Array, _>(rows, |_| Some(3))),
        ("offset", array::<Int64Array, _>(rows, |row| Some(row.offset))),
        ("expected_format", array::<StringArray, _>(rows, |row| Some(row.format))),
        ("fault", array::<StringArray, _>(rows, |row| Some(row.fault))),
        ("expected_table", array::<StringArray, _>(rows, |row| Some(row.table))),
        ("expected_reason", array::<StringArray, _>(rows, |row| row.reason)),
        ("event_time", times(rows)),
        ("quality", array::<UInt16Array, _>(rows, |row| Some(row.quality))),
    ];
    let mut columns: Vec<(String, ArrayRef)> = columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect();
    for sensor in SENSORS {
        columns.extend(sensor_columns(rows, sensor));
    }
    write(path, columns);
}

/// The report on a lake whose rows were changed by `change`, against the labels of [`messages`].
fn report(change: impl Fn(&mut Vec<Row>)) -> LabelReport {
    let scratch = Scratch::new("labels");
    let mut rows = messages();
    write_labels(&scratch.path().join("labels.parquet"), &rows);
    change(&mut rows);
    for table in ["readings", "events", "rejects"] {
        write_table(&scratch.path().join("lake"), table, &rows);
    }
    read_labels(&scratch.path().join("lake"), &scratch.path().join("labels.parquet"))
}

#[test]
fn a_lake_that_fits_its_labels_passes() {
    let report = report(|_| {});
    report.assert_exactly_once(8);
    assert_eq!(
        report.by_table.into_iter().collect::<Vec<_>>(),
        [("events".to_owned(), 1), ("readings".to_owned(), 6), ("rejects".to_owned(), 1)]
    );
    assert_eq!(report.by_reason["invalid_json"], 1);
    assert_eq!(report.by_fault[""], FaultReport { messages: 6, wrong: 0 });
    assert_eq!(report.by_fault["value_nan"], FaultReport { messages: 1, wrong: 0 });
}

#[test]
fn missing_double_and_unlabelled_rows_are_found() {
    let lost = report(|rows| rows.retain(|row| row.offset != 2));
    assert_eq!((lost.missing, lost.double, lost.unlabelled, lost.rows), (1, 0, 0, 7));
    assert_eq!((lost.first.len(), &lost.first[0]["seq"], &lost.first[0]["times"]), (1, &102.into(), &0.into()));
    let twice = report(|rows| rows.push(rows[2].clone()));
    assert_eq!((twice.missing, twice.double, twice.unlabelled, twice.rows), (0, 1, 0, 9));
    let in_two_tables = report(|rows| rows.push(Row { table: "events", ..rows[2].clone() }));
    assert_eq!((in_two_tables.double, in_two_tables.wrong["table"]), (1, 1));
    assert_eq!(report(|rows| rows.push(row(99))).unlabelled, 1);
}

#[test]
fn a_row_that_is_not_what_its_label_expects_is_found() {
    let wrong = |change: &dyn Fn(&mut Vec<Row>)| {
        let report = report(change);
        assert_eq!((report.missing, report.double), (0, 0));
        report.wrong.into_iter().map(|(aspect, count)| format!("{aspect} {count}")).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(wrong(&|rows| rows[7].reason = Some("empty")), "reason 1");
    assert_eq!(wrong(&|rows| rows[6].event_us = Some(0)), "event_time 1");
    assert_eq!(wrong(&|rows| rows[0].event_us = None), "event_time 1");
    assert_eq!(wrong(&|rows| rows[0].device_id = "device_2"), "device_id 1");
    assert_eq!(wrong(&|rows| rows[0].format = "flat"), "format 1");
    assert_eq!(wrong(&|rows| rows[7].kafka_ms += 1), "kafka_time 1");
    assert_eq!(wrong(&|rows| rows[0].quality = 1 << 5), "quality 1");
    assert_eq!(wrong(&|rows| rows[0].quality = 1 << 9), "", "a repeat is known from its neighbours");
    assert_eq!(wrong(&|rows| rows[0].temperature = Some(21.500_001)), "temperature 1");
    assert_eq!(wrong(&|rows| rows[0].temperature = None), "temperature 1");
    assert_eq!(wrong(&|rows| rows[5].temperature = Some(0.0)), "temperature 1");
    assert_eq!(wrong(&|rows| rows[5].temperature_quality = 0), "temperature_quality 1");
    assert_eq!(wrong(&|rows| rows[1].is_on = Some(false)), "switch_status 1");
    let table = wrong(&|rows| rows[7] = Row { event_us: Some(1), reason: None, ..Row { table: "events", ..rows[7].clone() } });
    assert_eq!(table, "reason 1, table 1");
}

#[test]
#[should_panic(expected = "missing 1, double 0")]
fn the_assertion_says_what_is_wrong() {
    report(|rows| rows.truncate(7)).assert_exactly_once(8);
}
