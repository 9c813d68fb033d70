use super::*;
use crate::batch::{ListedPart, OpenWindow};

/// As many windows as the limit of the settings allows: N + (grace + future_skew) / size = 70.
fn largest(rolling: u32, size_ms: i64) -> CommitNote {
    let until = 9_999_999_999_999;
    // On-time parts of the N - 1 windows before W; open ones from W to one after (grace + future_skew) / size.
    let on_time =
        (1..i64::from(rolling)).map(|back| ListedPart { start_ms: until - back * size_ms, from: i64::MAX, to: i64::MAX });
    let open = (0..70 - i64::from(rolling) + 2).map(|ahead| OpenWindow { start_ms: until + ahead * size_ms, from: i64::MAX });
    let replay = ReplayState {
        size_ms,
        rolling,
        flags_hash: u64::MAX,
        written_until_ms: Some(until),
        open: open.collect(),
        on_time: on_time.collect(),
    };
    CommitNote::Epoch { epoch: Uuid::now_v7(), clock_ms: Some(i64::MAX), replay: Some(replay) }
}

#[test]
fn notes_survive_the_round_trip() {
    let epoch = Uuid::now_v7();
    let empty =
        ReplayState { size_ms: 1, rolling: 1, flags_hash: 0, written_until_ms: None, open: Vec::new(), on_time: Vec::new() };
    for note in [
        CommitNote::Epoch { epoch, clock_ms: Some(1_763_650_000_123), replay: None },
        CommitNote::Epoch { epoch, clock_ms: None, replay: None },
        CommitNote::Epoch { epoch, clock_ms: None, replay: Some(empty) },
        CommitNote::Start { from: "earliest".into() },
        CommitNote::Reset { reason: "moved_by_hand".into() },
    ] {
        assert_eq!(CommitNote::parse(&note.to_metadata()), Some(note));
    }
}

#[test]
fn the_largest_list_of_windows_stays_below_what_brokers_take() {
    for rolling in [1, 5, 35, 69, 70] {
        for size_ms in [1_000, 60_000, 86_400_000, 10 * 86_400_000] {
            let note = largest(rolling, size_ms);
            let text = note.to_metadata();
            assert!(text.is_ascii() && text.len() < NOTE_BYTES_MAX, "{} bytes for N {rolling}", text.len());
            assert_eq!(CommitNote::parse(&text), Some(note));
        }
    }
}

#[test]
fn a_note_whose_lists_were_cut_short_is_no_note() {
    let text = largest(5, 60_000).to_metadata();
    let lists = text.find(" window=").unwrap();
    for end in lists + " window=".len()..text.len() {
        assert_eq!(CommitNote::parse(&text[..end]), None, "{:?}", &text[..end]);
    }
    for broken in [
        "corelane/1 epoch id=0198c0de-0000-7000-8000-000000000000 window=0 rolling=5 flags=0 open=0 rolls=0 end=1",
        "corelane/1 epoch id=0198c0de-0000-7000-8000-000000000000 window=1000 rolling=0 flags=0 open=0 rolls=0 end=1",
        "corelane/1 epoch id=0198c0de-0000-7000-8000-000000000000 window=1000 rolling=5 flags=0 open=1 rolls=0 end=1",
        "corelane/1 epoch id=0198c0de-0000-7000-8000-000000000000 window=1000 rolling=5 flags=0 open=1,5:7:9 rolls=0 end=1",
        "corelane/1 epoch id=0198c0de-0000-7000-8000-000000000000 window=1000 rolling=5 open=0 rolls=0 end=1",
    ] {
        assert_eq!(CommitNote::parse(broken), None, "{broken}");
    }
}

#[test]
fn a_reason_in_any_script_becomes_ascii_within_the_limit() {
    let note = CommitNote::Reset { reason: "数据 已 丢失".repeat(2_000) };
    let text = note.to_metadata();
    assert!(text.is_ascii() && text.len() <= NOTE_BYTES_MAX);
    assert!(matches!(CommitNote::parse(&text), Some(CommitNote::Reset { .. })));
}

#[test]
fn what_others_wrote_is_not_ours() {
    for text in ["", "corelane", "corelane/1", "corelane/2 epoch id=x", "corelane/1 epoch id=notauuid", "hello"] {
        assert_eq!(CommitNote::parse(text), None, "{text:?}");
    }
}
