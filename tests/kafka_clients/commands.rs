//! `corelane topics` and `corelane groups`, as somebody types them.

use serde_json::{Value, json};

use crate::lane::Lane;
use crate::support::kafka::ApacheKafka;
use crate::support::process::corelane;
use crate::support::wait::{eventually, free_port};
use crate::{PATIENCE, fill, settings, soon, topic, unique};

/// Exit code, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    run_on(&ApacheKafka::shared().bootstrap(), args)
}

fn run_on(brokers: &str, args: &[&str]) -> (i32, String, String) {
    let output = corelane(args).args(["--brokers", brokers]).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json_of(args: &[&str]) -> Value {
    let (code, out, err) = run(&[args, &["--format", "json"]].concat());
    assert_eq!(code, 0, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_topic_from_its_making_to_its_end() {
    let name = unique("cli");
    let (code, out, err) = run(&["topics", "create", &name, "--partitions", "3", "--config", "retention.ms=1000"]);
    assert_eq!((code, out.trim()), (0, format!("created {name} with 3 partitions").as_str()), "{err}");
    let (code, _, err) = run(&["topics", "create", &name]);
    assert_eq!(code, 69);
    assert!(err.contains("exists already"), "{err}");
    fill(&name, 3, 6);
    let (_, table, _) = run(&["topics", "describe", &name]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("TOPIC") && lines[3].trim_end().ends_with("0    2"), "{table}");
    let described = json_of(&["topics", "describe", &name]);
    assert_eq!((described[2]["partition"].as_i64(), described[2]["high"].as_i64()), (Some(2), Some(2)));
    assert!(json_of(&["topics", "list"]).as_array().unwrap().contains(&json!({ "topic": name, "partitions": 3 })));
    let (code, _, err) = run(&["topics", "delete", &name]);
    assert_eq!(code, 64, "{err}");
    assert_eq!(run(&["topics", "delete", &name, "--yes"]).0, 0);
    eventually(PATIENCE, "the topic to be gone", || {
        let (code, _, err) = run(&["topics", "describe", &name]);
        (code == 69 && err.contains("corelane topics create")).then_some(())
    });
}

#[test]
fn a_group_is_reset_with_a_reason_while_nobody_is_in_it() {
    let (topic, group) = (topic("cli-group", 2), unique("cli-group"));
    fill(&topic, 2, 20);
    let reset = ["groups", "reset", "--group", &group, "--topic", &topic];
    let (code, _, err) = run(&["groups", "offsets", "--group", &group]);
    assert!(code == 69 && err.contains("committed nothing"), "{code} {err}");
    assert_eq!(run(&[&reset[..], &["--to", "latest"]].concat()).0, 64, "a reason is missing");
    json_of(&[&reset[..], &["--to", "latest", "--reason", "begin at the end"]].concat());
    let changed = json_of(&[&reset[..], &["--to", "4", "--partition", "1", "--reason", "skip"]].concat());
    assert_eq!(changed, json!([{ "topic": topic, "partition": 1, "before": 10, "after": 4 }]));
    let shown = json_of(&["groups", "offsets", "--group", &group]);
    let row = |partition, committed, lag, reason: &str| {
        let metadata = format!("corelane/1 reset reason={reason}");
        json!({ "topic": topic, "partition": partition, "committed": committed, "end": 10, "lag": lag, "metadata": metadata })
    };
    assert_eq!(shown, json!([row(0, 10, 0, "begin_at_the_end"), row(1, 4, 6, "skip")]));
    let (code, _, err) = run(&[&reset[..], &["--to", "11", "--reason", "too far"]].concat());
    assert!(code == 64 && err.contains("0 to 10"), "{code} {err}");

    let mut lane = Lane::join(&settings(), &group, None, &topic);
    lane.take_up();
    let (code, _, err) = run(&[&reset[..], &["--to", "earliest", "--reason", "not now"]].concat());
    assert!(code == 69 && err.contains("has members"), "{code} {err}");
    lane.consumer.close(soon()).unwrap();
}

#[test]
fn where_nobody_listens_the_commands_say_so_in_their_time() {
    let brokers = format!("127.0.0.1:{}", free_port());
    let (code, _, err) = run_on(&brokers, &["topics", "list", "--timeout", "1"]);
    assert!(code == 69 && err.contains(&brokers), "{code} {err}");
    let (code, _, err) = run_on(&brokers, &["topics", "list", "--property", "acks=0"]);
    assert!(code == 64 && err.contains("acks"), "{code} {err}");
}
