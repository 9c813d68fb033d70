//! Several trees → one: maps are merged deep, anything else is replaced, later wins. `--set a.b=value` is the last tree of all.

use super::fault::{FaultKind, Notes, Place};
use super::table;
use super::yaml::{self, Data, Entry, Node, Origin, Tree};

/// `later` over `earlier`.
pub(super) fn merge(earlier: Node, later: Node) -> Node {
    match (earlier.data, later.data) {
        (Data::Map(mut entries), Data::Map(over)) => {
            for entry in over {
                match entries.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) => {
                        let base = std::mem::replace(&mut known.node.data, Data::List(Vec::new()));
                        let base = Node { place: known.node.place, data: base };
                        // A section stays where it was begun: what is missing is missing there.
                        if !matches!(base.data, Data::Map(_)) {
                            known.key_place = entry.key_place;
                        }
                        known.node = merge(base, entry.node);
                    }
                    None => entries.push(entry),
                }
            }
            Node { place: later.place, data: Data::Map(entries) }
        }
        // An empty section (`kafka:` and nothing below) overrides nothing.
        (Data::Map(entries), data) if is_empty(&data) => Node { place: earlier.place, data: Data::Map(entries) },
        (_, data) => Node { place: later.place, data },
    }
}

fn is_empty(data: &Data) -> bool {
    matches!(data, Data::Scalar { text, quote: yaml::Quote::Plain } if text.is_empty())
}

/// `kafka.group=plant-7` as a tree. None: it is not of this form, and a note says so.
pub(super) fn set(text: &str, source: usize, notes: &mut Notes) -> Option<Tree> {
    let start = Place { source, line: 1, column: 1 };
    let Some((path, value)) = text.split_once('=').filter(|(path, _)| path.split('.').all(|word| !word.is_empty())) else {
        notes.add(FaultKind::Syntax, start, "", "not of the form key=value", "write `--set kafka.group=plant-7`");
        return None;
    };
    let mut tree = yaml::parse(value, Origin { source, before: path.chars().count() + 1 }, notes);
    // Names of librdkafka's properties have dots of their own.
    let mut words: Vec<&str> = match table::pairs_key(path) {
        Some(key) => key.split('.').chain([&path[key.len() + 1..]]).collect(),
        None => path.split('.').collect(),
    };
    let mut column = 1 + path.chars().count();
    while let Some(word) = words.pop() {
        column -= word.chars().count();
        let place = Place { column, ..start };
        let entry = Entry { key: word.to_owned(), key_place: place, node: tree.root };
        tree.root = Node { place, data: Data::Map(vec![entry]) };
        column = column.saturating_sub(1);
    }
    Some(tree)
}
