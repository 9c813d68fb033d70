//! Calls of librdkafka that rust-rdkafka does not wrap: group metadata made by hand, topic ids, offsets of groups.

use std::ffi::{CStr, CString, c_char};

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;

use crate::client::{Deliveries, PATIENCE};
use crate::target::Target;

fn timeout_ms() -> i32 {
    i32::try_from(PATIENCE.as_millis()).unwrap()
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// How a consumer names itself to its group.
#[derive(Clone, Debug)]
pub struct Identity {
    pub group: String,
    pub generation: i32,
    pub member: String,
    pub instance: Option<String>,
}

/// The identity that a member has now.
pub fn identity<C: ConsumerContext>(consumer: &BaseConsumer<C>, group: &str, instance: Option<&str>) -> Identity {
    // SAFETY: the client lives for the call; the metadata is ours until it is destroyed, its strings live as long as it does.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        assert!(!metadata.is_null());
        let member = CStr::from_ptr(sys::rd_kafka_consumer_group_metadata_member_id(metadata)).to_str().unwrap().to_owned();
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        Identity { group: group.to_owned(), generation, member, instance: instance.map(str::to_owned) }
    }
}

/// `rd_kafka_send_offsets_to_transaction` under any identity.
pub fn send_offsets(
    producer: &BaseProducer<Deliveries>,
    offsets: &TopicPartitionList,
    who: &Identity,
) -> Result<(), RDKafkaErrorCode> {
    let (group, member) = (c_string(&who.group), c_string(&who.member));
    let instance = who.instance.as_deref().map(c_string);
    let instance = instance.as_ref().map_or(std::ptr::null(), |instance| instance.as_ptr());
    // SAFETY: all pointers are to values that live until the calls return; librdkafka copies what it keeps.
    unsafe {
        let metadata =
            sys::rd_kafka_consumer_group_metadata_new_with_genid(group.as_ptr(), who.generation, member.as_ptr(), instance);
        let error =
            sys::rd_kafka_send_offsets_to_transaction(producer.client().native_ptr(), offsets.ptr(), metadata, timeout_ms());
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        if error.is_null() {
            return Ok(());
        }
        let code = sys::rd_kafka_error_code(error);
        sys::rd_kafka_error_destroy(error);
        Err(code.into())
    }
}

/// Runs an admin call with a queue and options of its own, and hands its event to `read`.
fn admin_call<T>(
    target: &Target,
    operation: sys::rd_kafka_admin_op_t,
    call: impl FnOnce(*mut sys::rd_kafka_t, *mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    read: impl FnOnce(*mut sys::rd_kafka_event_t) -> T,
) -> Result<T, RDKafkaErrorCode> {
    let client = target.admin();
    let handle = client.inner().native_ptr();
    // SAFETY: the client lives until the end of the function; options, queue and event are destroyed after their last use.
    unsafe {
        let queue = sys::rd_kafka_queue_new(handle);
        let options = sys::rd_kafka_AdminOptions_new(handle, operation);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms(), std::ptr::null_mut(), 0);
        call(handle, options, queue);
        let event = sys::rd_kafka_queue_poll(queue, timeout_ms());
        assert!(!event.is_null(), "no answer to an admin call");
        let code = sys::rd_kafka_event_error(event);
        let result =
            if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(read(event)) } else { Err(code.into()) };
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_queue_destroy(queue);
        result
    }
}

/// A topic's id and number of partitions, by DescribeTopics.
pub fn describe_topic(target: &Target, topic: &str) -> Result<(String, usize), RDKafkaErrorCode> {
    let name = c_string(topic);
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let call = |handle, options: *mut _, queue| {
        // SAFETY: the names live until the call returns; the collection is copied by it.
        unsafe {
            let topics = sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
            sys::rd_kafka_DescribeTopics(handle, topics, options, queue);
            sys::rd_kafka_TopicCollection_destroy(topics);
        }
    };
    let read = |event| {
        // SAFETY: what is read belongs to the event, which lives as long as this runs; one topic was asked for.
        unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_DescribeTopics_result(event);
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            assert_eq!(count, 1);
            let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(*topics));
            let id = sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(*topics));
            let id = CStr::from_ptr(id).to_str().unwrap().to_owned();
            let mut partitions = 0;
            sys::rd_kafka_TopicDescription_partitions(*topics, &raw mut partitions);
            (error, id, partitions)
        }
    };
    let (error, id, partitions) = admin_call(target, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, call, read)?;
    if error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok((id, partitions)) } else { Err(error.into()) }
}

