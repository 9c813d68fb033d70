//! Messages taken at once, borrowed from librdkafka until the batch is dropped. Nothing is copied.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka_sys as sys;

use super::super::contract::IntakeBatch;
use super::super::native::bytes_of;
use super::Inner;
use crate::batch::{Headers, RawBatch, RawHeaders, RawRow, TopicPartition};

/// One message of librdkafka. Its bytes are part of a fetch response, which lives as long as any of its messages.
pub(super) struct Message(NonNull<sys::rd_kafka_message_t>);

impl Message {
    /// # Safety
    /// The message is handed over: nobody else destroys it, and its client outlives it.
    pub(super) unsafe fn take(message: NonNull<sys::rd_kafka_message_t>) -> Message {
        Message(message)
    }

    fn fields(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: ours and alive; librdkafka does not change it any more.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn code(&self) -> sys::rd_kafka_resp_err_t {
        self.fields().err
    }

    pub(super) fn offset(&self) -> i64 {
        self.fields().offset
    }

    pub(super) fn partition(&self) -> i32 {
        self.fields().partition
    }

    /// The topic's handle, for comparing; null for an error that belongs to no topic.
    pub(super) fn topic_handle(&self) -> *mut sys::rd_kafka_topic_t {
        self.fields().rkt
    }

    pub(super) fn topic(&self) -> String {
        if self.topic_handle().is_null() {
            return String::new();
        }
        // SAFETY: the message keeps its topic alive; the name is a C string.
        unsafe { super::super::error::text_of(sys::rd_kafka_topic_name(self.topic_handle())) }
    }

    /// What an error message says.
    pub(super) fn error_text(&self) -> String {
        // SAFETY: the message is alive, and so is the text inside it.
        unsafe { super::super::error::text_of(sys::rd_kafka_message_errstr(self.0.as_ptr())) }
    }

    /// Its Kafka time, ms since the epoch, -1 where it has none; and whether the broker gave it.
    fn time(&self) -> (i64, bool) {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) };
        let untimed = kind == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let by_broker = kind == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
        (if untimed { -1 } else { time }, by_broker)
    }

    /// As a row, and whether the broker gave its Kafka time.
    fn row(&self) -> (RawRow<'_>, bool) {
        let fields = self.fields();
        let (kafka_time_ms, by_broker) = self.time();
        // SAFETY: key and value live in the message's fetch response, which lives as long as the message.
        let (key, value) = unsafe { (bytes_of(fields.key, fields.key_len), bytes_of(fields.payload, fields.len)) };
        (RawRow { offset: fields.offset, kafka_time_ms, key, value, headers: Headers(self) }, by_broker)
    }
}

impl RawHeaders for Message {
    fn for_each(&self, visit: &mut dyn FnMut(&str, Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: the first call parses the headers inside the message. Messages are neither Send nor Sync, so that nobody else does
        // so at the same time. What it gives is alive as long as the message.
        let code = unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return; // There are none, or they are broken; the value says all that we know.
        }
        for index in 0.. {
            let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers are alive; past the last one it says so.
            let code = unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut len) };
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            // SAFETY: name and value belong to the headers.
            unsafe { visit(&super::super::error::text_of(name), bytes_of(value, len)) }
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// The messages of one partition.
pub(super) struct Run {
    pub(super) source: TopicPartition,
    pub(super) messages: Vec<Message>,
}

impl Run {
    fn raw(&self, ingest_time_us: i64) -> RawBatch<'_> {
        let mut stamped_by_broker = true;
        let rows = self.messages.iter().map(|message| {
            let (row, by_broker) = message.row();
            stamped_by_broker &= by_broker;
            row
        });
        RawBatch { source: self.source.clone(), rows: rows.collect(), ingest_time_us, stamped_by_broker }
    }
}

/// Up to 1,024 messages. The order of its fields is the order in which they must go: a consumer with a message alive never closes.
pub struct LaneBatch {
    runs: Vec<Run>,
    len: usize,
    _consumer: Arc<Inner>,
}

impl LaneBatch {
    /// None where there is no message.
    pub(super) fn of(runs: Vec<Run>, consumer: &Arc<Inner>) -> Option<LaneBatch> {
        let len = runs.iter().map(|run| run.messages.len()).sum();
        (len > 0).then(|| LaneBatch { runs, len, _consumer: Arc::clone(consumer) })
    }
}

impl IntakeBatch for LaneBatch {
    fn len(&self) -> usize {
        self.len
    }

    fn runs(&self, ingest_time_us: i64) -> Vec<RawBatch<'_>> {
        self.runs.iter().map(|run| run.raw(ingest_time_us)).collect()
    }
}
