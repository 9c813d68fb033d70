//! Each kind of fault, with its exact place, and all of them at once.

use super::*;
use FaultKind::{Conflict, DuplicateKey, Limit, Missing, Syntax, UnknownKey, Unreadable, Variable, WrongType};

#[test]
fn every_kind_of_fault_is_reported_at_once_with_its_place() {
    let text = "\
kafka:
  brokerz: [a:1]
  topics: [device-data, \"bad topic\"]
  group: 12
  group: x
  properties: {acks: 1, linger.ms: 5}
  security:
    protocol: sasl_ssl
    password: \"geheim\"
windows: {size: 10, rolling: 80}
epoch: {interval: 10ms}
lanes: {cores: [0, 7]}
serve: {listen: \"0.0.0.0:80\"}
rules: []
lake: {path: \"${LAKE_DIR}\"}
sensors:
  - {name: Temp, unit: 5}
";
    let faults = faults_of(load_all(&[text], &["kafka.create_topic=yes", "bad"]));
    let expected = [
        (UnknownKey, 2, 3, "kafka.brokerz"),
        (Limit, 3, 25, "kafka.topics"),
        (WrongType, 4, 10, "kafka.group"),
        (DuplicateKey, 5, 3, "kafka.group"),
        (Limit, 6, 16, "kafka.properties.acks"),
        (WrongType, 10, 17, "windows.size"),
        (Limit, 10, 30, "windows.rolling"),
        (Limit, 11, 19, "epoch.interval"),
        (Limit, 12, 16, "lanes.cores"),
        (UnknownKey, 14, 1, "rules"),
        (Variable, 15, 15, "lake.path"),
        (Limit, 17, 12, "sensors[0].name"),
        (WrongType, 17, 24, "sensors[0].unit"),
        (UnknownKey, 1, 7, "kafka.create_topic"),
        (Syntax, 1, 1, ""),
    ];
    assert_eq!(short(&faults), expected);
    // The broken --set may have held what is missing; without it that is said, and what does not go together.
    let faults = faults_of(load_text(text));
    let found = short(&faults);
    for also in
        [(Missing, 1, 1, "kafka.brokers"), (Conflict, 8, 15, "kafka.security.protocol"), (Conflict, 13, 17, "serve.listen")]
    {
        assert!(found.contains(&also), "{also:?} is not in {found:?}");
    }
    assert_eq!(faults.len(), 16);
}

#[test]
fn a_fault_is_printed_with_its_line_a_caret_and_the_remedy() {
    let error = load_all(&[MINIMAL, "epoch:\n  intervall: 1s\n"], &["epoch.bytes=7"]).expect_err("two faults");
    let expected = "\
the configuration has 2 faults
2.yaml:2:3: epoch.intervall: the key `intervall` is not known
  2 |   intervall: 1s
    |   ^
  did you mean `interval`?
--set:1:13: epoch.bytes: 7 is not from 1MiB to 64GiB
  1 | epoch.bytes=7
    |             ^
  write a value from 1MiB to 64GiB (at most 80 % of memory.budget_bytes, where lanes settle anyway; files below 1 MiB are slow to read)";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn unknown_keys_name_what_may_be_meant() {
    let cases = [
        ("kafkaa: {}", "did you mean `kafka`?"),
        ("windows: {future-skew: 1s}", "did you mean `future_skew`?"),
        ("epoch: {grace: 1s}", "`grace` belongs to another place: windows.grace"),
        ("epoch: {zzz: 1s}", "known here: interval, bytes"),
        ("redis: {}", "remove it; this version does not act on it"),
        ("kafka.group: x", "write the sections below each other; dots between them are for --set"),
        ("\"\": 1", "known here: kafka, lanes, cores, memory, sensors, windows, epoch, lake, serve, telemetry, simulate"),
    ];
    for (text, remedy) in cases {
        let faults = faults_of(load_all(&[MINIMAL, text], &[]));
        assert_eq!((faults[0].kind, faults[0].remedy.as_str(), faults.len()), (UnknownKey, remedy, 1), "{text}");
    }
}

#[test]
fn missing_keys_stand_at_their_section() {
    let faults = faults_of(load_text(""));
    let expected = [(Missing, 1, 1, "kafka.brokers"), (Missing, 1, 1, "kafka.topics"), (Missing, 1, 1, "lake.path")];
    assert_eq!(short(&faults), expected);
    let faults = faults_of(load_text("lake:\nkafka:\n  topics: [a]\n"));
    assert_eq!(short(&faults), [(Missing, 1, 1, "lake.path"), (Missing, 2, 1, "kafka.brokers")]);
    // A section that a later file adds to stays where it was begun.
    let faults = faults_of(load_all(&["lake: {path: x}\nkafka:\n  topics: [a]\n", "kafka: {group: g}"], &[]));
    assert_eq!((faults[0].source.as_str(), faults[0].line, faults[0].column), ("1.yaml", 2, 1));
}

#[test]
fn wrong_types_say_what_is_there() {
    let cases = [
        ("kafka: [a]", 8, "kafka", "a map is wanted, here is a list"),
        ("kafka: {group: true}", 16, "kafka.group", "a text is wanted, here is the boolean true"),
        ("kafka: {group: }", 9, "kafka.group", "a value is wanted, here is no value"),
        ("kafka: {create_topics: \"yes\"}", 24, "kafka.create_topics", "true or false is wanted, here is the text `yes`"),
        ("kafka: {topics: 5}", 17, "kafka.topics", "a list is wanted, here is the number 5"),
        ("kafka: {topics: [a, {b: c}]}", 21, "kafka.topics", "a text is wanted, here is a map"),
        (
            "kafka: {properties: {linger.ms: [1]}}",
            33,
            "kafka.properties.linger.ms",
            "a text, number or boolean is wanted, here is a list",
        ),
        ("lanes: {cores: all}", 16, "lanes.cores", "auto or a list of cores is wanted, here is the text `all`"),
        ("lanes: {count: 1.5}", 16, "lanes.count", "a whole number is wanted, here is the number 1.5"),
        ("epoch: {interval: 30}", 19, "epoch.interval", "a duration is wanted, here is the number 30"),
        ("epoch: {interval: 1.5s}", 19, "epoch.interval", "a duration is wanted, here is the text `1.5s`"),
        ("epoch: {bytes: 64MB}", 16, "epoch.bytes", "a size is wanted, here is the text `64MB`"),
        (
            "epoch: {bytes: 99999999999999999999TiB}",
            16,
            "epoch.bytes",
            "a size is wanted, here is the text `99999999999999999999TiB`",
        ),
        ("sensors: {}", 10, "sensors", "a list is wanted, here is a map"),
        ("? [a]\n: b", 3, "", "a list or map as a key"),
    ];
    for (text, column, key, message) in cases {
        let faults = faults_of(load_all(&[MINIMAL, text], &[]));
        assert_eq!(short(&faults), [(WrongType, 1, column, key)], "{text}");
        assert_eq!(faults[0].message, message, "{text}");
    }
}

#[test]
fn broken_yaml_hides_nothing_that_stands_before_it() {
    let faults = faults_of(load_text("kafka:\n  topicz: b\n  group: 5\nlake: {path: ${X}}\nepoch: {interval: 1}\n"));
    assert_eq!(short(&faults), [(UnknownKey, 2, 3, "kafka.topicz"), (WrongType, 3, 10, "kafka.group"), (Syntax, 4, 15, "")]);
    assert_eq!(faults[2].remedy, "put `${…}` in \"quotes\" where it stands inside of {} or []");
    let faults = faults_of(load_all(&["lake: {path: [}", "windows: {size: 0s}"], &[]));
    assert!(faults.iter().any(|fault| fault.source == "2.yaml" && fault.kind == Limit), "{faults:?}");
}

#[test]
fn what_yaml_can_do_and_a_configuration_needs_not_is_refused() {
    let deep = format!("sensors: {}", "[".repeat(40));
    assert!(faults_of(load_text(&deep)).iter().any(|fault| fault.message == "nested deeper than 32"));
    let faults = faults_of(load_all(&[MINIMAL, "epoch: {}\n---\nepoch: {}\n"], &[]));
    assert_eq!(short(&faults), [(Syntax, 2, 1, "")]);
    let laughs = (0..9).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        let items = vec![format!("*a{level}"); 9].join(", ");
        format!("{text}a{}: &a{} [{items}]\n", level + 1, level + 1)
    });
    let faults = faults_of(load_text(&laughs));
    assert!(faults.iter().any(|fault| fault.message == "more than 20000 values"), "{faults:?}");
    assert!(faults_of(load_text("a: &a [*a]")).iter().any(|fault| fault.kind == Syntax));
}

#[test]
fn anchors_and_quoting_work_as_in_yaml() {
    let config = load_text("kafka: {brokers: &b [\"x:1\"], topics: [a], group: &g \"007\", prefix: *g}\nlake: {path: !!str 5}\n")
        .expect("good");
    assert_eq!((config.kafka.group.as_str(), config.kafka.prefix.as_str()), ("007", "007"));
    assert_eq!(config.lake.path.to_str(), Some("5"));
}

#[test]
fn duplicates_are_found_at_every_level() {
    let faults = faults_of(load_all(
        &[MINIMAL, "epoch: {interval: 1s, interval: 2s}\nepoch: {}\nsensors:\n  - name: a\n    name: b\n"],
        &[],
    ));
    let expected = [(DuplicateKey, 1, 23, "epoch.interval"), (DuplicateKey, 2, 1, "epoch"), (DuplicateKey, 5, 5, "sensors.name")];
    assert_eq!(short(&faults), expected);
    assert_eq!(faults[1].message, "the key `epoch` is here twice, first on line 1");
}

#[test]
fn no_fault_prints_a_secret() {
    let text = "\
kafka:
  security: {protocol: 5, password: geheim1, usernam: x}
  properties: {sasl.oauthbearer.client.secret: geheim2, acks: 1}
  passwort: geheim3
serve:
  token: [geheim4]
  token: geheim5
  token_file: /missing/geheim6-is-a-path
";
    let error = load_all(&[text], &["kafka.security.pasword=geheim7", "serve.token=geheim8=x"]).expect_err("faults");
    let printed = error.to_string();
    for secret in (1..=8).filter(|number| *number != 6).map(|number| format!("geheim{number}")) {
        assert!(!printed.contains(&secret), "{secret} is in:\n{printed}");
    }
    assert!(printed.contains("geheim6"), "a path is no secret:\n{printed}");
    assert!(
        !format!("{:?}", load_sets(&["serve.token=geheim-and-longer", "kafka.properties.x.password=geheim"])).contains("geheim")
    );
}

#[test]
fn faults_stay_small_whatever_the_text() {
    let long = format!("epoch: {{{}x: 1}}", "a: &a [], ".repeat(2_000));
    let error = load_all(&[MINIMAL, &long, &format!("{}: 1", "k".repeat(10_000))], &[]).expect_err("faults");
    assert_eq!(error.0.len(), 200);
    let printed = error.to_string();
    assert!(printed.starts_with("the configuration has 200 faults or more\n"));
    assert!(printed.len() < 400_000, "{}", printed.len());
    let far = &error.0[150];
    assert_eq!(far.snippet.chars().nth(far.caret), Some('a'), "{far}");
    assert!(far.snippet.starts_with('…') && far.snippet.ends_with('…'), "{far}");
}

#[test]
fn files_that_cannot_be_read_are_all_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["a.yaml", "b.yaml"].map(|name| folder.path().join(name));
    let faults = crate::config::read_files(&paths).expect_err("none is there").0;
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|fault| fault.kind == Unreadable && fault.line == 0));
    assert!(faults[1].to_string().contains("b.yaml: cannot be read: "), "{}", faults[1]);
    std::fs::write(&paths[0], MINIMAL).expect("written");
    assert_eq!(crate::config::read_files(&paths[..1]).expect("readable")[0].text, MINIMAL);
}
