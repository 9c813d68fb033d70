//! The style ratchet: short files and functions, telling names, no unwrap outside tests, an argument for each unsafe.

use crate::Finding;
use crate::source::Source;

/// A second idea hides in what is longer (STYLE.md).
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Something longer that may stay for its reason. An entry that is no longer needed is itself a finding, so the list only shrinks.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) path: &'static str,
    /// None: the file itself.
    pub(crate) function: Option<&'static str>,
    pub(crate) reason: &'static str,
}

pub(crate) const ALLOWED: &[Allowance] = &[];

/// Modules whose name says nothing collect what belongs elsewhere.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "types", "misc"];

pub(crate) fn length_findings(sources: &[Source], allowed: &[Allowance]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut used = vec![false; allowed.len()];
    let mut report = |source: &Source, at: usize, function: Option<&str>, what: String| {
        let entry = allowed.iter().position(|entry| entry.path == source.path && entry.function == function);
        match entry {
            Some(entry) => used[entry] = true,
            None => found.push(source.finding(at, &what)),
        }
    };
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            report(source, 0, None, format!("the file has {lines} lines, more than {FILE_LINES_MAX}"));
        }
        for (at, name, lines) in functions(source) {
            if lines > FUNCTION_LINES_MAX {
                report(source, at, Some(name), format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}"));
            }
        }
    }
    for (entry, _) in allowed.iter().zip(used).filter(|(_, used)| !used) {
        let Allowance { path, function, reason } = entry;
        found.push(format!("{path}: {} no longer needs its allowance ({reason}): remove it", function.unwrap_or("the file")));
    }
    found
}

/// Where each function with a body begins, its name, and its lines from `fn` to the closing brace.
fn functions(source: &Source) -> Vec<(usize, &str, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let rest = code[at + 2..].trim_start();
        let name_length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if name_length == 0 {
            continue; // a type: fn(u8)
        }
        if let Some(end) = body_end(code, at) {
            found.push((at, &rest[..name_length], source.line(end) - source.line(at) + 1));
        }
    }
    found
}

/// The closing brace of the body of the function at `at`; None when it has no body.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// All findings that need one file only.
pub(crate) fn findings(source: &Source) -> Vec<Finding> {
    let mut found = names(source);
    found.extend(unsafe_without_argument(source));
    found.extend(marks(source));
    if !source.is_test() {
        found.extend(unwraps(source));
        if !source.text.trim_start().starts_with("//!") {
            found.push(source.finding(0, "a module opens with `//!` what it is for"));
        }
    }
    found
}

fn names(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let stem = source.path.trim_end_matches("/mod.rs").trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        found.push(source.finding(0, &format!("a module called {stem}: name what it is about")));
    }
    for at in words(&source.code, "mod") {
        let rest = source.code[at + 3..].trim_start();
        let name = &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())];
        if EMPTY_NAMES.contains(&name) {
            found.push(source.finding(at, &format!("a module called {name}: name what it is about")));
        }
        if name == "tests" && rest[name.len()..].trim_start().starts_with('{') {
            found.push(source.finding(at, "tests stand in a sibling file: the length of a file is the length of its code"));
        }
    }
    found
}

fn unwraps(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for name in ["unwrap", "expect", "unwrap_err", "expect_err"] {
        for at in words(&source.code, name) {
            let is_call = source.code[at + name.len()..].trim_start().starts_with('(');
            // A method of our own may be called so; clippy, which knows types, looks at these, too.
            let receiver = source.code[..at].trim_end().strip_suffix('.').filter(|code| !ends_with_self(code));
            if is_call && receiver.is_some() {
                found.push(source.finding(at, &format!("{name} outside tests: give the error its context and its remedy")));
            }
        }
    }
    found
}

fn ends_with_self(code: &str) -> bool {
    code.strip_suffix("self").is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.'))
}

/// Blocks and impls need `// SAFETY:` in the comment directly above or on the line; an unsafe fn says `# Safety` in its docs (a lint of
/// clippy's), and the type of an unsafe fn needs nothing.
fn unsafe_without_argument(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    for at in words(&source.code, "unsafe") {
        let rest = source.code[at + 6..].trim_start();
        if !(rest.starts_with('{') || rest.starts_with("impl")) {
            continue;
        }
        let line = source.line(at) - 1;
        // The statement may have begun some lines above; its comment stands over it without a blank line between.
        let above = lines[..line].iter().rev().take(20).take_while(|line| !line.trim().is_empty());
        if !lines[line].contains("SAFETY:") && !above.into_iter().any(|line| line.contains("SAFETY:")) {
            found.push(source.finding(at, "unsafe without `// SAFETY:` directly above"));
        }
    }
    found
}

/// Work that was put off belongs in an issue.
fn marks(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for mark in ["TODO:", "TODO(", "FIXME", "XXX:", "HACK:"] {
        found.extend(source.text.match_indices(mark).map(|(at, _)| source.finding(at, &format!("a {mark} mark"))));
    }
    for (mark, what) in [("todo!", "todo!"), ("unimplemented!", "unimplemented!"), ("dbg!", "dbg!"), ("#[ignore", "an #[ignore]")]
    {
        found.extend(source.code.match_indices(mark).map(|(at, _)| source.finding(at, what)));
    }
    found
}

/// Where `word` stands as a whole word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(is_name) && !code[at + word.len()..].starts_with(is_name) && !code[..*at].ends_with("r#")
    })
}
