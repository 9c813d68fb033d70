//! Several trees → one: maps are merged deep, anything else is replaced, later wins. `--set a.b=value` is the last tree of all.

use super::fault::{FaultKind, Notes, Place};
use super::table;
use super::yaml::{self, Data, Entry, Node, Origin};

/// `later` over `earlier`.
pub(super) fn merge(earlier: Node, later: Node) -> Node {
    match (earlier.data, later.data) {
        (Data::Map(mut entries), Data::Map(over)) => {
            for entry in over {
                match entries.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) => {
                        let base = std::mem::replace(&mut known.node.data, Data::List(Vec::new()));
                        let base = Node { place: known.node.place, data: base };
                        known.node = merge(base, entry.node);
                        known.key_place = entry.key_place;
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

/// `kafka.group=plant-7` as a tree. None: it cannot be read, and the notes say why.
pub(super) fn set(text: &str, source: usize, notes: &mut Notes) -> Option<Node> {
    let start = Place { source, line: 1, column: 1 };
    let Some((path, value)) = text.split_once('=').filter(|(path, _)| path.split('.').all(|word| !word.is_empty())) else {
        notes.add(FaultKind::Syntax, start, "", "not of the form key=value", "write `--set kafka.group=plant-7`");
        return None;
    };
    let value = yaml::parse(value, Origin { source, before: path.chars().count() + 1 }, notes)?;
    // Names of librdkafka's properties have dots of their own.
    let words: Vec<&str> = match table::pairs_key(path) {
        Some(key) => key.split('.').chain([&path[key.len() + 1..]]).collect(),
        None => path.split('.').collect(),
    };
    let node = words.into_iter().rev().fold(value, |node, word| Node {
        place: start,
        data: Data::Map(vec![Entry { key: word.to_owned(), key_place: start, node }]),
    });
    Some(node)
}
