//! The floors: which module of ours, and which crate of others, a file may name. Paths are found anywhere in the code, not in `use` only.

use crate::Finding;
use crate::source::Source;

/// From the bottom upwards: a module and the modules of ours that it may name besides itself. The stages of the journey come below.
const FLOORS: &[(&str, &[&str])] = &[
    ("batch", &[]),
    ("failpoint", &[]),
    ("broker", &[]),
    ("config", &["batch"]),
    ("kafka", &["batch", "failpoint"]),
    ("lake", &["batch", "failpoint"]),
    ("telemetry", &["batch"]),
    ("simulate", &["batch"]),
    ("journey", &["batch", "config", "kafka", "lake", "telemetry"]), // mod.rs itself
    ("audit", &["batch", "kafka", "lake", "journey"]),               // of the stages publish alone: see AUDIT_STAGES
    ("lane", &["batch", "failpoint", "config", "kafka", "lake", "telemetry", "journey"]),
    ("serve", &["batch", "config", "kafka", "lake", "telemetry", "journey", "lane"]),
    ("cli", &["audit", "batch", "broker", "config", "kafka", "lake", "telemetry", "simulate", "journey", "lane", "serve"]),
];

/// Stages that may name more than `batch`. No stage names another.
const STAGES: &[(&str, &[&str])] = &[
    ("consume", &["batch", "kafka"]),
    ("persist", &["batch", "failpoint"]),
    ("settle", &["batch", "failpoint", "kafka", "lake"]),
];

/// An audit that shared code with what it audits would share its faults. Its tests write the lakes that it looks at, with all stages.
const AUDIT_STAGES: &[&str] = &["publish"];

/// Stages that work on columns and bytes alone, whatever runs them.
const PURE_STAGES: &[&str] = &["decode", "inspect", "measure", "notice", "persist", "publish"];

/// Crates with one home: only files below it may name them.
const HOMES: &[(&str, &str)] = &[("rdkafka", "src/kafka/"), ("rdkafka_sys", "src/kafka/"), ("glommio", "src/lane/")];

/// What pure stages may not name: Kafka, runtimes, files, sockets.
const IMPURE: &[&str] = &["rdkafka", "rdkafka_sys", "tokio", "glommio", "std::fs", "std::net"];

/// What `batch`, which everybody stands on, may not name: it needs arrow only.
const HEAVY: &[&str] = &["rdkafka", "rdkafka_sys", "tokio", "glommio", "std::fs", "std::net", "parquet", "axum", "prometheus"];

/// What windows must be, by definition, and the only modules of ours that it may name: what it shared with a stage it could not find wrong.
const REFERENCES: &[(&str, &[&str])] = &[
    ("src/journey/measure/tests/reference.rs", &["journey::measure::tests"]),
    ("src/lane/tests/measured.rs", &["batch", "lane::tests"]),
];

/// Whether the references are all there.
pub(crate) fn missing_references(sources: &[Source]) -> Vec<Finding> {
    let is_there = |path: &str| sources.iter().any(|source| source.path == path);
    REFERENCES.iter().filter(|(path, _)| !is_there(path)).map(|(path, _)| format!("{path} is not there")).collect()
}

/// All paths of a reference that lead to what it is the reference of.
pub(crate) fn reference_findings(source: &Source) -> Vec<Finding> {
    let Some((_, allowed)) = REFERENCES.iter().find(|(path, _)| *path == source.path) else { return Vec::new() };
    let module = module_path(&source.path);
    let ours = paths(&source.code).into_iter().filter_map(|(at, path)| Some((at, in_our_crate(&module, &path)?.join("::"))));
    let is_allowed = |path: &str| allowed.iter().any(|home| path.starts_with(&format!("{home}::")));
    let mut found: Vec<Finding> = ours
        .filter(|(_, path)| !is_allowed(path))
        .map(|(at, path)| source.finding(at, &format!("names {path}: not from a reference")))
        .collect();
    found.dedup();
    found
}

/// All paths of `source` that go where they may not.
pub(crate) fn findings(source: &Source) -> Vec<Finding> {
    let module: Vec<&str> = module_path(&source.path);
    let mut found = Vec::new();
    for (at, path) in paths(&source.code) {
        let ours = in_our_crate(&module, &path);
        let forbidden = match &ours {
            Some(path) if module[0] == "audit" && path.first() == Some(&"journey") && !source.is_test() => {
                path.get(1).filter(|stage| !AUDIT_STAGES.contains(stage)).map(|stage| format!("journey::{stage}"))
            }
            Some(path) => forbidden_module(&module, path),
            None => forbidden_crate(&source.path, &module, &path),
        };
        if let Some(name) = forbidden {
            found.push(source.finding(at, &format!("names {name}: not from {}", module.join("::"))));
        }
    }
    found.dedup();
    found
}

/// `src/journey/decode/plain.rs` → `journey decode plain`; `src/batch/mod.rs` → `batch`.
fn module_path(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod").collect()
}

