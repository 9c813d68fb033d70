//! A message as a flat list of members: structure first, then one small reader a column.
//!
//! The members of one object (the elements of one array) are neighbours in the list. sonic-rs validates the text once as a whole,
//! then cuts each object into members, lazily; numbers keep their text, so that nothing is rounded twice and `-0.0` stays what it is.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use sonic_rs::{ArrayJsonIter, LazyValue, ObjectJsonIter};

use super::scan::{BareNumber, Refusal, is_space};
use crate::batch::RejectReason;

/// From so many members on an object's keys are hashed: a scan of each key against all others would be quadratic in what a hostile
/// message holds.
pub(super) const MEMBERS_SCANNED_MAX: usize = 32;

/// The members of an object or the elements of an array: their places in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Members {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// Its text, valid JSON.
    Number(Cow<'a, str>),
    /// A bare `NaN`, `Infinity` or `-Infinity`.
    Bare(&'static str),
    /// Unescaped.
    Text(Cow<'a, str>),
    Array(Members),
    Object(Members),
    /// While a document is made: not cut into members yet. The number tells it from a value that a later key replaced.
    Uncut(usize),
}

impl Value<'_> {
    /// What it is, for the details of a reject.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) | Value::Bare(_) => "a number",
            Value::Text(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) | Value::Uncut(_) => "an object",
        }
    }

    /// The number as the nearest float; None: no number, or not finite.
    pub(super) fn finite(&self) -> Option<f64> {
        match self {
            Value::Number(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }
}

/// What has become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nobody took it: it goes to `extra`.
    Left,
    /// It is in a column, or needs none.
    Taken,
    /// An object whose members have fates of their own.
    Entered,
}

#[derive(Debug)]
pub(super) struct Member<'a> {
    /// Unescaped; empty for an element of an array.
    pub(super) key: Cow<'a, str>,
    pub(super) value: Value<'a>,
    pub(super) fate: Cell<Fate>,
}

/// A message that is valid JSON.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// The first is the message itself.
    members: Vec<Member<'a>>,
    /// Some object has a key twice.
    pub(super) duplicate_key: bool,
}

impl<'a> Document<'a> {
    /// Parses the `value` part of a text, and sees that nothing but white space follows. `bare`: places where digits stand for a bare
    /// number, ascending.
    pub(super) fn parse(text: &'a str, value: Range<usize>, bare: &[BareNumber]) -> Result<Self, Refusal> {
        let end = value.end;
        let document = Self { members: Vec::with_capacity(48), duplicate_key: false };
        let mut cutter = Cutter { document, text, start: value.start, bare, uncut: Vec::new(), made: 0 };
        cutter.cut_message(&text[value])?;
        if let Some(more) = text.as_bytes()[end..].iter().position(|&byte| !is_space(byte)) {
            let detail = format!("the JSON value ends at byte {end}, and more follows at byte {}", end + more);
            return Err(Refusal::new(RejectReason::TrailingBytes, detail));
        }
        cutter.cut_rest()
    }

    /// The members of the message, which has to be an object.
    pub(super) fn root(&self) -> Result<Members, Refusal> {
        match self.members.first().map(|message| &message.value) {
            Some(&Value::Object(members)) => Ok(members),
            other => {
                let kind = other.map_or("nothing", Value::kind);
                Err(Refusal::new(RejectReason::NotAnObject, format!("the message is {kind}, not an object")))
            }
        }
    }

    pub(super) fn members(&self, of: Members) -> &[Member<'a>] {
        &self.members[of.start..of.end]
    }

    pub(super) fn find(&self, object: Members, key: &str) -> Option<&Member<'a>> {
        self.members(object).iter().find(|member| member.key == key)
    }

    pub(super) fn value(&self, object: Members, key: &str) -> Option<&Value<'a>> {
        self.find(object, key).map(|member| &member.value)
    }

    /// Takes a member if `read` makes something of its value; a null counts as absent, and is taken.
    pub(super) fn take<T>(&self, object: Members, key: &str, read: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        let member = self.find(object, key)?;
        let taken = read(&member.value);
        if taken.is_some() || member.value == Value::Null {
            member.fate.set(Fate::Taken);
        }
        taken
    }

    /// Takes a member that is a string.
    pub(super) fn text(&self, object: Members, key: &str) -> Option<&str> {
        let member = self.find(object, key)?;
        match &member.value {
            Value::Text(text) => {
                member.fate.set(Fate::Taken);
                Some(text)
            }
            Value::Null => {
                member.fate.set(Fate::Taken);
                None
            }
            _ => None,
        }
    }

    /// Takes a member that is a string or a number, as text.
    pub(super) fn text_or_number(&self, object: Members, key: &str) -> Option<&str> {
        match self.value(object, key) {
            Some(Value::Number(_)) => {
                let member = self.find(object, key)?;
                member.fate.set(Fate::Taken);
                match &member.value {
                    Value::Number(text) => Some(text),
                    _ => None,
                }
            }
            _ => self.text(object, key),
        }
    }

    /// Takes a member that is a finite number.
    pub(super) fn number(&self, object: Members, key: &str) -> Option<f64> {
        self.take(object, key, Value::finite)
    }

    /// Enters a member that is an object: its members have fates of their own from here on.
    pub(super) fn enter(&self, object: Members, key: &str) -> Option<Members> {
        let member = self.find(object, key)?;
        match member.value {
            Value::Object(members) => {
                member.fate.set(Fate::Entered);
                Some(members)
            }
            Value::Null => {
                member.fate.set(Fate::Taken);
                None
            }
            _ => None,
        }
    }

    /// Lets go of a member that needs no column.
    pub(super) fn discard(&self, object: Members, key: &str) {
        if let Some(member) = self.find(object, key) {
            member.fate.set(Fate::Taken);
        }
    }
}

