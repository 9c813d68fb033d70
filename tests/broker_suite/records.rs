//! Producing and reading: order, codecs, tombstones, repeats, what is refused, how soon a reader wakes.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{PATIENCE, now_ms, send, take, values};
use crate::raw::{self, Batch, Raw, code};
use crate::target::Target;

pub fn what_was_sent_arrives_in_order(target: &Target) {
    let topic = target.topic("order", 4, &[]);
    let producer = target.producer(&[("enable.idempotence", "true")]);
    let start_ms = now_ms();
    for number in 0..2000 {
        let (key, value) = (format!("k{number}"), format!("v{number}"));
        let headers = OwnedHeaders::new().insert(Header { key: "n", value: Some(&value) });
        let record = BaseRecord::to(&topic).partition(number % 4).key(&key).payload(&value);
        producer.send(record.timestamp(start_ms + i64::from(number)).headers(headers)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer.context().all_delivered(2000);

    let messages = target.read_all(&topic, 4, "read_committed");

    assert_eq!(messages.len(), 2000);
    for (index, message) in (0..).zip(&messages) {
        let (partition, offset) = (index / 500, i64::from(index % 500));
        let number = offset * 4 + i64::from(partition);
        let value = format!("v{number}");
        assert_eq!((message.partition(), message.offset()), (partition, offset));
        assert_eq!(message.payload().unwrap(), value.as_bytes());
        assert_eq!(message.key().unwrap(), format!("k{number}").as_bytes());
        assert_eq!(message.timestamp().to_millis(), Some(start_ms + number));
        let header = message.headers().unwrap().get(0);
        assert_eq!((header.key, header.value), ("n", Some(value.as_bytes())));
    }
}

pub fn all_codecs_are_kept(target: &Target) {
    let topic = target.topic("codecs", 1, &[]);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let producer = target.producer(&[("compression.type", codec)]);
        send(&producer, &topic, 0, codec, 300);
        producer.flush(PATIENCE).unwrap();
        producer.context().all_delivered(300);
    }
    let read = values(&target.read_all(&topic, 1, "read_committed"));
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let sent: Vec<String> = codecs.iter().flat_map(|codec| (0..300).map(move |number| format!("{codec}{number}"))).collect();
    assert_eq!(read, sent);
}

pub fn a_tombstone_is_no_empty_value(target: &Target) {
    let topic = target.topic("tombstone", 1, &[]);
    let producer = target.producer(&[]);
    producer.send(BaseRecord::<str, str>::to(&topic).key("a")).map_err(|(error, _)| error).unwrap();
    producer.send(BaseRecord::<str, str>::to(&topic).key("b").payload("")).map_err(|(error, _)| error).unwrap();
    producer.flush(PATIENCE).unwrap();
    let messages = target.read_all(&topic, 1, "read_committed");
    assert_eq!(messages.iter().map(Message::payload).collect::<Vec<_>>(), [None, Some(&b""[..])]);
}

pub fn the_end_of_a_partition_is_told(target: &Target) {
    let topic = target.topic("end", 1, &[]);
    target.fill(&topic, 0, "v", 3);
    let consumer = target.reader(&topic, 1, Offset::Beginning, &[("enable.partition.eof", "true")]);
    take(&consumer, 3);
    let deadline = Instant::now() + PATIENCE;
    let event = loop {
        assert!(Instant::now() < deadline, "the end was not told");
        if let Some(event) = consumer.poll(Duration::from_millis(50)) {
            break event.map(|message| message.offset());
        }
    };
    assert!(matches!(event, Err(KafkaError::PartitionEOF(0))), "{event:?}");
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE).unwrap(), (0, 3));
}

