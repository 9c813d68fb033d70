use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::throttle::Throttle;
use super::{Format, LogError, filter, init, init_within};

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

/// A subscriber is for a whole process, so the lines are written by a child: this test binary again, with this set to a format.
const CHILD: &str = "CORELANE_TEST_LOG_FORMAT";

#[test]
fn child_writes_lines() {
    let format = match std::env::var(CHILD).as_deref() {
        Ok("human") => Format::Human,
        Ok("json") => Format::Json,
        _ => return,
    };
    let handle = init("info", format).unwrap();
    assert!(matches!(init("info", format), Err(LogError::Twice { .. })));
    tracing::info!(lane = 3, "first");
    tracing::debug!("hidden");
    tracing::info!(target: "hyper", "not ours");
    for after in 1..=50 {
        tracing::warn!(target: "librdkafka", client = "lane-0", facility = "FAIL", "[thrd:b1]: down after {after} ms");
        tracing::warn!(target: "librdkafka", client = "lane-0", facility = "FAIL", "[thrd:b2]: down after {after} ms");
    }
    handle.set_level("debug").unwrap();
    tracing::debug!("second");
    assert!(handle.set_level("corelane=loud").is_err());
}

fn lines_of_child(test: &str, format: &str) -> Vec<String> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("telemetry::logs::tests::{test}"), "--nocapture"])
        .env(CHILD, format)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{text}");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn lines_for_people_go_to_stderr_without_colours_where_no_terminal_is() {
    let lines = lines_of_child("child_writes_lines", "human");
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].contains(" INFO corelane::telemetry::logs::tests: first lane=3"), "{lines:?}");
    assert!(lines[1].contains("[thrd:b1]: down after 1 ms") && lines[2].contains("[thrd:b2]: down after 1 ms"), "{lines:?}");
    assert!(lines[3].contains("DEBUG") && lines[3].ends_with("second"), "{lines:?}");
    assert!(!lines.concat().contains('\u{1b}'), "{lines:?}");
}

#[test]
fn lines_for_machines_are_one_object_each() {
    let lines: Vec<serde_json::Value> =
        lines_of_child("child_writes_lines", "json").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!((&lines[0]["level"], &lines[0]["message"], &lines[0]["lane"]), (&"INFO".into(), &"first".into(), &3.into()));
    assert_eq!((&lines[1]["target"], &lines[1]["client"]), (&"librdkafka".into(), &"lane-0".into()));
    assert_eq!(lines[3]["message"], "second");
}

#[test]
fn child_repeats_itself() {
    if std::env::var(CHILD).as_deref() == Ok("repeats") {
        init_within("info", Format::Human, Duration::from_millis(50)).unwrap();
        for _round in 0..3 {
            for _ in 0..100 {
                tracing::warn!(target: "librdkafka", client = "c", facility = "FAIL", "[thrd:b1]: down");
            }
            let end = Instant::now() + Duration::from_millis(60);
            while Instant::now() < end {
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn when_a_repeated_line_comes_through_again_the_log_says_how_many_did_not() {
    let lines = lines_of_child("child_repeats_itself", "repeats");
    let repeated = lines.iter().filter(|line| line.contains("[thrd:b1]: down")).count();
    let counted = lines.iter().filter(|line| line.contains("held_back=")).count();
    assert!((3..30).contains(&repeated), "{lines:?}");
    assert!((2..repeated).contains(&counted), "{lines:?}");
}
