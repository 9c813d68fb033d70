//! What the windows of a partition were measured with, by offset. Where it changes, rolling values begin anew.

use std::sync::Arc;

use crate::audit::partitions::SpanOf;
use crate::journey::publish::WindowsEntry;

/// A stretch of a partition that one set of settings measured, without a break.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Era {
    /// A part is of the era in which its first reading is.
    pub(super) from: i64,
    /// None: the records do not say; a program that measured no windows wrote them.
    pub(super) windows: Option<Arc<WindowsEntry>>,
}

/// The eras of a partition, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Eras {
    eras: Vec<Era>,
}

impl Eras {
    pub(super) fn of(spans: &[SpanOf<'_>]) -> Self {
        let mut eras: Vec<Era> = Vec::new();
        let mut end = None;
        for span in spans {
            let windows = span.epoch.windows.clone();
            // Somebody moved the group: what was measured before is not carried over.
            let is_broken = end != Some(span.start());
            if is_broken || eras.last().is_none_or(|era| era.windows != windows) {
                eras.push(Era { from: span.start(), windows });
            }
            end = Some(span.next());
        }
        Self { eras }
    }

    /// The number of the era of an offset, and the era. An offset before the first era is of the first.
    pub(super) fn at(&self, offset: i64) -> Option<(usize, &Era)> {
        let number = self.eras.partition_point(|era| era.from <= offset).saturating_sub(1);
        self.eras.get(number).map(|era| (number, era))
    }

    /// Whether any epoch measured windows.
    pub(super) fn any(&self) -> bool {
        self.eras.iter().any(|era| era.windows.is_some())
    }
}
