//! Clients as the behaviours use them: names that nobody else has, topics, producers, consumers, group members on threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::support::wait::eventually;
use crate::target::Target;

/// The longest that anything may take on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Waits for a future of rdkafka's admin client, which has a thread of its own.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

impl Target {
    /// Settings of any client.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("log_level", "3");
        config
    }

    /// Settings of a consumer that is quick to notice.
    pub fn consumer_config(&self, group: &str) -> ClientConfig {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "300")
            .set("fetch.wait.max.ms", "100")
            .set("topic.metadata.refresh.interval.ms", "500");
        config
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config().create().unwrap()
    }

    /// Makes a topic and waits until clients see it.
    pub fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unique(name);
        self.make_topic(&name, partitions, settings).unwrap();
        name
    }

    pub fn make_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), RDKafkaErrorCode> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let admin = self.admin();
        let results = block_on(admin.create_topics(&[topic], &admin_options())).unwrap();
        results.into_iter().next().unwrap().map_err(|(_, code)| code)?;
        self.wait_for_partitions(name, usize::try_from(partitions).unwrap());
        Ok(())
    }

    pub fn wait_for_partitions(&self, topic: &str, count: usize) {
        let admin = self.admin();
        eventually(PATIENCE, "metadata of a new topic", || {
            let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE).ok()?;
            let found = metadata.topics().iter().find(|one| one.name() == topic)?;
            let led = |partition: &rdkafka::metadata::MetadataPartition| partition.leader() >= 0;
            (found.error().is_none() && found.partitions().len() == count && found.partitions().iter().all(led)).then_some(())
        });
        // In the metadata a leader is there a little before it knows of its partition.
        for partition in 0..i32::try_from(count).unwrap() {
            let answers = || admin.inner().fetch_watermarks(topic, partition, PATIENCE).ok();
            eventually(PATIENCE, "the leader of a new partition to know it", answers);
        }
    }

    /// Deletes a topic and waits until clients do not see it any more.
    pub fn delete_topic(&self, topic: &str) {
        let admin = self.admin();
        let results = block_on(admin.delete_topics(&[topic], &admin_options())).unwrap();
        assert_eq!(results, vec![Ok(topic.to_owned())]);
        eventually(PATIENCE, "a topic to be gone", || {
            let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE).ok()?;
            metadata.topics().iter().all(|one| one.name() != topic || one.error().is_some()).then_some(())
        });
    }

    /// A producer that notes what became of each message; `settings` on top.
    pub fn producer(&self, settings: &[(&str, &str)]) -> BaseProducer<Deliveries> {
        let mut config = self.config();
        config.set("linger.ms", "5").set("delivery.timeout.ms", "60000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config.create_with_context(Deliveries::default()).unwrap()
    }

    /// A producer with a transactional id, ready.
    pub fn transactional(&self, id: &str) -> BaseProducer<Deliveries> {
        let producer =
            self.producer(&[("transactional.id", id), ("transaction.timeout.ms", "60000"), ("retry.backoff.ms", "10")]);
        producer.init_transactions(PATIENCE).unwrap();
        producer
    }

    /// Sends `count` small messages to one partition: `<prefix>0`, `<prefix>1`, … all acknowledged.
    pub fn fill(&self, topic: &str, partition: i32, prefix: &str, count: usize) {
        let producer = self.producer(&[]);
        send(&producer, topic, partition, prefix, count);
        producer.flush(PATIENCE).unwrap();
        producer.context().all_delivered(count);
    }

    /// A consumer of some partitions by hand, each from `offset`.
    pub fn reader(&self, topic: &str, partitions: i32, offset: Offset, settings: &[(&str, &str)]) -> BaseConsumer {
        let mut config = self.consumer_config(&unique("reader"));
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, offset).unwrap();
        }
        consumer.assign(&list).unwrap();
        consumer
    }

    /// Everything in the partitions of a topic up to their ends, as the isolation level shows it, in order of partition and offset.
    pub fn read_all(&self, topic: &str, partitions: i32, isolation: &str) -> Vec<OwnedMessage> {
        let settings = [("enable.partition.eof", "true"), ("isolation.level", isolation)];
        let consumer = self.reader(topic, partitions, Offset::Beginning, &settings);
        let mut messages = Vec::new();
        let mut ended = std::collections::BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        while ended.len() < usize::try_from(partitions).unwrap() {
            assert!(Instant::now() < deadline, "the end of {topic} was not told; {} messages so far", messages.len());
            match consumer.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => messages.push(message.detach()),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(error)) => panic!("reading {topic}: {error}"),
                None => {}
            }
        }
        use rdkafka::Message as _;
        messages.sort_by_key(|message| (message.partition(), message.offset()));
        messages
    }
}