pub fn a_repeated_batch_is_stored_once(target: &Target) {
    let topic = target.topic("repeat", 1, &[]);
    let mut raw = Raw::connect(target);
    let (error, producer) = raw.init_producer(None, 60_000);
    assert_eq!(error, code::NONE);
    let batch = |sequence| raw::batch(Batch { producer, sequence, ..Batch::default() });
    assert_eq!(raw.produce(&topic, None, -1, &batch(0)), (code::NONE, 0));
    assert_eq!(raw.produce(&topic, None, -1, &batch(1)), (code::NONE, 1));
    assert_eq!(raw.produce(&topic, None, -1, &batch(0)), (code::NONE, 0), "of a repeat, the offset that it has");
    assert_eq!(raw.produce(&topic, None, -1, &batch(2)), (code::NONE, 2));
    assert_eq!(target.read_all(&topic, 1, "read_committed").len(), 3);
}

pub fn sequences_may_not_skip(target: &Target) {
    let topic = target.topic("skip", 1, &[]);
    let mut raw = Raw::connect(target);
    let (_, producer) = raw.init_producer(None, 60_000);
    let batch = |epoch, sequence| raw::batch(Batch { producer: (producer.0, epoch), sequence, ..Batch::default() });
    assert_eq!(raw.produce(&topic, None, -1, &batch(1, 0)).0, code::NONE);
    assert_eq!(raw.produce(&topic, None, -1, &batch(1, 2)).0, code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(raw.produce(&topic, None, -1, &batch(0, 1)).0, code::INVALID_PRODUCER_EPOCH);
    assert_eq!(raw.produce(&topic, None, -1, &batch(2, 1)).0, code::OUT_OF_ORDER_SEQUENCE_NUMBER, "a new epoch begins at 0");
    assert_eq!(raw.produce(&topic, None, -1, &batch(2, 0)).0, code::NONE);
}

pub fn a_wrong_checksum_is_refused(target: &Target) {
    let topic = target.topic("checksum", 1, &[]);
    let mut raw = Raw::connect(target);
    let mut batch = raw::batch(Batch::default());
    *batch.last_mut().unwrap() ^= 1;
    assert_eq!(raw.produce(&topic, None, -1, &batch).0, code::CORRUPT_MESSAGE);
    assert_eq!(raw.produce(&topic, None, -1, &raw::batch(Batch::default())), (code::NONE, 0));
}

pub fn acks_beyond_all_are_refused(target: &Target) {
    let topic = target.topic("acks", 1, &[]);
    let mut raw = Raw::connect(target);
    assert_eq!(raw.produce(&topic, None, 5, &raw::batch(Batch::default())).0, code::INVALID_REQUIRED_ACKS);
    assert_eq!(raw.produce(&topic, None, 1, &raw::batch(Batch::default())).0, code::NONE);
}

pub fn a_waiting_reader_wakes_at_once(target: &Target) {
    const WAIT_MS: &str = "20000";
    let topic = target.topic("wake", 1, &[]);
    let settings = [("fetch.wait.max.ms", WAIT_MS), ("socket.timeout.ms", "60000"), ("fetch.min.bytes", "1")];
    let consumer = target.reader(&topic, 1, Offset::Beginning, &settings);
    let producer = target.producer(&[("linger.ms", "0")]);
    let start = Instant::now();
    for number in 0..20 {
        send(&producer, &topic, 0, &format!("{number}-"), 1);
        let messages = take(&consumer, 1);
        assert_eq!(messages[0].offset(), number);
    }
    // Twenty waits of which none ran to its end.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

pub fn a_paused_partition_is_silent(target: &Target) {
    let topic = target.topic("pause", 2, &[]);
    let consumer = target.reader(&topic, 2, Offset::Beginning, &[]);
    let mut first = TopicPartitionList::new();
    first.add_partition(&topic, 0);
    consumer.pause(&first).unwrap();
    target.fill(&topic, 0, "v", 50);
    target.fill(&topic, 1, "v", 50);
    assert!(take(&consumer, 50).iter().all(|message| message.partition() == 1));
    consumer.resume(&first).unwrap();
    assert!(take(&consumer, 50).iter().all(|message| message.partition() == 0));
}
