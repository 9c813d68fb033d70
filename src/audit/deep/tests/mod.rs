//! The pieces of the deep part, by themselves.

use std::sync::Arc;

use uuid::Uuid;

use super::eras::Eras;
use super::fold::{DeviceFold, Fold, GroupFold, Summary, Values, roll};
use super::marks::{Marks, Runs};
use super::parts::{Cursor, PartInfo, PartKey, PartsOf, check_disjoint};
use crate::audit::epochs::{Epoch, PartitionPart};
use crate::audit::finding::{FindingKind, Findings};
use crate::audit::partitions::SpanOf;
use crate::batch::{LedgerEntry, Span, TopicPartition};
use crate::journey::publish::WindowsEntry;

#[test]
fn marks_are_set_once_taken_once_and_listed_in_order() {
    let mut marks = Marks::default();
    let offsets = [0, 1, 63, 64, 65_535, 65_536, 1 << 40, i64::MAX - 1];
    for offset in offsets {
        assert!(marks.set(offset), "{offset}");
        assert!(!marks.set(offset), "{offset}");
    }
    assert_eq!(marks.within(0, i64::MAX).collect::<Vec<_>>(), offsets);
    assert_eq!(marks.within(1, 65_536).collect::<Vec<_>>(), [1, 63, 64, 65_535]);
    assert!(!marks.take(2) && !marks.take(1 << 50) && marks.take(64) && !marks.take(64));
    assert_eq!(marks.within(60, 70).collect::<Vec<_>>(), [63]);
}

#[test]
fn offsets_in_order_make_runs() {
    let mut runs = Runs::default();
    assert!(runs.is_empty());
    for offset in [3, 4, 5, 9, 11, 12] {
        runs.push(offset);
    }
    assert_eq!((runs.kept, runs.offsets, runs.count), (vec![(3, 6), (9, 10), (11, 13)], 6, 3));
    let mut many = Runs::default();
    for offset in 0..1_000 {
        many.push(offset * 2);
    }
    many.push(1_999);
    assert_eq!((many.kept.len(), many.offsets, many.count, many.kept.last()), (100, 1_001, 1_000, Some(&(198, 199))));
    let mut last = Runs::default();
    for offset in [i64::MAX - 1, i64::MAX, 7] {
        last.push(offset);
    }
    assert_eq!(last.kept, [(i64::MAX - 1, i64::MAX), (7, 8)]);
}

fn bits(value: Option<u64>) -> u64 {
    value.unwrap()
}

fn float(bits: Option<u64>) -> f64 {
    f64::from_bits(bits.unwrap())
}

/// 2, 4, 4, 4, 5, 5, 7, 9: mean 5, m2 32 (Wikipedia's example of a standard deviation of 2).
#[test]
fn a_fold_is_the_definition_by_hand() {
    let mut fold = Fold::default();
    assert_eq!((fold.says_anything(), fold.values()), (false, Values::default()));
    fold.add_bad();
    assert!(fold.says_anything());
    for (at, value) in [4.0, 2.0, 4.0, 4.0, 5.0, 9.0, 5.0, 7.0].into_iter().enumerate() {
        // Times fall: the first by offset is the last by time.
        fold.add(value, 100 - i64::try_from(at).unwrap());
    }
    let values = fold.values();
    assert_eq!((values.count, values.count_bad), (8, 1));
    assert!((float(values.mean) - 5.0).abs() < 1e-12 && (float(values.m2) - 32.0).abs() < 1e-12);
    assert_eq!([values.min, values.max, values.first, values.last].map(bits), [2.0, 9.0, 7.0, 4.0].map(f64::to_bits));
    assert_eq!((values.first_time_us, values.last_time_us), (Some(93), Some(100)));
}

#[test]
fn of_equal_times_the_earlier_offset_is_first_and_the_later_one_last() {
    let mut fold = Fold::default();
    for value in [1.0, 2.0, 3.0] {
        fold.add(value, 7);
    }
    assert_eq!([fold.values().first, fold.values().last].map(bits), [1.0, 3.0].map(f64::to_bits));
}

#[test]
fn values_are_held_until_the_next_later_one() {
    let mut fold = DeviceFold::default();
    fold.add(1.0, 1_000, true);
    assert_eq!(fold.values().time_weighted_mean, None);
    fold.add(0.0, 2_000, true);
    // Out of order: it holds for no time.
    fold.add(1.0, 1_500, true);
    fold.add(0.0, 3_000, true);
    fold.add(1.0, 5_000, true);
    let values = fold.values();
    assert!((float(values.time_weighted_mean) - 0.25).abs() < 1e-15);
    assert_eq!((values.transitions, values.time_on_us), (Some(2), Some(1_000)));
    let mut number = DeviceFold::default();
    number.add(3.0, 10, false);
    number.add(3.0, 10, false);
    let values = number.values();
    assert_eq!((values.time_weighted_mean, values.transitions, values.time_on_us), (None, None, None));
}

#[test]
fn buckets_are_64_between_a_power_of_two_and_the_next() {
    let mut fold = GroupFold::default();
    let values = [0.0, -0.0, 1e-310, 1.0, 1.015, 1.016, 1.999, 2.0, -1.0, -2.5];
    for value in values {
        fold.add(value, 0);
    }
    let one = 1_023 * 64;
    let expected = [(-(one + 64 + 16), 1), (-one, 1), (0, 3), (one, 2), (one + 1, 1), (one + 63, 1), (one + 64, 1)];
    assert_eq!(fold.values().buckets, expected);
}

