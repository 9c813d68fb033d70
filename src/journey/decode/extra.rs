//! What nobody took, as JSON: compact, each key once, in order of appearance.

use std::collections::HashSet;
use std::fmt::Write;

use super::document::{Document, Fate, MEMBERS_SCANNED_MAX, Members, Value};

/// The members of a message that no column took, as the text of one JSON object with paths as keys (`location.latitude`).
///
/// `device`: in an envelope, the object that describes the device. Its members have the same paths as in the other formats, not
/// `payload.device.…`, unless the envelope has a member of the same name.
pub(super) fn of(document: &Document<'_>, root: Members, device: Option<Members>) -> Option<String> {
    let many = document.members(root).len() > MEMBERS_SCANNED_MAX && device.is_some();
    let keys = many.then(|| document.members(root).iter().map(|member| &*member.key).collect());
    let mut leftovers = Leftovers { document, root, keys, device, path: String::new(), json: String::new() };
    leftovers.walk(root);
    if leftovers.json.is_empty() {
        return None;
    }
    leftovers.json.push('}');
    Some(leftovers.json)
}

struct Leftovers<'d, 'a> {
    document: &'d Document<'a>,
    root: Members,
    /// The keys of `root` where they are many.
    keys: Option<HashSet<&'d str>>,
    device: Option<Members>,
    /// Of the object that is walked: empty, or with a dot at its end.
    path: String,
    json: String,
}

impl Leftovers<'_, '_> {
    fn is_in_root(&self, key: &str) -> bool {
        match &self.keys {
            Some(keys) => keys.contains(key),
            None => self.document.find(self.root, key).is_some(),
        }
    }

    fn walk(&mut self, object: Members) {
        let document = self.document;
        let is_device = self.device == Some(object);
        for member in document.members(object) {
            let fate = member.fate.get();
            if fate == Fate::Taken {
                continue;
            }
            let outer = self.path.clone();
            if is_device && !self.is_in_root(&member.key) {
                self.path.clear();
            }
            push_step(&member.key, &mut self.path);
            match member.value {
                Value::Object(members) if fate == Fate::Entered => {
                    self.path.push('.');
                    self.walk(members);
                }
                ref value => {
                    self.json.push(if self.json.is_empty() { '{' } else { ',' });
                    push_string(&self.path, &mut self.json);
                    self.json.push(':');
                    push_json(document, value, &mut self.json);
                }
            }
            self.path = outer;
        }
    }
}

/// Appends a key as a step of a path: quoted where it holds a dot or a quote, so that two members never have one path.
fn push_step(key: &str, path: &mut String) {
    if key.contains(['.', '"']) {
        push_string(key, path);
    } else {
        path.push_str(key);
    }
}

/// Appends a value as compact JSON. Not deeper than the document is.
pub(super) fn push_json(document: &Document<'_>, value: &Value<'_>, out: &mut String) {
    match value {
        Value::Null | Value::Uncut(_) => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // What no float can hold, many readers of JSON refuse, and the whole object with it.
        Value::Number(text) if may_overflow(text) && value.finite().is_none() => push_string(text, out),
        Value::Number(text) => out.push_str(text),
        Value::Bare(word) => push_string(word, out),
        Value::Text(text) => push_string(text, out),
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in document.members(*elements).iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_json(document, &element.value, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, member) in document.members(*members).iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_string(&member.key, out);
                out.push(':');
                push_json(document, &member.value, out);
            }
            out.push('}');
        }
    }
}

/// Overflow takes an exponent or more than 308 digits.
fn may_overflow(number: &str) -> bool {
    number.len() > 308 || number.contains(['e', 'E'])
}

fn push_string(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        for letter in text.chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                control if control < ' ' => {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{:04x}", u32::from(control));
                }
                letter => out.push(letter),
            }
        }
    } else {
        out.push_str(text);
    }
    out.push('"');
}
