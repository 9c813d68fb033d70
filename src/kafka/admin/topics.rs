//! Topics: made, deleted, listed, described.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::ptr::NonNull;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::error::{KafkaError, NativeError, code_name, text_of};
use super::super::native::c_string;
use super::offsets::{Isolation, OffsetSpec};
use super::request::{Call, Requester, elements};

const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    /// None: the broker's default.
    pub replication: Option<i16>,
    /// `retention.ms` and such.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self { name: name.into(), partitions, replication: None, configs: BTreeMap::new() }
    }

    #[must_use]
    pub fn with(mut self, config: &str, value: &str) -> Self {
        self.configs.insert(config.to_owned(), value.to_owned());
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    pub name: String,
    pub partitions: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    /// Base64, as Kafka's tools print it; changes when the topic is made anew.
    pub id: String,
    pub partitions: Vec<PartitionDescription>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    pub partition: i32,
    /// None: there is none at this moment.
    pub leader: Option<i32>,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
    /// Offsets `[low, high)` are there; None without a leader.
    pub low: Option<i64>,
    pub high: Option<i64>,
}

/// A topic's name, and what became of the request for it.
type Outcome = (String, Result<(), KafkaError>);

/// A `NewTopic` of librdkafka.
struct NativeTopic(NonNull<sys::rd_kafka_NewTopic_t>);

impl NativeTopic {
    fn of(topic: &NewTopic) -> Result<NativeTopic, KafkaError> {
        let refused = |text: String| KafkaError::Refused {
            call: "CreateTopics",
            subject: topic.name.clone(),
            name: "_INVALID_ARG".to_owned(),
            text,
        };
        let name = c_string("a topic's name", &topic.name)?;
        let mut text = [0 as std::ffi::c_char; 256];
        let replication = topic.replication.map_or(-1, i32::from);
        // SAFETY: the name is copied; the error text has as many bytes as said.
        let made =
            unsafe { sys::rd_kafka_NewTopic_new(name.as_ptr(), topic.partitions, replication, text.as_mut_ptr(), text.len()) };
        // SAFETY: the text is NUL-terminated, also when nothing was written.
        let made = NonNull::new(made).map(NativeTopic).ok_or_else(|| refused(unsafe { text_of(text.as_ptr()) }))?;
        for (key, value) in &topic.configs {
            let (key_c, value_c) = (c_string("a topic's config", key)?, c_string("a topic's config", value)?);
            // SAFETY: the topic is ours; both texts are copied.
            let code = unsafe { sys::rd_kafka_NewTopic_set_config(made.0.as_ptr(), key_c.as_ptr(), value_c.as_ptr()) };
            if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(refused(format!("{key}={value}: {}", code_name(code))));
            }
        }
        Ok(made)
    }
}

impl Drop for NativeTopic {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_NewTopic_destroy(self.0.as_ptr()) }
    }
}

