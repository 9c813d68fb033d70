//! `${VAR}`, `${VAR:-default}` and `${VAR:?message}` in scalars. `$${` is a literal `${`. The text of a variable is never read as YAML
//! structure, and never expanded again.

use super::fault::{FaultKind, Notes, Place};
use super::table;
use super::yaml::{Data, Node, Quote};

/// The environment, as a function: None where a variable is not set.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the variables in all values of the tree below `path`. Keys stay as they are.
pub(super) fn expand(node: &mut Node, path: &str, environment: &Environment<'_>, notes: &mut Notes) {
    let place = node.place;
    match &mut node.data {
        Data::List(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| expand(item, &format!("{path}[{index}]"), environment, notes));
        }
        Data::Map(entries) => {
            for entry in entries {
                expand(&mut entry.node, &table::join(path, &entry.key), environment, notes);
            }
        }
        Data::Scalar { text, quote } if text.contains("${") => {
            let at = |characters: usize| match quote {
                Quote::Plain => Place { column: place.column + characters, ..place },
                Quote::Quoted => Place { column: place.column + characters + 1, ..place },
                // The line within the block is not known; its `|` is near enough.
                Quote::Block => place,
            };
            let mut good = true;
            let expanded = expand_text(text, environment, &mut |characters, message, remedy| {
                notes.add(FaultKind::Variable, at(characters), path, message, remedy);
                good = false;
            });
            node.data = match (good, *quote) {
                (false, _) => Data::Refused,
                // An unset variable with an empty default is an empty text, not "no value".
                (true, Quote::Plain) if expanded.is_empty() => Data::Scalar { text: expanded, quote: Quote::Quoted },
                (true, quote) => Data::Scalar { text: expanded, quote },
            };
        }
        Data::Scalar { .. } | Data::Refused => {}
    }
}

/// `report` gets the characters before the `$`, what is wrong, and the remedy.
fn expand_text(text: &str, environment: &Environment<'_>, report: &mut dyn FnMut(usize, String, String)) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let before = &rest[..dollar];
        if let Some(literal) = before.strip_suffix('$') {
            expanded.push_str(literal);
            expanded.push_str("${");
            rest = &rest[dollar + 2..];
            continue;
        }
        expanded.push_str(before);
        let characters = text[..text.len() - rest.len() + dollar].chars().count();
        let inner = &rest[dollar + 2..];
        let Some(end) = inner.find('}') else {
            report(characters, "`${` without its `}`".into(), "close it, or write `$${` for a literal `${`".into());
            return expanded;
        };
        match value_of(&inner[..end], environment) {
            Ok(value) => expanded.push_str(&value),
            Err((message, remedy)) => report(characters, message, remedy),
        }
        rest = &inner[end + 1..];
    }
    expanded.push_str(rest);
    expanded
}

/// The value of what stands between `${` and `}`, or what is wrong and the remedy.
fn value_of(inner: &str, environment: &Environment<'_>) -> Result<String, (String, String)> {
    let name_end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
    let (name, operation) = inner.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err((
            // What stands there is not repeated: it may be part of a password.
            "`${…}` does not name a variable".into(),
            "write `${NAME}`; letters, digits and `_`, no digit first; `$${` is a literal `${`".into(),
        ));
    }
    let value = environment(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    if operation.is_empty() {
        return value
            .ok_or_else(|| (format!("the variable {name} is not set"), format!("set it, or write `${{{name}:-default}}`")));
    }
    if let Some(default) = operation.strip_prefix(":-") {
        return Ok(filled.unwrap_or_else(|| default.to_owned()));
    }
    if let Some(message) = operation.strip_prefix(":?") {
        let message = if message.is_empty() { "it must be set" } else { message };
        return filled.ok_or_else(|| (format!("the variable {name} is not set or empty: {message}"), format!("set {name}")));
    }
    Err((
        format!("`${{{name}…}}` is of no known form"),
        format!("write `${{{name}}}`, `${{{name}:-default}}` or `${{{name}:?message}}`"),
    ))
}
