//! Limits of one key and of several.

use super::*;
use FaultKind::{Conflict, Limit};

/// The one fault of [`MINIMAL`] with these sets.
fn only(sets: &[&str]) -> Fault {
    let faults = faults_of(load_sets(sets));
    assert_eq!(faults.len(), 1, "{sets:?}: {faults:?}");
    faults[0].clone()
}

#[test]
fn values_out_of_their_limits_are_refused() {
    let long_group = format!("kafka.group={}", "g".repeat(201));
    let cases = [
        ("kafka.group=a b", "`a b` is not a name"),
        (&long_group, "is not a name"),
        ("kafka.prefix=", "here is no value"),
        ("kafka.brokers=[]", "the list is empty"),
        ("kafka.brokers=[\"a:1\", \"a:1\"]", "`a:1` is here twice"),
        ("kafka.brokers=PLAINTEXT://a:1", "`PLAINTEXT://a:1` is not a broker"),
        ("kafka.brokers=a", "`a` is not a broker"),
        ("kafka.brokers=a:0", "`a:0` is not a broker"),
        ("kafka.brokers=a:65536", "`a:65536` is not a broker"),
        ("kafka.brokers=[\"::1:9092\"]", "`::1:9092` is not a broker"),
        ("kafka.topics=[a, ..]", "`..` is not a topic"),
        ("kafka.delivery=at_most_once", "`at_most_once` is none of the choices"),
        ("kafka.start=2026-11-21T00:00:00", "is no place to start at"),
        ("kafka.start=1969-11-21T00:00:00Z", "is no place to start at"),
        ("kafka.session_timeout=6s", "6s is not from 9s to 1m"),
        ("lanes.count=0", "0 is not from 1 to 1024"),
        ("lanes.count=5", "5 lanes, but this process may use 4 cores"),
        ("lanes.cores=[]", "the list is empty"),
        ("lanes.cores=[1, 1]", "core 1 is here twice"),
        ("cores.kafka=[9]", "this process may not use the cores 9"),
        ("cores.control=[4]", "this process may not use the cores 4"),
        ("memory.budget_bytes=1MiB", "1MiB is not from 32MiB to 1TiB"),
        ("windows.devices_max=0", "0 is not from 1 to 10000000"),
        ("lake.compression=zstd(23)", "`zstd(23)` is no compression"),
        ("lake.compression=gzip", "`gzip` is no compression"),
        ("lake.path=\"\"", "the text is empty"),
        ("serve.listen=8089", "here is the number 8089"),
        ("serve.listen=127.0.0.1", "`127.0.0.1` is not an address"),
        ("serve.token=short", "less than 16 characters"),
        ("telemetry.log_level=verbose", "`verbose` is no log level"),
        ("telemetry.log_level=\"corelane=loud\"", "is no log level"),
        ("simulate.seed=-1", "-1 is not from 0"),
    ];
    for (set, message) in cases {
        let fault = only(&[set]);
        assert!(fault.message.contains(message), "{set}: {}", fault.message);
        assert!(!fault.remedy.is_empty(), "{set}");
    }
}

#[test]
fn a_list_as_one_text_says_which_item_is_wrong() {
    let fault = only(&["kafka.brokers=a:1, b, c:3"]);
    assert_eq!((fault.column, fault.message.as_str()), (20, "`b` is not a broker"));
    let fault = only(&["kafka.brokers=\"a:1,b\""]);
    assert_eq!(fault.column, 20);
}

#[test]
fn windows_must_fit_the_commit_metadata() {
    // 10 + (30 + 30) / 1 is exactly 70.
    load_sets(&["windows.size=1s", "windows.rolling=10"]).expect("at the limit");
    let fault = only(&["windows.size=1s", "windows.rolling=11"]);
    assert_eq!((fault.kind, fault.key.as_str()), (Conflict, "windows.rolling"));
    assert_eq!(fault.message, "11 + (30s + 30s) / 1s makes 71.0 windows, more than 70");
    let fault = only(&["windows.size=1s", "windows.grace=31s", "windows.rolling=10"]);
    assert!(fault.message.contains("71.0"), "{}", fault.message);
}

#[test]
fn a_writers_name_has_at_most_200_characters() {
    let group = format!("kafka.group={}", "g".repeat(150));
    load_sets(&[&group]).expect("150 + 1 + 36 + 1 + 5 < 200");
    load_sets(&[&group, &format!("lanes.instance={}", "i".repeat(43))]).expect("150 + 1 + 43 + 1 + 5 = 200");

    let fault = only(&[&group, &format!("lanes.instance={}", "i".repeat(44))]);
    assert_eq!(fault.message, "a writer's name can reach 201 characters, more than 200");
}