impl<C: ClientContext> Requester<'_, C> {
    pub(super) fn create_topics(&self, topics: &[NewTopic], deadline: Instant) -> Result<Vec<Outcome>, KafkaError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let natives = topics.iter().map(NativeTopic::of).collect::<Result<Vec<_>, _>>()?;
        let call = Call {
            name: "CreateTopics",
            operation: Operation::RD_KAFKA_ADMIN_OP_CREATETOPICS,
            subject: &topics[0].name,
            deadline,
        };
        let answer = self.ask(call, |client, options, queue| {
            let mut pointers: Vec<_> = natives.iter().map(|topic| topic.0.as_ptr()).collect();
            // SAFETY: all are alive through the call, which copies the topics.
            unsafe { sys::rd_kafka_CreateTopics(client, pointers.as_mut_ptr(), pointers.len(), options.as_ptr(), queue) };
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of CreateTopics and alive.
        let outcomes = unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(answer.as_ptr());
            let results = elements(sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count), count);
            results.iter().map(|&result| outcome(call, result)).collect()
        };
        Ok(outcomes)
    }

    pub(super) fn delete_topics(&self, topics: &[&str], deadline: Instant) -> Result<(), KafkaError> {
        let Some(first) = topics.first() else { return Ok(()) };
        let names = topics.iter().map(|topic| c_string("a topic's name", topic)).collect::<Result<Vec<_>, _>>()?;
        let call = Call { name: "DeleteTopics", operation: Operation::RD_KAFKA_ADMIN_OP_DELETETOPICS, subject: first, deadline };
        let answer = self.ask(call, |client, options, queue| {
            // SAFETY: the names are copied; the topics are destroyed after the call, which copies them.
            unsafe {
                let mut pointers: Vec<_> = names.iter().map(|name| sys::rd_kafka_DeleteTopic_new(name.as_ptr())).collect();
                sys::rd_kafka_DeleteTopics(client, pointers.as_mut_ptr(), pointers.len(), options.as_ptr(), queue);
                sys::rd_kafka_DeleteTopic_destroy_array(pointers.as_mut_ptr(), pointers.len());
            }
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of DeleteTopics and alive.
        unsafe {
            let result = sys::rd_kafka_event_DeleteTopics_result(answer.as_ptr());
            let results = elements(sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count), count);
            results.iter().try_for_each(|&result| outcome(call, result).1)
        }
    }

    pub(super) fn list_topics(&self, deadline: Instant) -> Result<Vec<TopicSummary>, KafkaError> {
        let metadata = self.metadata(None, deadline)?;
        let ours = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
        let mut topics: Vec<_> =
            ours.map(|topic| TopicSummary { name: topic.name().to_owned(), partitions: topic.partitions().len() }).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    pub(super) fn describe_topics(&self, topics: &[&str], deadline: Instant) -> Result<Vec<TopicDescription>, KafkaError> {
        let mut described = self.descriptions(topics, deadline)?.into_iter().collect::<Result<Vec<_>, _>>()?;
        for topic in &mut described {
            self.fill_offsets(topic, deadline)?;
        }
        described.sort_by_key(|topic| topics.iter().position(|name| *name == topic.name));
        Ok(described)
    }

    /// The ids of those topics that exist.
    pub(in super::super) fn topic_ids(&self, topics: &[&str], deadline: Instant) -> Result<BTreeMap<String, String>, KafkaError> {
        let mut ids = BTreeMap::new();
        for described in self.descriptions(topics, deadline)? {
            match described {
                Ok(topic) => drop(ids.insert(topic.name, topic.id)),
                Err(KafkaError::TopicMissing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ids)
    }

    /// Each topic, or why it cannot be described; without offsets.
    fn descriptions(&self, topics: &[&str], deadline: Instant) -> Result<Vec<Result<TopicDescription, KafkaError>>, KafkaError> {
        let Some(first) = topics.first() else { return Ok(Vec::new()) };
        let names = topics.iter().map(|topic| c_string("a topic's name", topic)).collect::<Result<Vec<CString>, _>>()?;
        let call =
            Call { name: "DescribeTopics", operation: Operation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, subject: first, deadline };
        let answer = self.ask(call, |client, options, queue| {
            let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
            // SAFETY: the names are copied into the collection, which is destroyed after the call that copies it.
            unsafe {
                let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
                sys::rd_kafka_DescribeTopics(client, collection, options.as_ptr(), queue);
                sys::rd_kafka_TopicCollection_destroy(collection);
            }
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of DescribeTopics and alive.
        let described = unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(answer.as_ptr());
            let results = elements(sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count), count);
            results.iter().map(|&topic| description(call, topic)).collect()
        };
        Ok(described)
    }

    fn fill_offsets(&self, topic: &mut TopicDescription, deadline: Instant) -> Result<(), KafkaError> {
        let name: std::sync::Arc<str> = topic.name.as_str().into();
        let led = topic.partitions.iter().filter(|partition| partition.leader.is_some());
        let led: Vec<_> = led.map(|partition| crate::batch::TopicPartition::new(name.clone(), partition.partition)).collect();
        let lows = self.offsets(&led, OffsetSpec::Earliest, Isolation::ReadUncommitted, deadline)?;
        let highs = self.offsets(&led, OffsetSpec::Latest, Isolation::ReadUncommitted, deadline)?;
        for ((source, low), (_, high)) in lows.into_iter().zip(highs) {
            if let Some(partition) = topic.partitions.iter_mut().find(|partition| partition.partition == source.partition) {
                (partition.low, partition.high) = (low, high);
            }
        }
        Ok(())
    }

    pub(super) fn wait_for_leaders(&self, topics: &[&str], deadline: Instant) -> Result<(), KafkaError> {
        let asked = Instant::now();
        let mut verdict = None;
        loop {
            // The last answer tells more than the silence of the question that the deadline cut off.
            let metadata = match (self.metadata(None, deadline), verdict) {
                (Ok(metadata), _) => metadata,
                (Err(_), Some(verdict)) => return Err(verdict),
                (Err(silence), None) => return Err(silence),
            };
            let found =
                |name: &str| metadata.topics().iter().find(|topic| topic.name() == name && !topic.partitions().is_empty());
            let led = |name: &&&str| {
                found(name).is_some_and(|topic| topic.partitions().iter().all(|partition| partition.leader() >= 0))
            };
            let Some(waiting) = topics.iter().find(|name| !led(name)) else { return Ok(()) };
            verdict = Some(match found(waiting) {
                Some(_) => self.no_answer("the election of leaders", asked.elapsed()),
                None => KafkaError::TopicMissing { topic: (*waiting).to_owned() },
            });
            if Instant::now() < deadline {
                thread::sleep(LEADER_PAUSE);
            }
        }
    }
}

/// # Safety
/// `partition` belongs to an answer that is alive.
unsafe fn partition_of(partition: *const sys::rd_kafka_TopicPartitionInfo_t) -> PartitionDescription {
    let (mut replicas, mut in_sync) = (0, 0);
    // SAFETY: alive by the caller's word, and with it its nodes; a missing leader is null.
    unsafe {
        let node = |node: &*const sys::rd_kafka_Node_t| sys::rd_kafka_Node_id(*node);
        let leader = sys::rd_kafka_TopicPartitionInfo_leader(partition);
        PartitionDescription {
            partition: sys::rd_kafka_TopicPartitionInfo_partition(partition),
            leader: (!leader.is_null()).then(|| node(&leader)).filter(|&id| id >= 0),
            replicas: elements(sys::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut replicas), replicas)
                .iter()
                .map(node)
                .collect(),
            in_sync: elements(sys::rd_kafka_TopicPartitionInfo_isr(partition, &raw mut in_sync), in_sync)
                .iter()
                .map(node)
                .collect(),
            low: None,
            high: None,
        }
    }
}

/// What became of one topic.
///
/// # Safety
/// `result` belongs to an answer that is alive.
unsafe fn outcome(call: Call<'_>, result: *const sys::rd_kafka_topic_result_t) -> Outcome {
    // SAFETY: alive by the caller's word; its texts are C strings or null.
    let (name, code, text) = unsafe {
        let name = text_of(sys::rd_kafka_topic_result_name(result));
        (name, sys::rd_kafka_topic_result_error(result), text_of(sys::rd_kafka_topic_result_error_string(result)))
    };
    let outcome = match code {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS => Err(KafkaError::TopicExists { topic: name.clone() }),
        Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => Err(KafkaError::TopicMissing { topic: name.clone() }),
        code => Err(Call { subject: &name, ..call }.refused(&code_name(code), &text)),
    };
    (name, outcome)
}

/// # Safety
/// `topic` belongs to an answer that is alive.
unsafe fn description(call: Call<'_>, topic: *const sys::rd_kafka_TopicDescription_t) -> Result<TopicDescription, KafkaError> {
    let mut count = 0;
    // SAFETY: alive by the caller's word, and with it all that it owns.
    let (name, error, id, partitions) = unsafe {
        let name = text_of(sys::rd_kafka_TopicDescription_name(topic));
        let error = NativeError::copy(sys::rd_kafka_TopicDescription_error(topic));
        let id = text_of(sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(topic)));
        (name, error, id, elements(sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count), count))
    };
    if error.code == Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART as i32 {
        return Err(KafkaError::TopicMissing { topic: name });
    }
    if error.code != 0 {
        return Err(Call { subject: &name, ..call }.refused_by(&error));
    }
    // SAFETY: as above.
    let mut partitions: Vec<_> = partitions.iter().map(|&partition| unsafe { partition_of(partition) }).collect();
    partitions.sort_by_key(|partition| partition.partition);
    Ok(TopicDescription { name, id, partitions })
}
