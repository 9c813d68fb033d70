//! The producer of one lane: transactions whose every call keeps its deadline, and the reader that judges an epoch.
//!
//! What to do with an error is told by the error's own flags ([`TxClass`]), never by its code: the same code differs from call to
//! call. After `Renew` or `Unknown` only [`Transaction::renew`] helps: a new producer with the same transactional.id, whose
//! init_transactions ends whatever was under way.

mod judge;
mod live;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, PurgeConfig};
use rdkafka_sys as sys;

use self::live::{Hold, Live};
use super::admin::Requester;
use super::contract::{CommitOffset, Testimony, Transaction, TxClass, TxError, time_left};
use super::error::{KafkaError, NativeError, tx_error};
use super::member::Member;
use super::native::{PartitionList, millis_left};
use super::settings::{ClientSettings, Role};
use crate::batch::OutRecord;
use crate::failpoint;

/// How long a full queue is left alone before the next try: at 400 k records/s it drains 400 of them.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(1);
const FLUSH_PAUSE: Duration = Duration::from_millis(1);
/// What librdkafka gets less than we have: its own answer to a deadline tells more than ours.
const MARGIN: Duration = Duration::from_millis(100);

/// Whether what a lane writes becomes visible together with its offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All of an epoch or nothing of it; the transactional.id is the writer's name.
    ExactlyOnce { transactional_id: String },
    /// For brokers without transactions: begin, abort and commit do nothing, commit only flushes.
    AtLeastOnce,
}

/// The producer of one lane.
pub struct LaneProducer {
    settings: ClientSettings,
    config: ClientConfig,
    delivery: Delivery,
    /// The lane's group: the judge reads under its name (and never joins it), so that it needs no rights of its own.
    group: String,
    /// None after `renew` failed.
    hold: Option<Hold>,
    /// A call was left behind at its deadline: nothing may be asked of the producer any more.
    stuck: bool,
    /// A record of this transaction was not delivered.
    undelivered: bool,
}

impl LaneProducer {
    /// Makes the producer and, with transactions, ends whatever its transactional.id had under way.
    pub fn connect(
        settings: &ClientSettings,
        delivery: Delivery,
        group: &str,
        deadline: Instant,
    ) -> Result<LaneProducer, KafkaError> {
        let fixed = match &delivery {
            Delivery::ExactlyOnce { transactional_id } => vec![("transactional.id", transactional_id.as_str())],
            Delivery::AtLeastOnce => Vec::new(),
        };
        let mut config = settings.config(Role::LaneProducer, &fixed)?;
        if delivery == Delivery::AtLeastOnce {
            config.remove("transaction.timeout.ms");
        }
        let (settings, group) = (settings.clone(), group.to_owned());
        let mut producer = LaneProducer { settings, config, delivery, group, hold: None, stuck: false, undelivered: false };
        let asked = Instant::now();
        producer.renew(deadline).map_err(|error| match error.class {
            TxClass::Retry | TxClass::Unknown => {
                let brokers = producer.settings.brokers_text();
                KafkaError::NoAnswer { call: "init_transactions", brokers, waited: asked.elapsed() }
            }
            TxClass::Abort | TxClass::Renew => {
                KafkaError::Refused { call: error.call, subject: producer.name(), name: error.name, text: error.text }
            }
        })?;
        Ok(producer)
    }

    fn name(&self) -> String {
        match &self.delivery {
            Delivery::ExactlyOnce { transactional_id } => transactional_id.clone(),
            Delivery::AtLeastOnce => self.settings.client_id.clone(),
        }
    }

    fn transactional(&self) -> bool {
        matches!(self.delivery, Delivery::ExactlyOnce { .. })
    }

    /// The producer, where it can be used.
    fn hold(&self, call: &'static str) -> Result<&Hold, TxError> {
        match &self.hold {
            Some(_) if self.stuck => Err(tx_error(TxClass::Unknown, call, "_STUCK", "an earlier call is still under way: renew")),
            Some(hold) => Ok(hold),
            None => Err(tx_error(TxClass::Renew, call, "_NO_PRODUCER", "the last renewal failed: renew")),
        }
    }

