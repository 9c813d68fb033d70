//! A storage without a disk, for the tests of lanes: deterministic, open to inspection, and told when to fail.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::names::{staged_file, visible_path};
use super::{LakeError, SegmentName, Staged, Storage};
use crate::batch::EncodedSegment;

/// The calls of [`Storage`], for the log and for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageStep {
    Put,
    Reveal,
    Discard,
    Staged,
    Quarantine,
}

/// What a call that is told to fail has done before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultMoment {
    /// Nothing.
    Before,
    /// The first of its segments.
    Between,
    /// Everything; the caller cannot know.
    After,
}

#[derive(Debug)]
struct Fault {
    /// None: any call counts.
    step: Option<StorageStep>,
    /// Calls that count until it strikes.
    calls_left: usize,
    moment: FaultMoment,
}

#[derive(Debug, Default)]
struct State {
    staged: BTreeMap<SegmentName, EncodedSegment>,
    revealed: BTreeMap<SegmentName, EncodedSegment>,
    discarded: Vec<SegmentName>,
    quarantined: BTreeMap<SegmentName, String>,
    calls: Vec<StorageStep>,
    log: Option<Arc<Mutex<Vec<String>>>>,
    faults: Vec<Fault>,
}

/// Segments of one writer in memory. A clone is a handle on the same segments: keep one before handing the other to a lane; it also
/// outlives the lane, as a disk would.
#[derive(Clone, Debug)]
pub struct MemoryStorage {
    writer: String,
    state: Arc<Mutex<State>>,
}

impl MemoryStorage {
    pub fn new(writer: &str) -> Self {
        Self { writer: writer.to_owned(), state: Arc::default() }
    }

    /// Lets the `nth` call from now (1: the next one) of any kind fail.
    pub fn fail_nth(&self, nth: usize, moment: FaultMoment) {
        self.state().faults.push(Fault { step: None, calls_left: nth.max(1), moment });
    }

    /// Lets the `nth` call of `step` from now (1: the next one) fail.
    pub fn fail_step(&self, step: StorageStep, nth: usize, moment: FaultMoment) {
        self.state().faults.push(Fault { step: Some(step), calls_left: nth.max(1), moment });
    }

    /// What is staged and not revealed, in order of names.
    pub fn staged_segments(&self) -> Vec<(SegmentName, EncodedSegment)> {
        self.state().staged.iter().map(|(name, segment)| (name.clone(), segment.clone())).collect()
    }

    /// What readers would see, in order of names.
    pub fn revealed_segments(&self) -> Vec<(SegmentName, EncodedSegment)> {
        self.state().revealed.iter().map(|(name, segment)| (name.clone(), segment.clone())).collect()
    }

    /// What was staged and then deleted, in the order it happened.
    pub fn discarded(&self) -> Vec<SegmentName> {
        self.state().discarded.clone()
    }

    /// What was put aside, and why.
    pub fn quarantined(&self) -> Vec<(SegmentName, String)> {
        self.state().quarantined.iter().map(|(name, why)| (name.clone(), why.clone())).collect()
    }

    /// All calls so far, those that failed included.
    pub fn calls(&self) -> Vec<StorageStep> {
        self.state().calls.clone()
    }

    /// Writes every call to this log as well, as `put`, before it is made: an order among several parties is seen there.
    pub fn log_to(&self, log: Arc<Mutex<Vec<String>>>) {
        self.state().log = Some(log);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, name: &SegmentName) -> PathBuf {
        PathBuf::from(format!("memory/{}/{}", self.writer, staged_file(name)))
    }

    /// Runs `act` on each item of a call, as far as a fault lets it come.
    fn call<T>(
        &self,
        step: StorageStep,
        items: &[T],
        mut act: impl FnMut(&mut State, &T) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let mut state = self.state();
        let fault = state.enter(step);
        let reach = match fault {
            Some(FaultMoment::Before) => 0,
            Some(FaultMoment::Between) => items.len().min(1),
            Some(FaultMoment::After) | None => items.len(),
        };
        for item in &items[..reach] {
            act(&mut state, item)?;
        }
        match fault {
            Some(_) => Err(self.broken(step)),
            None => Ok(()),
        }
    }

