//! A settler that makes one call a turn: it runs on a thread of its own, in lockstep. Between any two of its calls to storage and Kafka
//! the group may speak, another lane may work, and the process may die.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use uuid::Uuid;

use super::canary::Canary;
use crate::batch::{EncodedSegment, OutRecord};
use crate::journey::settle::{Party, SettleRules};
use crate::kafka::{CommitOffset, MemoryKafka, MemoryMember, MemoryTransaction, Testimony, Transaction, TxClass, TxError};
use crate::lake::{LakeError, MemoryStorage, SegmentName, Staged, Storage};
use crate::lane::{EpochIdentity, InlineSettler, Order, Report, Settler};

/// What the thread says when it stands still again.
enum Arrival {
    /// Before a call, or between two attempts.
    AtCall,
    Report(Report),
}

/// The thread's side: it moves by permits only.
#[derive(Debug)]
struct Gate {
    permits: Mutex<Receiver<()>>,
    arrivals: Sender<Arrival>,
}

impl Gate {
    fn tell(&self, arrival: Arrival) {
        // Nobody listens any more: the lane was killed, and `wait` says so.
        let _ = self.arrivals.send(arrival);
    }

    /// False: the lane is gone, and nothing may be done any more.
    fn wait(&self) -> bool {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok()
    }

    fn pass(&self) -> bool {
        self.tell(Arrival::AtCall);
        self.wait()
    }

    fn pass_to_storage(&self) -> Result<(), LakeError> {
        let refused = || LakeError::Refused { path: "memory".into(), what: "the process is dead".into(), remedy: "None" };
        if self.pass() { Ok(()) } else { Err(refused()) }
    }

    fn pass_to_kafka(&self, call: &'static str) -> Result<(), TxError> {
        let dead = || TxError { class: TxClass::Unknown, call, name: "DEAD".into(), text: "the process is dead".into() };
        if self.pass() { Ok(()) } else { Err(dead()) }
    }
}

/// Settles one call a turn.
pub(super) struct StepSettler {
    orders: Option<Sender<Order<MemoryMember>>>,
    permits: Option<Sender<()>>,
    arrivals: Receiver<Arrival>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl StepSettler {
    pub(super) fn spawn(
        party: Party<MemoryStorage, MemoryTransaction>,
        rules: SettleRules,
        identity: EpochIdentity,
        canary: Canary,
        kafka: MemoryKafka,
    ) -> Self {
        let (orders, order_receiver) = channel();
        let (permits, permit_receiver) = channel();
        let (arrival_sender, arrivals) = channel();
        let gate = Arc::new(Gate { permits: Mutex::new(permit_receiver), arrivals: arrival_sender });
        let Party { storage, transaction, writer, epochs_topic, topic_ids } = party;
        let storage = StepStorage { inner: storage, gate: Arc::clone(&gate), canary, held: Vec::new() };
        let transaction = StepTransaction { inner: transaction, gate: Arc::clone(&gate), canary, kafka };
        let settler =
            InlineSettler::new(Party { storage, transaction, writer, epochs_topic, topic_ids }, rules, Arc::new(identity));
        let thread = std::thread::spawn(move || serve(settler, &order_receiver, &gate));
        Self { orders: Some(orders), permits: Some(permits), arrivals, busy: false, thread: Some(thread) }
    }
}

fn serve(mut settler: InlineSettler<StepStorage, StepTransaction>, orders: &Receiver<Order<MemoryMember>>, gate: &Gate) {
    while let Ok(order) = orders.recv() {
        settler.order(order);
        loop {
            if !gate.wait() {
                return;
            }
            let Some(report) = settler.report() else {
                gate.tell(Arrival::AtCall);
                continue;
            };
            let over = !matches!(report, Report::Trouble { .. });
            gate.tell(Arrival::Report(report));
            if over {
                break;
            }
        }
    }
}

impl Settler<MemoryMember> for StepSettler {
    fn order(&mut self, order: Order<MemoryMember>) {
        self.orders.as_ref().unwrap().send(order).unwrap();
        self.busy = true;
    }