    /// A call of the transactional API under its deadline.
    fn call(
        &mut self,
        name: &'static str,
        deadline: Instant,
        job: impl FnOnce(&Live, i32) -> *mut sys::rd_kafka_error_t + Send + 'static,
    ) -> Result<(), TxError> {
        let inner = deadline.checked_sub(MARGIN.min(time_left(deadline) / 10)).unwrap_or(deadline);
        let answer = self.hold(name)?.call(name, deadline, move |live| {
            // SAFETY: the transactional calls hand their error over.
            unsafe { NativeError::take(job(live, millis_left(inner))) }
        });
        match answer {
            Ok(None) => Ok(()),
            Ok(Some(error)) => Err(past_deadline(error.into_tx(name), inner)),
            Err(error) => {
                self.stuck |= error.class == TxClass::Unknown;
                Err(error)
            }
        }
    }

    /// A delivery that failed is known before librdkafka says so, and with the reason.
    fn check_deliveries(&mut self, call: &'static str) -> Result<(), TxError> {
        let live = &self.hold(call)?.live;
        let Some(reason) = live.take_failed() else { return Ok(()) };
        let class = if live.is_fatal() { TxClass::Renew } else { TxClass::Abort };
        self.undelivered = true;
        Err(tx_error(class, call, "_DELIVERY_FAILED", reason))
    }
}

/// "The same call again" is no advice once the deadline has passed: then the outcome is unknown.
fn past_deadline(error: TxError, deadline: Instant) -> TxError {
    let class = if error.class == TxClass::Retry && Instant::now() >= deadline { TxClass::Unknown } else { error.class };
    TxError { class, ..error }
}

fn invalid(call: &'static str, error: &KafkaError) -> TxError {
    tx_error(TxClass::Abort, call, "_INVALID_ARG", error.to_string())
}

impl Transaction for LaneProducer {
    type Member = Member;

    fn begin(&mut self) -> Result<(), TxError> {
        let hold = self.hold("begin_transaction")?;
        // What failed before belongs to what was aborted before.
        hold.live.take_failed();
        if !self.transactional() {
            return Ok(());
        }
        // SAFETY: the producer is alive; the call waits for nobody but its own thread, and hands its error over.
        let error = unsafe { NativeError::take(sys::rd_kafka_begin_transaction(hold.live.native())) };
        error.map_or(Ok(()), |error| Err(error.into_tx("begin_transaction")))
    }

