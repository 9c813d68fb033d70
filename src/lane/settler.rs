//! The settler of a lane: takes closed epochs, one at a time, and says how each ended. It may block; the lane never does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::LaneControl;
use super::epoch::{ClosedEpoch, EpochIdentity};
use crate::journey::settle::{Party, Progress, Sealed, SettleError, SettleRules, Settled, give_up, settle};
use crate::kafka::{Transaction, confine_thread};
use crate::lake::Storage;

/// What a lane asks of its settler.
pub enum Order<M> {
    /// Settles an epoch; the last one is over.
    Settle(Box<ClosedEpoch<M>>),
    /// Settles the aborted epoch again, with the same segments and the same member.
    Again,
    /// Deletes what the aborted epoch has staged.
    GiveUp,
}

/// What a settler tells its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// `judged`: the answer to the commit was lost, and the epochs topic had the epoch.
    Committed {
        epoch: Uuid,
        judged: bool,
        took: Duration,
    },
    /// Certainly not committed: the lane says `Again` or `GiveUp`.
    Aborted {
        epoch: Uuid,
        judged: bool,
        reason: String,
    },
    GivenUp {
        epoch: Uuid,
    },
    /// Not over; the settler goes on trying. `storage`: the lake's trouble, else Kafka's.
    Trouble {
        storage: bool,
        text: String,
    },
    /// The epoch cannot be settled, now or ever: the lane must end.
    Broken(String),
}

/// A settler as its lane sees it.
pub trait Settler<M> {
    fn order(&mut self, order: Order<M>);
    /// The next report, None when there is none yet. Never blocks.
    fn report(&mut self) -> Option<Report>;
}

/// What a settler has in hand.
enum Task<M> {
    Seal(ClosedEpoch<M>),
    Settle(Sealed<M>),
    /// Aborted: waits for the lane's word.
    Aborted(Sealed<M>),
    GiveUp(Uuid),
}

/// A topic that is not there may be a broker that has just begun and does not know all topics yet; after this it is gone.
const GONE_FOR: Duration = Duration::from_secs(15);

/// The work itself, without a thread: an order goes in, and `step` is called until it gives a last report.
struct Work<S, T: Transaction> {
    party: Party<S, T>,
    rules: SettleRules,
    identity: Arc<EpochIdentity>,
    task: Option<Task<T::Member>>,
    progress: Progress,
    began: Instant,
}

impl<S: Storage, T: Transaction> Work<S, T> {
    fn new(party: Party<S, T>, rules: SettleRules, identity: Arc<EpochIdentity>) -> Self {
        Self { party, rules, identity, task: None, progress: Progress::default(), began: Instant::now() }
    }

    fn order(&mut self, order: Order<T::Member>) {
        self.task = match (order, self.task.take()) {
            (Order::Settle(closed), _) => {
                self.progress = Progress::default();
                self.began = Instant::now();
                Some(Task::Seal(*closed))
            }
            (Order::Again, Some(Task::Aborted(sealed))) => Some(Task::Settle(sealed)),
            (Order::GiveUp, Some(Task::Aborted(sealed))) => Some(Task::GiveUp(sealed.epoch)),
            (Order::Again | Order::GiveUp, task) => task,
        };
    }

    /// Whether `step` has something to do.
    fn is_busy(&self) -> bool {
        !matches!(self.task, None | Some(Task::Aborted(_)))
    }

    /// Goes on with what is in hand. None: nothing is.
    fn step(&mut self) -> Option<Report> {
        match self.task.take()? {
            Task::Seal(closed) => match closed.seal(&self.identity, &self.party.storage) {
                Ok(sealed) => Some(self.settle(sealed)),
                Err(error) => Some(Report::Broken(error.to_string())),
            },
            Task::Settle(sealed) => Some(self.settle(sealed)),
            Task::GiveUp(epoch) => match give_up(&mut self.party, &self.progress) {
                Ok(()) => Some(Report::GivenUp { epoch }),
                Err(error) => Some(self.trouble(error, Task::GiveUp(epoch))),
            },
            Task::Aborted(sealed) => {
                self.task = Some(Task::Aborted(sealed));
                None
            }
        }
    }

    fn settle(&mut self, sealed: Sealed<T::Member>) -> Report {
        let epoch = sealed.epoch;
        match settle(&mut self.party, self.rules, &sealed, &mut self.progress) {
            Ok(Settled::Committed { judged }) => Report::Committed { epoch, judged, took: self.began.elapsed() },
            Ok(Settled::Aborted(reason)) => {
                self.task = Some(Task::Aborted(sealed));
                Report::Aborted { epoch, judged: reason.judged, reason: reason.error.to_string() }
            }
            Err(error) => self.trouble(error, Task::Settle(sealed)),
        }
    }

    /// Trouble passes: the task stays in hand. What does not pass ends it.
    fn trouble(&mut self, error: SettleError, task: Task<T::Member>) -> Report {
        let text = error.to_string();
        let storage = match error {
            SettleError::Storage(_) => true,
            SettleError::Unjudged(_) | SettleError::Unchecked(_) => false,
            SettleError::Gone { .. } if self.began.elapsed() < GONE_FOR => false,
            SettleError::Gone { .. } | SettleError::Remade { .. } | SettleError::Record { .. } | SettleError::Missing { .. } => {
                return Report::Broken(text);
            }
        };
        self.task = Some(task);
        Report::Trouble { storage, text }
    }
}

