//! YAML text → a tree in which every key and value knows its place. Built from the parser's events with a stack of our own, so that two
//! equal keys are both seen and deep nesting cannot overflow the call stack.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::fault::{FaultKind, Notes, Place};
use super::table;

/// Deeper than any configuration; what is deeper is an attack or a mistake.
const DEPTH_MAX: usize = 32;
/// Nodes of one text, copies made by aliases included: a few nested anchors can ask for billions.
const NODES_MAX: usize = 20_000;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) data: Data,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Scalar {
        text: String,
        quote: Quote,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A value that has a fault already, so that nothing more is said about it.
    Refused,
}

/// How a scalar is written: decides whether `123` is a number, and where its first character stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    Plain,
    Quoted,
    /// `|` and `>`: the text begins on a later line.
    Block,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Node {
    fn null(place: Place) -> Self {
        Self { place, data: Data::Scalar { text: String::new(), quote: Quote::Plain } }
    }

    /// The scalar's text with its type by YAML's core schema; None for lists and maps.
    pub(super) fn scalar(&self) -> Option<Scalar<'_>> {
        match &self.data {
            Data::Scalar { text, quote: Quote::Plain } if text.is_empty() => Some(Scalar::Null),
            Data::Scalar { text, quote: Quote::Plain } => Some(Scalar::parse_from_cow(Cow::Borrowed(text))),
            Data::Scalar { text, .. } => Some(Scalar::String(Cow::Borrowed(text))),
            Data::List(_) | Data::Map(_) | Data::Refused => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.scalar() == Some(Scalar::Null)
    }

    /// What stands here, in words, for messages.
    pub(super) fn described(&self) -> String {
        match (&self.data, self.scalar()) {
            (Data::List(_), _) => "a list".into(),
            (Data::Map(_), _) => "a map".into(),
            (Data::Refused, _) => "a value with a fault".into(),
            (_, Some(Scalar::Null)) => "no value".into(),
            (Data::Scalar { text, .. }, Some(Scalar::Boolean(_))) => format!("the boolean {text}"),
            (Data::Scalar { text, .. }, Some(Scalar::Integer(_) | Scalar::FloatingPoint(_))) => format!("the number {text}"),
            (Data::Scalar { text, .. }, _) => format!("the text `{text}`"),
        }
    }
}

/// Which source a text is, and how many characters stand before it on its first line (`--set a.b=`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) source: usize,
    pub(super) before: usize,
}

impl Origin {
    fn place(self, mark: Marker) -> Place {
        let before = if mark.line() <= 1 { self.before } else { 0 };
        Place { source: self.source, line: mark.line().max(1), column: mark.col() + 1 + before }
    }
}

/// What could be read of one text.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    /// False: reading stopped at a fault that is noted; the tree holds what stands before it.
    pub(super) complete: bool,
}

/// Reads one text.
pub(super) fn parse(text: &str, origin: Origin, notes: &mut Notes) -> Tree {
    let mut builder = Builder { origin, notes, stack: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    let complete = builder.read(text).is_some();
    builder.close();
    let start = Place { source: origin.source, line: 1, column: 1 + origin.before };
    let root = builder.root.unwrap_or_else(|| Node::null(start));
    Tree { root, complete }
}

/// A list or map that is not closed yet.
struct Frame {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<String, Place>, key: PendingKey },
}

impl Content {
    fn into_data(self) -> Data {
        match self {
            Content::List(items) => Data::List(items),
            Content::Map { entries, .. } => Data::Map(entries),
        }
    }
}

/// The key whose value comes next.
enum PendingKey {
    None,
    Known(String, Place),
    /// The key was refused; its value is dropped.
    Refused,
}

