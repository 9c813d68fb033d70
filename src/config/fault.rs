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
    /// The line as it stands in the file; of a long one what is near, and no value of a secret.
    pub snippet: String,
    /// Characters of the snippet before the fault.
    pub caret: usize,
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
            let indent: String = self.snippet.chars().take(self.caret).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            writeln!(f, "  {number} | {}", self.snippet)?;
            writeln!(f, "  {:width$} | {indent}^", "", width = number.len())?;
        }
        write!(f, "  {}", self.remedy)
    }
}

/// All faults of a configuration, at least one and at most 200, in the order of the sources and their lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {}\n{}", count(.0.len()), join(.0))]
pub struct Faults(pub Vec<Fault>);

/// Nobody reads more, and a hostile text could ask for gigabytes.
const FAULTS_MAX: usize = 200;
/// Characters of a message, a remedy, or a key.
const TEXT_MAX: usize = 300;
/// Characters of a line before and after the fault.
const LINE_MAX: usize = 150;

fn count(faults: usize) -> String {
    match faults {
        1 => "1 fault".to_owned(),
        FAULTS_MAX.. => format!("{FAULTS_MAX} faults or more"),
        _ => format!("{faults} faults"),
    }
}

/// At most `length_max` characters, with a sign where something is left out.
fn clipped(text: String, length_max: usize) -> String {
    match text.char_indices().nth(length_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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
        if self.0.len() < FAULTS_MAX {
            let [key, message, remedy] = [key.into(), message.into(), remedy.into()].map(|text| clipped(text, TEXT_MAX));
            self.0.push(Note { kind, place, key, message, remedy });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults with names and lines, sorted by place.
    pub(super) fn into_faults(mut self, sources: &[Source]) -> Faults {
        self.0.sort_by_key(|note| note.place);
        let place = |note: Note| {
            let source = sources.get(note.place.source);
            let line = source.and_then(|source| source.text.lines().nth(note.place.line.saturating_sub(1))).unwrap_or_default();
            // A mistyped key of these sections may be that of a secret.
            let unknown =
                note.kind == FaultKind::UnknownKey && (note.key.starts_with("kafka.security.") || note.key.starts_with("serve."));
            let before = note.place.column.saturating_sub(1);
            let (snippet, caret) = around(&without_secrets(line, unknown.then_some(before)), before);
            Fault {
                kind: note.kind,
                source: source.map_or_else(|| "configuration".to_owned(), |source| source.name.clone()),
                line: note.place.line,
                column: note.place.column,
                key: note.key,
                message: note.message,
                remedy: note.remedy,
                snippet,
                caret,
            }
        };
        Faults(self.0.into_iter().map(place).collect())
    }
}

/// The part of the line near character `at`, and how many characters of that stand before it.
fn around(line: &str, at: usize) -> (String, usize) {
    let skipped = at.saturating_sub(LINE_MAX);
    let near: String = line.chars().skip(skipped).collect();
    let near = clipped(near, 2 * LINE_MAX);
    if skipped == 0 { (near, at) } else { (format!("…{near}"), at - skipped + 1) }
}

/// The line up to the value of a key that sounds like a secret, or of the key at character `secret_from`: a fault must not bring a secret
/// into a log.
fn without_secrets(line: &str, secret_from: Option<usize>) -> String {
    let lower = line.to_ascii_lowercase();
    let value_from = |start: usize, name: fn(char) -> bool| {
        let rest = &lower[start..];
        let end = rest.find(|c| !name(c))?;
        let is_key = rest[end..].starts_with([':', '=']) && !rest[..end].contains("_file");
        is_key.then_some(start + end + 1)
    };
    let in_name = |c: char| c.is_ascii_alphanumeric() || "_.-\"' ".contains(c);
    let words = ["pass", "token", "secret", ".pem"].iter().flat_map(|word| lower.match_indices(word));
    let named = words.filter_map(|(start, _)| value_from(start, in_name));
    let mistyped = secret_from
        .and_then(|before| lower.char_indices().nth(before))
        .and_then(|(start, _)| value_from(start, |c| !":=".contains(c)));
    match named.chain(mistyped).min() {
        Some(end) if !line[end..].trim().is_empty() => format!("{} {}", &line[..end], Secret::MASK),
        _ => line.to_owned(),
    }
}