/// Settles within `report`: for tests, where everything happens in one thread.
pub struct InlineSettler<S, T: Transaction> {
    work: Work<S, T>,
    /// After trouble it answers None once, as a thread that pauses would.
    pauses: bool,
}

impl<S: Storage, T: Transaction> InlineSettler<S, T> {
    pub fn new(party: Party<S, T>, rules: SettleRules, identity: Arc<EpochIdentity>) -> Self {
        Self { work: Work::new(party, rules, identity), pauses: false }
    }
}

impl<S: Storage, T: Transaction> Settler<T::Member> for InlineSettler<S, T> {
    fn order(&mut self, order: Order<T::Member>) {
        self.work.order(order);
    }

    fn report(&mut self) -> Option<Report> {
        if std::mem::take(&mut self.pauses) {
            return None;
        }
        let report = self.work.step();
        self.pauses = matches!(report, Some(Report::Trouble { .. }));
        report
    }
}

/// Trouble is tried again after this, and after twice as long each time,
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// up to this.
const RETRY_LAST: Duration = Duration::from_secs(5);
/// How long a producer may take to close.
const PRODUCER_DEADLINE: Duration = Duration::from_secs(5);
/// How long a lane that ends waits for its delivery thread.
const HANG_UP_DEADLINE: Duration = Duration::from_secs(10);

/// A settler on a thread of its own, the lane's delivery thread.
pub struct ThreadSettler<M> {
    orders: Option<Sender<Order<M>>>,
    reports: Receiver<Report>,
    waiting: VecDeque<Report>,
    thread: Option<JoinHandle<()>>,
}

/// The name of a settler's thread, and the cores that it may run on.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub name: &'a str,
    pub cores: &'a [usize],
}

impl<M: Send + 'static> ThreadSettler<M> {
    /// Errors: no thread can be made.
    pub fn spawn<S, T>(
        place: &Place<'_>,
        party: Party<S, T>,
        rules: SettleRules,
        identity: Arc<EpochIdentity>,
        control: Arc<LaneControl>,
    ) -> std::io::Result<Self>
    where
        S: Storage + 'static,
        T: Transaction<Member = M> + 'static,
    {
        let (orders, order_receiver) = channel();
        let (report_sender, reports) = channel();
        let mut work = Work::new(party, rules, identity);
        let cores = place.cores.to_vec();
        let thread = std::thread::Builder::new().name(place.name.to_owned()).spawn(move || {
            // It would inherit the lane's core: footers and fsync are not the lane's work.
            confine_thread(&cores);
            serve_orders(&mut work, &order_receiver, &report_sender, &control);
            // The producer goes first; the end of the reports tells the lane that it has gone.
            if !work.party.transaction.close(Instant::now() + PRODUCER_DEADLINE) {
                tracing::warn!(writer = work.party.writer, "the producer is late and left behind");
            }
            drop(work);
            drop(report_sender);
        })?;
        Ok(Self { orders: Some(orders), reports, waiting: VecDeque::new(), thread: Some(thread) })
    }
}

/// Until the lane hangs up, or a stop's deadline passed while trouble lasts.
fn serve_orders<S: Storage, T: Transaction>(
    work: &mut Work<S, T>,
    orders: &Receiver<Order<T::Member>>,
    reports: &Sender<Report>,
    control: &LaneControl,
) {
    let mut pause = RETRY_FIRST;
    loop {
        if work.is_busy() {
            let Some(report) = work.step() else { continue };
            let troubled = matches!(report, Report::Trouble { .. });
            if reports.send(report).is_err() {
                return;
            }
            control.wake();
            if !troubled {
                pause = RETRY_FIRST;
                continue;
            }
            match orders.recv_timeout(pause) {
                Ok(order) => work.order(order),
                Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(RETRY_LAST),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if control.is_abandoned() {
                return;
            }
        } else {
            match orders.recv() {
                Ok(order) => work.order(order),
                Err(_) => return,
            }
        }
    }
}

impl<M: Send + 'static> Settler<M> for ThreadSettler<M> {
    fn order(&mut self, order: Order<M>) {
        let delivered = self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok());
        if !delivered {
            self.waiting.push_back(Report::Broken("the delivery thread has ended; please report this".into()));
        }
    }

    fn report(&mut self) -> Option<Report> {
        match self.reports.try_recv() {
            Ok(report) => Some(report),
            Err(TryRecvError::Empty) => self.waiting.pop_front(),
            Err(TryRecvError::Disconnected) => {
                self.orders = None;
                Some(Report::Broken("the delivery thread has ended before its epoch; please report this".into()))
            }
        }
    }
}

impl<M> Drop for ThreadSettler<M> {
    /// Hangs up and waits until the thread and its producer have gone; past the deadline they are left behind.
    fn drop(&mut self) {
        self.orders = None;
        let deadline = Instant::now() + HANG_UP_DEADLINE;
        let gone = loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        match self.thread.take() {
            // A panic there was reported as a missing answer.
            Some(thread) if gone => drop(thread.join()),
            Some(thread) => tracing::warn!(thread = thread.thread().name(), "the delivery thread is late and left behind"),
            None => {}
        }
    }
}