#[test]
fn an_instance_has_no_dot() {
    load_sets(&["kafka.group=plant.a", "lanes.instance=line-1_b"]).expect("a group may have dots");
    let fault = only(&["lanes.instance=line.1"]);
    assert_eq!(fault.message, "an instance has no dot");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let cases: [(&[&str], &str, &str); 13] = [
        (&["kafka.topics=corelane.epochs"], "kafka.topics", "is an output of kafka.prefix"),
        (&["kafka.prefix=p", "kafka.topics=[a, p.rejects]"], "kafka.topics", "is an output of kafka.prefix"),
        (&["epoch.bytes=205MiB"], "epoch.bytes", "is above 80 % of memory.budget_bytes"),
        (&["memory.budget_bytes=32MiB"], "memory.budget_bytes", "is above 80 % of memory.budget_bytes"),
        (&["lanes.count=1", "lanes.cores=[1]"], "lanes.count", "both given"),
        (&["serve.listen=0.0.0.0:8089"], "serve.listen", "asks for no token"),
        (&["serve.listen='[::]:8089'"], "serve.listen", "asks for no token"),
        (
            &["kafka.security.protocol=sasl_ssl"],
            "kafka.security.protocol",
            "security.mechanism, kafka.security.username, kafka.security.password_file",
        ),
        (&["kafka.security.username=u"], "kafka.security.username", "but kafka.security.protocol is plaintext"),
        (&["kafka.security.ca_file=/ca.pem"], "kafka.security.ca_file", "but kafka.security.protocol is plaintext"),
        (
            &["kafka.security.protocol=ssl", "kafka.security.key_file=/k"],
            "kafka.security.key_file",
            "without kafka.security.certificate_file",
        ),
        (
            &["kafka.security.protocol=ssl", "kafka.security.certificate_file=/k"],
            "kafka.security.certificate_file",
            "without kafka.security.key_file",
        ),
        (
            &["kafka.security.protocol=ssl", "kafka.security.mechanism=PLAIN"],
            "kafka.security.mechanism",
            "but kafka.security.protocol is ssl",
        ),
    ];
    for (sets, key, message) in cases {
        let fault = only(sets);
        assert_eq!((fault.kind, fault.key.as_str()), (Conflict, key), "{sets:?}");
        assert!(fault.message.contains(message), "{sets:?}: {}", fault.message);
    }
    load_sets(&["lanes.count=1", "lanes.cores=auto"]).expect("auto is no list");
    load_sets(&["serve.listen=0.0.0.0:8089", "serve.behind_proxy=true"]).expect("a proxy asks");
    load_sets(&["serve.listen=0.0.0.0:8089", "serve.token=0123456789abcdef"]).expect("a token is asked for");
    load_sets(&["epoch.bytes=204MiB"]).expect("below 80 % of 256 MiB");
}

#[test]
fn properties_that_the_protocol_relies_on_are_refused_with_the_reason() {
    for protected in crate::config::PROTECTED {
        let fault = only(&[&format!("kafka.properties.{}=1", protected.name)]);
        assert_eq!((fault.kind, fault.key), (Limit, format!("kafka.properties.{}", protected.name)));
        assert_eq!(fault.message, format!("cannot be set: {}", protected.why));
        assert!(fault.remedy.contains(protected.instead), "{}", fault.remedy);
        let known = protected.instead.is_empty() || crate::config::table::find(protected.instead).is_some();
        assert!(known, "{} names a key that is not there", protected.name);
    }
    assert!(only(&["kafka.properties.stats_cb=1"]).message.contains("binding"));
    let config = load_sets(&["kafka.properties.client.rack=a", "kafka.properties.linger.ms=20"]).expect("free ones");
    assert_eq!(config.kafka.properties.get("client.rack").map(String::as_str), Some("a"));
    assert_eq!(config.kafka.properties.get("linger.ms").map(String::as_str), Some("20"));
}

#[test]
fn sensors_are_checked_to_the_last_member() {
    let cases = [
        ("[]", "sensors", "0 sensors"),
        ("[5]", "sensors[0]", "a map is wanted, here is the number 5"),
        ("[{unit: A}]", "sensors[0].name", "is missing"),
        ("[{name: a, nam: b}]", "sensors[0].nam", "the key `nam` is not known"),
        ("[{name: 1a}]", "sensors[0].name", "`1a` is not a name of a column"),
        ("[{name: device_id}]", "sensors[0].name", "the column `device_id` is there already"),
        ("[{name: timestamp}]", "sensors[0].name", "the column `timestamp` is there already"),
        ("[{name: a}, {name: a}]", "sensors[1].name", "the column `a` is there already"),
        ("[{name: a}, {name: a_status}]", "sensors[1].name", "the column `a_status` is there already"),
        ("[{name: a, kind: text}]", "sensors[0].kind", "`text` is none of the choices"),
        ("[{name: a, kind: boolean, range: [0, 1]}]", "sensors[0].range", "a boolean has no range"),
        ("[{name: a, range: 5}]", "sensors[0].range", "[low, high] is wanted"),
        ("[{name: a, range: [1]}]", "sensors[0].range", "1 numbers"),
        ("[{name: a, range: [2, 1]}]", "sensors[0].range", "2 is not below 1"),
        ("[{name: a, range: [.nan, 1]}]", "sensors[0].range", "NaN is not finite"),
        ("[{name: a, required: 1}]", "sensors[0].required", "true or false is wanted"),
        ("[{name: a, unit: A, aliases: [{unit: A}]}]", "sensors[0].aliases[0].unit", "the unit `A` is here already"),
        ("[{name: a, aliases: [{unit: B, factor: 0}]}]", "sensors[0].aliases[0].factor", "the factor is 0"),
        ("[{name: a, aliases: [{unit: B, of: 0}]}]", "sensors[0].aliases[0].of", "the key `of` is not known"),
        ("[{name: a, aliases: [{factor: 2}]}]", "sensors[0].aliases[0].unit", "is missing"),
    ];
    for (list, key, message) in cases {
        let fault = only(&[&format!("sensors={list}")]);
        assert_eq!(fault.key, key, "{list}");
        assert!(fault.message.contains(message), "{list}: {}", fault.message);
    }
}
