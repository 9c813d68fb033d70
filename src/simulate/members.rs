//! The members of a JSON object, written one after the other: straight to bytes for plain messages, or into a tree for the others.
//! Each format's layout is written once, over this trait, so the two can never differ.

use super::digits::{push_fixed, push_signed};
use super::tree::{Node, quoted, raw};

/// Takes members in order. A key comes as JSON text with its colon (`"device_id":`), ready to be copied.
pub(super) trait Members {
    /// Begins an object member.
    fn open(&mut self, key: &'static str);
    /// Ends the object begun last.
    fn close(&mut self);
    /// A string that needs no escapes.
    fn text(&mut self, key: &'static str, value: &str);
    fn integer(&mut self, key: &'static str, value: i64);
    /// `scaled / 10^decimals`.
    fn fixed(&mut self, key: &'static str, scaled: i64, decimals: u32);
    fn boolean(&mut self, key: &'static str, value: bool);
}

/// Writes members as compact JSON.
pub(super) struct Bytes<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Bytes<'a> {
    /// Begins the message's object.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out }
    }

    /// Ends the message's object.
    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    // Inlined, the key's length is known and the copy is a few moves.
    #[inline]
    fn key(&mut self, key: &'static str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(key.as_bytes());
    }
}

impl Members for Bytes<'_> {
    #[inline]
    fn open(&mut self, key: &'static str) {
        self.key(key);
        self.out.push(b'{');
    }

    #[inline]
    fn close(&mut self) {
        self.out.push(b'}');
    }

    #[inline]
    fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    #[inline]
    fn integer(&mut self, key: &'static str, value: i64) {
        self.key(key);
        push_signed(self.out, value);
    }

    #[inline]
    fn fixed(&mut self, key: &'static str, scaled: i64, decimals: u32) {
        self.key(key);
        push_fixed(self.out, scaled, decimals);
    }

    #[inline]
    fn boolean(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }
}

/// Builds a tree of the members.
#[derive(Default)]
pub(super) struct TreeBuilder {
    /// Objects under way: the key under which each will stand in the one before it, and its members.
    open: Vec<(String, Vec<(String, Node)>)>,
    done: Vec<(String, Node)>,
}

impl TreeBuilder {
    pub(super) fn finish(mut self) -> Node {
        while !self.open.is_empty() {
            self.close();
        }
        Node::Object(self.done)
    }

    fn add(&mut self, key: String, node: Node) {
        let members = self.open.last_mut().map_or(&mut self.done, |(_, members)| members);
        members.push((key, node));
    }
}

/// `"device_id":` → `device_id`.
fn bare(key: &str) -> String {
    key.trim_end_matches(':').trim_matches('"').to_owned()
}

impl Members for TreeBuilder {
    fn open(&mut self, key: &'static str) {
        self.open.push((bare(key), Vec::new()));
    }

    fn close(&mut self) {
        if let Some((key, members)) = self.open.pop() {
            self.add(key, Node::Object(members));
        }
    }

    fn text(&mut self, key: &'static str, value: &str) {
        self.add(bare(key), quoted(value));
    }

    fn integer(&mut self, key: &'static str, value: i64) {
        self.add(bare(key), raw(value.to_string()));
    }

    fn fixed(&mut self, key: &'static str, scaled: i64, decimals: u32) {
        let mut text = Vec::new();
        push_fixed(&mut text, scaled, decimals);
        self.add(bare(key), raw(String::from_utf8(text).unwrap_or_default()));
    }

    fn boolean(&mut self, key: &'static str, value: bool) {
        self.add(bare(key), raw(if value { "true" } else { "false" }));
    }
}
