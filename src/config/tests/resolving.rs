//! What good configurations resolve to: defaults, merges, sets, the machine, secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::batch::{SensorCatalog, SensorKind};
use crate::config::{Compression, Delivery, LogFormat, Runtime, Secret, Start};

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = load_text(MINIMAL).expect("good");
    let kafka = &config.kafka;
    assert_eq!(
        (kafka.brokers.as_slice(), kafka.topics.as_slice()),
        (["b:9092".to_owned()].as_slice(), [Arc::from("device-data")].as_slice())
    );
    assert_eq!((kafka.group.as_str(), kafka.prefix.as_str(), kafka.delivery), ("corelane", "corelane", Delivery::ExactlyOnce));
    assert_eq!((kafka.start, kafka.create_topics, kafka.session_timeout), (Start::Earliest, true, Duration::from_secs(10)));
    assert_eq!(kafka.security, BTreeMap::from([("security.protocol".to_owned(), "plaintext".to_owned())]));
    assert!(kafka.properties.is_empty());
    assert_eq!((config.lanes.runtime, config.lanes.instance.as_deref()), (Runtime::Auto, None));
    assert_eq!(config.lanes.stall_timeout, Duration::from_mins(1));
    assert_eq!(config.memory.budget_bytes, 256 << 20);
    assert_eq!(*config.sensors, SensorCatalog::default());
    let windows = config.windows;
    assert_eq!((windows.size, windows.rolling, windows.devices_max), (Duration::from_mins(1), 5, 100_000));
    assert_eq!((windows.grace, windows.future_skew), (Duration::from_secs(30), Duration::from_secs(30)));
    assert_eq!(windows.age_max, Duration::from_hours(7 * 24));
    assert_eq!((config.epoch.interval, config.epoch.bytes), (Duration::from_secs(30), 64 << 20));
    assert_eq!((config.lake.path.to_str(), config.lake.compression), (Some("./lake"), Compression::Zstd(1)));
    assert_eq!(config.serve.listen, "127.0.0.1:8089".parse().ok());
    assert_eq!((config.serve.token.is_none(), config.serve.behind_proxy), (true, false));
    assert_eq!((config.telemetry.log_level.as_str(), config.telemetry.log_format), ("info", LogFormat::Human));
}

#[test]
fn each_key_is_resolved_from_its_own_value() {
    let config = load_sets(&[
        "kafka.brokers=x:1,[::1]:2",
        "kafka.topics=[t.1, t-2]",
        "kafka.group=g",
        "kafka.prefix=p",
        "kafka.delivery=at_least_once",
        "kafka.start=2026-11-21T00:00:00.5+01:00",
        "kafka.create_topics=false",
        "kafka.session_timeout=45s",
        "kafka.properties.client.id=c",
        "lanes.cores=[3, 1]",
        "lanes.runtime=epoll",
        "lanes.instance=i",
        "lanes.stall_timeout=11s",
        "cores.kafka=[2]",
        "cores.control=[0, 3]",
        "memory.budget_bytes=100MiB",
        "windows.size=2m",
        "windows.rolling=7",
        "windows.grace=1m",
        "windows.future_skew=3s",
        "windows.age_max=1d",
        "windows.devices_max=12",
        "epoch.interval=500ms",
        "epoch.bytes=1048577",
        "lake.path=/data/lake",
        "lake.compression=zstd(3)",
        "serve.listen=off",
        "serve.token=0123456789abcdef",
        "serve.behind_proxy=true",
        "telemetry.log_level=info,corelane::lane=debug",
        "telemetry.log_format=json",
        "simulate.fleet=7",
        "simulate.interval=3s",
        "simulate.seed=9",
    ])
    .expect("good");
    let kafka = &config.kafka;
    assert_eq!(kafka.brokers, ["x:1", "[::1]:2"]);
    assert_eq!(kafka.topics, [Arc::from("t.1"), Arc::from("t-2")]);
    assert_eq!((kafka.group.as_str(), kafka.prefix.as_str(), kafka.delivery), ("g", "p", Delivery::AtLeastOnce));
    assert_eq!((kafka.start, kafka.create_topics), (Start::Time { ms: 1_795_215_600_500 }, false));
    assert_eq!((kafka.session_timeout, kafka.properties["client.id"].as_str()), (Duration::from_secs(45), "c"));
    assert_eq!((config.lanes.cores.as_slice(), config.lanes.runtime), ([1, 3].as_slice(), Runtime::Epoll));
    assert_eq!((config.lanes.instance.as_deref(), config.lanes.stall_timeout), (Some("i"), Duration::from_secs(11)));
    assert_eq!((config.cores.kafka.as_slice(), config.cores.control.as_slice()), ([2].as_slice(), [0, 3].as_slice()));
    assert_eq!(config.memory.budget_bytes, 100 << 20);
    let windows = config.windows;
    assert_eq!((windows.size, windows.rolling, windows.grace), (Duration::from_mins(2), 7, Duration::from_mins(1)));
    assert_eq!((windows.future_skew, windows.age_max), (Duration::from_secs(3), Duration::from_hours(24)));
    assert_eq!(windows.devices_max, 12);
    assert_eq!((config.epoch.interval, config.epoch.bytes), (Duration::from_millis(500), 1_048_577));
    assert_eq!((config.lake.path.to_str(), config.lake.compression), (Some("/data/lake"), Compression::Zstd(3)));
    assert_eq!((config.serve.listen, config.serve.behind_proxy), (None, true));
    assert_eq!(config.serve.token.as_ref().map(Secret::expose), Some("0123456789abcdef"));
    assert_eq!(config.telemetry.log_level, "info,corelane::lane=debug");
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    assert_eq!((config.simulate.fleet, config.simulate.interval, config.simulate.seed), (7, Duration::from_secs(3), 9));
}

