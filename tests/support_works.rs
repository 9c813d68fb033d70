//! The ladder that all other tests climb: does it hold?

mod support;

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

use support::kafka::ApacheKafka;
use support::wait::eventually;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn create_topic(kafka: &ApacheKafka, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let topics = [NewTopic::new(topic, 1, TopicReplication::Fixed(-1))];
    let results = runtime().block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
    assert_eq!(results, vec![Ok(topic.to_owned())]);
}

/// Returns once the broker has acknowledged.
fn produce(kafka: &ApacheKafka, topic: &str, value: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("acks", "all").create().unwrap();
    producer.send(BaseRecord::<(), str>::to(topic).payload(value)).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// All values of partition 0 from the start, once there are `count`.
fn consume(kafka: &ApacheKafka, topic: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("group.id", "support-works").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut values = Vec::new();
    eventually(Duration::from_secs(60), "the messages to come back", || {
        while let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
        (values.len() >= count).then_some(())
    });
    values
}

#[test]
fn kafka_keeps_what_was_acknowledged_through_a_kill() {
    let kafka = ApacheKafka::start(1, &[]);
    create_topic(&kafka, "kept");
    produce(&kafka, "kept", "before");
    kafka.kill9(1);
    kafka.restart(1);
    produce(&kafka, "kept", "after");
    assert_eq!(consume(&kafka, "kept", 2), ["before", "after"]);
}
