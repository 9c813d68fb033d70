//! The labels file reads back, a row a message, and agrees with what was stored.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, UInt16Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::super::{LabelWriter, Pace, Speed, Summary, drive};
use super::memory::MemoryKafka;
use super::*;

fn run(kafka: &mut MemoryKafka, messages: u64) -> (Summary, Vec<RecordBatch>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.parquet");
    let labels = LabelWriter::create(&path, "device-data").unwrap();
    let mut fleet = Fleet::new(options(everything())).unwrap();
    let pace = Pace { speed: Speed::Max, messages: Some(messages), ..Pace::default() };
    let summary = drive(&mut fleet, kafka, &pace, &AtomicBool::new(false), Some(labels)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().build().unwrap();
    (summary, reader.map(Result::unwrap).collect())
}

#[test]
fn every_message_has_a_row_with_its_place() {
    let mut kafka = MemoryKafka::with_partitions(4);
    let (summary, batches) = run(&mut kafka, 30_000);
    assert_eq!(summary.delivered, 30_000);
    let mut seen = BTreeSet::new();
    for batch in &batches {
        let column = |name: &str| batch.column_by_name(name).unwrap();
        for row in 0..batch.num_rows() {
            let seq = column("seq").as_primitive::<Int64Type>().value(row);
            let partition = column("partition").as_primitive::<Int32Type>().value(row);
            let offset = column("offset").as_primitive::<Int64Type>().value(row);
            let stored = kafka.partitions[usize::try_from(partition).unwrap()][usize::try_from(offset).unwrap()].0;
            assert_eq!(stored, seq.cast_unsigned());
            assert!(seen.insert(seq));
            assert_eq!(column("topic").as_string::<i32>().value(row), "device-data");
        }
    }
    assert_eq!(seen.len(), 30_000);
}

#[test]
fn outcomes_count_as_in_the_summary() {
    let (summary, batches) = run(&mut MemoryKafka::with_partitions(3), 20_000);
    let mut sorts = BTreeMap::new();
    for batch in &batches {
        let column = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
        for row in 0..batch.num_rows() {
            let reason = column("expected_reason");
            let reason = if reason.is_null(row) { "" } else { reason.value(row) };
            let sort = (column("fault").value(row).to_owned(), column("expected_table").value(row).to_owned(), reason.to_owned());
            *sorts.entry(sort).or_insert(0_u64) += 1;
            assert_eq!(reason.is_empty(), column("expected_table").value(row) != "rejects");
        }
    }
    let expected: BTreeMap<_, _> = summary
        .sorts
        .iter()
        .map(|(sort, count)| {
            let reason = sort.reason.map_or("", |reason| reason.name());
            ((sort.fault.to_owned(), sort.table.name().to_owned(), reason.to_owned()), *count)
        })
        .collect();
    assert_eq!(sorts, expected);
    assert_eq!(summary.sorts.values().sum::<u64>(), 20_000);
}

#[test]
fn columns_hold_what_the_labels_say() {
    let (_, batches) = run(&mut MemoryKafka::with_partitions(1), 2_000);
    let messages = sent(options(everything()), 2_000);
    for batch in &batches {
        let seqs = batch.column_by_name("seq").unwrap().as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let label = &messages[usize::try_from(seqs.value(row)).unwrap()].label;
            let quality = batch.column_by_name("quality").unwrap().as_primitive::<UInt16Type>().value(row);
            assert_eq!(quality, label.expected.quality.0);
            let temperature = batch.column_by_name("temperature").unwrap().as_primitive::<arrow::datatypes::Float64Type>();
            let value = (!temperature.is_null(row)).then(|| temperature.value(row));
            assert_eq!(value, label.expected.sensors[0].value);
            let switch = batch.column_by_name("switch_status").unwrap().as_boolean();
            let value = (!switch.is_null(row)).then(|| switch.value(row));
            assert_eq!(value, label.expected.sensors[4].value.map(|value| value > 0.5));
            let sensor_quality = batch.column_by_name("pressure_quality").unwrap().as_primitive::<UInt16Type>().value(row);
            assert_eq!(sensor_quality, label.expected.sensors[2].quality.0);
            let device = batch.column_by_name("device_id").unwrap().as_string::<i32>().value(row);
            assert_eq!(device.as_bytes(), messages[usize::try_from(seqs.value(row)).unwrap()].key);
        }
    }
}

#[test]
fn failed_deliveries_have_rows_without_a_place() {
    let mut kafka = MemoryKafka { fail_every: Some(10), ..MemoryKafka::with_partitions(2) };
    let (summary, batches) = run(&mut kafka, 1_000);
    assert_eq!((summary.sent, summary.delivered, summary.failed), (1_000, 900, 100));
    assert_eq!(summary.failures["message timed out"], 100);
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let lost: usize = batches.iter().map(|batch| batch.column_by_name("offset").unwrap().null_count()).sum();
    assert_eq!((rows, lost), (1_000, 100));
}

#[test]
fn a_send_that_is_refused_ends_the_run_with_complete_labels() {
    let mut kafka = MemoryKafka { refuse_from: Some(500), ..MemoryKafka::with_partitions(2) };
    let (summary, batches) = run(&mut kafka, 1_000);
    assert_eq!(summary.ended_by.as_ref().map(|error| error.seq), Some(500));
    assert_eq!((summary.sent, summary.delivered, summary.failed), (501, 500, 1));
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 501);
}