#[test]
fn files_merge_deep_lists_are_replaced_and_sets_win() {
    let base = "kafka: {brokers: [\"a:1\", \"b:2\"], topics: [t], group: base, properties: {linger.ms: 5, client.rack: r}}\nlake: {path: x}\n";
    let over = "kafka:\n  brokers: [\"c:3\"]\n  properties: {linger.ms: 9}\nepoch:\nlanes: {instance: i}\n";
    let config = load_all(&[base, over], &["kafka.group=set", "lanes.instance=null", "kafka.group=last"]).expect("good");
    assert_eq!((config.kafka.brokers, config.kafka.group.as_str()), (vec!["c:3".to_owned()], "last"));
    assert_eq!(config.kafka.topics, [Arc::from("t")]);
    let properties = [("client.rack", "r"), ("linger.ms", "9")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(config.kafka.properties, BTreeMap::from(properties));
    // An empty section overrides nothing, null takes a value back.
    assert_eq!((config.epoch.interval, config.lanes.instance), (Duration::from_secs(30), None));
    assert_eq!(load_all(&[base, "kafka:\n"], &[]).expect("good").kafka.group, "base");
    // Values of --set are YAML: lists, maps, quotes, and `=` in the value.
    let config = load_all(&[base], &["kafka.properties={client.id: a}", "kafka.prefix=\"1\"", "lake.path=a=b"]).expect("good");
    assert_eq!((config.kafka.prefix.as_str(), config.lake.path.to_str(), config.kafka.properties.len()), ("1", Some("a=b"), 3));
}

#[test]
fn cores_follow_from_the_machine() {
    let resolved = |cores: &[usize], sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        let machine = Machine { cores: cores.to_vec() };
        let config = load(&[Source::new("m", MINIMAL)], &sets, &environment, &machine).expect("good");
        (config.lanes.cores, config.cores.kafka, config.cores.control)
    };
    assert_eq!(resolved(&[0, 1, 2, 3], &[]), (vec![1, 2, 3], vec![0], vec![0]));
    assert_eq!(resolved(&[5], &[]), (vec![5], vec![5], vec![5]));
    assert_eq!(resolved(&[2, 4], &[]), (vec![4], vec![2], vec![2]));
    assert_eq!(resolved(&[0, 1, 2, 3], &["lanes.count=1"]), (vec![3], vec![0, 1, 2], vec![0, 1, 2]));
    assert_eq!(resolved(&[0, 1], &["lanes.count=2"]), (vec![0, 1], vec![0, 1], vec![0, 1]));
    assert_eq!(resolved(&[0, 1, 2], &["lanes.cores=[2]", "cores.kafka=[2]"]), (vec![2], vec![2], vec![0, 1]));
    let here = Machine::detect();
    assert!(!here.cores.is_empty() && here.cores.is_sorted());
}

