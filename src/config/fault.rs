//! What is wrong with a configuration: every fault with its place, the line itself, and what to do about it.

use std::fmt;

use super::{Secret, Source};

/// What sort of fault it is; for tests and for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not YAML, or YAML of a form that is not used here.
    Syntax,
    /// The file, or a file that it names, cannot be read.
    Unreadable,
    UnknownKey,
    DuplicateKey,
    WrongType,
    Missing,
    /// A value out of its limits.
    Limit,
    /// Values that do not go together.
    Conflict,
    /// `${…}` that is not set, or not written right.
    Variable,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// Name of the file, or `--set`.
    pub source: String,
    /// From 1; 0 where no line is to blame (a file that cannot be read).
    pub line: usize,
    /// In characters, from 1; 0 as above.
    pub column: usize,
    /// The key in dotted form (`kafka.group`, `sensors[2].unit`); empty where none is known yet.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// The line as it stands in the file.
    pub snippet: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        writeln!(f, ": {}", self.message)?;
        if self.line > 0 {
            let number = self.line.to_string();
            // Tabs stay tabs below, so that the caret stands under its character.
            let indent: String =
                self.snippet.chars().take(self.column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            writeln!(f, "  {number} | {}", self.snippet)?;
            writeln!(f, "  {:width$} | {indent}^", "", width = number.len())?;
        }
        write!(f, "  {}", self.remedy)
    }
}

/// All faults of a configuration, at least one, in the order of the sources and their lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {}\n{}", count(.0.len()), join(.0))]
pub struct Faults(pub Vec<Fault>);

fn count(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

fn join(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// Where a node stands; sources are numbered in the order they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) source: usize,
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
}

/// A fault before its source is named.
#[derive(Clone, Debug)]
struct Note {
    kind: FaultKind,
    place: Place,
    key: String,
    message: String,
    remedy: String,
}

/// Collects faults while the configuration is read; nothing stops at the first one.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn add(
        &mut self,
        kind: FaultKind,
        place: Place,
        key: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Note { kind, place, key: key.into(), message: message.into(), remedy: remedy.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults with names and lines, sorted by place.
    pub(super) fn into_faults(mut self, sources: &[Source]) -> Faults {
        self.0.sort_by_key(|note| note.place);
        let place = |note: Note| {
            let source = sources.get(note.place.source);
            Fault {
                kind: note.kind,
                source: source.map_or_else(|| "configuration".to_owned(), |source| source.name.clone()),
                line: note.place.line,
                column: note.place.column,
                key: note.key,
                message: note.message,
                remedy: note.remedy,
                snippet: source
                    .and_then(|source| source.text.lines().nth(note.place.line.saturating_sub(1)))
                    .map(without_secrets)
                    .unwrap_or_default(),
            }
        };
        Faults(self.0.into_iter().map(place).collect())
    }
}

/// The line up to the value of a key that sounds like a secret: a fault in it must not bring it into a log.
fn without_secrets(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_.-\"' ".contains(c);
    let ends = ["pass", "token", "secret", ".pem"].iter().flat_map(|word| lower.match_indices(word)).filter_map(|(start, _)| {
        let rest = &lower[start..];
        let end = rest.find(|c| !in_name(c))?;
        let is_key = rest[end..].starts_with([':', '=']) && !rest[..end].contains("_file");
        is_key.then_some(start + end + 1)
    });
    match ends.min() {
        Some(end) if !line[end..].trim().is_empty() => format!("{} {}", &line[..end], Secret::MASK),
        _ => line.to_owned(),
    }
}
