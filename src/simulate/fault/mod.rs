//! Faults by name: what is done to a message, and what the contract makes of it. Each kind states its outcome where it is made.
//!
//! A kind works on one of three forms of a message: the reading before it is text, its JSON as a tree, or its bytes.

mod draft;
mod envelope;
mod identity;
mod structure;
mod syntax;
mod time;
mod value;

pub(super) use draft::Draft;

use crate::batch::{Format, RejectReason};

use super::random::Random;
use super::reading::Reading;

/// At which rate a kind is injected; one field of [`Rates`](super::Rates) each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Late,
    FutureClock,
    Duplicate,
    Malformed,
    Oversized,
    UnknownSensor,
    OtherUnit,
}

/// What becomes of a message with this fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A reading, whose values and flags are in the label.
    Reading,
    Reject(RejectReason),
}

/// How a fault is made. The functions say false where it does not fit this message, which then stays as it is.
#[derive(Clone, Copy)]
pub(super) enum Inject {
    /// Another reading, then laid out as usual.
    Reading(fn(&mut Reading, &mut Random)),
    Tree(fn(&mut Draft<'_>) -> bool),
    Bytes(fn(&mut Vec<u8>, &mut Random)),
    /// The value becomes null.
    Tombstone,
    /// An earlier reading once more.
    Repeat,
}

/// One kind of fault.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As in the column `fault` of the labels.
    pub name: &'static str,
    pub class: Class,
    pub outcome: Outcome,
    /// Bit i: messages of `Format::ALL[i]` can have it.
    formats: u8,
    pub(super) inject: Inject,
}

impl Kind {
    const fn of(name: &'static str, outcome: Outcome, inject: Inject) -> Self {
        Self { name, class: Class::Malformed, outcome, formats: ALL, inject }
    }

    const fn rejected(name: &'static str, reason: RejectReason, inject: Inject) -> Self {
        Self::of(name, Outcome::Reject(reason), inject)
    }

    const fn read(name: &'static str, inject: Inject) -> Self {
        Self::of(name, Outcome::Reading, inject)
    }

    const fn only(mut self, formats: u8) -> Self {
        self.formats = formats;
        self
    }

    const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Whether messages of this format can have it.
    pub fn fits(&self, format: Format) -> bool {
        self.formats & (1 << format as u8) != 0
    }
}

const ALL: u8 = 0b1_1111;
const ENVELOPE: u8 = 1 << Format::Envelope as u8;
/// Formats whose sensors are objects under `sensors`.
const TREES: u8 = 1 << Format::Nested as u8 | 1 << Format::Device as u8 | ENVELOPE;
/// Formats with a member for the unit.
const WITH_UNIT: u8 = TREES | 1 << Format::Single as u8;
/// Formats that surely have a sensor with a number.
const WITH_NUMBER: u8 = TREES | 1 << Format::Flat as u8;

const TABLES: [&[Kind]; 7] =
    [syntax::KINDS, structure::KINDS, identity::KINDS, time::KINDS, value::KINDS, envelope::KINDS, REPEATED];

/// All kinds, in the order of their tables.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    TABLES.into_iter().flatten()
}

/// The kinds of one class that fit a format, taken in turn, so that each comes as often as any other.
#[derive(Default)]
pub(super) struct Turns {
    kinds: Vec<&'static Kind>,
    next: usize,
}

impl Turns {
    pub(super) fn new(class: Class, format: Format) -> Self {
        Self { kinds: kinds().filter(|kind| kind.class == class && kind.fits(format)).collect(), next: 0 }
    }

    pub(super) fn take(&mut self) -> Option<&'static Kind> {
        let kind = self.kinds.get(self.next).copied();
        self.next = (self.next + 1) % self.kinds.len().max(1);
        kind
    }
}

/// The one kind of its class: another module knows what was sent before.
const REPEATED: &[Kind] = &[Kind::read("duplicate", Inject::Repeat).class(Class::Duplicate)];
