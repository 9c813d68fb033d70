use super::{grouped, windows_of};
use crate::telemetry::{Count, Metrics, Snapshot};

#[test]
fn digits_are_grouped_by_three() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}

fn counted(counts: &[(Count, u64)]) -> Snapshot {
    let mut snapshot = Metrics::new(Vec::new()).snapshot();
    for (what, count) in counts {
        snapshot.counts[*what as usize] = *count;
    }
    snapshot
}

#[test]
fn the_live_line_says_how_many_windows_were_written_and_what_was_beside_them() {
    assert_eq!(windows_of(&counted(&[])), "windows 0");
    assert_eq!(windows_of(&counted(&[(Count::PartsOnTime, 1_234)])), "windows 1,234");
    // Parts are counted here, not the readings in them.
    let readings = [(Count::ReadingsLate, 7), (Count::ReadingsEarly, 8)];
    assert_eq!(windows_of(&counted(&readings)), "windows 0");
    let late = [(Count::PartsOnTime, 5), (Count::PartsLate, 2)];
    assert_eq!(windows_of(&counted(&late)), "windows 5 (2 late)");
    let all = [(Count::PartsOnTime, 5), (Count::PartsLate, 2), (Count::PartsEarly, 3_000), (Count::ReadingsUntrusted, 4)];
    assert_eq!(windows_of(&counted(&all)), "windows 5 (2 late, 3,000 early, 4 untrusted)");
}

#[test]
fn while_a_lane_replays_the_live_line_says_how_much_is_left() {
    let mut snapshot = counted(&[(Count::PartsOnTime, 5), (Count::PartsLate, 2)]);
    snapshot.replay_left = 12_345;
    assert_eq!(windows_of(&snapshot), "replaying, 12,345 left");
    snapshot.replay_left = 0;
    assert_eq!(windows_of(&snapshot), "windows 5 (2 late)");
}
