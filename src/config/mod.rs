//! Configuration: raw text → checked values → resolved and immutable.
//!
//! ```text
//! files ─ yaml ─┐                                          table.rs: every key, its kind, limits, default, meaning
//! --set ─ yaml ─┴ merge ─ variables ─ checked ─ limits ─ resolve ─ Config
//!                                        └── notes of each step ──┘── Faults: all at once, each with place, line and remedy
//! ```

mod checked;
mod fault;
mod limits;
mod machine;
mod merge;
mod properties;
mod quantity;
mod reference;
mod resolve;
mod resolved;
mod schema;
mod sensors;
mod show;
mod source;
mod table;
mod value;
mod variables;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use fault::{Fault, FaultKind, Faults};
pub use limits::WRITER_LENGTH_MAX;
pub use machine::Machine;
pub use properties::{PROTECTED, Protected, protected_property};
pub use reference::reference;
pub use resolved::{
    Compression, Config, Cores, Delivery, Epoch, Kafka, Lake, Lanes, LogFormat, Memory, Runtime, Secret, Serve, Simulate, Start,
    Telemetry, Windows,
};
pub use schema::schema;
pub use show::show;
pub use source::{Source, read_files};

use checked::Reading;
use fault::{Notes, Place};
use yaml::{Data, Node, Origin};

/// Resolves sources (later ones win), then `sets` of the form `a.b=value` (they win over all).
///
/// `environment` gives the variables of `${VAR}`; None where one is not set. Files that `…_file` keys name are read here.
///
/// # Errors
/// All faults of all sources, in their order.
pub fn load(
    sources: &[Source],
    sets: &[String],
    environment: &dyn Fn(&str) -> Option<String>,
    machine: &Machine,
) -> Result<Config, Faults> {
    let mut notes = Notes::default();
    let mut named = sources.to_vec();
    let mut reading = Reading::Complete;
    let first = Place { source: 0, line: 1, column: 1 };
    let mut root = Node { place: first, data: Data::Map(Vec::new()) };
    let files = sources.len();
    named.extend(sets.iter().map(|set| Source::new("--set", set.clone())));
    for (source, Source { text, .. }) in named.iter().enumerate() {
        let tree = if source < files {
            Some(yaml::parse(text, Origin { source, before: 0 }, &mut notes))
        } else {
            merge::set(text, source, &mut notes)
        };
        if tree.as_ref().is_none_or(|tree| !tree.complete) {
            reading = Reading::Broken;
        }
        if let Some(tree) = tree {
            // The root stands where the first file begins, whatever is merged into it.
            root = Node { place: first, ..merge::merge(root, tree.root) };
        }
    }
    variables::expand(&mut root, "", environment, &mut notes);
    let checked = checked::check(&root, reading, &mut notes);
    if reading == Reading::Complete {
        limits::check(&checked, &mut notes);
    }
    let config = resolve::resolve(&checked, machine, &mut notes);
    match config {
        Some(config) if notes.is_empty() => Ok(config),
        _ => Err(notes.into_faults(&named)),
    }
}

/// [`load`] with files, the environment and the cores of this process.
pub fn load_files(paths: &[PathBuf], sets: &[String]) -> Result<Config, Faults> {
    load(&read_files(paths)?, sets, &|name| std::env::var(name).ok(), &Machine::detect())
}

/// All defaults, for `demo` and tests: only what has none is given.
pub fn from_minimal(brokers: &[String], topics: &[String], lake: &Path, machine: &Machine) -> Result<Config, Faults> {
    // JSON is YAML; `${` would be taken for a variable.
    let set = |key: &str, value: serde_json::Value| format!("{key}={}", value.to_string().replace("${", "$${"));
    let sets = [
        set("kafka.brokers", brokers.into()),
        set("kafka.topics", topics.into()),
        set("lake.path", lake.to_string_lossy().into()),
    ];
    load(&[], &sets, &|_| None, machine)
}
