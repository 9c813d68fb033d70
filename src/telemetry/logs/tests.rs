use std::time::{Duration, Instant};

use super::throttle::Throttle;
use super::{LogError, filter};

const INTERVAL: Duration = Duration::from_secs(10);

#[test]
fn a_level_alone_is_for_our_code_and_warnings_for_the_rest() {
    let text = filter("debug").unwrap().to_string();
    for directive in ["corelane=debug", "librdkafka=debug", "warn"] {
        assert!(text.split(',').any(|found| found == directive), "{directive} in {text}");
    }
}

#[test]
fn levels_by_module_are_taken_as_they_are() {
    let text = filter("error,corelane::kafka=trace").unwrap().to_string();
    let mut found: Vec<&str> = text.split(',').collect();
    found.sort_unstable();
    assert_eq!(found, ["corelane::kafka=trace", "error"]);
    assert_eq!(filter("off").unwrap().to_string(), "off");
}

#[test]
fn a_wrong_level_is_refused_with_the_remedy() {
    let error = filter("info,corelane=loud").unwrap_err();
    assert!(matches!(&error, LogError::Level { level, .. } if level == "info,corelane=loud"));
    assert!(error.to_string().contains("Give error, warn, info"), "{error}");
}

#[test]
fn one_line_a_key_and_interval_and_the_rest_are_counted() {
    let throttle = Throttle::new(INTERVAL);
    let start = Instant::now();
    assert_eq!(throttle.pass_at("down", start), Some(0));
    assert_eq!(throttle.pass_at("other", start), Some(0), "keys do not hold each other back");
    for second in 1..10 {
        assert_eq!(throttle.pass_at("down", start + Duration::from_secs(second)), None);
    }
    assert_eq!(throttle.pass_at("down", start + INTERVAL), Some(9));
    assert_eq!(throttle.pass_at("down", start + INTERVAL), None);
    assert_eq!(throttle.pass_at("down", start + INTERVAL * 3), Some(1), "counted anew");
}

#[test]
fn endless_keys_end_up_sharing_one() {
    let throttle = Throttle::new(INTERVAL);
    let start = Instant::now();
    let passed = (0..5000).filter(|key| throttle.pass_at(&key.to_string(), start).is_some()).count();
    assert!(passed <= 1026, "{passed} lines in one interval");
    assert_eq!(throttle.pass_at("fresh", start + INTERVAL), Some(0), "quiet keys are forgotten");
}
