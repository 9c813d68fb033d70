//! Texts that a configuration is made of.

use std::path::PathBuf;

use super::fault::{Fault, FaultKind, Faults};

/// A text with the name that faults call it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Reads all files, or says which cannot be read.
pub fn read_files(paths: &[PathBuf]) -> Result<Vec<Source>, Faults> {
    let mut sources = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        match std::fs::read_to_string(path) {
            Ok(text) => sources.push(Source::new(path.display().to_string(), text)),
            Err(error) => faults.push(Fault {
                kind: FaultKind::Unreadable,
                source: path.display().to_string(),
                line: 0,
                column: 0,
                key: String::new(),
                message: format!("cannot be read: {error}"),
                remedy: "give the path of a UTF-8 YAML file that this user may read; conf/minimal.yaml is one to start from"
                    .into(),
                snippet: String::new(),
                caret: 0,
            }),
        }
    }
    if faults.is_empty() { Ok(sources) } else { Err(Faults(faults)) }
}
