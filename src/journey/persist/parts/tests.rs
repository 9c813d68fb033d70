use arrow::array::{AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StructArray, TimestampMicrosecondArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use uuid::Uuid;

use super::*;
use crate::batch::{
    EncodedSegment, Hour, MeasuredParts, SensorCatalog, aggregates_schema, groups_schema, sketch_fields, sketch_item,
};
use crate::journey::persist::{Footer, OpenSegments, PageCompression, PersistSettings};

fn part(rows: usize) -> PartColumns {
    PartColumns {
        window_start: TimestampMicrosecondArray::from_value(60_000_000, rows),
        window_end: TimestampMicrosecondArray::from_value(120_000_000, rows),
        on_time: BooleanArray::from(vec![true; rows]),
        partial: BooleanArray::from(vec![false; rows]),
        offset_from: Int64Array::from_value(7, rows),
        offset_to: Int64Array::from_value(90, rows),
    }
}

/// The second row has nothing but bad values.
fn measures() -> MeasureColumns {
    let number = |value: f64| Float64Array::from(vec![Some(value), None]);
    let time = |value: i64| TimestampMicrosecondArray::from(vec![Some(value), None]);
    MeasureColumns {
        count: Int64Array::from(vec![3, 0]),
        count_bad: Int64Array::from(vec![0, 2]),
        mean: number(1.5),
        m2: number(0.25),
        min: number(-1.0),
        max: number(4.0),
        first: number(0.1),
        last: number(0.2),
        first_time: time(60_000_001),
        last_time: time(119_999_999),
        rolling_mean: number(1.25),
        rolling_stddev: number(0.5),
        rolling_windows: Int32Array::from(vec![2, 0]),
    }
}

fn parts() -> MeasuredParts {
    let aggregates = AggregateColumns {
        part: part(2),
        device_id: StringArray::from(vec!["d1", "d1"]),
        building: StringArray::from(vec![Some("A"), None]),
        floor: Int32Array::from(vec![Some(-1), None]),
        room: StringArray::from(vec![None, Some("r")]),
        sensor: StringArray::from(vec!["temperature", "switch_status"]),
        measures: measures(),
        time_weighted_mean: Float64Array::from(vec![Some(1.75), None]),
        transitions: Int64Array::from(vec![None, Some(4)]),
        time_on_us: Int64Array::from(vec![None, Some(500)]),
    };
    let items: [ArrayRef; 2] = [Arc::new(Int32Array::from(vec![-65_472, 65_500, 0])), Arc::new(Int64Array::from(vec![1, 2, 9]))];
    let items = StructArray::new(sketch_fields(), Vec::from(items), None);
    let groups = GroupColumns {
        part: part(2),
        sensor: StringArray::from(vec!["temperature", "humidity"]),
        building: StringArray::from(vec![Some("A"), None]),
        floor: Int32Array::from(vec![Some(3), None]),
        measures: measures(),
        buckets: ListArray::new(sketch_item(), OffsetBuffer::from_lengths([2, 1]), Arc::new(items), None),
    };
    let mut parts = MeasuredParts::none(TopicPartition::new("device-data", 3));
    parts.aggregates = vec![aggregates.clone(), aggregates];
    parts.groups = vec![groups];
    parts
}

fn encoded() -> Vec<EncodedSegment> {
    let settings = PersistSettings {
        catalog: Arc::new(SensorCatalog::default()),
        compression: PageCompression::default(),
        row_group_rows: 1 << 20,
    };
    let mut segments = OpenSegments::new(settings);
    assert_eq!(segments.append_parts(&MeasuredParts::none(TopicPartition::new("t", 0)), Hour(7)).unwrap(), (0, 0));
    assert!(segments.is_empty());
    assert_eq!(segments.append_parts(&parts(), Hour(7)).unwrap(), (4, 2));
    let footer = Footer {
        lake: "lake".to_owned(),
        writer: "plant.a.0".to_owned(),
        epoch: Uuid::from_u128(1),
        spans: Vec::new(),
        rules_version: "none".to_owned(),
    };
    segments.close(&footer).unwrap()
}

fn read(segment: &EncodedSegment) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(segment.bytes.clone())).unwrap();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn aggregates_come_back_as_they_were() {
    let segments = encoded();
    assert_eq!((segments[0].table, segments[0].hour, segments[0].rows), (Table::Aggregates, Hour(7), 4));
    let rows = read(&segments[0]);
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(&rows.schema()), names(&aggregates_schema()));
    let column = |name: &str| rows.column_by_name(name).unwrap();
    let number = |name: &str| column(name).as_primitive::<Float64Type>().iter().take(2).collect::<Vec<_>>();
    for (name, value) in [
        ("mean", 1.5),
        ("m2", 0.25),
        ("min", -1.0),
        ("max", 4.0),
        ("first", 0.1),
        ("last", 0.2),
        ("time_weighted_mean", 1.75),
        ("rolling_mean", 1.25),
        ("rolling_stddev", 0.5),
    ] {
        assert_eq!(number(name), [Some(value), None], "{name}");
    }
    let whole = |name: &str| column(name).as_primitive::<Int64Type>().iter().take(2).collect::<Vec<_>>();
    for (name, values) in [
        ("count", [Some(3), Some(0)]),
        ("count_bad", [Some(0), Some(2)]),
        ("transitions", [None, Some(4)]),
        ("time_on_us", [None, Some(500)]),
        ("offset_from", [Some(7); 2]),
        ("offset_to", [Some(90); 2]),
    ] {
        assert_eq!(whole(name), values, "{name}");
    }
    let time = |name: &str| column(name).as_primitive::<TimestampMicrosecondType>().iter().take(2).collect::<Vec<_>>();
    assert_eq!((time("window_start"), time("window_end")), (vec![Some(60_000_000); 2], vec![Some(120_000_000); 2]));
    assert_eq!((time("first_time"), time("last_time")), (vec![Some(60_000_001), None], vec![Some(119_999_999), None]));
    let text =
        |name: &str| column(name).as_string::<i32>().iter().take(2).map(|text| text.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(text("device_id"), [Some("d1".to_owned()), Some("d1".to_owned())]);
    assert_eq!((text("building"), text("room")), (vec![Some("A".to_owned()), None], vec![None, Some("r".to_owned())]));
    assert_eq!(text("topic"), [Some("device-data".to_owned()), Some("device-data".to_owned())]);
    assert_eq!(column("partition").as_primitive::<Int32Type>().values(), &[3; 4]);
    assert_eq!(column("floor").as_primitive::<Int32Type>().iter().take(2).collect::<Vec<_>>(), [Some(-1), None]);
    assert!(column("on_time").as_boolean().iter().all(|on_time| on_time == Some(true)));
    assert!(column("partial").as_boolean().iter().all(|partial| partial == Some(false)));
}

#[test]
fn groups_come_back_with_their_sketches() {
    let segments = encoded();
    assert_eq!((segments[1].table, segments[1].rows), (Table::Groups, 2));
    let rows = read(&segments[1]);
    let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    assert_eq!(names(&rows.schema()), names(&groups_schema()));
    let lists = rows.column_by_name("buckets").unwrap().as_list::<i32>();
    let items = |row: usize| {
        let items = lists.value(row);
        let items = items.as_struct();
        let buckets = items.column(0).as_primitive::<Int32Type>().values().to_vec();
        buckets.into_iter().zip(items.column(1).as_primitive::<Int64Type>().values().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!((items(0), items(1)), (vec![(-65_472, 1), (65_500, 2)], vec![(0, 9)]));
    assert_eq!(rows.column_by_name("count").unwrap().as_primitive::<Int64Type>().values(), &[3, 0]);
}
