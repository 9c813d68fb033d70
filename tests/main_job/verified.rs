//! `corelane verify` as a child process: after each story of the main job it must say that all holds.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::audit::{self, Audit};
use crate::stage::{PATIENCE, Stage};
use crate::support::process::{Process, corelane};

/// What an audit ended with.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) code: i32,
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

impl Verified {
    /// The kinds of its findings, each once, in order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.report["totals"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[track_caller]
    pub(crate) fn assert_holds(&self) {
        assert_eq!((self.code, &self.report["verdict"]), (0, &Value::from("holds")), "{:#}\n{}", self.report, self.stderr);
    }

    /// Exactly these kinds, and one finding of the first kind with its place and a remedy.
    #[track_caller]
    pub(crate) fn assert_finds(&self, kinds: &[&str], about: &str) {
        let mut wanted = kinds.to_vec();
        wanted.sort_unstable();
        assert_eq!((self.code, self.kinds()), (1, wanted), "{:#}", self.report);
        let findings = self.report["findings"].as_array().unwrap();
        let mut found = findings.iter().filter(|finding| finding["kind"] == kinds[0]);
        let is_it = |finding: &Value| {
            let text = format!("{} {}", finding["place"], finding["what"]);
            text.contains(about) && finding["remedy"].as_str().unwrap().len() > 20
        };
        assert!(found.any(is_it), "no {} about {about:?} in {findings:#?}", kinds[0]);
    }
}

/// Runs it to its end, and reads its report.
pub(crate) fn run(mut command: Command) -> Verified {
    command.args(["--format", "json", "--quiet"]);
    let mut process = Process::spawn(command);
    let code = process.wait_exit(PATIENCE).code().unwrap();
    let report = serde_json::from_str(&process.stdout()).unwrap_or(Value::Null);
    Verified { code, report, stderr: process.stderr() }
}

/// The audit of a stage, deep, with the lake that its configuration names.
pub(crate) fn verify(stage: &Stage) -> Verified {
    verify_lakes(stage, &BTreeSet::from([stage.lake()]))
}

/// The same with other arguments.
pub(crate) fn verify_with<A: AsRef<OsStr>>(stage: &Stage, args: &[A]) -> Verified {
    let mut command = corelane(["verify", "--config"]);
    command.arg(stage.configuration()).args(args);
    run(command)
}

/// The same of several lakes of the stage's group; those that are not there are left out.
pub(crate) fn verify_lakes(stage: &Stage, lakes: &BTreeSet<PathBuf>) -> Verified {
    let mut there = lakes.iter().filter(|lake| lake.exists());
    let first = there.next().expect("a lake");
    let mut command = corelane(["verify", "--deep", "--config"]);
    command.arg(stage.configuration()).arg("--set").arg(format!("lake.path={}", first.display()));
    for lake in there {
        command.arg("--lake").arg(lake);
    }
    run(command)
}

/// The audit of the tests, and the program's own, which must agree with it.
pub(crate) fn audit(stage: &Stage, messages: u64) -> Audit {
    let found = audit::audit(stage, messages);
    verify(stage).assert_holds();
    found
}
