use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::batch::{Headers, RawRow, TopicPartition};
use crate::kafka::{Intake, IntakeBatch, IntakeEvent, PartitionFault, TxError};

/// 2026-11-21T03:00:00Z.
const KAFKA_TIME_MS: i64 = 1_795_230_000_000;

type Messages = Vec<(i32, i64, Option<&'static [u8]>)>;

/// What the consumer finds when it is asked the next time.
enum Step {
    Event(IntakeEvent),
    Batch(Messages),
    /// Nothing more, ever.
    Silence,
}

/// A consumer with a script. Messages below the offset that was assigned are not there.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    assigned: Vec<Vec<(TopicPartition, i64)>>,
    unassigned: usize,
}

struct ScriptBatch(Messages);

impl IntakeBatch for ScriptBatch {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn runs(&self, ingest_time_us: i64) -> Vec<RawBatch<'_>> {
        self.0
            .chunk_by(|a, b| a.0 == b.0)
            .map(|run| {
                let rows = run.iter().map(|&(_, offset, value)| RawRow {
                    offset,
                    kafka_time_ms: KAFKA_TIME_MS,
                    key: None,
                    value,
                    headers: Headers::NONE,
                });
                RawBatch { source: source(run[0].0), rows: rows.collect(), ingest_time_us, stamped_by_broker: false }
            })
            .collect()
    }
}

impl Intake for Script {
    type Batch = ScriptBatch;
    type Member = ();

    fn events(&mut self) -> Vec<IntakeEvent> {
        match self.steps.pop_front() {
            Some(Step::Event(event)) => vec![event],
            Some(other) => {
                self.steps.push_front(other);
                vec![]
            }
            None => vec![IntakeEvent::Fatal("the script is over".into())],
        }
    }

    fn take(&mut self) -> Option<ScriptBatch> {
        match self.steps.pop_front() {
            Some(Step::Batch(messages)) => Some(ScriptBatch(messages)),
            Some(other) => {
                self.steps.push_front(other);
                None
            }
            None => None,
        }
    }

    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError> {
        self.assigned.push(starts.to_vec());
        Ok(())
    }

    fn unassign(&mut self) -> Result<(), TxError> {
        self.unassigned += 1;
        Ok(())
    }

    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn clear_wake(&mut self) {}
    fn request_committed(&mut self, _request: u64, _partitions: &[TopicPartition]) {}

    fn pause(&mut self) -> Result<(), TxError> {
        Ok(())
    }

    fn resume(&mut self) -> Result<(), TxError> {
        Ok(())
    }

    fn member(&self) -> Result<(), TxError> {
        Ok(())
    }

    fn watermarks(&self, _source: &TopicPartition) -> Option<(i64, i64)> {
        None
    }
}

fn source(partition: i32) -> TopicPartition {
    TopicPartition::new("device-data", partition)
}

fn assigned(partitions: &[i32]) -> Step {
    Step::Event(IntakeEvent::Assigned(partitions.iter().map(|&partition| source(partition)).collect()))
}

fn end(partition: i32, next: i64) -> Step {
    Step::Event(IntakeEvent::End { source: source(partition), next })
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(line: &str) -> Args {
    Line::try_parse_from(["tap", "--brokers", "127.0.0.1:1", "--topic", "device-data"].into_iter().chain(line.split_whitespace()))
        .unwrap()
        .args
}

/// Follows the script as the command line says; what is printed, how it ended, and what the consumer was told.
fn tap(line: &str, steps: Vec<Step>) -> (String, Result<(), FollowError>, Script) {
    let args = args(line);
    let mut out = Vec::new();
    let mut script = Script { steps: steps.into(), ..Script::default() };
    let mut printer = Printer::new(&args.load().unwrap(), args.selection(), &mut out);
    let course = Course { patience: Duration::from_millis(50), ..args.course() };
    let outcome = follow::follow(&mut script, &course, &mut |run| printer.print(run));
    (String::from_utf8(out).unwrap(), outcome, script)
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const READING: &[u8] = br#"{"device_id":"dev-1","timestamp":1795230000,"location":{"building":"B1","floor":2},"sensors":{
    "temperature":{"value":77,"unit":"\u00b0F","status":"ok"},"humidity":{"value":140},"pressure":{"value":3,"unit":"apples"}},"odd":1}"#;
