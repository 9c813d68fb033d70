//! After the last run: is everything in the lake once, and does all that speaks of it agree?

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::audit::audit;
use crate::cast::WINDOW_MS;
use crate::stage::Stage;
use crate::support::process::files_below;
use crate::verified::verify_lakes;
use crate::window_report::{Asked, read_windows};

/// What the counting came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What was found to be right, a line a check.
    pub(crate) lines: Vec<String>,
    /// What is wrong. Empty: the lake is that of an undisturbed run.
    pub(crate) findings: Vec<String>,
}

/// Holds the lake against the labels and against Kafka. Several lakes of one group are looked at as one.
pub(crate) fn verdict(stage: &Stage, lakes: &BTreeSet<PathBuf>, messages: u64) -> Verdict {
    let mut verdict = Verdict::default();
    // By its records, Kafka and files alone, for that is what an operator has; each lake by itself.
    verdict.check("corelane verify --deep", || {
        let verified = verify_lakes(stage, lakes);
        verified.assert_holds();
        verified.report["looked"].to_string()
    });
    // With DuckDB, pyarrow and Polars, against the labels; with a Kafka client, against epoch records, dead letters and offsets.
    verdict.check("every message", || {
        unite(lakes, &stage.lake());
        audit(stage, messages).line()
    });
    // With DuckDB: what the view of docs/windows.md makes of the parts, and what follows from the readings alone.
    verdict.check("every window", || {
        let windows = read_windows(stage, &Asked { sizes_ms: &WINDOW_MS.to_string(), ..Asked::default() });
        windows.assert_right();
        windows.line()
    });
    verdict
}

impl Verdict {
    /// A check says in a line what is right, or panics with what is not.
    fn check(&mut self, name: &str, check: impl FnOnce() -> String) {
        match catch_unwind(AssertUnwindSafe(check)) {
            Ok(line) => self.lines.push(format!("{name}: {line}")),
            Err(panic) => self.findings.push(format!("{name}: {}", text_of(&*panic))),
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "it panicked".to_owned())
}

/// Puts links to the files of several lakes into one tree. Names of files hold epoch and writer, so no two are the same.
fn unite(lakes: &BTreeSet<PathBuf>, whole: &Path) {
    for lake in lakes.iter().filter(|lake| *lake != whole && lake.exists()) {
        for file in files_below(lake, "") {
            let relative = file.strip_prefix(lake).unwrap();
            if relative.starts_with("_corelane") {
                continue;
            }
            let link = whole.join(relative);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            fs::hard_link(&file, link).unwrap();
        }
    }
}