    /// Up to the next call, or to the next report.
    fn report(&mut self) -> Option<Report> {
        if !self.busy {
            return None;
        }
        self.permits.as_ref().unwrap().send(()).unwrap();
        match self.arrivals.recv().expect("the settler's thread has panicked") {
            Arrival::AtCall => None,
            Arrival::Report(report) => {
                self.busy = matches!(report, Report::Trouble { .. });
                Some(report)
            }
        }
    }
}

impl Drop for StepSettler {
    /// A kill: the call that waits, and all after it, are never made.
    fn drop(&mut self) {
        self.orders = None;
        self.permits = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was seen as a missing arrival.
            let _ = thread.join();
        }
    }
}

struct StepStorage {
    inner: MemoryStorage,
    gate: Arc<Gate>,
    canary: Canary,
    /// What a canary has not staged yet.
    held: Vec<(Uuid, Vec<EncodedSegment>)>,
}

impl Storage for StepStorage {
    fn put(&mut self, epoch: Uuid, segments: &[EncodedSegment]) -> Result<Vec<Staged>, LakeError> {
        self.gate.pass_to_storage()?;
        if self.canary != Canary::CommitBeforeStage {
            return self.inner.put(epoch, segments);
        }
        self.held.push((epoch, segments.to_vec()));
        let name = |segment: &EncodedSegment| SegmentName { epoch, table: segment.table, hour: segment.hour };
        Ok(segments.iter().map(|segment| Staged { name: name(segment), place: "held".into() }).collect())
    }

    fn reveal(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.gate.pass_to_storage()?;
        for (epoch, segments) in std::mem::take(&mut self.held) {
            self.inner.put(epoch, &segments)?;
        }
        self.inner.reveal(staged)
    }

    fn discard(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.gate.pass_to_storage()?;
        self.held.clear();
        self.inner.discard(staged)
    }

    fn staged(&mut self) -> Result<Vec<Staged>, LakeError> {
        self.gate.pass_to_storage()?;
        self.inner.staged()
    }

    fn quarantine(&mut self, staged: &[Staged], why: &str) -> Result<(), LakeError> {
        self.gate.pass_to_storage()?;
        self.inner.quarantine(staged, why)
    }

    fn is_visible(&self, path: &str) -> bool {
        self.inner.is_visible(path)
    }

    fn visible_path(&self, name: &SegmentName) -> String {
        self.inner.visible_path(name)
    }
}

struct StepTransaction {
    inner: MemoryTransaction,
    gate: Arc<Gate>,
    canary: Canary,
    kafka: MemoryKafka,
}

impl Transaction for StepTransaction {
    type Member = MemoryMember;

    fn begin(&mut self) -> Result<(), TxError> {
        self.gate.pass_to_kafka("begin")?;
        self.inner.begin()
    }

    fn send(&mut self, record: &OutRecord, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("send")?;
        self.inner.send(record, deadline)
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("flush")?;
        self.inner.flush(deadline)
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], member: &MemoryMember, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("send_offsets")?;
        let refreshed = if self.canary == Canary::MemberOfTheSettle { self.kafka.member_now(&member.name) } else { None };
        self.inner.send_offsets(offsets, refreshed.as_ref().unwrap_or(member), deadline)
    }

    fn commit(&mut self, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("commit")?;
        match self.inner.commit(deadline) {
            Err(error) if error.class == TxClass::Unknown && self.canary == Canary::LostAnswerIsCommitted => Ok(()),
            result => result,
        }
    }

    fn abort(&mut self, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("abort")?;
        self.inner.abort(deadline)
    }

    fn renew(&mut self, deadline: Instant) -> Result<(), TxError> {
        self.gate.pass_to_kafka("renew")?;
        self.inner.renew(deadline)
    }

    fn close(&mut self, deadline: Instant) -> bool {
        self.inner.close(deadline)
    }

    fn commit_offsets_plain(
        &mut self,
        offsets: &[CommitOffset],
        member: &MemoryMember,
        deadline: Instant,
    ) -> Result<(), TxError> {
        self.gate.pass_to_kafka("commit_offsets_plain")?;
        self.inner.commit_offsets_plain(offsets, member, deadline)
    }

    fn read_committed(&mut self, topic: &str, key: &[u8], since_ms: i64, deadline: Instant) -> Result<Testimony, TxError> {
        self.gate.pass_to_kafka("read_committed")?;
        self.inner.read_committed(topic, key, since_ms, deadline)
    }

    fn topic_ids(&mut self, topics: &[&str], deadline: Instant) -> Result<BTreeMap<String, String>, TxError> {
        self.gate.pass_to_kafka("topic_ids")?;
        self.inner.topic_ids(topics, deadline)
    }
}
