use super::*;

fn settings(given: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::parse(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn defaults_are_those_of_kafka() {
    let plain = settings(&[]).unwrap();
    assert_eq!(plain.retention_ms, Some(604_800_000));
    assert_eq!(plain.retention_bytes, None);
    assert_eq!((plain.rules.bytes_max, plain.rules.ahead_max_ms), (1_048_588, 3_600_000));
    assert!(!plain.rules.append_time && !plain.rules.keyed);
}

#[test]
fn every_default_is_a_legal_value() {
    for setting in SETTINGS {
        assert!(setting.kind.takes(setting.default), "{}={}", setting.name, setting.default);
    }
}

#[test]
fn settings_have_their_effect() {
    let given = settings(&[
        ("retention.ms", "-1"),
        ("retention.bytes", "1000"),
        ("message.timestamp.type", "LogAppendTime"),
        ("max.message.bytes", "500"),
    ])
    .unwrap();
    assert_eq!((given.retention_ms, given.retention_bytes), (None, Some(1000)));
    assert!(given.rules.append_time);
    assert_eq!(given.rules.bytes_max, 500);
}

#[test]
fn what_is_only_compacted_is_not_deleted() {
    let compacted = settings(&[("cleanup.policy", "compact"), ("retention.bytes", "1000")]).unwrap();
    assert_eq!((compacted.retention_ms, compacted.retention_bytes), (None, None));
    assert!(compacted.rules.keyed);
    let both = settings(&[("cleanup.policy", "compact,delete")]).unwrap();
    assert!(both.retention_ms.is_some() && both.rules.keyed);
}

#[test]
fn wrong_settings_are_named() {
    assert!(settings(&[("retention.days", "1")]).unwrap_err().contains("retention.days"));
    for (name, value) in [("retention.ms", "-2"), ("cleanup.policy", ""), ("message.timestamp.type", "Now"), ("preallocate", "1")]
    {
        assert!(settings(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
    }
}

#[test]
fn names_are_checked() {
    for legal in ["a", "A.b_c-9", &"x".repeat(249)] {
        assert_eq!(check_name(legal), Ok(()), "{legal}");
    }
    for wrong in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
        assert_eq!(check_name(wrong), Err(Fault::InvalidTopicException), "{wrong}");
    }
}

#[test]
fn a_topic_made_again_has_another_id() {
    let mut topics = Topics::default();
    let plain = || settings(&[]).unwrap();
    let first = topics.create("a.b", 2, plain()).unwrap();
    assert_eq!(topics.name_of(first), Some("a.b"));
    assert_eq!(topics.create("a.b", 2, plain()), Err(Fault::TopicAlreadyExists));
    assert_eq!(topics.create("a_b", 2, plain()), Err(Fault::InvalidTopicException));
    assert_eq!(topics.create("other", 0, plain()), Err(Fault::InvalidPartitions));
    assert_eq!(topics.delete("a.b").unwrap().id, first);
    assert_eq!(topics.name_of(first), None);
    assert_ne!(topics.create("a_b", 2, plain()).unwrap(), first);
}

#[test]
fn partitions_only_grow() {
    let mut topics = Topics::default();
    topics.create("t", 2, settings(&[]).unwrap()).unwrap();
    let topic = topics.get("t").unwrap();
    assert_eq!(topic.check_grow(3), Ok(3));
    for wrong in [2, 0, -1, i32::MAX] {
        assert_eq!(topic.check_grow(wrong), Err(Fault::InvalidPartitions), "{wrong}");
    }
    assert!(topics.partition("t", 1).is_ok());
    for (name, index) in [("t", 2), ("t", -1), ("u", 0)] {
        assert_eq!(topics.partition(name, index).err(), Some(Fault::UnknownTopicOrPartition), "{name} {index}");
    }
}
