//! What a committed offset says of the windows at that offset, so that a successor rebuilds them from Kafka: no window is stored before
//! it is written.
//!
//! As words of the note: `window=<size ms> rolling=<N> flags=<hex> until=<ms> open=<count>[,<start>:<from>]…
//! rolls=<count>[,<start>:<from>:<to>]… end=1`. Starts are told in ms from `until`, which keeps them short. A list says how long it is,
//! and `end` stands last: a note that was cut short is no note.

use std::fmt;
use std::str::FromStr;

/// An open window: it counts readings from `from` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    pub start_ms: i64,
    pub from: i64,
}

/// An on-time part that rolling values still need: the readings in `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPart {
    pub start_ms: i64,
    pub from: i64,
    pub to: i64,
}

/// The windows of a partition at a committed offset, and the settings that made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayState {
    pub size_ms: i64,
    /// How many windows the rolling values combine (N).
    pub rolling: u32,
    /// Of the settings that decide flags, and with them which readings count.
    pub flags_hash: u64,
    /// Windows that end here or before are written (or empty); None: no clock yet.
    pub written_until_ms: Option<i64>,
    /// By start.
    pub open: Vec<OpenWindow>,
    /// By start.
    pub on_time: Vec<ListedPart>,
}

impl ReplayState {
    /// The smallest offset that is listed.
    pub fn replay_from(&self) -> Option<i64> {
        let open = self.open.iter().map(|window| window.from);
        open.chain(self.on_time.iter().map(|part| part.from)).min()
    }

    /// From the words of a note; None: they do not hold together.
    pub(super) fn parse<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let number = |key: &str| i64::from_str(value(key)?).ok();
        let written_until_ms = match value("until") {
            Some(text) => Some(i64::from_str(text).ok()?),
            None => None,
        };
        let base = written_until_ms.unwrap_or(0);
        value("end").filter(|end| *end == "1")?;
        let state = Self {
            size_ms: number("window").filter(|size| *size > 0)?,
            rolling: u32::try_from(number("rolling")?).ok().filter(|rolling| *rolling > 0)?,
            flags_hash: u64::from_str_radix(value("flags")?, 16).ok()?,
            written_until_ms,
            open: items(value("open")?, |[start, from]| Some(OpenWindow { start_ms: base.checked_add(start)?, from }))?,
            on_time: items(value("rolls")?, |[start, from, to]| {
                Some(ListedPart { start_ms: base.checked_add(start)?, from, to })
            })?,
        };
        Some(state)
    }
}

/// `<count>[,<number>:<number>…]…`, every item of `N` numbers.
fn items<const N: usize, T>(text: &str, item: impl Fn([i64; N]) -> Option<T>) -> Option<Vec<T>> {
    let mut words = text.split(',');
    let count = usize::from_str(words.next()?).ok()?;
    let mut found = Vec::new();
    for word in words {
        let numbers: Vec<i64> = word.split(':').map(|number| i64::from_str(number).ok()).collect::<Option<_>>()?;
        found.push(item(<[i64; N]>::try_from(numbers).ok()?)?);
    }
    (found.len() == count).then_some(found)
}

impl fmt::Display for ReplayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size_ms, rolling, flags_hash, written_until_ms, open, on_time } = self;
        write!(f, "window={size_ms} rolling={rolling} flags={flags_hash:016x}")?;
        if let Some(until) = written_until_ms {
            write!(f, " until={until}")?;
        }
        let base = written_until_ms.unwrap_or(0);
        write!(f, " open={}", open.len())?;
        for window in open {
            write!(f, ",{}:{}", window.start_ms - base, window.from)?;
        }
        write!(f, " rolls={}", on_time.len())?;
        for part in on_time {
            write!(f, ",{}:{}:{}", part.start_ms - base, part.from, part.to)?;
        }
        f.write_str(" end=1")
    }
}
