use super::*;

#[test]
fn notes_survive_the_round_trip() {
    let epoch = Uuid::now_v7();
    for note in [
        CommitNote::Epoch { epoch, clock_ms: Some(1_763_650_000_123) },
        CommitNote::Epoch { epoch, clock_ms: None },
        CommitNote::Start { from: "earliest".into() },
        CommitNote::Reset { reason: "moved_by_hand".into() },
    ] {
        assert_eq!(CommitNote::parse(&note.to_metadata()), Some(note));
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