    fn broken(&self, step: StorageStep) -> LakeError {
        LakeError::Io {
            action: match step {
                StorageStep::Put => "cannot stage in",
                StorageStep::Reveal => "cannot reveal in",
                StorageStep::Discard => "cannot discard in",
                StorageStep::Staged => "cannot list",
                StorageStep::Quarantine => "cannot quarantine in",
            },
            path: PathBuf::from(format!("memory/{}", self.writer)),
            source: io::Error::other("told to fail"),
            remedy: "This storage is told when to fail by a test",
        }
    }
}

impl State {
    /// Logs the call, counts the faults down, and says whether one strikes.
    fn enter(&mut self, step: StorageStep) -> Option<FaultMoment> {
        self.calls.push(step);
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{step:?}").to_lowercase());
        }
        let mut struck = None;
        self.faults.retain_mut(|fault| {
            if fault.step.is_none_or(|wanted| wanted == step) {
                fault.calls_left = fault.calls_left.saturating_sub(1);
            }
            if fault.calls_left == 0 {
                struck = Some(fault.moment);
            }
            fault.calls_left > 0
        });
        struck
    }
}

impl Storage for MemoryStorage {
    fn put(&mut self, epoch: Uuid, segments: &[EncodedSegment]) -> Result<Vec<Staged>, LakeError> {
        let name_of = |segment: &EncodedSegment| SegmentName { epoch, table: segment.table, hour: segment.hour };
        self.call(StorageStep::Put, segments, |state, segment| {
            state.staged.insert(name_of(segment), segment.clone());
            Ok(())
        })?;
        Ok(segments
            .iter()
            .map(|segment| {
                let name = name_of(segment);
                Staged { place: self.place(&name), name }
            })
            .collect())
    }

    fn reveal(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.call(StorageStep::Reveal, staged, |state, one| match state.staged.remove(&one.name) {
            Some(_) if state.revealed.contains_key(&one.name) => Err(LakeError::Refused {
                path: one.place.clone(),
                what: "another file has the name of this segment already".to_owned(),
                remedy: "A storage never replaces a file",
            }),
            Some(segment) => {
                state.revealed.insert(one.name.clone(), segment);
                Ok(())
            }
            None if state.revealed.contains_key(&one.name) => Ok(()),
            None => Err(LakeError::Refused {
                path: one.place.clone(),
                what: "the segment of a committed epoch is neither staged nor visible".to_owned(),
                remedy: "Reveal only what was staged and not discarded",
            }),
        })
    }

    fn discard(&mut self, staged: &[Staged]) -> Result<(), LakeError> {
        self.call(StorageStep::Discard, staged, |state, one| {
            if state.staged.remove(&one.name).is_some() {
                state.discarded.push(one.name.clone());
            }
            Ok(())
        })
    }

    fn staged(&mut self) -> Result<Vec<Staged>, LakeError> {
        self.call::<()>(StorageStep::Staged, &[], |_, ()| Ok(()))?;
        Ok(self.state().staged.keys().map(|name| Staged { place: self.place(name), name: name.clone() }).collect())
    }

    fn quarantine(&mut self, staged: &[Staged], why: &str) -> Result<(), LakeError> {
        self.call(StorageStep::Quarantine, staged, |state, one| {
            if state.staged.remove(&one.name).is_some() {
                state.quarantined.insert(one.name.clone(), why.to_owned());
            } else if !state.quarantined.contains_key(&one.name) {
                return Err(LakeError::Refused {
                    path: one.place.clone(),
                    what: "the segment to quarantine is not there".to_owned(),
                    remedy: "Put aside only what was staged",
                });
            }
            Ok(())
        })
    }

    fn is_visible(&self, path: &str) -> bool {
        self.state().revealed.keys().any(|name| visible_path(name, &self.writer) == path)
    }

    fn visible_path(&self, name: &SegmentName) -> String {
        visible_path(name, &self.writer)
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
