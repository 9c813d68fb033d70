//! Owners of librdkafka's C objects: queues, partition lists, the eventfd that says that a queue has something.

use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use rdkafka_sys as sys;

use super::contract::{CommitOffset, Committed, time_left};
use super::error::KafkaError;
use crate::batch::TopicPartition;

pub(super) type NativeClient = *mut sys::rd_kafka_t;

/// Text for librdkafka, which takes C strings.
pub(super) fn c_string(what: &'static str, text: &str) -> Result<CString, KafkaError> {
    CString::new(text).map_err(|_| KafkaError::Nul { what })
}

/// Milliseconds until a deadline as librdkafka takes them: rounded up, so that a call is never given 0 while time is left.
pub(super) fn millis_left(deadline: Instant) -> i32 {
    i32::try_from(time_left(deadline).as_micros().div_ceil(1_000)).unwrap_or(i32::MAX)
}

/// A queue of librdkafka.
pub(super) struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues lock themselves.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new queue.
    ///
    /// # Safety
    /// `client` is alive, and outlives the queue.
    pub(super) unsafe fn new(client: NativeClient) -> Option<Queue> {
        // SAFETY: the client is alive.
        NonNull::new(unsafe { sys::rd_kafka_queue_new(client) }).map(Queue)
    }

    /// The queue with the client's own events (rebalances, errors).
    ///
    /// # Safety
    /// `client` is alive, and outlives the queue.
    pub(super) unsafe fn of_consumer(client: NativeClient) -> Option<Queue> {
        // SAFETY: the client is alive.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_consumer(client) }).map(Queue)
    }

    /// The queue that a partition's messages come in.
    ///
    /// # Safety
    /// `client` is alive, and outlives the queue.
    pub(super) unsafe fn of_partition(client: NativeClient, topic: &CStr, partition: i32) -> Option<Queue> {
        // SAFETY: the client is alive; the name is copied.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) }).map(Queue)
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.0.as_ptr()
    }

    /// Sends what comes into this queue on to `target`, also over later assignments.
    pub(super) fn forward_to(&self, target: &Queue) {
        // SAFETY: both queues are alive; librdkafka counts the reference that the forwarding keeps.
        unsafe { sys::rd_kafka_queue_forward(self.as_ptr(), target.as_ptr()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.as_ptr()) == 0 }
    }

    /// Writes to the eventfd each time the queue stops being empty.
    pub(super) fn signal(&self, wake: &WakeFd) {
        let one = 1_u64;
        // SAFETY: librdkafka copies the payload; whoever owns both ends the signal before the descriptor closes.
        unsafe { sys::rd_kafka_queue_io_event_enable(self.as_ptr(), wake.fd.as_raw_fd(), (&raw const one).cast::<c_void>(), 8) }
    }

    pub(super) fn end_signal(&self) {
        // SAFETY: -1 takes the descriptor away.
        unsafe { sys::rd_kafka_queue_io_event_enable(self.as_ptr(), -1, ptr::null(), 0) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_queue_destroy(self.as_ptr()) }
    }
}

/// An eventfd: readable when a queue has something.
pub(super) struct WakeFd {
    fd: OwnedFd,
}

