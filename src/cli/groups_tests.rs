use super::*;

#[test]
fn targets_are_read() {
    assert_eq!(target("earliest"), Ok(Target::Found(OffsetSpec::Earliest)));
    assert_eq!(target("latest"), Ok(Target::Found(OffsetSpec::Latest)));
    assert_eq!(target("17"), Ok(Target::Offset(17)));
    assert_eq!(target("1970-01-01T00:00:01.5Z"), Ok(Target::Found(OffsetSpec::At(1_500))));
    assert_eq!(target("1970-01-01T01:00:00+01:00"), Ok(Target::Found(OffsetSpec::At(0))));
    for bad in ["-1", "yesterday", "2026-11-20T06:00:00", ""] {
        assert!(target(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_reason_is_said_and_is_short() {
    assert_eq!(reason("  ticket 42 "), Ok("ticket 42".to_owned()));
    assert!(reason(" ").is_err());
    assert!(reason(&"x".repeat(REASON_CHARS_MAX + 1)).is_err());
}
