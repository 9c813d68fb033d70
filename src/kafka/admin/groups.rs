//! Groups: what they have committed, whether they have members, and offsets set for those that have none.

use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::contract::{CommitOffset, Committed};
use super::super::error::{KafkaError, NativeError, code_name, code_text, text_of};
use super::super::native::{ListedPartition, PartitionList, c_string, entries_of};
use super::request::{Answer, Call, NOT_READY, Requester, elements, once_of, when_ready};
use crate::batch::TopicPartition;

const UNSTABLE_PAUSE: Duration = Duration::from_millis(200);

/// What a group is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// `Empty`, `Stable`, `PreparingRebalance` …, `Dead` where Kafka does not know it.
    pub state: String,
    pub members: usize,
}

impl<C: ClientContext> Requester<'_, C> {
    /// Asks again while a transaction with offsets is under way.
    pub(super) fn committed(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        deadline: Instant,
    ) -> Result<Vec<Committed>, KafkaError> {
        let asked = Instant::now();
        loop {
            let entries = when_ready(deadline, || self.committed_once(group, partitions, deadline))?;
            let unstable = entries.iter().find(|entry| entry.error == Code::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT);
            let Some(unstable) = unstable else {
                return Ok(entries.into_iter().map(ListedPartition::into_committed).collect());
            };
            if Instant::now() >= deadline {
                let (group, partition) = (group.to_owned(), unstable.source.clone());
                return Err(KafkaError::Unstable { group, partition, waited: asked.elapsed() });
            }
            thread::sleep(UNSTABLE_PAUSE);
        }
    }

    fn committed_once(
        &self,
        group: &str,
        partitions: Option<&[TopicPartition]>,
        deadline: Instant,
    ) -> Result<Vec<ListedPartition>, KafkaError> {
        const OPERATION: Operation = Operation::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS;
        let call = Call { name: "ListConsumerGroupOffsets", operation: OPERATION, subject: group, deadline: once_of(deadline) };
        let name = c_string("a group's name", group)?;
        let list = partitions.map(PartitionList::of).transpose()?;
        let asked = Instant::now();
        let answer = self.ask(call, |client, options, queue| {
            let list = list.as_ref().map_or(ptr::null(), |list| list.as_ptr().cast_const());
            // SAFETY: name and list are copied; the request is destroyed after the call that copies it.
            unsafe {
                if let Some(error) = NativeError::take(sys::rd_kafka_AdminOptions_set_require_stable_offsets(options.as_ptr(), 1))
                {
                    return Err(call.refused_by(&error));
                }
                let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), list);
                sys::rd_kafka_ListConsumerGroupOffsets(client, &raw mut request, 1, options.as_ptr(), queue);
                sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
            }
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of ListConsumerGroupOffsets and alive.
        let groups = unsafe {
            let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(answer.as_ptr());
            elements(sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count), count)
        };
        let entries = self.entries(call, asked, &answer, groups)?;
        let refused = entries.iter().find(|entry| {
            entry.error != Code::RD_KAFKA_RESP_ERR_NO_ERROR && entry.error != Code::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        });
        refused.map_or(Ok(entries.clone()), |entry| Err(group_code(call, entry.error, &code_text(entry.error))))
    }

    pub(super) fn alter_group_offsets(&self, group: &str, offsets: &[CommitOffset], deadline: Instant) -> Result<(), KafkaError> {
        when_ready(deadline, || self.alter_once(group, offsets, deadline))
    }

    fn alter_once(&self, group: &str, offsets: &[CommitOffset], deadline: Instant) -> Result<(), KafkaError> {
        const OPERATION: Operation = Operation::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS;
        if offsets.is_empty() {
            return Ok(());
        }
        let call = Call { name: "AlterConsumerGroupOffsets", operation: OPERATION, subject: group, deadline };
        let name = c_string("a group's name", group)?;
        let list = PartitionList::of_commits(offsets)?;
        let asked = Instant::now();
        let answer = self.ask(call, |client, options, queue| {
            // SAFETY: name and list are copied; the request is destroyed after the call that copies it.
            unsafe {
                let mut request = sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), list.as_ptr());
                sys::rd_kafka_AlterConsumerGroupOffsets(client, &raw mut request, 1, options.as_ptr(), queue);
                sys::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            }
            Ok(())
        })?;
        let mut count = 0;
        // SAFETY: the answer is of AlterConsumerGroupOffsets and alive.
        let groups = unsafe {
            let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(answer.as_ptr());
            elements(sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count), count)
        };
        for entry in self.entries(call, asked, &answer, groups)? {
            match entry.error {
                Code::RD_KAFKA_RESP_ERR_NO_ERROR => {}
                Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Err(KafkaError::PartitionMissing(entry.source)),
                code => return Err(group_code(call, code, &format!("{}: {}", entry.source, code_text(code)))),
            }
        }
        Ok(())
    }

    pub(super) fn group_state(&self, group: &str, deadline: Instant) -> Result<GroupState, KafkaError> {
        when_ready(deadline, || self.state_once(group, deadline))
    }

    fn state_once(&self, group: &str, deadline: Instant) -> Result<GroupState, KafkaError> {
        const OPERATION: Operation = Operation::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        let call = Call { name: "DescribeConsumerGroups", operation: OPERATION, subject: group, deadline: once_of(deadline) };
        let asked = Instant::now();
        let name = c_string("a group's name", group)?;
        let answer = self.ask(call, |client, options, queue| {
            let mut names = [name.as_ptr()];
            // SAFETY: the name is copied.
            unsafe { sys::rd_kafka_DescribeConsumerGroups(client, names.as_mut_ptr(), 1, options.as_ptr(), queue) };
            Ok(())
        })?;
        let dead = GroupState { state: "Dead".to_owned(), members: 0 };
        let mut count = 0;
        // SAFETY: the answer is of DescribeConsumerGroups and alive; the state's name is static.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(answer.as_ptr());
            let groups = elements(sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count), count);
            let Some(&described) = groups.first() else { return Ok(dead) };
            let error = sys::rd_kafka_ConsumerGroupDescription_error(described);
            if !error.is_null() {
                let error = NativeError::copy(error);
                let unknown = error.code == Code::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND as i32;
                return if unknown { Ok(dead) } else { Err(self.group_error(call, asked, &error)) };
            }
            let state = sys::rd_kafka_ConsumerGroupDescription_state(described);
            Ok(GroupState {
                state: text_of(sys::rd_kafka_consumer_group_state_name(state)),
                members: sys::rd_kafka_ConsumerGroupDescription_member_count(described),
            })
        }
    }

    /// The partitions of the one group that was asked for.
    fn entries(
        &self,
        call: Call<'_>,
        asked: Instant,
        _alive: &Answer,
        groups: &[*const sys::rd_kafka_group_result_t],
    ) -> Result<Vec<ListedPartition>, KafkaError> {
        let Some(&group) = groups.first() else { return Ok(Vec::new()) };
        // SAFETY: the group belongs to the answer, which is alive.
        unsafe {
            let error = sys::rd_kafka_group_result_error(group);
            if !error.is_null() {
                return Err(self.group_error(call, asked, &NativeError::copy(error)));
            }
            Ok(entries_of(sys::rd_kafka_group_result_partitions(group)))
        }
    }

    fn group_error(&self, call: Call<'_>, asked: Instant, error: &NativeError) -> KafkaError {
        // The client's own word, not Kafka's.
        if error.code == Code::RD_KAFKA_RESP_ERR__TIMED_OUT as i32 {
            return self.no_answer(call.name, asked.elapsed());
        }
        let known = GROUP_IN_USE.iter().chain(&NOT_READY).find(|code| **code as i32 == error.code);
        known.map_or_else(|| call.refused_by(error), |code| group_code(call, *code, &error.text))
    }
}

fn group_code(call: Call<'_>, code: Code, text: &str) -> KafkaError {
    if GROUP_IN_USE.contains(&code) {
        KafkaError::GroupHasMembers { group: call.subject.to_owned() }
    } else if NOT_READY.contains(&code) {
        call.not_ready(code)
    } else {
        call.refused(&code_name(code), text)
    }
}

/// What Kafka says when offsets are set for a group that has members: the commit is none of theirs.
const GROUP_IN_USE: [Code; 4] = [
    Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    Code::RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP,
];
