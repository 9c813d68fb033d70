//! The Kafka toolkit held against real Apache Kafka: each behaviour that lanes rely on has its test here.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "kafka_clients/administering.rs"]
mod administering;
#[path = "kafka_clients/commands.rs"]
mod commands;
#[path = "kafka_clients/consuming.rs"]
mod consuming;
#[path = "kafka_clients/lane.rs"]
mod lane;
#[path = "kafka_clients/plain.rs"]
mod plain;
#[path = "kafka_clients/rebalancing.rs"]
mod rebalancing;
mod support;
#[path = "kafka_clients/transactions.rs"]
mod transactions;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use corelane::batch::TopicPartition;
use corelane::kafka::{Admin, ClientSettings, Delivered, NewTopic, PlainProducer, PlainRecord};
use support::kafka::ApacheKafka;

/// Much longer than anything takes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(90);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// A name that no other test has.
fn unique(label: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{label}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

fn settings_for(kafka: &ApacheKafka) -> ClientSettings {
    let brokers = kafka.bootstrap().split(',').map(str::to_owned).collect();
    ClientSettings { brokers, client_id: "test".into(), ..ClientSettings::default() }
}

/// For the node that all tests share.
fn settings() -> ClientSettings {
    settings_for(ApacheKafka::shared())
}

fn admin() -> Admin {
    Admin::new(&settings()).unwrap()
}

/// A new topic on the shared node.
fn topic(label: &str, partitions: i32) -> String {
    topic_on(ApacheKafka::shared(), label, partitions)
}

fn topic_on(kafka: &ApacheKafka, label: &str, partitions: i32) -> String {
    let (name, admin) = (unique(label), Admin::new(&settings_for(kafka)).unwrap());
    admin.create_topic(&NewTopic::new(&name, partitions), soon()).unwrap();
    admin.wait_for_leaders(&[&name], soon()).unwrap();
    name
}

fn part(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

/// Sends records and waits until all are there.
fn produce<'a>(records: impl IntoIterator<Item = PlainRecord<'a>>) {
    let producer = PlainProducer::new(&settings(), |delivered: Delivered| {
        delivered.outcome.expect("delivered");
    });
    let producer = producer.unwrap();
    for record in records {
        producer.send(&record).unwrap();
    }
    producer.flush(soon()).unwrap();
}

/// `count` messages in turn over the partitions; each value is its number.
fn fill(topic: &str, partitions: i32, count: i32) {
    let values: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    produce(values.iter().zip(0..).map(|(value, number)| PlainRecord {
        topic,
        partition: Some(number % partitions),
        value: Some(value.as_bytes()),
        ..PlainRecord::default()
    }));
}
