//! One question to Kafka: sent to a queue of its own, answered within a deadline, read from the answer's event.

use std::ptr::{self, NonNull};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_admin_op_t as Operation;
use rdkafka_sys::rd_kafka_resp_err_t as Code;

use super::super::error::{KafkaError, NativeError, code_name, text_of};
use super::super::native::{NativeClient, Queue, millis_left};

/// Asks through any client.
pub(in super::super) struct Requester<'a, C: ClientContext> {
    client: &'a Client<C>,
    brokers: String,
}

/// What is asked, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) operation: Operation,
    pub(super) subject: &'a str,
    pub(super) deadline: Instant,
}

const NOT_READY_PAUSE: Duration = Duration::from_millis(100);
/// An answer takes milliseconds; this is for brokers that do much else.
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(5);

/// A group's coordinator or a partition's leader is elected, loads its state, or has moved. A topic just made has its leaders in the
/// metadata a little before these know it, and on one of several brokers there are none yet: then the client says `_NOENT`, "no leaders found".
pub(super) const NOT_READY: [Code; 10] = [
    Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    Code::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    Code::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    Code::RD_KAFKA_RESP_ERR__WAIT_COORD,
    Code::RD_KAFKA_RESP_ERR__NOENT,
];

impl Call<'_> {
    pub(super) fn not_ready(self, code: Code) -> KafkaError {
        KafkaError::NotReady { call: self.name, subject: self.subject.to_owned(), name: code_name(code) }
    }

    pub(super) fn refused(self, name: &str, text: &str) -> KafkaError {
        let subject = self.subject.to_owned();
        KafkaError::Refused { call: self.name, subject, name: name.to_owned(), text: text.to_owned() }
    }

    pub(super) fn refused_by(self, error: &NativeError) -> KafkaError {
        self.refused(&error.name, &error.text)
    }
}

/// Options of one request.
pub(super) struct Options(NonNull<sys::rd_kafka_AdminOptions_t>);

impl Options {
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_AdminOptions_t {
        self.0.as_ptr()
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.as_ptr()) }
    }
}

/// An answer; it owns what is read from it.
pub(super) struct Answer(NonNull<sys::rd_kafka_event_t>);

impl Answer {
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours, dropped once.
        unsafe { sys::rd_kafka_event_destroy(self.as_ptr()) }
    }
}

impl<'a, C: ClientContext> Requester<'a, C> {
    pub(in super::super) fn new(client: &'a Client<C>, brokers: String) -> Self {
        Self { client, brokers }
    }

    pub(super) fn native(&self) -> NativeClient {
        self.client.native_ptr()
    }

    pub(super) fn client(&self) -> &'a Client<C> {
        self.client
    }

    pub(super) fn no_answer(&self, call: &'static str, waited: Duration) -> KafkaError {
        KafkaError::NoAnswer { call, brokers: self.brokers.clone(), waited }
    }

    /// Sends the request with `send` and waits for its answer.
    pub(super) fn ask(
        &self,
        call: Call<'_>,
        send: impl FnOnce(NativeClient, &Options, *mut sys::rd_kafka_queue_t) -> Result<(), KafkaError>,
    ) -> Result<Answer, KafkaError> {
        let asked = Instant::now();
        let lost = || call.refused("_FAIL", "the client has no queue or options for it");
        // SAFETY: the client outlives this call and what it makes here.
        let (queue, options) = unsafe {
            let options = sys::rd_kafka_AdminOptions_new(self.native(), call.operation);
            (Queue::new(self.native()).ok_or_else(lost)?, Options(NonNull::new(options).ok_or_else(lost)?))
        };
        let millis = millis_left(call.deadline).max(1);
        // SAFETY: the options are ours; no text of an error is asked for.
        unsafe { sys::rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), millis, ptr::null_mut(), 0) };
        send(self.native(), &options, queue.as_ptr())?;
        // SAFETY: the queue is ours; the event is owned by the answer.
        let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), millis) };
        let Some(event) = NonNull::new(event) else { return Err(self.no_answer(call.name, asked.elapsed())) };
        let answer = Answer(event);
        // SAFETY: the answer is alive.
        let (code, text) =
            unsafe { (sys::rd_kafka_event_error(event.as_ptr()), text_of(sys::rd_kafka_event_error_string(event.as_ptr()))) };
        match code {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(answer),
            Code::RD_KAFKA_RESP_ERR__TIMED_OUT | Code::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE => {
                Err(self.no_answer(call.name, asked.elapsed()))
            }
            // A coordinator that is not ready may be the answer to the whole question, not to its parts.
            code if NOT_READY.contains(&code) => Err(call.not_ready(code)),
            code => Err(call.refused(&code_name(code), &text)),
        }
    }
}

/// The deadline of one question of several to a group's coordinator.
///
/// In a cluster that never had a group Kafka first makes the topic that keeps them. librdkafka (2.12) asks three times who the coordinator is,
/// in less than a second, and is then silent until the question's own time is over (`rd_kafka_coord_req_handle_FindCoordinator` does not
/// look whether its retry was taken); one that is put again gets its answer.
pub(super) fn once_of(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + COORDINATOR_PATIENCE)
}

/// Asks again while a coordinator or leader is not there yet, or no longer where the client thinks, and where a question was given less
/// time than there is.
pub(super) fn when_ready<T>(deadline: Instant, mut ask: impl FnMut() -> Result<T, KafkaError>) -> Result<T, KafkaError> {
    let asked = Instant::now();
    loop {
        match ask() {
            Err(KafkaError::NotReady { .. } | KafkaError::NoAnswer { .. }) if Instant::now() < deadline => {
                thread::sleep(NOT_READY_PAUSE);
            }
            Err(KafkaError::NoAnswer { call, brokers, .. }) => {
                return Err(KafkaError::NoAnswer { call, brokers, waited: asked.elapsed() });
            }
            answer => return answer,
        }
    }
}

/// The elements of a C array of pointers.
///
/// # Safety
/// `array` is null or points to `count` pointers that live through `'a`.
pub(super) unsafe fn elements<'a, T>(array: *mut *const T, count: usize) -> &'a [*const T] {
    if array.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: `count` pointers by the caller's word.
    unsafe { std::slice::from_raw_parts(array.cast_const(), count) }
}
