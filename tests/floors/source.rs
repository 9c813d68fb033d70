//! Source texts, with comments and strings blanked where a rule must not look into them.

use std::fs;
use std::path::Path;

/// A source file. `code` has the length and the lines of `text`, with comments and the insides of literals replaced by spaces.
pub(crate) struct Source {
    /// From the root of the crate: `src/batch/mod.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// Unit tests: `tests.rs` or `…_tests.rs`, or anything in a folder `tests`.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs") || self.path.contains("/tests/")
    }

    /// The line of a byte of the text, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    pub(crate) fn finding(&self, at: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, self.line(at))
    }
}

/// Every Rust file below `folder` of the crate, in order.
pub(crate) fn all_of(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                sources.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!sources.is_empty(), "no source below {folder}");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

/// Replaces comments and the insides of strings and characters by spaces; newlines stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment(bytes, at),
            b'"' => string(bytes, at),
            b'r' if !is_word(bytes, at) => raw_string(bytes, at),
            b'\'' => character(bytes, at),
            _ => at,
        };
        let end = end.max(at + 1);
        if end > at + 1 {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    String::from_utf8(out).expect("whole characters are replaced")
}

/// Whether the byte before `at` belongs to a name, so that an `r` there begins no raw string. `br"` and `cr"` do.
fn is_word(bytes: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).map(|i| bytes[i]);
    let name = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_prefix = matches!(before(1), Some(b'b' | b'c')) && !name(before(2));
    name(before(1)) && !is_prefix
}

/// Where `needle` begins at or after `at`; the end of the text when nowhere.
fn find(bytes: &[u8], at: usize, needle: &[u8]) -> usize {
    bytes[at..].windows(needle.len()).position(|window| window == needle).map_or(bytes.len(), |found| at + found)
}

fn block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut end) = (0, at);
    while end < bytes.len() {
        if bytes[end..].starts_with(b"/*") {
            (depth, end) = (depth + 1, end + 2);
        } else if bytes[end..].starts_with(b"*/") {
            (depth, end) = (depth - 1, end + 2);
            if depth == 0 {
                return end;
            }
        } else {
            end += 1;
        }
    }
    end
}

fn string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// `r"…"`, `r#"…"#` and so on; `at` itself when it is a name such as `r#type` or just an r.
fn raw_string(bytes: &[u8], at: usize) -> usize {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    (find(bytes, at + 2 + hashes, &close) + close.len()).min(bytes.len())
}

/// `'x'` and `'\n'`; a lifetime is left alone.
fn character(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        return (find(bytes, at + 3, b"'") + 1).min(bytes.len());
    }
    // At most four bytes of one character, then the closing quote.
    let close = (at + 2..=at + 5).find(|end| bytes.get(*end) == Some(&b'\''));
    let whole = |end: usize| std::str::from_utf8(&bytes[at + 1..end]).is_ok_and(|inside| inside.chars().count() == 1);
    close.filter(|end| whole(*end)).map_or(at, |end| end + 1)
}
