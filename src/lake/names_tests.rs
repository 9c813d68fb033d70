use super::*;

fn name(hour: i64) -> SegmentName {
    SegmentName { epoch: Uuid::now_v7(), table: Table::Events, hour: Hour(hour) }
}

#[test]
fn a_staged_name_says_epoch_table_and_hour() {
    let epoch = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
    let name = SegmentName { epoch, table: Table::Readings, hour: Hour::of_millis(1_795_230_123_000) };
    assert_eq!(staged_file(&name), "0198c0de-0000-7000-8000-000000000001.readings.2026-11-21T03.parquet");
    assert_eq!(
        visible_path(&name, "g.i.0"),
        "readings/date=2026-11-21/hour=03/0198c0de-0000-7000-8000-000000000001-g.i.0.parquet"
    );
}

#[test]
fn names_read_back_for_any_hour() {
    // Before 1970, leap days, year 0, five-digit years, and the far ends of an i64 of milliseconds.
    let ends = [i64::MIN / 3_600_000, i64::MAX / 3_600_000];
    let hours = [0, -1, 23, 24, 264_000, 492_000, -17_259_889, -17_268_673, 70_389_528].into_iter().chain(ends);
    let steps = (-400_000..400_000).step_by(997).map(|day| day * 24 + 5);
    for hour in hours.chain(steps) {
        let name = name(hour);
        assert_eq!(parse_staged_file(&staged_file(&name)), Some(name.clone()), "{}", staged_file(&name));
        let visible = visible_path(&name, "group.a-b.12");
        assert_eq!(parse_visible_path(&visible), Some((name, "group.a-b.12".to_owned())), "{visible}");
    }
}

#[test]
fn other_names_are_not_taken_for_segments() {
    let good = staged_file(&name(492_000));
    let others = [
        good.replace(".parquet", ".parquet.tmp"),
        good.to_uppercase(),
        good.replace(".events.", ".windows."),
        good.replace('-', ""),
        good.replace("T00", "T0"),
        good.replace("T00", "T24"),
        good.replace("2026-02-16", "2026-02-31"),
        format!("x{good}"),
        ".parquet".to_owned(),
        String::new(),
    ];
    assert!(good.contains("2026-02-16T00"), "{good}");
    for other in others {
        assert_eq!(parse_staged_file(&other), None, "{other}");
    }
}

#[test]
fn other_paths_are_not_taken_for_visible_segments() {
    let good = visible_path(&name(492_000), "g.i.0");
    let others = [
        good.replace("hour=", "hour=0"),
        good.replace("events/", "event/"),
        good.replace("-g.i.0", "-"),
        good.replace("-g.i.0", "-ä"),
        good.replace("-g.i.0", "_g.i.0"),
        good.replace("date=", ""),
        "events/part-0.parquet".to_owned(),
        "events/date=2026-02-16/hour=00/ä.parquet".to_owned(),
    ];
    for other in others {
        assert_eq!(parse_visible_path(&other), None, "{other}");
    }
}
