//! What `run` refuses, with the remedy and without losing anything.

use std::fs;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::records::committed;
use crate::stage::{Kind, PATIENCE, SHORT_SESSION, Stage, UNAVAILABLE, said, seed};
use crate::support::process::{Process, corelane};
use crate::support::readers::read_labels;
use crate::support::wait::eventually;
use crate::verified::audit;

const CONFIG: i32 = 78;
const MESSAGES: u64 = 2_000;

/// `run` ends with this code and says all of `texts`.
pub(crate) fn refused(stage: &Stage, args: &[&str], code: i32, texts: &[&str]) -> String {
    let mut run = Process::spawn(stage.run(&[&["--until-end", "--quiet"], args].concat()));
    let status = run.wait_exit(PATIENCE);
    let said = run.stderr();
    assert_eq!(status.code(), Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "no {text:?} in:\n{said}");
    }
    said
}

#[test]
fn a_second_process_of_one_instance_is_refused() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "second", 2);
    stage.fill(seed, MESSAGES);
    let mut first = Process::spawn(stage.run(&["--quiet", "--set", "epoch.interval=500ms"]));
    let all = |_: &mut Process| {
        (committed(&stage).iter().filter_map(|(offset, _)| *offset).sum::<i64>() == MESSAGES as i64).then_some(())
    };
    first.wait_for(PATIENCE, "the first run to commit", all);
    let pid = format!("pid {}", first.pid());
    refused(&stage, &[], UNAVAILABLE, &["in use", &pid, "lanes.instance"]);
    first.signal(libc::SIGTERM);
    first.wait_success(PATIENCE);
    println!("seed {seed}: {}", audit(&stage, MESSAGES).line());
}

#[test]
fn what_is_not_there_is_refused() {
    let stage = Stage::new(Kind::Apache, "missing", 1);
    refused(&stage, &["--set", "kafka.topics=[no-such-topic]"], UNAVAILABLE, &["no-such-topic", "does not exist"]);
    // Nobody listens on port 1; the program says so within its 30 s.
    refused(&stage, &["--set", "kafka.brokers=[\"127.0.0.1:1\"]"], UNAVAILABLE, &["127.0.0.1:1"]);
    refused(&stage, &["--set", "kafka.create_topics=false"], UNAVAILABLE, &["kafka.create_topics"]);
}

#[test]
fn a_wrong_configuration_is_refused_with_all_its_faults() {
    let stage = Stage::new(Kind::Embedded, "wrong", 1);
    fs::write(stage.configuration(), "kafka:\n  topics: [a]\n  grupp: b\nepoch:\n  interval: soon\n").unwrap();
    refused(&stage, &[], CONFIG, &["kafka.brokers", "grupp", "interval", "lake"]);
    fs::remove_file(stage.configuration()).unwrap();
    refused(&stage, &[], CONFIG, &["corelane.yaml"]);
}

#[test]
fn other_group_protocols_are_refused_with_the_reason() {
    let stage = Stage::new(Kind::Embedded, "protocol", 1);
    let refused_for = |property: &str, value: &str, reasons: &[&str]| {
        let setting = format!("kafka.properties={{{property}: {value}}}");
        refused(&stage, &["--set", &setting], CONFIG, &[&[property, "cannot be set"], reasons].concat());
    };
    refused_for("partition.assignment.strategy", "cooperative-sticky", &["whole assignments", "range"]);
    refused_for("group.protocol", "consumer", &["static member", "KIP-848"]);
    refused_for("group.remote.assignor", "uniform", &["KIP-848"]);
    assert!(!stage.lake().exists(), "a refused configuration made a lake");
}

#[test]
fn the_lake_of_another_group_is_refused() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "owner", 1);
    stage.fill(seed, MESSAGES);
    stage.run_to_end(&[]);
    refused(&stage, &["--set", "kafka.group=stranger"], UNAVAILABLE, &["the lake of group", stage.group(), "lake.path"]);
    audit(&stage, MESSAGES);
}

#[test]
fn a_topic_that_was_made_anew_is_refused() {
    for kind in [Kind::Apache, Kind::Embedded] {
        let seed = seed();
        let stage = Stage::new(kind, "anew", 1);
        stage.fill(seed, MESSAGES);
        stage.run_to_end(&[]);
        audit(&stage, MESSAGES);
        stage.delete_topic();
        stage.create_topic();
        let said = refused(&stage, &[], UNAVAILABLE, &[stage.topic(), "lake.path"]);
        println!("{kind:?}: {}", said.trim());
    }
}

/// Commits `offset` of partition 0 as a tool does that knows nothing of us: without a note. Kafka takes it once the group has no members.
fn move_group(stage: &Stage, offset: i64) {
    let tool: BaseConsumer = stage.client().set("group.id", stage.group()).set("enable.auto.commit", "false").create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(stage.topic(), 0, Offset::Offset(offset)).unwrap();
    eventually(PATIENCE, "Kafka to take the offset", || tool.commit(&offsets, CommitMode::Sync).ok());
    assert_eq!(committed(stage)[0], (Some(offset), String::new()));
}

/// Runs the remedy as the refusal has it, between backticks; an operator may choose another offset. False: not yet, the group has members.
pub(crate) fn follow_the_remedy(refusal: &str, to: Option<&str>) -> bool {
    let command = refusal.split('`').find(|text| text.starts_with("corelane groups reset")).expect("a command");
    let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
    if let Some(to) = to {
        let place = words.iter().position(|word| *word == "--to").unwrap() + 1;
        words[place] = to;
    }
    Process::spawn(corelane(words)).wait_exit(PATIENCE).success()
}

/// The remedy leads back to the end of the last epoch, so that nothing is lost or double. An operator who wants to read again from
/// offset 500 gets just that.
#[test]
fn a_group_that_another_tool_moved_is_refused_until_it_is_reset() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "moved", 1);
    stage.fill(seed, MESSAGES);
    stage.run_to_end(&SHORT_SESSION);
    audit(&stage, MESSAGES);
    let end = MESSAGES as i64;
    for (moved_to, reset_to, repeated) in [(end, None, 0), (700, None, 0), (700, Some("500"), 1_500)] {
        move_group(&stage, moved_to);
        let refusal = refused(&stage, &SHORT_SESSION, UNAVAILABLE, &[&moved_to.to_string(), stage.group()]);
        assert_eq!(committed(&stage)[0], (Some(moved_to), String::new()), "a refusal changes nothing");
        assert!(follow_the_remedy(&refusal, reset_to));
        let expected = reset_to.map_or(end, |to| to.parse().unwrap());
        assert_eq!(committed(&stage)[0], (Some(expected), "corelane/1 reset reason=WHY".to_owned()));
        let output = stage.run_to_end(&SHORT_SESSION);
        println!("seed {seed}: {}; then consumed {}", refusal.trim(), said(&output, "consumed"));
        let report = read_labels(&stage.lake(), &stage.labels());
        assert_eq!((report.missing, report.double, report.unlabelled), (0, repeated, 0));
    }
}