/// The cluster's id, by DescribeCluster.
pub fn describe_cluster(target: &Target) -> String {
    // SAFETY: the pointers are those of `admin_call`.
    let call = |handle, options: *mut _, queue| unsafe { sys::rd_kafka_DescribeCluster(handle, options, queue) };
    let read = |event| {
        // SAFETY: what is read belongs to the event, which lives as long as this runs.
        unsafe {
            let result = sys::rd_kafka_event_DescribeCluster_result(event);
            CStr::from_ptr(sys::rd_kafka_DescribeCluster_result_cluster_id(result)).to_str().unwrap().to_owned()
        }
    };
    admin_call(target, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, call, read).unwrap()
}

/// Sets offsets of a group from outside: the error of each partition.
pub fn alter_group_offsets(target: &Target, group: &str, offsets: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
    let name = c_string(group);
    let call = |handle, options: *mut _, queue| {
        // SAFETY: name and list live until the call returns, which copies them.
        unsafe {
            let mut request = sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), offsets.ptr());
            sys::rd_kafka_AlterConsumerGroupOffsets(handle, &raw mut request, 1, options, queue);
            sys::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
        }
    };
    let read = |event| {
        // SAFETY: what is read belongs to the event, which lives as long as this runs; one group was asked for.
        unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(event);
            let groups = sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count);
            group_error(*groups)
        }
    };
    admin_call(target, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, call, read)?
}

/// A group's offset of a partition, stable ones only if wanted: (offset, metadata).
pub fn group_offset(target: &Target, group: &str, topic: &str, stable: bool) -> Result<(i64, String), RDKafkaErrorCode> {
    let name = c_string(group);
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    let call = |handle, options: *mut _, queue| {
        // SAFETY: name and list live until the call returns, which copies them.
        unsafe {
            sys::rd_kafka_AdminOptions_set_require_stable_offsets(options, i32::from(stable));
            let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), asked.ptr());
            sys::rd_kafka_ListConsumerGroupOffsets(handle, &raw mut request, 1, options, queue);
            sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        }
    };
    let read = |event| {
        // SAFETY: what is read belongs to the event, which lives as long as this runs; one group and one partition were asked for.
        unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(event);
            let groups = sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count);
            group_error(*groups)?;
            let row = *(*sys::rd_kafka_group_result_partitions(*groups)).elems;
            let metadata = match row.metadata_size {
                0 => &[][..],
                size => std::slice::from_raw_parts(row.metadata.cast::<u8>(), size),
            };
            Ok((row.offset, String::from_utf8_lossy(metadata).into_owned()))
        }
    };
    admin_call(target, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, call, read)?
}

/// The error of a group, or of the first of its partitions that has one.
///
/// # Safety
/// `group` is a result that lives.
unsafe fn group_error(group: *const sys::rd_kafka_group_result_t) -> Result<(), RDKafkaErrorCode> {
    // SAFETY: as the caller says; the list has as many rows as it counts.
    unsafe {
        let error = sys::rd_kafka_group_result_error(group);
        if !error.is_null() {
            return Err(sys::rd_kafka_error_code(error).into());
        }
        let list = sys::rd_kafka_group_result_partitions(group);
        let rows = if list.is_null() || (*list).cnt == 0 {
            &[]
        } else {
            std::slice::from_raw_parts((*list).elems, usize::try_from((*list).cnt).unwrap())
        };
        match rows.iter().find(|row| row.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR) {
            Some(row) => Err(row.err.into()),
            None => Ok(()),
        }
    }
}
