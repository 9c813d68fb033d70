//! The reference in `docs/configuration.md`: tables made of the table of keys, of the sensors' keys and of the refused properties.

use std::fmt::Write as _;

use super::properties::PROTECTED;
use super::sensors::{ALIAS_KEYS, SENSOR_KEYS};
use super::table::{Default, KEYS, Key, Kind};

/// Markdown; a test demands that the docs contain it to the letter.
pub fn reference() -> String {
    // Writing to a String cannot fail.
    let mut text = String::from("| key | value | default | meaning | limits, and why |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let cells = [form(key.kind), default(key), escape(key.doc), escape(key.why)];
        let _ = writeln!(text, "| `{}` | {} |", key.path, cells.join(" | "));
    }
    text.push_str("\n### A sensor\n\n| key | meaning |\n|---|---|\n");
    for (name, required, doc) in SENSOR_KEYS {
        let _ = writeln!(text, "| `{name}`{} | {} |", if *required { " (required)" } else { "" }, escape(doc));
    }
    for (name, required, doc) in ALIAS_KEYS {
        let _ = writeln!(text, "| `aliases[].{name}`{} | {} |", if *required { " (required)" } else { "" }, escape(doc));
    }
    text.push_str("\n### Refused properties of librdkafka\n\n| property | why | in its place |\n|---|---|---|\n");
    for property in PROTECTED {
        let instead = if property.instead.is_empty() { "–".to_owned() } else { format!("`{}`", property.instead) };
        let _ = writeln!(text, "| `{}` | {} | {instead} |", property.name, property.why);
    }
    text
}

fn escape(text: &str) -> String {
    text.replace('|', r"\|").replace('<', r"\<")
}

fn default(key: &Key) -> String {
    match key.default {
        Default::Required => "**required**".into(),
        Default::None => "–".into(),
        Default::Yaml(text) => format!("`{text}`"),
        Default::Sensors => "five sensors, see `conf/corelane.yaml`".into(),
    }
}

fn form(kind: Kind) -> String {
    match kind {
        Kind::Name { length_max } => format!("`[A-Za-z0-9._-]`, at most {length_max}"),
        Kind::Text => "text".into(),
        Kind::Secret => "text, never printed".into(),
        Kind::Path => "path".into(),
        Kind::Brokers => "list of host:port".into(),
        Kind::Topics => "list of names".into(),
        Kind::Choice(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Kind::Flag => "`true`, `false`".into(),
        Kind::Integer { min, max } => format!("{min} to {max}"),
        Kind::Duration { min, max } | Kind::Size { min, max } => format!("{min} to {max}"),
        Kind::Cores => "`auto` or a list of core ids".into(),
        Kind::Start => "`earliest`, `latest`, a time".into(),
        Kind::Listen => "address:port or `off`".into(),
        Kind::Compression => "`zstd`, `zstd(1)` to `zstd(22)`, `snappy`, `none`".into(),
        Kind::LogLevel => "level or directives".into(),
        Kind::Properties => "map".into(),
        Kind::Sensors => "list, see below".into(),
    }
}
