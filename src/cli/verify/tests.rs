use std::fs;

use clap::Parser;

use super::progress::line_of;
use super::*;
use crate::audit::{Action, FindingKind, Findings, LakeSeen, Looked, PartitionSeen, Place, Repaired, Step};
use crate::batch::TopicPartition;
use crate::config::Machine;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Result<Args, clap::Error> {
    Line::try_parse_from(std::iter::once("verify").chain(line.split_whitespace())).map(|line| line.args)
}

#[test]
fn the_default_prefix_is_that_of_the_configuration() {
    let text = |text: &str| text.to_owned();
    let config = config::from_minimal(&[text("127.0.0.1:9092")], &[text("t")], Path::new("lake"), &Machine::detect()).unwrap();
    assert_eq!(config.kafka.prefix, DEFAULT_PREFIX);
}

#[test]
fn a_configuration_or_brokers_and_a_lake_are_wanted() {
    assert!(args("").is_err());
    assert!(args("--brokers a:1").is_err());
    assert!(args("--lake x").is_err());
    assert!(args("--brokers a:1 --lake x --set kafka.group=g").is_err());
    assert!(args("--brokers a:1 --lake x --lake y --deep --repair").is_ok());
    assert!(args("--config x.yaml --set kafka.group=g").is_ok());
}

#[test]
fn what_the_command_line_says_wins_over_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plant.yaml");
    let text =
        "kafka:\n  brokers: [a:1]\n  topics: [t]\n  group: g\n  start: latest\n  delivery: at_least_once\nlake:\n  path: here\n";
    fs::write(&file, text).unwrap();
    let of = |flags: &str| args(&format!("--config {} {flags}", file.display())).unwrap().target().unwrap();
    let target = of("--lake there --property client.rack=r");
    assert_eq!(target.lakes, [PathBuf::from("here"), PathBuf::from("there")]);
    assert_eq!(
        (target.clients.brokers.as_slice(), target.clients.properties["client.rack"].as_str()),
        (&["a:1".to_owned()][..], "r")
    );
    let wanted = AuditOptions {
        group: "g".to_owned(),
        epochs_topic: "corelane.epochs".to_owned(),
        topics: vec!["t".to_owned()],
        beginning: Beginning::Later,
        repeats: true,
        deep: false,
    };
    assert_eq!(target.options, wanted);
    let target = of("--brokers b:2 --group h --prefix p --set kafka.start=earliest --deep");
    assert_eq!((target.clients.brokers.as_slice(), &*target.options.group), (&["b:2".to_owned()][..], "h"));
    assert_eq!((&*target.options.epochs_topic, target.options.beginning), ("p.epochs", Beginning::Earliest));
    assert!(target.options.deep && !target.repair_options(Duration::ZERO).exactly_once);
}

#[test]
fn without_a_configuration_the_group_is_that_of_the_lake() {
    let dir = tempfile::tempdir().unwrap();
    let flags = format!("--brokers a:1 --lake {}", dir.path().display());
    let failure = args(&flags).unwrap().target().unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    fs::create_dir(dir.path().join("_corelane")).unwrap();
    let id = r#"{"format": 1, "lake": "0198c0de-0000-4000-8000-000000000000", "group": "plant"}"#;
    fs::write(dir.path().join("_corelane/lake.json"), id).unwrap();
    let options = args(&flags).unwrap().target().unwrap().options;
    assert_eq!((&*options.group, &*options.epochs_topic, options.beginning), ("plant", "corelane.epochs", Beginning::Unknown));
}

fn report() -> Report {
    Report {
        group: "plant".to_owned(),
        cluster_id: "c".to_owned(),
        deep: true,
        lakes: vec![LakeSeen { path: "/lake".to_owned(), id: "1".to_owned() }],
        looked: Looked { epochs: 2, segments: 1_234, bytes: 3 << 19, rows: 7, ..Looked::default() },
        partitions: vec![PartitionSeen {
            topic: "t".to_owned(),
            partition: 3,
            start: 5,
            next: 9,
            committed: None,
            epochs: 2,
            consumed: 3,
            gaps: 1,
            readings: 3,
            events: 0,
            rejects: 0,
        }],
        findings: Findings::default(),
        notes: vec!["worth knowing".to_owned()],
        repaired: Some(vec![Repaired { action: Action::Removed, path: "/lake/x".to_owned(), why: "never committed".to_owned() }]),
    }
}

fn printed(report: &Report) -> String {
    let mut out = Vec::new();
    text::write(&mut out, report).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn people_read_what_was_looked_at_and_the_verdict() {
    let text = printed(&report());
    let wanted = "\
group      plant on cluster c
lake       /lake (1)
looked at  2 epochs; 1,234 segments, 7 rows, 1.5 MiB
deep       0 rows against 0 messages; 0 rows of aggregates, 0 of groups recomputed
partition  t[3] [5, 9) in 2 epochs, committed nothing; 3 consumed + 1 gaps; 3 readings, 0 events, 0 rejects
note       worth knowing
removed    /lake/x: never committed
verdict    all holds
";
    assert_eq!(text, wanted);
    assert!(conclude(&report()).is_ok());
}

#[test]
fn people_read_each_finding_with_its_place_and_remedy() {
    let mut report = report();
    let place = Place::of(&TopicPartition::new("t", 3)).span(5, 7).at_path("/lake/f").row("device d");
    report.findings.add(FindingKind::RowLost, place, "2 messages are lost");
    let text = printed(&report);
    assert!(
        text.contains("FOUND      row_lost  t[3] [5, 7) /lake/f (device d)\n           2 messages are lost\n           remedy: "),
        "{text}"
    );
    assert!(text.ends_with("verdict    1 found, 0 unchecked\n"), "{text}");
    for _ in 0..250 {
        report.findings.add(FindingKind::LakeAbsent, Place::default(), "x");
    }
    let text = printed(&report);
    assert!(text.contains("UNCHECKED  lake_absent") && text.contains("and 50 more lake_absent\n"), "{text}");
    let failure = conclude(&report).unwrap_err();
    assert_eq!((failure.exit, failure.error.to_string()), (Exit::Findings, "1 found, 250 unchecked".to_owned()));
}

#[test]
fn each_step_has_a_line() {
    assert_eq!(line_of(Step::Segments { done: 1_000, bytes: 5 << 20 }), "looking into segments: 1,000, 5 MiB");
    assert_eq!(line_of(Step::Windows { partitions: 0, of: 4, rows: 9 }), "recomputing windows: partition 1 of 4, 9 rows");
}
