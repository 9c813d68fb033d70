//! Messages under way: when each was handed over, and its label, until its report comes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::deliver::{Delivery, DeliveryReport};
use super::label::Label;
use super::labels::{LabelError, LabelWriter};
use super::metrics::Metrics;

/// Different reasons of failed deliveries that are told apart.
const REASONS_MAX: usize = 16;

struct Mark {
    sent_ms: u64,
    label: Option<Label>,
    is_reported: bool,
}

/// The messages without a report, by sequence number.
pub(super) struct Flight {
    /// Sequence number of the first mark.
    base: u64,
    marks: VecDeque<Mark>,
    missing: u64,
    labels: Option<LabelWriter>,
    /// The first error of the labels; nothing is written after it.
    error: Option<LabelError>,
    metrics: Arc<Metrics>,
    pub(super) failures: BTreeMap<String, u64>,
}

impl Flight {
    pub(super) fn new(base: u64, labels: Option<LabelWriter>, metrics: Arc<Metrics>) -> Self {
        Self { base, marks: VecDeque::new(), missing: 0, labels, error: None, metrics, failures: BTreeMap::new() }
    }

    /// Notes a message that is about to be handed over; sequence numbers come one after the other.
    pub(super) fn begin(&mut self, label: &Label, sent_ms: u64) {
        let label = self.labels.as_ref().map(|_| label.clone());
        self.marks.push_back(Mark { sent_ms, label, is_reported: false });
        self.missing += 1;
    }

    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Takes a report; one for a message that is not under way is ignored.
    pub(super) fn report(&mut self, report: &DeliveryReport, now_ms: u64) {
        let Some(index) = report.seq.checked_sub(self.base) else { return };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(mark) = self.marks.get_mut(index).filter(|mark| !mark.is_reported) else { return };
        mark.is_reported = true;
        let (sent_ms, label) = (mark.sent_ms, mark.label.take());
        self.missing -= 1;
        match &report.delivery {
            Delivery::Stored { .. } => self.metrics.count_delivered(now_ms.saturating_sub(sent_ms)),
            Delivery::Failed { reason } => self.count_failure(reason),
        }
        if let Some(label) = label {
            self.write(&label, Some(&report.delivery));
        }
        while self.marks.front().is_some_and(|mark| mark.is_reported) {
            self.marks.pop_front();
            self.base += 1;
        }
    }

    /// Gives up on what was never reported.
    pub(super) fn give_up(&mut self, reason: &str) {
        let marks = std::mem::take(&mut self.marks);
        self.base += marks.len() as u64;
        self.missing = 0;
        for mark in marks.into_iter().filter(|mark| !mark.is_reported) {
            self.count_failure(reason);
            if let Some(label) = mark.label {
                self.write(&label, None);
            }
        }
    }

    pub(super) fn has_failed_labels(&self) -> bool {
        self.error.is_some()
    }

    /// Closes the labels file.
    pub(super) fn finish(self) -> Result<BTreeMap<String, u64>, LabelError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(labels) = self.labels {
            labels.finish()?;
        }
        Ok(self.failures)
    }

    fn count_failure(&mut self, reason: &str) {
        self.metrics.count_failed();
        let reason =
            if self.failures.len() < REASONS_MAX || self.failures.contains_key(reason) { reason } else { "other reasons" };
        *self.failures.entry(reason.to_owned()).or_default() += 1;
    }

    fn write(&mut self, label: &Label, delivery: Option<&Delivery>) {
        if let (Some(labels), None) = (&mut self.labels, &self.error) {
            self.error = labels.push(label, delivery).err();
        }
    }
}
