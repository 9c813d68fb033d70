//! What a play came to, for people (Markdown) and for programs (JSON).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::play::{Outcome, line};
use crate::schedule::{Fault, FaultKind};

impl Outcome {
    /// Writes `path` and, beside it, the same as JSON.
    pub(crate) fn write(&self, path: &Path) {
        let write = |path: &Path, text: String| {
            fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}: choose another --report", path.display()));
        };
        write(path, self.markdown());
        write(&path.with_extension("json"), format!("{:#}\n", self.json()));
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.rounds.iter().flat_map(|round| &round.faults)
    }

    /// Every kind that came, with how often, and how long the group then needed, of the rounds that had this fault alone.
    fn by_kind(&self) -> BTreeMap<FaultKind, (usize, Vec<Duration>)> {
        let mut kinds: BTreeMap<FaultKind, (usize, Vec<Duration>)> = BTreeMap::new();
        for round in &self.rounds {
            for fault in &round.faults {
                let (count, recovered) = kinds.entry(fault.kind).or_default();
                *count += 1;
                if round.faults.len() == 1 {
                    recovered.push(round.recovered);
                }
            }
        }
        for (_, recovered) in kinds.values_mut() {
            recovered.sort_unstable();
        }
        kinds
    }

    /// A line for the log of a test.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} faults ({} of {} inside a settle) in {} rounds, {} messages, {:.0} s, {} epochs refused, {} ends of processes by themselves {:?}; \
             {}; again: {}",
            self.faults().count(),
            self.settles.met,
            self.settles.wanted,
            self.rounds.len(),
            self.messages,
            self.took.as_secs_f64(),
            self.refusals.len(),
            self.incidents.len(),
            self.incidents,
            self.verdict.lines.join("; "),
            self.options.command()
        )
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Fault suite\n\n");
        let verdict = if self.verdict.findings.is_empty() { "right" } else { "WRONG" };
        let _ = writeln!(text, "Verdict: **{verdict}**. Again: `{}`\n", self.options.command());
        let _ = writeln!(text, "| | |\n|---|---|\n| seed | {} |\n| faults | {} |", self.options.seed(), self.faults().count());
        let _ = writeln!(text, "| messages | {} |\n| took | {:.0} s |", self.messages, self.took.as_secs_f64());
        let _ = writeln!(
            text,
            "| kills and stops that met files staged, of those that were to | {} of {} |\n| epochs that Kafka refused | {} |",
            self.settles.met,
            self.settles.wanted,
            self.refusals.len()
        );
        for line in &self.verdict.lines {
            let (name, what) = line.split_once(": ").unwrap_or(("", line));
            let _ = writeln!(text, "| {name} | {what} |");
        }
        for finding in &self.verdict.findings {
            let _ = writeln!(text, "\n```text\n{finding}\n```");
        }
        text.push_str("\n## Faults\n\nRecovery: from the end of the fault until every partition was committed up to where it ended then.\n\n");
        text.push_str("| fault | times | alone | median recovery | longest |\n|---|---|---|---|---|\n");
        for (kind, (count, recovered)) in self.by_kind() {
            let seconds =
                |index: usize| recovered.get(index).map_or_else(|| "–".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
            let (middle, last) = (recovered.len() / 2, recovered.len().saturating_sub(1));
            let _ =
                writeln!(text, "| {} | {count} | {} | {} | {} |", kind.name(), recovered.len(), seconds(middle), seconds(last));
        }
        let _ = writeln!(text, "\n## Processes that ended by themselves and were started again: {}\n", self.incidents.len());
        for incident in &self.incidents {
            let _ = writeln!(text, "- {incident}");
        }
        text.push_str("\n## Rounds\n\n");
        for (number, round) in self.rounds.iter().enumerate() {
            let _ = writeln!(text, "{}. {}", number + 1, line(round));
        }
        text
    }

    fn json(&self) -> Value {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let fault = |fault: &Fault| json!({"kind": format!("{:?}", fault.kind), "victim": fault.victim, "length_ms": millis(fault.length)});
        let rounds = self.rounds.iter().map(|round| {
            json!({
                "faults": round.faults.iter().map(fault).collect::<Vec<_>>(),
                "lasted_ms": millis(round.lasted),
                "recovered_ms": millis(round.recovered),
            })
        });
        let kinds = self.by_kind().into_iter().map(|(kind, (count, _))| (format!("{kind:?}"), json!(count)));
        json!({
            "seed": self.options.seed(),
            "command": self.options.command(),
            "faults": self.faults().count(),
            "faults_by_kind": kinds.collect::<serde_json::Map<_, _>>(),
            "messages": self.messages,
            "took_ms": millis(self.took),
            "right": self.verdict.findings.is_empty(),
            "checks": self.verdict.lines,
            "findings": self.verdict.findings,
            "settles_met": self.settles.met,
            "settles_wanted": self.settles.wanted,
            "epochs_refused": self.refusals,
            "ended_by_themselves": self.incidents,
            "rounds": rounds.collect::<Vec<_>>(),
        })
    }
}
