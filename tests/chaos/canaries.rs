//! The program breaks its protocol on purpose, and the suite must find it: else its silence proves nothing.

use std::time::Duration;

use corelane::failpoint::CANARIES;

use crate::cast::Asked;
use crate::options::Options;
use crate::play::play;
use crate::schedule::{Fault, FaultKind, Round};

/// Where a zombie stands when it is stopped.
const BEFORE_THE_TRANSACTION: &str = "stage.folder_synced=300";

/// What a breach does to the lake.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// Labels without a row.
    Missing,
    /// Labels with two.
    Double,
    /// Segments that a record names and that are nowhere.
    NotThere,
}

impl Sign {
    fn is_in(self, findings: &str) -> bool {
        let counts = |word: &str| {
            let after = findings.split(word).skip(1);
            after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()).any(|count| count > 0)
        };
        match self {
            Sign::Missing => counts(": missing "),
            Sign::Double => counts(", double "),
            Sign::NotThere => findings.contains("neither staged nor visible"),
        }
    }
}

#[test]
fn a_sign_is_a_number_above_zero() {
    let text = "every message: of 9 messages: missing 0, double 12, without a label 0";
    assert!(Sign::Double.is_in(text) && !Sign::Missing.is_in(text) && !Sign::NotThere.is_in(text));
}

/// How a breach comes to light.
struct Proof {
    /// Where the program stands still in the middle of it.
    pause: Option<&'static str>,
    rounds: Vec<Round>,
    /// What the verdict then says, by the labels: any of these.
    signs: &'static [Sign],
    /// What `corelane verify` finds, which knows no labels.
    kind: &'static str,
}

fn proof_of(canary: &str) -> Proof {
    let proof = |pause, rounds, signs, kind| Proof { pause, rounds, signs, kind };
    match canary {
        // From a staged file to the next breach it is about 200 ms, more on a slow disk, and the breach lasts for 300.
        "commit_before_stage" => {
            let kills = kills(&[250, 300, 350, 400, 450, 500, 700, 1_000]);
            proof(Some("transact.committed=300"), kills, &[Sign::Missing], "segment_missing")
        }
        "skip_a_rename" => proof(None, calm(), &[Sign::Missing, Sign::NotThere], "rename_unfinished"),
        "forget_a_reject" => proof(None, calm(), &[Sign::Missing], "row_lost"),
        "reveal_uncommitted" => {
            proof(Some("stage.folder_synced=100"), kills(&[10, 20, 30]), &[Sign::Double], "segment_uncommitted")
        }
        "unfenced_offsets" => proof(Some(BEFORE_THE_TRANSACTION), stalls(), &[Sign::Double], "span_overlap"),
        other => panic!("{other} has no proof yet"),
    }
}

/// No fault at all: the breach alone is enough, if there are epochs enough.
fn calm() -> Vec<Round> {
    vec![Round { calm: Duration::from_secs(12), faults: Vec::new() }]
}

/// kill -9, each so many milliseconds after a file was staged.
fn kills(after_ms: &[u64]) -> Vec<Round> {
    let fault = |victim, after_ms| {
        let (kind, length) = (FaultKind::KillInSettle, Duration::ZERO);
        Fault { kind, victim, length, detail: after_ms * 1_000 }
    };
    after_ms.iter().enumerate().map(|(i, ms)| Round { calm: Duration::ZERO, faults: vec![fault(i % 2, *ms)] }).collect()
}

/// Each process in turn becomes a zombie between staging and commit; meanwhile the other one has its partitions.
fn stalls() -> Vec<Round> {
    let length = Duration::from_secs(14);
    let fault = |victim| Fault { kind: FaultKind::StallInSettle, victim, length, detail: 50_000 };
    (0..2).map(|victim| Round { calm: Duration::ZERO, faults: vec![fault(victim)] }).collect()
}

fn is_found(canary: &'static str) {
    let options = Options::of("--kafka embedded --processes 2 --rate 1000");
    let proof = proof_of(canary);
    let outcome = play(&options, Asked { canary: Some(canary), pause: proof.pause }, |_| proof.rounds);
    let findings = outcome.verdict.findings.join("\n");
    let found = proof.signs.iter().any(|sign| sign.is_in(&findings));
    assert!(found, "{canary}, seed {}: the suite is blind; it says {}{findings}", options.seed(), outcome.summary());
    let kind = format!("\"kind\": \"{}\"", proof.kind);
    assert!(findings.contains(&kind), "{canary}, seed {}: corelane verify finds no {}: {findings}", options.seed(), proof.kind);
    println!("{canary} is found: {}", findings.chars().take(120).collect::<String>());
}

#[test]
fn a_commit_before_the_segments_are_durable_is_found() {
    is_found("commit_before_stage");
}

#[test]
fn a_skipped_rename_is_found() {
    is_found("skip_a_rename");
}

#[test]
fn a_forgotten_reject_is_found() {
    is_found("forget_a_reject");
}

#[test]
fn a_revealed_epoch_that_was_never_committed_is_found() {
    is_found("reveal_uncommitted");
}

#[test]
fn a_zombie_that_is_not_fenced_is_found() {
    is_found("unfenced_offsets");
}

/// The same zombies as of the canary before, and the program keeps its protocol: Kafka must refuse their epochs, and all is right.
fn is_fenced(kafka: &str) {
    let options = Options::of(&format!("--kafka {kafka} --processes 2 --rate 1000"));
    let outcome = play(&options, Asked { canary: None, pause: Some(BEFORE_THE_TRANSACTION) }, |_| stalls());
    println!("{}; refused: {:?}", outcome.summary(), outcome.refusals);
    outcome.assert_right();
    let names = ["UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "FENCED_INSTANCE_ID"];
    let fenced = outcome.refusals.iter().filter(|line| names.iter().any(|name| line.contains(name))).count();
    assert!(fenced >= 1, "no zombie was refused, seed {}: {:?}", options.seed(), outcome.refusals);
}

#[test]
fn a_zombie_is_fenced_beside_the_embedded_broker() {
    is_fenced("embedded");
}

#[test]
fn a_zombie_is_fenced_on_apache_kafka() {
    is_fenced("apache");
}

#[test]
fn every_canary_has_its_proof() {
    for (canary, _) in CANARIES {
        proof_of(canary);
    }
}