struct Builder<'a> {
    origin: Origin,
    notes: &'a mut Notes,
    stack: Vec<Frame>,
    /// By the parser's anchor id, with the number of nodes of each.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    /// None: reading ends before the end of the text.
    fn read(&mut self, text: &str) -> Option<()> {
        let mut documents = 0_usize;
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((Event::DocumentStart(_), span)) => {
                    documents += 1;
                    if documents > 1 {
                        let remedy = "give each document a file of its own; later files win";
                        self.refuse(span.start, "a second document in one file", remedy);
                        return None;
                    }
                }
                Ok((event, span)) => self.take(event, span.start)?,
                Err(error) => {
                    let line = text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
                    let remedy = if line.contains("${") {
                        "put `${…}` in \"quotes\" where it stands inside of {} or []"
                    } else {
                        "correct the line; texts with special characters go in \"quotes\", and tabs do not indent"
                    };
                    self.refuse(*error.marker(), &format!("not YAML: {}", error.info()), remedy);
                    return None;
                }
            }
        }
        Some(())
    }

    /// Closes what is still open, so that what stands before a fault is checked too. The value that was under way is unknown.
    fn close(&mut self) {
        while let Some(mut frame) = self.stack.pop() {
            if let Content::Map { entries, key, .. } = &mut frame.content
                && let PendingKey::Known(key, key_place) = std::mem::replace(key, PendingKey::None)
            {
                entries.push(Entry { key, key_place, node: Node { place: key_place, data: Data::Refused } });
            }
            let data = frame.content.into_data();
            if self.put(Node { place: frame.place, data }, 0, 0).is_none() {
                return;
            }
        }
    }

    fn refuse(&mut self, mark: Marker, message: &str, remedy: &str) {
        self.notes.add(FaultKind::Syntax, self.origin.place(mark), "", message, remedy);
    }

    /// None: reading ends here.
    fn take(&mut self, event: Event<'_>, mark: Marker) -> Option<()> {
        let place = self.origin.place(mark);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quote = match style {
                    ScalarStyle::Plain if !is_text_tag(tag.as_deref()) => Quote::Plain,
                    ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Quote::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Quote::Block,
                };
                self.put(Node { place, data: Data::Scalar { text: text.into_owned(), quote } }, anchor, 1)
            }
            Event::SequenceStart(anchor, _) => self.open(Frame { place, anchor, content: Content::List(Vec::new()) }, mark),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: PendingKey::None };
                self.open(Frame { place, anchor, content }, mark)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let frame = self.stack.pop()?;
                let node = Node { place: frame.place, data: frame.content.into_data() };
                let size = if frame.anchor == 0 { 1 } else { count(&node) };
                self.put(node, frame.anchor, size)
            }
            Event::Alias(anchor) => {
                // An alias inside of its own anchor has no node yet.
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    self.refuse(mark, "an alias of something that is not complete here", "write the value out");
                    return None;
                };
                let (node, size) = (Node { place, ..node.clone() }, *size);
                self.put(node, 0, size)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => Some(()),
        }
    }

    fn open(&mut self, frame: Frame, mark: Marker) -> Option<()> {
        if self.stack.len() >= DEPTH_MAX {
            self.refuse(
                mark,
                &format!("nested deeper than {DEPTH_MAX}"),
                "no key of the configuration is that deep; see `corelane config schema`",
            );
            return None;
        }
        self.stack.push(frame);
        Some(())
    }

    /// The keys that lead to the open map, dotted.
    fn section(&self) -> String {
        let keys = self.stack.iter().filter_map(|frame| match &frame.content {
            Content::Map { key: PendingKey::Known(key, _), .. } => Some(key.as_str()),
            Content::Map { .. } | Content::List(_) => None,
        });
        keys.collect::<Vec<_>>().join(".")
    }

    /// Puts a complete node where it belongs: into the open list or map, as its key, or as the root.
    fn put(&mut self, node: Node, anchor: usize, size: usize) -> Option<()> {
        self.nodes += size;
        if self.nodes > NODES_MAX {
            let place = node.place;
            let message = format!("more than {NODES_MAX} values");
            self.notes.add(FaultKind::Syntax, place, "", message, "a configuration is far smaller; look for aliases of aliases");
            return None;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let section = self.section();
        match self.stack.last_mut().map(|frame| &mut frame.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, seen, key }) => match std::mem::replace(key, PendingKey::None) {
                PendingKey::None => *key = pending(node, &section, seen, self.notes),
                PendingKey::Known(key, key_place) => {
                    // Nothing stands after the colon: the key is what one can point at.
                    let empty = matches!(&node.data, Data::Scalar { text, quote: Quote::Plain } if text.is_empty());
                    let place = if empty { key_place } else { node.place };
                    entries.push(Entry { key, key_place, node: Node { place, ..node } });
                }
                PendingKey::Refused => {}
            },
        }
        Some(())
    }
}

fn is_text_tag(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str")
}

fn count(node: &Node) -> usize {
    // Aliases of aliases go deeper than DEPTH_MAX, but each level costs nodes: NODES_MAX allows a depth of about 1,100.
    match &node.data {
        Data::Scalar { .. } | Data::Refused => 1,
        Data::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|entry| count(&entry.node)).sum::<usize>(),
    }
}

fn pending(node: Node, section: &str, seen: &mut BTreeMap<String, Place>, notes: &mut Notes) -> PendingKey {
    let place = node.place;
    let Data::Scalar { text, .. } = node.data else {
        notes.add(FaultKind::WrongType, place, section, "a list or map as a key", "keys are words");
        return PendingKey::Refused;
    };
    if let Some(first) = seen.get(&text) {
        let message = format!("the key `{text}` is here twice, first on line {}", first.line);
        notes.add(FaultKind::DuplicateKey, place, table::join(section, &text), message, "keep one of the two");
        return PendingKey::Refused;
    }
    seen.insert(text.clone(), place);
    PendingKey::Known(text, place)
}
