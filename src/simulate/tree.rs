//! JSON as a small tree, for the messages that are not plain: shuffled, pretty-printed, or with a fault inside.
//!
//! Keys and scalars are kept as JSON text, so that a fault can write what no JSON library would.

use super::random::Random;

/// A JSON value; keys and scalars are text as it will stand in the message (keys without their quotes).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Raw(String),
    Object(Vec<(String, Node)>),
}

/// A JSON string without escapes: for text that needs none.
pub(super) fn quoted(text: &str) -> Node {
    Node::Raw(format!("\"{text}\""))
}

/// A scalar as it shall stand there.
pub(super) fn raw(text: impl Into<String>) -> Node {
    Node::Raw(text.into())
}

impl Node {
    /// The members of an object; None for a scalar.
    pub(super) fn members(&mut self) -> Option<&mut Vec<(String, Node)>> {
        match self {
            Node::Object(members) => Some(members),
            Node::Raw(_) => None,
        }
    }

    /// The value under a path of keys.
    pub(super) fn at(&mut self, path: &[&str]) -> Option<&mut Node> {
        let mut node = self;
        for key in path {
            node = node.members()?.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)?;
        }
        Some(node)
    }

    /// Replaces the member under `path`, or adds it to the object there. False where that is no object.
    pub(super) fn set(&mut self, path: &[&str], value: Node) -> bool {
        if let Some(node) = self.at(path) {
            *node = value;
            return true;
        }
        let Some((key, parent)) = path.split_last() else { return false };
        let Some(members) = self.at(parent).and_then(Node::members) else { return false };
        members.push(((*key).to_owned(), value));
        true
    }

    /// Takes the member under `path` out.
    pub(super) fn remove(&mut self, path: &[&str]) -> Option<Node> {
        let (key, parent) = path.split_last()?;
        let members = self.at(parent)?.members()?;
        let at = members.iter().position(|(name, _)| name == key)?;
        Some(members.remove(at).1)
    }

    /// Every object's members in another order.
    pub(super) fn shuffle(&mut self, random: &mut Random) {
        if let Node::Object(members) = self {
            random.shuffle(members);
            for (_, value) in members {
                value.shuffle(random);
            }
        }
    }

    /// Appends the tree without white space.
    pub(super) fn write_compact(&self, out: &mut Vec<u8>) {
        match self {
            Node::Raw(text) => out.extend_from_slice(text.as_bytes()),
            Node::Object(members) => {
                out.push(b'{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_key(out, key);
                    value.write_compact(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Appends the tree with a member a line, indented by two spaces a level.
    pub(super) fn write_pretty(&self, out: &mut Vec<u8>, level: usize) {
        let Node::Object(members) = self else { return self.write_compact(out) };
        if members.is_empty() {
            return out.extend_from_slice(b"{}");
        }
        out.push(b'{');
        for (i, (key, value)) in members.iter().enumerate() {
            out.extend_from_slice(if i > 0 { b",\n" } else { b"\n" });
            indent(out, level + 1);
            write_key(out, key);
            out.push(b' ');
            value.write_pretty(out, level + 1);
        }
        out.push(b'\n');
        indent(out, level);
        out.push(b'}');
    }
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn indent(out: &mut Vec<u8>, level: usize) {
    out.extend(std::iter::repeat_n(b' ', level * 2));
}