/// sonic-rs prints a drawing of the place after the reason; the reason alone is enough beside the position.
fn reason_of(error: &sonic_rs::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or("invalid JSON").to_owned()
}

/// Makes a document: cuts one container at a time, without recursion.
struct Cutter<'a, 'b> {
    document: Document<'a>,
    text: &'a str,
    /// Where the message begins in the text.
    start: usize,
    bare: &'b [BareNumber],
    /// Containers that are still to be cut: the place of the member, the number of its [`Value::Uncut`], the text.
    uncut: Vec<(usize, usize, LazyValue<'a>)>,
    made: usize,
}

impl<'a> Cutter<'a, '_> {
    /// Validates the whole message and cuts its outermost members; what is in them is cut afterwards, without validating it again.
    fn cut_message(&mut self, message: &'a str) -> Result<(), Refusal> {
        let whole = |value| Member { key: Cow::Borrowed(""), value, fate: Cell::new(Fate::Left) };
        if message.starts_with('{') {
            self.document.members.push(whole(Value::Null));
            let members = self.cut_object(sonic_rs::to_object_iter(message))?;
            self.document.members[0].value = Value::Object(members);
        } else {
            let lazy = sonic_rs::from_str(message).map_err(|error| self.refusal(&error))?;
            let value = self.value(0, lazy)?;
            self.document.members.push(whole(value));
        }
        Ok(())
    }

    fn cut_rest(mut self) -> Result<Document<'a>, Refusal> {
        while let Some((place, number, container)) = self.uncut.pop() {
            if self.document.members[place].value != Value::Uncut(number) {
                continue;
            }
            let value = if container.as_raw_str().starts_with('{') {
                container.into_object_iter().map(|object| self.cut_object(object)).transpose()?.map(Value::Object)
            } else {
                container.into_array_iter().map(|array| self.cut_array(array)).transpose()?.map(Value::Array)
            };
            self.document.members[place].value = value.unwrap_or(Value::Null);
        }
        Ok(self.document)
    }

    fn cut_object(&mut self, object: ObjectJsonIter<'a>) -> Result<Members, Refusal> {
        let start = self.document.members.len();
        let mut keys = HashMap::new();
        for entry in object {
            let (key, value) = entry.map_err(|error| self.refusal(&error))?;
            let end = self.document.members.len();
            let twice = if end - start < MEMBERS_SCANNED_MAX {
                self.document.members[start..].iter().position(|member| member.key == key).map(|place| start + place)
            } else {
                if keys.is_empty() {
                    keys.extend((start..end).map(|place| (self.document.members[place].key.clone(), place)));
                }
                let known = keys.get(&key).copied();
                if known.is_none() {
                    keys.insert(key.clone(), end);
                }
                known
            };
            let value = self.value(twice.unwrap_or(end), value)?;
            if let Some(place) = twice {
                self.document.duplicate_key = true;
                self.document.members[place].value = value;
            } else {
                self.document.members.push(Member { key, value, fate: Cell::new(Fate::Left) });
            }
        }
        Ok(Members { start, end: self.document.members.len() })
    }

    fn cut_array(&mut self, array: ArrayJsonIter<'a>) -> Result<Members, Refusal> {
        let start = self.document.members.len();
        for element in array {
            let element = element.map_err(|error| self.refusal(&error))?;
            let value = self.value(self.document.members.len(), element)?;
            self.document.members.push(Member { key: Cow::Borrowed(""), value, fate: Cell::new(Fate::Left) });
        }
        Ok(Members { start, end: self.document.members.len() })
    }

    /// The value of the member at `place`; a container waits to be cut, so that its members do not come between their elders.
    fn value(&mut self, place: usize, lazy: LazyValue<'a>) -> Result<Value<'a>, Refusal> {
        let raw = lazy.as_raw_cow();
        Ok(match raw.as_bytes().first() {
            Some(b'{' | b'[') => {
                self.made += 1;
                self.uncut.push((place, self.made, lazy));
                Value::Uncut(self.made)
            }
            Some(b'"') => Value::Text(match raw {
                Cow::Borrowed(raw) if !raw.as_bytes().contains(&b'\\') => Cow::Borrowed(&raw[1..raw.len() - 1]),
                raw => Cow::Owned(sonic_rs::from_str(&raw).map_err(|error| self.refusal(&error))?),
            }),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => self.number(raw),
        })
    }

    fn number(&self, raw: Cow<'a, str>) -> Value<'a> {
        if !self.bare.is_empty() {
            let at = (raw.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
            if let Ok(found) = self.bare.binary_search_by_key(&at, |bare| bare.0) {
                return Value::Bare(self.bare[found].1);
            }
        }
        // A number that is cut without a check drags the white space after it along.
        Value::Number(match raw {
            Cow::Borrowed(raw) => Cow::Borrowed(raw.trim_end()),
            Cow::Owned(raw) => Cow::Owned(raw.trim_end().to_owned()),
        })
    }

    /// Positions are those of the message; within a member they would not be, but what is cut there was validated before.
    fn refusal(&self, error: &sonic_rs::Error) -> Refusal {
        Refusal::invalid(&reason_of(error), (self.start + error.offset()).min(self.text.len()))
    }
}
