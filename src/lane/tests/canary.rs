//! Ways to break the protocol on purpose: each must be found by the random worlds, else these prove nothing.

use std::os::fd::BorrowedFd;

use crate::batch::TopicPartition;
use crate::kafka::{Intake, IntakeEvent, MemoryBatch, MemoryIntake, MemoryMember, TxError};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Canary {
    #[default]
    None,
    /// Group metadata is refreshed when offsets are sent, not kept from the close.
    MemberOfTheSettle,
    /// The open epoch outlives a new assignment.
    OpenSurvives,
    /// Segments are staged only when the transaction is committed.
    CommitBeforeStage,
    /// A commit without an answer counts as committed, without judging.
    LostAnswerIsCommitted,
    /// Any answer to a question for committed offsets is taken for the answer to the last one.
    AnyAnswer,
    /// A partition goes live at once: its open windows count from the committed offset.
    ReplayIsSkipped,
    /// Windows outlive the epoch that was given up with what they counted.
    WindowsSurvive,
    /// Committed offsets are asked for without waiting for open transactions.
    UnstableOffsets,
}

/// An intake that may lie about the numbers of answers.
pub(super) struct CanaryIntake {
    pub(super) inner: MemoryIntake,
    pub(super) canary: Canary,
    pub(super) last_request: u64,
}

impl Intake for CanaryIntake {
    type Batch = MemoryBatch;
    type Member = MemoryMember;

    fn events(&mut self) -> Vec<IntakeEvent> {
        let mut events = self.inner.events();
        if self.canary == Canary::AnyAnswer {
            for event in &mut events {
                if let IntakeEvent::Committed { request, .. } = event {
                    *request = self.last_request;
                }
            }
        }
        events
    }

    fn take(&mut self) -> Option<MemoryBatch> {
        self.inner.take()
    }

    fn wake_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inner.wake_fd()
    }

    fn clear_wake(&mut self) {
        self.inner.clear_wake();
    }

    fn request_committed(&mut self, request: u64, partitions: &[TopicPartition]) {
        self.last_request = request;
        self.inner.request_committed(request, partitions);
    }

    fn assign(&mut self, starts: &[(TopicPartition, i64)]) -> Result<(), TxError> {
        self.inner.assign(starts)
    }

    fn unassign(&mut self) -> Result<(), TxError> {
        self.inner.unassign()
    }

    fn pause(&mut self) -> Result<(), TxError> {
        self.inner.pause()
    }

    fn resume(&mut self) -> Result<(), TxError> {
        self.inner.resume()
    }

    fn member(&self) -> Result<MemoryMember, TxError> {
        self.inner.member()
    }

    fn watermarks(&self, source: &TopicPartition) -> Option<(i64, i64)> {
        self.inner.watermarks(source)
    }
}
