//! What is whole holds.

use serde_json::Value;

use super::fleet::{minute, reading};
use super::kafka::Kafka;
use super::world::{BEGIN_MS, World, source};
use crate::audit::{Beginning, Class, Cluster, Report, TopicView, Verdict, Visit, audit};
use crate::batch::{Table, TopicPartition};
use crate::kafka::{Committed, KafkaError, Stretch};

fn assert_holds(world: &World) -> Report {
    let report = world.audit();
    assert_eq!(report.verdict(), Verdict::Holds, "{:#?}", report.findings);
    report
}

#[test]
fn an_empty_group_holds_and_says_so() {
    let report = assert_holds(&World::new());
    assert_eq!(report.notes, ["plant.epochs has no epoch of group plant yet"]);
}

#[test]
fn a_minute_holds_and_everything_in_it_is_looked_at() {
    let world = minute();
    let report = assert_holds(&world);
    let looked = report.looked;
    assert_eq!(looked.epochs, 4);
    let consumed: u64 = report.partitions.iter().map(|partition| partition.consumed).sum();
    assert_eq!((looked.deep_rows, looked.messages), (consumed, consumed));
    assert!(
        report.partitions.iter().all(|one| one.readings > 180 && one.next == one.committed.unwrap()),
        "{:?}",
        report.partitions
    );
    assert!(report.partitions[0].events > 0 && report.partitions[0].gaps > 0 && report.partitions[1].rejects > 0);
    let on_time = |number| {
        let rows = world.rows(number, Table::Aggregates);
        let column = rows.column_by_name("on_time").unwrap();
        column.as_any().downcast_ref::<arrow::array::BooleanArray>().unwrap().true_count()
    };
    assert!(on_time(2) > 0 && on_time(2) < world.rows(2, Table::Aggregates).num_rows(), "on-time and other parts");
    assert!(looked.aggregates > 100 && looked.groups > 50, "{looked:?}");
    assert!(report.notes.is_empty(), "{:?}", report.notes);
}

#[test]
fn without_deep_no_row_is_looked_at() {
    let mut world = minute();
    world.options.deep = false;
    let looked = assert_holds(&world).looked;
    assert_eq!((looked.deep_rows, looked.messages, looked.aggregates), (0, 0, 0));
    assert!(looked.segments > 8 && looked.rows > 300);
}

#[test]
fn drained_windows_hold_and_none_is_open_after_them() {
    let mut world = minute();
    world.drain();
    assert_holds(&world);
}

#[test]
fn a_group_that_goes_on_after_a_restart_holds() {
    let mut world = minute();
    world.restart(world.windows);
    for second in 60..90 {
        world.send(0, &reading(1, BEGIN_MS + second * 1_000, 20.0 + (second % 7) as f64), BEGIN_MS + second * 1_000);
    }
    world.epoch();
    assert_holds(&world);
}

#[test]
fn other_settings_of_the_windows_begin_rolling_values_anew() {
    for (size_ms, rolling) in [(10_000, 5), (7_000, 3), (20_000, 2)] {
        let mut world = minute();
        world.restart(crate::journey::measure::Windows { size_ms, rolling, ..world.windows });
        for second in 60..140 {
            world.send(0, &reading(1, BEGIN_MS + second * 1_000, 20.0 + (second % 7) as f64), BEGIN_MS + second * 1_000);
            world.send(1, &reading(2, BEGIN_MS + second * 1_000, 20.0 + (second % 9) as f64), BEGIN_MS + second * 1_000);
            if second % 20 == 0 {
                world.epoch();
            }
        }
        world.epoch();
        assert_holds(&world);
    }
}

#[test]
fn what_kafka_has_forgotten_is_held_against_the_ledger() {
    let mut world = minute();
    world.expire(0, 50);
    let report = assert_holds(&world);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].starts_with("device-data[0]: Kafka no longer has [0, 50)"));
}