const EVENT: &[u8] =
    br#"{"message_id":"m-1","message_type":"heartbeat","timestamp":1795230000,"source":"gw","payload":{"uptime":7}}"#;
const BROKEN: &[u8] = br#"{"device_id": "dev-2", "#;

fn mixed() -> Vec<Step> {
    let messages = vec![(0, 10, Some(BROKEN)), (0, 11, Some(READING)), (0, 13, None), (0, 14, Some(EVENT))];
    vec![assigned(&[0]), Step::Batch(messages), end(0, 15)]
}

#[test]
fn a_line_a_message_in_the_order_of_offsets() {
    let (text, outcome, _) = tap("--until-end", mixed());
    outcome.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("device-data[0]@10 ") && lines[0].contains("REJECT   invalid_json: "), "{text}");
    assert!(lines[0].ends_with(r#""{\"device_id\": \"dev-2\", ""#), "{text}");
    assert!(lines[1].starts_with("device-data[0]@11        nested   dev-1 2026-11-21T"), "{text}");
    assert!(lines[1].contains(" humidity=140.0%(out_of_range) pressure=3.0apples(unknown_unit"), "{text}");
    assert!(lines[1].ends_with(" [good]"), "{text}");
    assert!(lines[2].starts_with("device-data[0]@13 ") && lines[2].contains("REJECT   tombstone: "), "{text}");
    assert!(lines[3].contains("event    heartbeat message_id=\"m-1\""), "{text}");
}

#[test]
fn an_object_a_message_has_values_units_flags_and_the_rest() {
    let (text, outcome, _) = tap("--until-end --json", mixed());
    outcome.unwrap();
    let found = objects(&text);
    let kinds: Vec<&Value> = found.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["reject", "reading", "reject", "event"]);

    let reading = &found[1];
    assert_eq!((&reading["topic"], &reading["partition"], &reading["offset"]), (&"device-data".into(), &0.into(), &11.into()));
    assert_eq!((&reading["device_id"], &reading["format"]), (&"dev-1".into(), &"nested".into()));
    assert_eq!((&reading["building"], &reading["floor"]), (&"B1".into(), &2.into()));
    assert_eq!(reading["event_time"], reading["kafka_time"], "the device's time is that of Kafka");
    assert_eq!(reading["flags"], json!([]));
    assert_eq!(reading["extra"], json!({"odd": 1}));
    let temperature = &reading["sensors"]["temperature"];
    assert!((temperature["value"].as_f64().unwrap() - 25.0).abs() < 1e-9, "{temperature}");
    assert_eq!((&temperature["unit"], &temperature["status"], &temperature["flags"]), (&"°C".into(), &"ok".into(), &json!([])));
    assert_eq!(reading["sensors"]["humidity"], json!({"value": 140.0, "unit": "%", "flags": ["out_of_range"]}));
    let pressure = &reading["sensors"]["pressure"];
    assert_eq!((&pressure["value"], &pressure["unit"]), (&3.0.into(), &"apples".into()), "kept as sent");
    assert!(pressure["flags"].as_array().unwrap().contains(&"unknown_unit".into()));
    assert_eq!(reading["sensors"].get("current"), None, "what was not sent is not shown");

    assert_eq!((&found[0]["reason"], &found[0]["bytes"]), (&"invalid_json".into(), &BROKEN.len().into()));
    assert_eq!(found[0]["raw"], String::from_utf8_lossy(BROKEN).as_ref());
    assert_eq!((&found[2]["reason"], &found[2]["bytes"]), (&"tombstone".into(), &Value::Null));
    assert_eq!((&found[3]["event_type"], &found[3]["payload"]["uptime"]), (&"heartbeat".into(), &7.into()));
}

#[test]
fn rejects_only_leaves_out_the_rest_and_counts_what_is_printed() {
    let (text, outcome, _) = tap("--until-end --rejects-only --json", mixed());
    outcome.unwrap();
    let offsets: Vec<Value> = objects(&text).iter().map(|object| object["offset"].clone()).collect();
    assert_eq!(offsets, [10, 13]);
    let (text, outcome, _) = tap("--rejects-only -n 1", mixed());
    outcome.unwrap();
    assert!(text.lines().count() == 1 && text.contains("@10 "), "{text}");
}