/// Sends messages `<prefix><number>` and polls as it must; does not flush.
pub fn send(producer: &BaseProducer<Deliveries>, topic: &str, partition: i32, prefix: &str, count: usize) {
    for number in 0..count {
        let value = format!("{prefix}{number}");
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition).key("key").payload(&value);
        while let Err((error, back)) = producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(10));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
}

/// Takes `count` messages; errors of the consumer fail the test.
pub fn take<C: ConsumerContext>(consumer: &BaseConsumer<C>, count: usize) -> Vec<OwnedMessage> {
    let mut messages = Vec::with_capacity(count);
    let deadline = Instant::now() + PATIENCE;
    while messages.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} messages came", messages.len());
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => messages.push(message.detach()),
            Some(Err(error)) => panic!("after {} of {count} messages: {error}", messages.len()),
            None => {}
        }
    }
    messages
}

/// The values of messages as text.
pub fn values(messages: &[OwnedMessage]) -> Vec<String> {
    use rdkafka::Message as _;
    let text = |message: &OwnedMessage| String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
    messages.iter().map(text).collect()
}

/// How many values begin with which letter.
pub fn initials(messages: &[OwnedMessage]) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for value in values(messages) {
        *counts.entry(value.chars().next().unwrap()).or_insert(0) += 1;
    }
    counts
}

/// What became of a producer's messages.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<(usize, Vec<RDKafkaErrorCode>)>>);

impl Deliveries {
    pub fn delivered(&self) -> usize {
        self.0.lock().unwrap().0
    }

    pub fn failures(&self) -> Vec<RDKafkaErrorCode> {
        self.0.lock().unwrap().1.clone()
    }

    pub fn all_delivered(&self, count: usize) {
        assert_eq!((self.delivered(), self.failures()), (count, Vec::new()));
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut state = self.0.lock().unwrap();
        match result {
            Ok(_) => state.0 += 1,
            Err((error, _)) => state.1.push(error.rdkafka_error_code().unwrap()),
        }
    }
}

/// What a member of a group went through.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Vec<String>>>);

impl ClientContext for History {}

impl ConsumerContext for History {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let event = match rebalance {
            Rebalance::Assign(list) => format!("+{}", list.count()),
            Rebalance::Revoke(list) => format!("-{}", list.count()),
            Rebalance::Error(error) => format!("!{error}"),
        };
        self.0.lock().unwrap().push(event);
    }
}

/// A member of a group, polled by a thread. Leaves when dropped (a static one does not).
pub struct Member {
    pub consumer: Arc<BaseConsumer<History>>,
    history: History,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    pub fn join(target: &Target, group: &str, topic: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = target.consumer_config(group);
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let history = History::default();
        let consumer: Arc<BaseConsumer<History>> = Arc::new(config.create_with_context(history.clone()).unwrap());
        consumer.subscribe(&[topic]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped, noted) = (Arc::clone(&consumer), Arc::clone(&stop), history.clone());
        let life = move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Err(error)) = polled.poll(Duration::from_millis(20)) {
                    noted.0.lock().unwrap().push(format!("!{error}"));
                }
            }
        };
        let thread = Some(std::thread::spawn(life));
        Self { consumer, history, stop, thread }
    }

    /// The partitions that it has.
    pub fn owned(&self) -> Vec<i32> {
        let list = self.consumer.assignment().unwrap();
        let mut partitions: Vec<i32> =
            list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect();
        partitions.sort_unstable();
        partitions
    }

    pub fn history(&self) -> Vec<String> {
        self.history.0.lock().unwrap().clone()
    }

    /// Waits until it has so many partitions.
    pub fn wait_for(&self, count: usize) {
        let start = Instant::now();
        while self.owned().len() != count {
            assert!(start.elapsed() < PATIENCE, "has {:?}, wanted {count}; {:?}", self.owned(), self.history());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until members share so many partitions, each as many as said, none twice.
pub fn wait_shared(members: &[&Member], counts: &[usize]) {
    let start = Instant::now();
    loop {
        let owned: Vec<Vec<i32>> = members.iter().map(|member| member.owned()).collect();
        let mut all: Vec<i32> = owned.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        if owned.iter().map(Vec::len).eq(counts.iter().copied()) && all.len() == counts.iter().sum::<usize>() {
            return;
        }
        let histories: Vec<_> = members.iter().map(|member| member.history()).collect();
        assert!(start.elapsed() < PATIENCE, "wanted {counts:?}, have {owned:?}; {histories:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