#[test]
fn messages_that_compaction_removed_are_a_note() {
    let mut world = minute();
    world.kafka.topics.get_mut("device-data").unwrap().compacted = true;
    world.remove_message(0, 7);
    let report = assert_holds(&world);
    assert_eq!(report.notes, ["device-data[0]: 1 rows are of messages that compaction has removed since"]);
}

#[test]
fn a_group_that_was_to_start_later_may_leave_messages_before_it() {
    let mut world = World::new();
    for second in 0..5 {
        world.send(0, &reading(1, BEGIN_MS, 20.0), BEGIN_MS + second);
    }
    world.set_low(0, 3);
    world.epoch_of(|partition| partition == 0);
    world.set_low(0, 0);
    world.options.beginning = Beginning::Later;
    assert_holds(&world);
}

#[test]
fn offsets_of_the_group_on_a_topic_that_is_not_ours_are_passed_over() {
    let mut world = minute();
    world.kafka.committed.insert(TopicPartition::new("another", 0), (7, String::new()));
    assert_holds(&world);
}

#[test]
fn records_of_other_groups_are_passed_over() {
    let mut world = minute();
    let mut record = world.kafka.records[0].clone();
    record.key = b"plant.b.a.0".to_vec();
    record.value = b"not even JSON".to_vec();
    world.kafka.records.push(record);
    assert_holds(&world);
}

/// Kafka while the group is at work: what is asked first is of an earlier moment than the rest.
struct AtWork {
    first: Kafka,
    later: Kafka,
    asked: usize,
}

impl AtWork {
    fn now(&mut self) -> &mut Kafka {
        if self.asked < 4 { &mut self.first } else { &mut self.later }
    }
}

impl Cluster for AtWork {
    fn cluster_id(&mut self) -> Result<String, KafkaError> {
        self.asked += 1;
        self.now().cluster_id()
    }

    fn topic(&mut self, name: &str) -> Result<Option<TopicView>, KafkaError> {
        self.asked += 1;
        self.now().topic(name)
    }

    fn committed(&mut self, group: &str) -> Result<Vec<Committed>, KafkaError> {
        self.asked += 1;
        self.now().committed(group)
    }

    fn read(&mut self, stretches: Vec<Stretch>, visit: &mut Visit<'_>) -> Result<(), KafkaError> {
        self.now().read(stretches, visit)
    }
}

#[test]
fn a_group_at_work_holds_whenever_it_goes_on() {
    let mut world = minute();
    let first = world.kafka.clone();
    for second in 60..80 {
        world.send(0, &reading(1, BEGIN_MS + second * 1_000, 20.0), BEGIN_MS + second * 1_000);
    }
    world.epoch();
    world.send(0, &reading(1, BEGIN_MS + 80_000, 20.0), BEGIN_MS + 80_000);
    world.epoch();
    // From the first question (before the records) to the last: the world goes on after each of them.
    for asked in 0..4 {
        let mut cluster = AtWork { first: first.clone(), later: world.kafka.clone(), asked };
        let report = audit(&mut cluster, &[world.lake().to_owned()], &world.options, &mut |_| {}).unwrap();
        assert_eq!(report.verdict(), Verdict::Holds, "{asked}: {:#?}", report.findings);
    }
}

#[test]
fn the_report_as_json_says_what_the_report_says() {
    let mut world = minute();
    world.edit_record(1, |record| record["partitions"][0]["readings"] = 1.into());
    let report = world.audit();
    let json: Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["verdict"], "found");
    assert_eq!(json["findings"].as_array().unwrap().len(), report.findings.kept().len());
    assert_eq!(json["findings"][0]["kind"], "ledger_imbalance");
    assert_eq!(json["findings"][0]["class"], "found");
    assert_eq!(json["findings"][0]["place"]["topic"], source(0).topic.as_ref());
    assert_eq!(json["totals"]["ledger_imbalance"], 1);
    assert_eq!(json["repaired"], Value::Null);
    assert!(report.findings.total_of(Class::Found) > 0);
    let schema: Value = serde_json::from_str(include_str!("../../../docs/schemas/verify.v1.json")).unwrap();
    let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let mut written: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    required.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, required);
}