#[test]
fn rolling_values_are_those_of_all_values_together() {
    assert_eq!(roll([]), (None, None, 0));
    let summary = |values: &[f64]| {
        let mut fold = Fold::default();
        for value in values {
            fold.add(*value, 0);
        }
        let values = fold.values();
        Summary { count: values.count, mean: float(values.mean), m2: float(values.m2) }
    };
    let (mean, stddev, windows) = roll([summary(&[2.0, 4.0, 4.0]), summary(&[4.0]), summary(&[5.0, 5.0, 7.0, 9.0])]);
    assert!((float(mean) - 5.0).abs() < 1e-12 && (float(stddev) - 2.0).abs() < 1e-12);
    assert_eq!(windows, 3);
    let one = summary(&[1.0, 2.0]);
    assert_eq!(roll([one]), (Some(one.mean.to_bits()), Some((one.m2 / 2.0).sqrt().to_bits()), 1));
}

#[test]
fn a_difference_names_its_column_and_both_values() {
    let stored = Values { count: 3, max: Some(1.5_f64.to_bits()), ..Values::default() };
    let next = Values { max: Some(1.5_f64.to_bits() + 1), floor: Some(2), ..stored.clone() };
    assert_eq!(stored.difference(&stored), None);
    assert_eq!(
        stored.difference(&next).unwrap(),
        "max is 1.5 (3ff8000000000000), the readings give 1.5000000000000002 (3ff8000000000001), and 1 more columns"
    );
}

fn key(start_us: i64, end_us: i64, from: i64, to: i64) -> PartKey {
    PartKey { from, to, start_us, end_us, on_time: true }
}

fn parts(keys: &[PartKey]) -> PartsOf {
    keys.iter().map(|key| (*key, PartInfo::default())).collect()
}

#[test]
fn parts_are_disjoint_in_window_or_in_offsets() {
    let overlaps = |keys: &[PartKey]| {
        let mut findings = Findings::default();
        check_disjoint(&TopicPartition::new("t", 0), &parts(keys), &mut findings);
        findings.totals().get(&FindingKind::PartsOverlap).copied().unwrap_or(0)
    };
    assert_eq!(overlaps(&[key(0, 10, 0, 9), key(10, 20, 3, 9), key(0, 10, 9, 12), key(20, 30, 0, 50)]), 0);
    assert_eq!(overlaps(&[key(0, 10, 0, 9), key(0, 10, 8, 12)]), 1);
    // Of another grid.
    assert_eq!(overlaps(&[key(0, 10, 0, 9), key(5, 12, 8, 12)]), 1);
    assert_eq!(overlaps(&[key(0, 10, 0, 9), key(5, 12, 9, 12)]), 0);
    assert_eq!(overlaps(&[key(0, 100, 0, 9), key(10, 20, 20, 30), key(50, 60, 4, 5)]), 1);
}

#[test]
fn a_reading_finds_its_part_by_time_and_offset() {
    let all = [key(0, 10, 0, 5), key(0, 10, 8, 9), key(10, 20, 2, 20), key(15, 45, 20, 30)];
    let mut cursor = Cursor::new(&parts(&all));
    let mut find = |offset, time_us| cursor.find(offset, time_us);
    assert_eq!(find(0, 9), Some(all[0]));
    assert_eq!(find(1, 10), None);
    assert_eq!(find(2, 10), Some(all[2]));
    assert_eq!(find(4, 3), Some(all[0]));
    assert_eq!(find(5, 3), None);
    assert_eq!(find(8, 3), Some(all[1]));
    assert_eq!(find(9, 3), None);
    assert_eq!(find(19, 19), Some(all[2]));
    assert_eq!(find(20, 19), Some(all[3]));
    assert_eq!(find(29, 44), Some(all[3]));
    assert_eq!(find(30, 44), None);
}

#[test]
fn an_era_ends_where_settings_change_and_where_the_group_was_moved() {
    let windows = |rolling| Some(Arc::new(WindowsEntry::new(60_000, rolling, 1)));
    let epochs: Vec<Epoch> =
        [(0, 10, windows(5)), (10, 20, windows(5)), (20, 30, windows(3)), (40, 50, windows(3)), (50, 60, None)]
            .map(|(start, next, windows)| {
                let entry = LedgerEntry { span: Span { start, next }, ..LedgerEntry::starting_at(start) };
                let part = PartitionPart { source: TopicPartition::new("t", 0), entry, partial: false };
                let (writer, lake) = (Arc::from("w"), Arc::from("l"));
                Epoch { id: Uuid::now_v7(), writer, lake, partitions: Box::new([part]), segments: Box::new([]), windows }
            })
            .into();
    let spans: Vec<SpanOf<'_>> =
        epochs.iter().enumerate().map(|(index, epoch)| SpanOf { index, epoch, part: &epoch.partitions[0] }).collect();
    let eras = Eras::of(&spans);
    let at = |offset| eras.at(offset).map(|(number, era)| (number, era.windows.as_ref().map(|windows| windows.rolling)));
    assert_eq!([0, 19].map(at), [Some((0, Some(5))); 2]);
    assert_eq!([20, 35].map(at), [Some((1, Some(3))); 2]);
    assert_eq!([40, 50].map(at), [Some((2, Some(3))), Some((3, None))]);
    assert!(eras.any());
    assert_eq!(Eras::of(&[]).at(0), None);
}