#[test]
fn security_becomes_properties_of_librdkafka() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("password");
    std::fs::write(&path, "geheim ${SITE} \r\n").expect("written");
    let sets = [
        "kafka.security.protocol=sasl_ssl",
        "kafka.security.mechanism=SCRAM-SHA-512",
        "kafka.security.username=u",
        &format!("kafka.security.password_file={}", path.display()),
        "kafka.security.ca_file=/ca.pem",
        "kafka.security.certificate_file=/c.pem",
        "kafka.security.key_file=/k.pem",
        "kafka.security.key_password=kp",
    ];
    let config = load_sets(&sets).expect("good");
    let expected = [
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.password", "geheim ${SITE} "),
        ("sasl.username", "u"),
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", "/ca.pem"),
        ("ssl.certificate.location", "/c.pem"),
        ("ssl.endpoint.identification.algorithm", "https"),
        ("ssl.key.location", "/k.pem"),
        ("ssl.key.password", "kp"),
    ];
    let expected: BTreeMap<String, String> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(config.kafka.security, expected);
    assert!(!format!("{config:?}").contains("geheim"));
    let config = load_sets(&["kafka.security.protocol=ssl", "kafka.security.verify_hostname=false"]).expect("good");
    assert_eq!(config.kafka.security["ssl.endpoint.identification.algorithm"], "none");
}

#[test]
fn secrets_in_files_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        format!("serve.token_file={}", path.display())
    };
    let config = load_sets(&[&path("good", "0123456789abcdef\n")]).expect("good");
    assert_eq!(config.serve.token.as_ref().map(Secret::expose), Some("0123456789abcdef"));
    let cases = [
        (path("empty", "\n"), FaultKind::Limit, "is empty"),
        (path("short", "abc"), FaultKind::Limit, "less than 16 characters"),
        (format!("serve.token_file={}/none", folder.path().display()), FaultKind::Unreadable, "cannot be read"),
    ];
    for (set, kind, message) in cases {
        let faults = faults_of(load_sets(&[&set]));
        assert_eq!((faults.len(), faults[0].kind, faults[0].key.as_str(), faults[0].column), (1, kind, "serve.token_file", 18));
        assert!(faults[0].message.contains(message), "{}", faults[0]);
    }
    let faults = faults_of(load_sets(&[&path("good", "0123456789abcdef"), "serve.token=0123456789abcdef"]));
    assert_eq!((faults.len(), faults[0].kind), (1, FaultKind::Conflict));
}

#[test]
fn sensors_replace_the_default_ones() {
    let text = "sensors:\n  - {name: flow, unit: l/s, range: [0, 1e3], required: true, aliases: [{unit: m3/h, factor: 3.6, offset: -1}]}\n  - {name: open, kind: boolean}\n";
    let sensors = load_all(&[MINIMAL, text], &[]).expect("good").sensors;
    let (flow, open) = (&sensors.sensors[0], &sensors.sensors[1]);
    assert_eq!((flow.name.as_str(), flow.unit.as_str(), flow.range, flow.required), ("flow", "l/s", Some((0.0, 1000.0)), true));
    assert_eq!((flow.aliases[0].unit.as_str(), flow.aliases[0].factor, flow.aliases[0].offset), ("m3/h", 3.6, -1.0));
    assert_eq!(
        (open.kind, open.unit.as_str(), open.range, open.required, sensors.len()),
        (SensorKind::Boolean, "", None, false, 2)
    );
}

#[test]
fn a_minimal_configuration_is_made_for_demo() {
    let (brokers, topics) = (["127.0.0.1:1".to_owned()], ["a".to_owned(), "b".to_owned()]);
    let path = std::path::Path::new("/a b/${x}, {y}");
    let config = crate::config::from_minimal(&brokers, &topics, path, &Machine::with_cores(2)).expect("good");
    assert_eq!((config.kafka.topics.len(), config.lake.path.as_path()), (2, path));
    assert!(crate::config::from_minimal(&[], &topics, path, &Machine::with_cores(2)).is_err());
}
