//! What the tests of the configuration share: a machine of four cores, an environment of three variables, and faults in short.

mod anything;
mod documents;
mod faults;
mod limits;
mod resolving;
mod texts;

use super::{Config, Fault, FaultKind, Faults, Machine, Source, load};

/// What has no default; tests append to it.
const MINIMAL: &str = "kafka: {brokers: [\"b:9092\"], topics: [device-data]}\nlake: {path: ./lake}\n";

fn environment(name: &str) -> Option<String> {
    match name {
        "SITE" => Some("plant-7".into()),
        "FLEET" => Some("300".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load_all(texts: &[&str], sets: &[&str]) -> Result<Config, Faults> {
    let sources: Vec<Source> = (1..).zip(texts).map(|(number, text)| Source::new(format!("{number}.yaml"), *text)).collect();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&sources, &sets, &environment, &Machine::with_cores(4))
}

fn load_text(text: &str) -> Result<Config, Faults> {
    load_all(&[text], &[])
}

/// [`MINIMAL`] with `--set`s.
fn load_sets(sets: &[&str]) -> Result<Config, Faults> {
    load_all(&[MINIMAL], sets)
}

fn faults_of(result: Result<Config, Faults>) -> Vec<Fault> {
    result.expect_err("a fault was expected").0
}

/// Kind, line, column, key of each fault.
fn short(faults: &[Fault]) -> Vec<(FaultKind, usize, usize, &str)> {
    faults.iter().map(|fault| (fault.kind, fault.line, fault.column, fault.key.as_str())).collect()
}