    fn send(&mut self, record: &OutRecord, deadline: Instant) -> Result<(), TxError> {
        let live = &self.hold("produce")?.live;
        loop {
            let failed = match live.producer.send(record_of(record)) {
                Ok(()) => return Ok(()),
                Err((error, _)) => error,
            };
            let full = matches!(failed, ClientError::MessageProduction(RDKafkaErrorCode::QueueFull));
            if full && Instant::now() < deadline {
                thread::sleep(QUEUE_FULL_PAUSE);
                continue;
            }
            let class = if live.is_fatal() { TxClass::Renew } else { TxClass::Abort };
            let reason = live.take_failed().unwrap_or_else(|| format!("to {}", record.topic));
            return Err(tx_error(class, "produce", &failed.to_string(), reason));
        }
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), TxError> {
        let live = &self.hold("flush")?.live;
        if failpoint::detour("records_undelivered") {
            return Err(tx_error(TxClass::Abort, "flush", "_DETOUR", "a failpoint asked for it"));
        }
        // The delivery thread serves the reports; here we only wait for the last of them.
        while live.producer.in_flight_count() > 0 {
            if Instant::now() >= deadline {
                return Err(tx_error(TxClass::Unknown, "flush", "_TIMED_OUT", "records are still unacknowledged"));
            }
            thread::sleep(FLUSH_PAUSE);
        }
        self.check_deliveries("flush")
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], member: &Member, deadline: Instant) -> Result<(), TxError> {
        const CALL: &str = "send_offsets_to_transaction";
        if !self.transactional() {
            return Err(tx_error(TxClass::Abort, CALL, "_STATE", "at_least_once commits offsets outside of transactions"));
        }
        if failpoint::detour("offsets_refused") {
            return Err(tx_error(TxClass::Abort, CALL, "_DETOUR", "a failpoint asked for it"));
        }
        let list = PartitionList::of_commits(offsets).map_err(|error| invalid(CALL, &error))?;
        let member = if failpoint::broken("unfenced_offsets") { Member::unfenced(&self.group)? } else { member.clone() };
        self.call(CALL, deadline, move |live, millis| {
            // The whole list and member go with the call: librdkafka reads them until it returns.
            let (list, member) = (list, member);
            // SAFETY: producer, list and member are alive through the call.
            unsafe { sys::rd_kafka_send_offsets_to_transaction(live.native(), list.as_ptr(), member.as_ptr(), millis) }
        })
    }

    fn commit(&mut self, deadline: Instant) -> Result<(), TxError> {
        if !self.transactional() {
            return self.flush(deadline);
        }
        self.check_deliveries("commit_transaction")?;
        // Not through rdkafka, which flushes in steps of 100 ms; librdkafka's own flush waits for the delivery thread.
        // SAFETY: the producer is alive.
        let result = self.call("commit_transaction", deadline, |live, millis| unsafe {
            sys::rd_kafka_commit_transaction(live.native(), millis)
        });
        if failpoint::detour("commit_unanswered") {
            return Err(tx_error(TxClass::Unknown, "commit_transaction", "_DETOUR", "a failpoint asked for it"));
        }
        result.map_err(|error| self.with_delivery_reason(error))
    }

    fn abort(&mut self, deadline: Instant) -> Result<(), TxError> {
        if !self.transactional() {
            self.hold("abort")?.live.producer.purge(PurgeConfig::default().queue());
            return Ok(());
        }
        // A record that was not delivered leaves a gap in the sequence numbers, which this librdkafka does not close when it aborts:
        // the next transaction fails with OUT_OF_ORDER_SEQUENCE_NUMBER. A new producer aborts, too, and begins anew.
        if std::mem::take(&mut self.undelivered) || self.hold("abort_transaction")?.live.take_failed().is_some() {
            return self.renew(deadline);
        }
        // SAFETY: the producer is alive.
        self.call("abort_transaction", deadline, |live, millis| unsafe { sys::rd_kafka_abort_transaction(live.native(), millis) })
    }

    fn renew(&mut self, deadline: Instant) -> Result<(), TxError> {
        if let Some(hold) = self.hold.take() {
            hold.abandon();
        }
        (self.stuck, self.undelivered) = (false, false);
        let made = Hold::make(&self.settings, &self.config, &self.name());
        self.hold = Some(made.map_err(|error| tx_error(TxClass::Renew, "rd_kafka_new", "_FAIL", error.to_string()))?);
        if !self.transactional() {
            return Ok(());
        }
        loop {
            // SAFETY: the producer is alive.
            let result = self.call("init_transactions", deadline, |live, millis| unsafe {
                sys::rd_kafka_init_transactions(live.native(), millis)
            });
            match result {
                Err(error) if error.class == TxClass::Retry => {}
                result => return result,
            }
        }
    }

    fn close(&mut self, deadline: Instant) -> bool {
        self.hold.take().is_none_or(|hold| hold.close(deadline))
    }

    fn commit_offsets_plain(&mut self, offsets: &[CommitOffset], member: &Member, deadline: Instant) -> Result<(), TxError> {
        super::consumer::commit_plain(offsets, member, deadline)
    }

    fn read_committed(&mut self, topic: &str, key: &[u8], since_ms: i64, deadline: Instant) -> Result<Testimony, TxError> {
        let question = judge::Question { topic, key, since_ms, deadline };
        judge::read(&self.settings, &self.group, &question)
    }

    fn topic_ids(&mut self, topics: &[&str], deadline: Instant) -> Result<BTreeMap<String, String>, TxError> {
        const CALL: &str = "describe_topics";
        let client = self.hold(CALL)?.live.producer.client();
        let ids = Requester::new(client, self.settings.brokers_text()).topic_ids(topics, deadline);
        ids.map_err(|error| tx_error(TxClass::Unknown, CALL, "_NOT_KNOWN", error.to_string()))
    }
}

impl LaneProducer {
    /// Where a record could not be delivered, says which.
    fn with_delivery_reason(&mut self, error: TxError) -> TxError {
        let Some(reason) = self.hold.as_ref().and_then(|hold| hold.live.take_failed()) else { return error };
        self.undelivered = true;
        TxError { text: format!("{}; {reason}", error.text), ..error }
    }
}

impl Drop for LaneProducer {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.abandon();
        }
    }
}

fn record_of(record: &OutRecord) -> BaseRecord<'_, [u8], [u8], ()> {
    let mut out = BaseRecord::to(&record.topic);
    out.partition = record.partition;
    out.key = record.key.as_deref();
    out.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        let empty = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers =
            record.headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
        out.headers = Some(headers);
    }
    out
}