/// The path from the root of our crate, when it begins with `crate`, `corelane`, `super` or `self`.
fn in_our_crate<'a>(module: &[&'a str], path: &[&'a str]) -> Option<Vec<&'a str>> {
    let ups = path.iter().take_while(|part| **part == "super").count();
    match path[0] {
        "crate" | "corelane" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([&module[..module.len().saturating_sub(ups)], &path[ups..]].concat()),
        _ => None,
    }
}

fn forbidden_module(module: &[&str], path: &[&str]) -> Option<String> {
    let (floor, target) = (module[0], *path.first()?);
    if floor == "journey" && module.len() > 1 {
        let stage = module[1];
        if target == "journey" {
            return path.get(1).filter(|other| **other != stage).map(|other| format!("journey::{other}"));
        }
        let more = STAGES.iter().find(|(name, _)| *name == stage).map_or(&["batch"][..], |(_, more)| more);
        return (is_module(target) && !more.contains(&target)).then(|| format!("crate::{target}"));
    }
    let below = FLOORS.iter().find(|(name, _)| *name == floor).map(|(_, below)| *below);
    match below {
        Some(below) => (is_module(target) && target != floor && !below.contains(&target)).then(|| format!("crate::{target}")),
        // lib.rs, main.rs: the roof.
        None => None,
    }
}

fn is_module(name: &str) -> bool {
    FLOORS.iter().any(|(floor, _)| *floor == name)
}

fn forbidden_crate(file: &str, module: &[&str], path: &[&str]) -> Option<String> {
    let joined = path.join("::");
    let begins = |name: &&str| joined == **name || joined.starts_with(&format!("{name}::"));
    if let Some((name, _)) = HOMES.iter().find(|(name, home)| begins(name) && !file.starts_with(home)) {
        return Some((*name).to_owned());
    }
    let is_pure = module[0] == "journey" && module.get(1).is_some_and(|stage| PURE_STAGES.contains(stage));
    let refused = if module[0] == "batch" {
        HEAVY
    } else if is_pure {
        IMPURE
    } else {
        &[]
    };
    refused.iter().find(|name| begins(name)).map(|name| (*name).to_owned())
}

/// Every `a::b::c` of the code, and every leaf of a `use a::{b, c::d};`, with the byte where it begins.
fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = next_name(code, at) {
        at = read_path(code, begin, &mut Vec::new(), &mut found);
    }
    // A path alone, `use glommio;` or a local name: only crates and modules matter, and these are recognised by name later.
    found
}

/// Where the next name begins at or after `at`.
fn next_name(code: &str, at: usize) -> Option<usize> {
    code[at..].find(|c: char| c.is_alphabetic() || c == '_').map(|offset| at + offset)
}

/// Reads one path (with a group at its end, if there is one) and gives the byte after it.
fn read_path<'a>(code: &'a str, begin: usize, parents: &mut Vec<&'a str>, found: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let depth = parents.len();
    let mut at = begin;
    loop {
        let end = name_end(code, at);
        parents.push(&code[at..end]);
        let after = skip_space(code, end);
        let next = code[after..].strip_prefix("::").map(|_| skip_space(code, after + 2));
        match next.map(|next| (next, code[next..].chars().next())) {
            Some((next, Some(c))) if c.is_alphabetic() || c == '_' => at = next,
            Some((next, Some('{'))) => {
                at = read_group(code, next + 1, parents, found);
                break;
            }
            _ => {
                // `self` in a group is its parent.
                let leaf =
                    if depth > 0 && parents.last() == Some(&"self") { &parents[..parents.len() - 1] } else { &parents[..] };
                // A name alone is a path only inside a group or after `use`.
                if leaf.len() > 1 || depth > 0 || code[..begin].trim_end().ends_with("use") {
                    found.push((begin, leaf.to_vec()));
                }
                at = end;
                break;
            }
        }
    }
    parents.truncate(depth);
    at
}

/// Reads `b, c::{d}, e as f}` and gives the byte after the brace.
fn read_group<'a>(code: &'a str, begin: usize, parents: &mut Vec<&'a str>, found: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let mut at = skip_space(code, begin);
    while let Some(c) = code[at..].chars().next() {
        if c == '}' {
            return at + 1;
        }
        if c.is_alphabetic() || c == '_' {
            at = read_path(code, at, parents, found);
            let rest = skip_space(code, at);
            if code[rest..].starts_with("as ") {
                at = name_end(code, skip_space(code, rest + 3));
            }
        } else {
            at += c.len_utf8();
        }
        at = skip_space(code, at);
    }
    at
}

fn name_end(code: &str, at: usize) -> usize {
    code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(code.len(), |offset| at + offset)
}

fn skip_space(code: &str, at: usize) -> usize {
    code[at..].find(|c: char| !c.is_whitespace()).map_or(code.len(), |offset| at + offset)
}