#[test]
fn it_stops_after_so_many() {
    let (text, outcome, _) = tap("-n 3", mixed());
    outcome.unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn it_ends_when_every_partition_has_ended() {
    let reading = |partition, offset| Step::Batch(vec![(partition, offset, Some(READING))]);
    let steps = vec![
        assigned(&[0, 1]),
        reading(0, 0),
        end(0, 1),
        reading(1, 7),
        end(1, 8),
        Step::Event(IntakeEvent::Fatal("read on".into())),
    ];
    let (text, outcome, script) = tap("--until-end", steps);
    outcome.unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(script.steps.len(), 1, "and not before, nor after");
}

#[test]
fn where_it_begins_is_as_asked() {
    for (line, offset) in
        [("", -1), ("--until-end", -2), ("--from end", -1), ("--from beginning", -2), ("--from 42", 42), ("--from 0", 0)]
    {
        let (_, _, script) = tap(line, vec![assigned(&[3])]);
        assert_eq!(script.assigned, [vec![(source(3), offset)]], "{line}");
    }
    let refused = Line::try_parse_from(["tap", "--brokers", "b:1", "--topic", "t", "--from=-5"]).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("an offset from 0 on"), "{refused}");
}

#[test]
fn only_the_partition_asked_for_is_read() {
    let (_, _, script) = tap("--partition 1 --from 5", vec![assigned(&[2, 0, 1])]);
    assert_eq!(script.assigned, [vec![(source(1), 5)]]);
    let (_, outcome, _) = tap("--partition 9", vec![assigned(&[2, 0, 1])]);
    let text = outcome.unwrap_err().to_string();
    assert_eq!(text, "there is no partition 9; the topic has 0 to 2");
}

#[test]
fn a_rebalance_repeats_nothing() {
    let steps = vec![
        assigned(&[0]),
        Step::Batch(vec![(0, 10, Some(READING))]),
        Step::Event(IntakeEvent::Revoked { partitions: vec![source(0)], lost: false }),
        assigned(&[0, 1]),
        end(0, 11),
        end(1, 0),
    ];
    let (text, outcome, script) = tap("--until-end", steps);
    outcome.unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(script.unassigned, 1);
    assert_eq!(script.assigned[1], [(source(0), 11), (source(1), -2)]);
}

#[test]
fn trouble_is_told_when_nothing_ever_comes() {
    let (_, outcome, _) = tap("", vec![]);
    assert!(matches!(outcome, Err(FollowError::Fatal(_))), "{outcome:?}");
    let trouble = IntakeEvent::Trouble("all brokers are down".into());
    let (_, outcome, _) = tap("", vec![Step::Event(trouble), Step::Silence]);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("all brokers are down") && text.contains("does the topic exist"), "{text}");
}

#[test]
fn an_offset_that_is_gone_ends_it_with_the_remedy() {
    let failed = IntakeEvent::PartitionFailed {
        source: source(0),
        fault: PartitionFault::OutOfRange,
        reason: "OFFSET_OUT_OF_RANGE".into(),
    };
    let (_, outcome, _) = tap("--from 3", vec![assigned(&[0]), Step::Event(failed)]);
    let text = outcome.unwrap_err().to_string();
    assert!(text.contains("device-data[0]") && text.contains("--from beginning"), "{text}");
}

#[test]
fn a_configuration_gives_brokers_topics_and_sensors_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    let text = "kafka:\n  brokers: [\"127.0.0.1:1\"]\n  topics: [a, b]\nlake:\n  path: ./lake\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let load = |more: &[&str]| {
        let line = ["tap", "--config", path].iter().chain(more).copied().collect::<Vec<_>>();
        let config = Line::try_parse_from(line).unwrap().args.load().unwrap();
        (client(&config).brokers, member(&config).topics)
    };
    assert_eq!(load(&[]), (vec!["127.0.0.1:1".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    let (brokers, topics) = load(&["--brokers", "127.0.0.1:2,127.0.0.1:3", "--topic", "c"]);
    assert_eq!((brokers.join(" "), topics.join(" ")), ("127.0.0.1:2 127.0.0.1:3".to_owned(), "c".to_owned()));
    assert!(Line::try_parse_from(["tap", "--topic", "t"]).is_err(), "without either there is no Kafka to ask");
}
