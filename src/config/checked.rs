//! The walk over the merged tree, along the table: every key known, none missing, each value of its kind. What comes out is the checked
//! values by path; a value that is faulty is absent, and the notes say why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fault::{FaultKind, Notes, Place};
use super::table::{self, Default, KEYS, Key};
use super::value::{CoreChoice, Reader, Value};
use super::yaml::{self, Data, Entry, Node, Origin};
use crate::batch::SensorCatalog;

/// Checked values by the paths of the table.
#[derive(Debug)]
pub(super) struct Checked {
    /// Given or default. A path without an entry is optional and not given, or faulty.
    values: BTreeMap<&'static str, Value>,
    /// Where keys and sections stand, faulty ones included; those that are not given have no place.
    places: BTreeMap<String, Place>,
    faulty: BTreeSet<&'static str>,
    /// Of a fault that has no place of its own.
    root: Place,
}

/// Whether all sources could be read: if not, nothing is said about what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Complete,
    Broken,
}

/// Checks the tree; the notes hold every fault of it.
pub(super) fn check(root: &Node, reading: Reading, notes: &mut Notes) -> Checked {
    let mut checked = Checked { values: BTreeMap::new(), places: BTreeMap::new(), faulty: BTreeSet::new(), root: root.place };
    checked.section("", root, notes);
    for key in KEYS {
        if !checked.places.contains_key(key.path) {
            checked.absent(key, reading, notes);
        }
    }
    checked
}

impl Checked {
    fn section(&mut self, path: &str, node: &Node, notes: &mut Notes) {
        match &node.data {
            Data::Map(entries) => entries.iter().for_each(|entry| self.entry(path, entry, notes)),
            // `kafka:` and nothing below it: what is missing will be said of its keys.
            Data::Scalar { .. } if node.is_null() => {}
            Data::Scalar { .. } | Data::List(_) | Data::Refused => {
                if node.data != Data::Refused {
                    let message = format!("a map is wanted, here is {}", node.described());
                    let remedy = format!("write keys below it: {}", table::children(path).join(", "));
                    notes.add(FaultKind::WrongType, node.place, path, message, remedy);
                }
                // The whole section is unknown now; nothing more is said about its keys.
                for key in KEYS.iter().filter(|key| path.is_empty() || key.path.starts_with(&format!("{path}."))) {
                    self.refuse(key, node.place);
                }
            }
        }
    }

    fn refuse(&mut self, key: &Key, place: Place) {
        self.faulty.insert(key.path);
        self.places.insert(key.path.to_owned(), place);
    }

    fn entry(&mut self, section: &str, entry: &Entry, notes: &mut Notes) {
        let path = table::join(section, &entry.key);
        if entry.key.contains('.') {
            let remedy = "write the sections below each other; dots between them are for --set";
            notes.add(FaultKind::UnknownKey, entry.key_place, path, format!("the key `{}` is not known", entry.key), remedy);
        } else if let Some(key) = table::find(&path) {
            self.places.insert(path, entry.node.place);
            self.key(key, entry, notes);
        } else if !entry.key.is_empty() && table::is_section(&path) {
            self.places.insert(path.clone(), entry.key_place);
            self.section(&path, &entry.node, notes);
        } else {
            let (message, remedy) = unknown(section, &entry.key);
            notes.add(FaultKind::UnknownKey, entry.key_place, path, message, remedy);
        }
    }

    fn key(&mut self, key: &Key, entry: &Entry, notes: &mut Notes) {
        if entry.node.is_null() {
            if key.default != Default::None {
                let remedy = match key.default {
                    Default::Required => format!("write one: {}", key.doc),
                    _ => "write one, or remove the line for the default".to_owned(),
                };
                notes.add(FaultKind::WrongType, entry.node.place, key.path, "a value is wanted, here is no value", remedy);
                self.faulty.insert(key.path);
            }
            return;
        }
        let mut reader = Reader { path: key.path.to_owned(), why: key.why, notes };
        match reader.read(key.kind, &entry.node) {
            Some(value) => drop(self.values.insert(key.path, value)),
            None => drop(self.faulty.insert(key.path)),
        }
    }

