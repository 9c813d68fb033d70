//! Bytes that are no JSON text: broken, cut, not UTF-8, or with something after the end.
//!
//! The functions work on a valid message, compact and with plain ASCII keys.

use rand::RngCore;

use crate::batch::RejectReason::{Empty, InvalidJson, InvalidUtf8, Tombstone, TrailingBytes};

use super::super::random::Random;
use super::{Inject, Kind};

pub(super) const KINDS: &[Kind] = &[
    Kind::rejected("tombstone", Tombstone, Inject::Tombstone),
    Kind::rejected("empty", Empty, Inject::Bytes(|bytes, _| bytes.clear())),
    Kind::rejected("white_space", Empty, Inject::Bytes(|bytes, _| replace_all(bytes, b" \r\n\t \n"))),
    Kind::rejected("utf8_stray_byte", InvalidUtf8, Inject::Bytes(|bytes, _| in_last_text(bytes, &[0xFF]))),
    Kind::rejected("utf8_overlong", InvalidUtf8, Inject::Bytes(|bytes, _| in_last_text(bytes, &[0xC0, 0xAF]))),
    Kind::rejected("utf8_surrogate", InvalidUtf8, Inject::Bytes(|bytes, _| in_last_text(bytes, &[0xED, 0xA0, 0x80]))),
    Kind::rejected("utf8_cut_character", InvalidUtf8, Inject::Bytes(|bytes, _| in_last_text(bytes, &[0xE6, 0xA0]))),
    Kind::rejected("utf8_in_unknown_key", InvalidUtf8, Inject::Bytes(|bytes, _| after_brace(bytes, b"\"k\xE9y\":1,"))),
    Kind::rejected("utf8_in_unknown_value", InvalidUtf8, Inject::Bytes(|bytes, _| after_brace(bytes, b"\"note\":\"caf\xE9\","))),
    Kind::rejected("gbk_text", InvalidUtf8, Inject::Bytes(|bytes, _| after_brace(bytes, b"\"site\":\"\xB3\xB5\xBC\xE4\","))),
    Kind::rejected("utf16_text", InvalidUtf8, Inject::Bytes(utf16)),
    Kind::rejected("binary", InvalidUtf8, Inject::Bytes(binary)),
    Kind::rejected("cut", InvalidJson, Inject::Bytes(cut)),
    Kind::rejected("cut_last_brace", InvalidJson, Inject::Bytes(|bytes, _| drop_last(bytes))),
    Kind::rejected("open_string", InvalidJson, Inject::Bytes(|bytes, _| after_brace(bytes, b"\"note\":\"never closed,"))),
    Kind::rejected("comma_at_end", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b","))),
    Kind::rejected("comma_twice", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",,\"x\":1"))),
    Kind::rejected("comma_missing", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b" \"x\":1"))),
    Kind::rejected("colon_missing", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\" 1"))),
    Kind::rejected("value_missing", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":"))),
    Kind::rejected("bracket_mismatch", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":[1}"))),
    Kind::rejected("comment", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b" /* ok */"))),
    Kind::rejected("key_unquoted", InvalidJson, Inject::Bytes(|bytes, _| after_brace(bytes, b"x:1,"))),
    Kind::rejected("single_quotes", InvalidJson, Inject::Bytes(single_quotes)),
    Kind::rejected("python_literal", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":True"))),
    Kind::rejected("undefined", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":undefined"))),
    Kind::rejected("number_leading_zero", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":012"))),
    Kind::rejected("number_leading_plus", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":+5"))),
    Kind::rejected("number_bare_point", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":.5"))),
    Kind::rejected("number_point_at_end", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":5."))),
    Kind::rejected("number_hex", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":0x1F"))),
    Kind::rejected("number_comma", InvalidJson, Inject::Bytes(|bytes, _| before_end(bytes, b",\"x\":22,4"))),
    Kind::rejected("control_character", InvalidJson, Inject::Bytes(|bytes, _| in_last_text(bytes, b"\n"))),
    Kind::rejected("escape_unknown", InvalidJson, Inject::Bytes(|bytes, _| in_last_text(bytes, b"\\x41"))),
    Kind::rejected("escape_cut", InvalidJson, Inject::Bytes(|bytes, _| in_last_text(bytes, b"\\u12"))),
    Kind::rejected("byte_order_mark", InvalidJson, Inject::Bytes(|bytes, _| insert(bytes, 0, b"\xEF\xBB\xBF"))),
    Kind::rejected("nul_bytes", InvalidJson, Inject::Bytes(|bytes, _| bytes.fill(0))),
    Kind::rejected("plain_text", InvalidJson, Inject::Bytes(|bytes, _| replace_all(bytes, b"sensor offline since noon"))),
    Kind::rejected(
        "xml",
        InvalidJson,
        Inject::Bytes(|bytes, _| replace_all(bytes, b"<reading device=\"7\"><t>22.4</t></reading>")),
    ),
    Kind::rejected(
        "line_protocol",
        InvalidJson,
        Inject::Bytes(|bytes, _| replace_all(bytes, b"plant,device=7 temperature=22.4 1763650000")),
    ),
    Kind::rejected("trailing_word", TrailingBytes, Inject::Bytes(|bytes, _| bytes.extend_from_slice(b" ok"))),
    Kind::rejected("trailing_message", TrailingBytes, Inject::Bytes(|bytes, _| bytes.extend_from_within(..))),
    Kind::rejected(
        "trailing_line",
        TrailingBytes,
        Inject::Bytes(|bytes, _| bytes.extend_from_slice(b"\n{\"device_id\":\"x\"}\n")),
    ),
    Kind::rejected("trailing_brace", TrailingBytes, Inject::Bytes(|bytes, _| bytes.push(b'}'))),
    Kind::rejected("trailing_comma", TrailingBytes, Inject::Bytes(|bytes, _| bytes.push(b','))),
    Kind::rejected("trailing_nul", TrailingBytes, Inject::Bytes(|bytes, _| bytes.push(0))),
];

