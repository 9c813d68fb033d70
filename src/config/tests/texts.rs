//! Variables, durations and sizes.

use std::time::Duration;

use super::*;
use crate::config::quantity::{parse_duration, parse_size, write_duration, write_size};

#[test]
fn variables_are_replaced_in_all_their_forms() {
    let cases = [
        ("kafka.group=${SITE}", "plant-7"),
        ("kafka.group=a-${SITE}-b", "a-plant-7-b"),
        ("kafka.group=${SITE}${SITE}", "plant-7plant-7"),
        ("kafka.group=${UNSET:-other}", "other"),
        ("kafka.group=${EMPTY:-other}", "other"),
        ("kafka.group=${SITE:-other}", "plant-7"),
        ("kafka.group=${SITE:?say where}", "plant-7"),
        ("kafka.group='x${EMPTY}'", "x"),
    ];
    for (set, group) in cases {
        assert_eq!(load_sets(&[set]).expect(set).kafka.group, group, "{set}");
    }
    let config = load_sets(&["simulate.fleet=${FLEET}", "lake.path='$${SITE}'"]).expect("good");
    assert_eq!((config.simulate.fleet, config.lake.path.to_str()), (300, Some("${SITE}")));
}

#[test]
fn variables_that_cannot_be_replaced_say_where_and_what_to_do() {
    let cases = [
        ("lake: {path: \"a/${NOPE}\"}", 17, "the variable NOPE is not set", "set it, or write `${NOPE:-default}`"),
        (
            "lake: {path: '${NOPE:?where is the disk}'}",
            15,
            "the variable NOPE is not set or empty: where is the disk",
            "set NOPE",
        ),
        ("lake: {path: '${EMPTY:?}'}", 15, "the variable EMPTY is not set or empty: it must be set", "set EMPTY"),
        (
            "lake: {path: '${}'}",
            15,
            "`${…}` does not name a variable",
            "write `${NAME}`; letters, digits and `_`, no digit first; `$${` is a literal `${`",
        ),
        (
            "lake: {path: '${1A}'}",
            15,
            "`${…}` does not name a variable",
            "write `${NAME}`; letters, digits and `_`, no digit first; `$${` is a literal `${`",
        ),
        ("lake: {path: '${A+b}'}", 15, "`${A…}` is of no known form", "write `${A}`, `${A:-default}` or `${A:?message}`"),
        ("lake: {path: '${A'}", 15, "`${` without its `}`", "close it, or write `$${` for a literal `${`"),
    ];
    for (text, column, message, remedy) in cases {
        let faults = faults_of(load_all(&[MINIMAL, text], &[]));
        assert_eq!(short(&faults), [(FaultKind::Variable, 1, column, "lake.path")], "{text}");
        assert_eq!((faults[0].message.as_str(), faults[0].remedy.as_str()), (message, remedy), "{text}");
    }
    // Two in one text are two faults; in a list the item is named.
    let faults = faults_of(load_all(&[MINIMAL, "kafka:\n  topics:\n    - ok\n    - ${A}-${B}\n"], &[]));
    assert_eq!(short(&faults), [(FaultKind::Variable, 4, 7, "kafka.topics[1]"), (FaultKind::Variable, 4, 12, "kafka.topics[1]")]);
}

#[test]
fn a_variable_is_neither_structure_nor_expanded_again() {
    let environment = |name: &str| match name {
        "LIST" => Some("[a, b]".to_owned()),
        "AGAIN" => Some("${LIST}".to_owned()),
        _ => None,
    };
    let load = |set: &str| load(&[Source::new("m", MINIMAL)], &[set.to_owned()], &environment, &Machine::with_cores(1));
    assert_eq!(load("lake.path=${AGAIN}").expect("good").lake.path.to_str(), Some("${LIST}"));
    assert_eq!(faults_of(load("kafka.topics=${LIST}"))[0].message, "`[a` is not a topic");
}

#[test]
fn a_value_that_is_overridden_needs_no_variable() {
    let config =
        load_all(&["lake: {path: '${NOPE}'}\nkafka: {brokers: a:1, topics: t}", "lake: {path: here}"], &[]).expect("good");
    assert_eq!(config.lake.path.to_str(), Some("here"));
}

#[test]
fn durations_and_sizes_are_read_and_written() {
    let durations = [("0s", 0), ("500ms", 500), ("10s", 10_000), ("1m", 60_000), ("2h", 7_200_000), ("7d", 604_800_000)];
    for (text, ms) in durations {
        assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        assert_eq!(write_duration(Duration::from_millis(ms)), text);
    }
    assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
    for bad in ["", "s", "10", "-1s", "1.5s", "1 hour", "10S", "99999999999999999999s", "18446744073709551615d", "1s "] {
        assert_eq!(parse_duration(bad), None, "{bad}");
    }
    let sizes = [("1B", 1), ("256KiB", 262_144), ("64MiB", 67_108_864), ("1GiB", 1_073_741_824), ("1TiB", 1_099_511_627_776)];
    for (text, bytes) in sizes {
        assert_eq!(parse_size(text), Some(bytes), "{text}");
        assert_eq!(write_size(bytes), text);
    }
    assert_eq!((parse_size("1024"), write_size(1_500), write_size(0)), (Some(1024), "1500B".to_owned(), "0B".to_owned()));
    for bad in ["", "MiB", "64MB", "64mib", "1.5GiB", "-1B"] {
        assert_eq!(parse_size(bad), None, "{bad}");
    }
}