impl WakeFd {
    pub(super) fn new() -> io::Result<WakeFd> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that the kernel just gave us.
        Ok(WakeFd { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Makes it readable.
    pub(super) fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight bytes of our own. It fails only when the counter is full, and then it is readable already.
        let _ = unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    pub(super) fn clear(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: eight bytes of our own. It fails only when there is nothing to clear.
        let _ = unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Waits until it is readable, at most so long. A signal may end the wait early.
    pub(super) fn wait(&self, at_most: Duration) {
        let mut asked = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry of our own. An error means only that the wait was short.
        let _ = unsafe { libc::poll(&raw mut asked, 1, i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX)) };
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A list of partitions with offsets and commit metadata, as librdkafka takes and gives it.
pub(super) struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

// SAFETY: plain memory with one owner.
unsafe impl Send for PartitionList {}

/// One partition of a list, copied out.
#[derive(Clone, Debug)]
pub(super) struct ListedPartition {
    pub(super) source: TopicPartition,
    pub(super) offset: i64,
    pub(super) metadata: Option<String>,
    pub(super) error: sys::rd_kafka_resp_err_t,
}

impl ListedPartition {
    pub(super) fn into_committed(self) -> Committed {
        let offset = (self.offset >= 0).then_some(self.offset);
        Committed { source: self.source, offset, metadata: self.metadata, first: None }
    }
}

impl PartitionList {
    /// An empty list. librdkafka ends the process when memory is out, so it is never null.
    fn with_capacity(capacity: usize) -> Result<PartitionList, KafkaError> {
        // SAFETY: the size is only a hint.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(i32::try_from(capacity).unwrap_or(0)) };
        NonNull::new(list).map(PartitionList).ok_or(KafkaError::Nul { what: "a partition list" })
    }

    pub(super) fn of(partitions: &[TopicPartition]) -> Result<PartitionList, KafkaError> {
        let mut list = Self::with_capacity(partitions.len())?;
        for partition in partitions {
            list.add(partition, i64::from(sys::RD_KAFKA_OFFSET_INVALID))?;
        }
        Ok(list)
    }

    pub(super) fn of_starts(starts: &[(TopicPartition, i64)]) -> Result<PartitionList, KafkaError> {
        let mut list = Self::with_capacity(starts.len())?;
        for (partition, offset) in starts {
            list.add(partition, *offset)?;
        }
        Ok(list)
    }

    pub(super) fn of_commits(offsets: &[CommitOffset]) -> Result<PartitionList, KafkaError> {
        let mut list = Self::with_capacity(offsets.len())?;
        for commit in offsets {
            list.add(&commit.source, commit.next)?;
            list.set_last_metadata(&commit.metadata);
        }
        Ok(list)
    }

    fn add(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), KafkaError> {
        let topic = c_string("a topic's name", &partition.topic)?;
        // SAFETY: the list is ours; the name is copied; the element is valid until the list changes.
        unsafe {
            let element = sys::rd_kafka_topic_partition_list_add(self.as_ptr(), topic.as_ptr(), partition.partition);
            (*element).offset = offset;
        }
        Ok(())
    }

    /// Gives the last element its commit metadata.
    fn set_last_metadata(&mut self, metadata: &str) {
        if metadata.is_empty() {
            return;
        }
        // SAFETY: the list has an element; its metadata is librdkafka's to free, and so comes from its allocator.
        unsafe {
            let list = self.0.as_ref();
            let element = list.elems.offset(list.cnt as isize - 1);
            let memory = sys::rd_kafka_mem_malloc(ptr::null_mut(), metadata.len());
            if !memory.is_null() {
                ptr::copy_nonoverlapping(metadata.as_ptr(), memory.cast::<u8>(), metadata.len());
                (*element).metadata = memory;
                (*element).metadata_size = metadata.len();
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    pub(super) fn entries(&self) -> Vec<ListedPartition> {
        // SAFETY: the list is ours.
        unsafe { entries_of(self.as_ptr()) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.as_ptr()) }
    }
}

/// The elements of a list that somebody else owns.
///
/// # Safety
/// `list` is null or alive through the call.
pub(super) unsafe fn entries_of(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<ListedPartition> {
    // SAFETY: null, or alive by the caller's word.
    let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
    let count = usize::try_from(list.cnt).unwrap_or(0);
    // SAFETY: the list says that it has so many elements.
    (0..count).map(|index| unsafe { entry_of(&*list.elems.add(index)) }).collect()
}

/// # Safety
/// The element belongs to a list that is alive.
unsafe fn entry_of(element: &sys::rd_kafka_topic_partition_t) -> ListedPartition {
    // SAFETY: a topic's name is a C string; the metadata has as many bytes as it says.
    let (topic, metadata) = unsafe {
        let topic = super::error::text_of(element.topic);
        (topic, bytes_of(element.metadata, element.metadata_size))
    };
    ListedPartition {
        source: TopicPartition::new(topic, element.partition),
        offset: element.offset,
        metadata: std::str::from_utf8(metadata.unwrap_or_default()).ok().map(str::to_owned),
        error: element.err,
    }
}

/// Bytes of librdkafka: None where the pointer is null.
///
/// # Safety
/// `data` is null or points to `len` bytes that live and do not change through `'a`.
pub(super) unsafe fn bytes_of<'a>(data: *const c_void, len: usize) -> Option<&'a [u8]> {
    if data.is_null() {
        return None;
    }
    // SAFETY: not null, `len` bytes by the caller's word.
    Some(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) })
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
