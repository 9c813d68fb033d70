//! What is found out about the bytes before sonic-rs sees them.
//!
//! sonic-rs skips values quickly and leaves three things open: it recurses as deep as the brackets go, it does not look at the digits
//! of a `\u` escape that it skips, and it has no words for NaN and infinities. One walk over the bytes settles all three.

use std::ops::Range;

use crate::batch::RejectReason;

/// Objects and arrays may be nested this deep.
const DEPTH_MAX: usize = 32;

/// Why a message is refused, for people and for machines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: RejectReason,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub(super) fn invalid(what: &str, at: usize) -> Self {
        Self::new(RejectReason::InvalidJson, format!("{what} at byte {at}"))
    }
}

/// A bare `NaN`, `Infinity` or `-Infinity`: where its first byte is, and the word.
pub(super) type BareNumber = (usize, &'static str);

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The bytes as text that is not blank.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    if bytes.iter().all(|&byte| is_space(byte)) {
        let what = if bytes.is_empty() { "the value has no bytes" } else { "the value is only white space" };
        return Err(Refusal::new(RejectReason::Empty, what));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        Refusal::new(RejectReason::InvalidUtf8, format!("the bytes are not UTF-8 from byte {} on", error.valid_up_to()))
    })
}

/// Where the first JSON value of a text begins and ends, by its brackets and quotes alone. Within it no bracket is nested deeper than
/// [`DEPTH_MAX`], and all escapes are sound. Where brackets or quotes never close, it ends with the text.
pub(super) fn first_value(text: &str) -> Result<Range<usize>, Refusal> {
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|&byte| !is_space(byte)).unwrap_or(bytes.len());
    let mut at = start;
    let mut depth = 0_usize;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let detail = format!("objects and arrays are nested deeper than {DEPTH_MAX} at byte {}", at - 1);
                    return Err(Refusal::new(RejectReason::TooDeep, detail));
                }
                continue;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => continue,
            _ => at = word_end(bytes, at),
        }
        if depth == 0 {
            return Ok(start..at);
        }
    }
    Ok(start..bytes.len())
}

/// The end of a top-level number or literal of which byte `at - 1` is the first.
fn word_end(bytes: &[u8], at: usize) -> usize {
    let ends = |&byte: &u8| is_space(byte) || matches!(byte, b'{' | b'}' | b'[' | b']' | b'"' | b',' | b':');
    bytes[at..].iter().position(ends).map_or(bytes.len(), |length| at + length)
}

/// The position after the quote that closes the string whose opening quote is before `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    loop {
        match bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == b'"' || byte == b'\\')) {
            None => return Ok(bytes.len()),
            Some(length) => at += length,
        }
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        at = escape_end(bytes, at)?;
    }
}

/// The position after the escape whose backslash is at `at`; a surrogate pair is one escape.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match code_unit(bytes, at) {
            None => Err(Refusal::invalid("invalid \\u escape", at)),
            Some(0xD800..=0xDBFF) => match code_unit(bytes, at + 6) {
                Some(0xDC00..=0xDFFF) => Ok(at + 12),
                _ => Err(Refusal::invalid("half of a surrogate pair", at)),
            },
            Some(0xDC00..=0xDFFF) => Err(Refusal::invalid("half of a surrogate pair", at)),
            Some(_) => Ok(at + 6),
        },
        Some(_) => Err(Refusal::invalid("invalid escape", at)),
        None => Ok(bytes.len()),
    }
}

/// The UTF-16 code unit of the `\uXXXX` that begins at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let mut unit = 0;
    for &digit in digits {
        unit = unit << 4 | u16::try_from(char::from(digit).to_digit(16)?).ok()?;
    }
    Some(unit)
}

/// The bare `NaN`, `Infinity` and `-Infinity` outside of strings, in order.
pub(super) fn bare_numbers(text: &str) -> Vec<BareNumber> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let word = match byte {
            b'"' => match string_end(bytes, at + 1) {
                Ok(end) => {
                    at = end;
                    continue;
                }
                Err(_) => break,
            },
            b'N' | b'I' | b'-' => bare_number(bytes, at),
            _ => None,
        };
        if let Some(word) = word {
            found.push((at, word));
            at += word.len();
        } else {
            at += 1;
        }
    }
    found
}

fn bare_number(bytes: &[u8], at: usize) -> Option<&'static str> {
    let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()))?;
    let before = at.checked_sub(1).map(|before| bytes[before]);
    let after = bytes.get(at + word.len()).copied();
    let alone = before.is_none_or(|byte| is_space(byte) || matches!(byte, b':' | b',' | b'['))
        && after.is_none_or(|byte| is_space(byte) || matches!(byte, b',' | b']' | b'}'));
    alone.then_some(word)
}

/// The text with each bare number overwritten by digits of the same length, so that positions stay what they were. What the digits
/// say is of no account: who reads the document knows the places.
pub(super) fn with_digits(text: &str, bare: &[BareNumber]) -> String {
    let mut digits = String::with_capacity(text.len());
    let mut copied = 0;
    for &(at, word) in bare {
        digits.push_str(&text[copied..at]);
        digits.extend(word.chars().map(|letter| if letter == '-' { '-' } else { '9' }));
        copied = at + word.len();
    }
    digits.push_str(&text[copied..]);
    digits
}
