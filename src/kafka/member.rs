//! Group metadata: which member, of which generation. A commit under it is refused when it is no longer the group's.

use std::ptr::NonNull;
use std::sync::{Arc, Weak};

use rdkafka_sys as sys;

use super::consumer::Inner;
use super::contract::{TxClass, TxError};
use super::error::tx_error;
use super::native::NativeClient;

/// A member of the group as it was at one moment. It is taken when an epoch is closed and never refreshed: Kafka checks member and
/// generation only, so a refreshed one would let a zombie in.
#[derive(Clone)]
pub struct Member {
    metadata: Arc<Metadata>,
    generation: i32,
    /// For `at_least_once`, whose commits only the consumer itself can send.
    pub(super) consumer: Weak<Inner>,
}

impl Member {
    /// # Safety
    /// `client` is a living consumer.
    pub(super) unsafe fn of(client: NativeClient, consumer: Weak<Inner>) -> Result<Member, TxError> {
        let refused = |text: &str| tx_error(TxClass::Abort, "consumer_group_metadata", "_NO_MEMBER", text);
        // SAFETY: the client is alive; the metadata is ours from here on.
        let metadata = unsafe { NonNull::new(sys::rd_kafka_consumer_group_metadata(client)) }
            .map(Metadata)
            .ok_or_else(|| refused("the consumer has no group"))?;
        let (generation, id) = metadata.identity();
        if generation < 0 || id.is_empty() {
            return Err(refused("the consumer is not a member of the group at this moment"));
        }
        Ok(Member { metadata: Arc::new(metadata), generation, consumer })
    }

    /// A member that the group never fences, because it says nothing but the group's name. For a canary alone (`crate::failpoint`).
    pub(super) fn unfenced(group: &str) -> Result<Member, TxError> {
        let refused = |text: &str| tx_error(TxClass::Abort, "consumer_group_metadata_new", "_INVALID_ARG", text);
        let name = std::ffi::CString::new(group).map_err(|_| refused("the group's name holds a zero byte"))?;
        // SAFETY: the name is a C string that is copied; the metadata is ours from here on.
        let metadata = unsafe { NonNull::new(sys::rd_kafka_consumer_group_metadata_new(name.as_ptr())) };
        let metadata = metadata.map(Metadata).ok_or_else(|| refused("no memory"))?;
        Ok(Member { metadata: Arc::new(metadata), generation: -1, consumer: Weak::new() })
    }

    pub fn generation(&self) -> i32 {
        self.generation
    }

    pub fn member_id(&self) -> String {
        self.metadata.identity().1
    }

    pub(super) fn as_ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.metadata.0.as_ptr()
    }

    /// Whether both are the same member in the same generation.
    pub(super) fn is(&self, other: &Member) -> bool {
        self.metadata.identity() == other.metadata.identity()
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

/// Owns librdkafka's metadata. It never changes, so that copies of a member share it.
struct Metadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: plain memory that nobody changes after it was made.
unsafe impl Send for Metadata {}
// SAFETY: as above.
unsafe impl Sync for Metadata {}

impl Metadata {
    fn identity(&self) -> (i32, String) {
        // SAFETY: the metadata is alive; the id is a C string inside it.
        unsafe {
            let generation = sys::rd_kafka_consumer_group_metadata_generation_id(self.0.as_ptr());
            (generation, super::error::text_of(sys::rd_kafka_consumer_group_metadata_member_id(self.0.as_ptr())))
        }
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}