    /// The default of a key that is not given.
    fn absent(&mut self, key: &Key, reading: Reading, notes: &mut Notes) {
        let text = match key.default {
            Default::None => return,
            Default::Sensors => {
                self.values.insert(key.path, Value::Sensors(SensorCatalog::default()));
                return;
            }
            Default::Yaml(text) => text,
            Default::Required => {
                if reading == Reading::Complete {
                    let section = key.path.rsplit_once('.').map_or("", |(section, _)| section);
                    let place = self.places.get(section).copied().unwrap_or(self.root);
                    let remedy = format!("add it: {}", key.doc);
                    notes.add(FaultKind::Missing, place, key.path, "is missing, and has no default", remedy);
                }
                self.faulty.insert(key.path);
                return;
            }
        };
        let origin = Origin { source: usize::MAX, before: 0 };
        let mut reader = Reader { path: key.path.to_owned(), why: key.why, notes };
        let tree = yaml::parse(text, origin, reader.notes);
        match reader.read(key.kind, &tree.root) {
            Some(value) => drop(self.values.insert(key.path, value)),
            None => drop(self.faulty.insert(key.path)),
        }
    }

    /// Where the first of these keys stands that is given; the root if none is.
    pub(super) fn place(&self, paths: &[&str]) -> Place {
        paths.iter().find_map(|path| self.places.get(*path).copied()).unwrap_or(self.root)
    }

    /// Whether the key stands in a source; others have their default.
    pub(super) fn is_written(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Whether the key has a value, by default too, or a faulty one.
    pub(super) fn given(&self, path: &str) -> bool {
        self.values.contains_key(path) || self.faulty.contains(path)
    }

    /// Whether the key has a fault already, so that nothing more should be said.
    pub(super) fn is_faulty(&self, path: &str) -> bool {
        self.faulty.contains(path)
    }

    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        self.values.get(path)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        match self.values.get(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, path: &str) -> Option<&[String]> {
        match self.values.get(path)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    pub(super) fn flag(&self, path: &str) -> Option<bool> {
        match self.values.get(path)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn integer(&self, path: &str) -> Option<u64> {
        match self.values.get(path)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn duration(&self, path: &str) -> Option<Duration> {
        match self.values.get(path)? {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn cores(&self, path: &str) -> Option<&CoreChoice> {
        match self.values.get(path)? {
            Value::Cores(cores) => Some(cores),
            _ => None,
        }
    }
}

/// The message and the remedy of a key that nobody knows.
fn unknown(section: &str, key: &str) -> (String, String) {
    if section.is_empty() && table::LATER.contains(&key) {
        return (format!("`{key}` comes with a later version"), "remove it; this version does not act on it".into());
    }
    let names = table::children(section);
    let remedy = match nearest(key, &names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => match KEYS.iter().find(|known| !key.is_empty() && known.path.rsplit('.').next() == Some(key)) {
            Some(elsewhere) => format!("`{key}` belongs to another place: {}", elsewhere.path),
            None => format!("known here: {}", names.join(", ")),
        },
    };
    (format!("the key `{key}` is not known"), remedy)
}

/// The name that is fewest edits away, if that is at most a third of its length.
pub(super) fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let distances = names.iter().map(|name| (edits(&word, name), *name));
    distances
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance, in characters. Long words are far from anything.
fn edits(left: &str, right: &str) -> usize {
    const LENGTH_MAX: usize = 64;
    let right: Vec<char> = right.chars().collect();
    if left.chars().nth(LENGTH_MAX).is_some() {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (above + 1).min(row[j] + 1).min(diagonal + usize::from(a != *b));
            diagonal = above;
        }
    }
    row[right.len()]
}