fn replace_all(bytes: &mut Vec<u8>, with: &[u8]) {
    bytes.clear();
    bytes.extend_from_slice(with);
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// Members directly after the first brace.
fn after_brace(bytes: &mut Vec<u8>, what: &[u8]) {
    insert(bytes, 1, what);
}

/// Something directly before the last brace.
fn before_end(bytes: &mut Vec<u8>, what: &[u8]) {
    let at = bytes.len().saturating_sub(1);
    insert(bytes, at, what);
}

/// Something at the end of the last string value: before a quote that a comma or a brace follows.
fn in_last_text(bytes: &mut Vec<u8>, what: &[u8]) {
    let end = bytes.windows(2).rposition(|pair| pair[0] == b'"' && matches!(pair[1], b',' | b'}'));
    insert(bytes, end.unwrap_or(1), what);
}

fn drop_last(bytes: &mut Vec<u8>) {
    bytes.pop();
}

/// Cuts anywhere, but never inside of a character: that would not be UTF-8, another fault.
fn cut(bytes: &mut Vec<u8>, random: &mut Random) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut at = 1 + random.below(length.saturating_sub(1)) as usize;
    while at > 1 && bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
        at -= 1;
    }
    bytes.truncate(at);
}

fn single_quotes(bytes: &mut Vec<u8>, _random: &mut Random) {
    for byte in bytes {
        if *byte == b'"' {
            *byte = b'\'';
        }
    }
}

/// UTF-16, little end first, with its mark.
fn utf16(bytes: &mut Vec<u8>, _random: &mut Random) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    bytes.clear();
    bytes.extend_from_slice(&[0xFF, 0xFE]);
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}

/// Something like MessagePack: no byte sequence of UTF-8.
fn binary(bytes: &mut Vec<u8>, random: &mut Random) {
    bytes.clear();
    bytes.push(0x85);
    bytes.extend((0..64).map(|_| random.next_u64().to_le_bytes()[7]));
}
