//! The shape of the crate, enforced: who may import whom (DESIGN section 2), and how long, how named and how safe code is (STYLE).
//!
//! Each rule is a function from source texts to findings. Each has a canary: a made-up text that it must find something in; else a rule
//! that has gone blind would pass for ever.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "floors/imports.rs"]
mod imports;
#[path = "floors/source.rs"]
mod source;
#[path = "floors/style.rs"]
mod style;

use source::Source;

/// A finding: `src/a/b.rs:12: what is wrong`.
type Finding = String;

fn assert_none(findings: &[Finding]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The rule must find exactly one thing in `text`, and what it says must contain `about`.
fn canary(rule: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str, about: &str) {
    let findings = rule(&Source::new(path, text));
    assert!(
        findings.len() == 1 && findings[0].contains(about),
        "{path} {text:?}: wanted one about {about:?}, found {findings:?}"
    );
}

/// The rule must find nothing in `text`.
fn harmless(rule: impl Fn(&Source) -> Vec<Finding>, path: &str, text: &str) {
    let findings = rule(&Source::new(path, text));
    assert!(findings.is_empty(), "{path} {text:?}: found {findings:?}");
}

#[test]
fn imports_go_downwards_only() {
    let findings: Vec<Finding> = source::all_of("src").iter().flat_map(imports::findings).collect();
    assert_none(&findings);
}

#[test]
fn an_import_upwards_or_sideways_is_found() {
    let check = |path, text, about| canary(imports::findings, path, text, about);
    check("src/batch/a.rs", "use crate::lake::LocalStorage;", "crate::lake");
    check("src/config/a.rs", "use crate::{batch::Table, kafka::Producer};", "crate::kafka");
    check("src/broker/mod.rs", "use crate::batch::Table;", "crate::batch");
    check("src/lake/a.rs", "fn f() { crate::telemetry::count() }", "crate::telemetry");
    check("src/journey/decode/a.rs", "use crate::journey::inspect::Rules;", "journey::inspect");
    check("src/journey/decode/a.rs", "use super::super::inspect::Rules;", "journey::inspect");
    check("src/journey/decode/mod.rs", "use super::inspect;", "journey::inspect");
    check("src/journey/decode/a/b.rs", "fn f() { super::super::super::inspect::f() }", "journey::inspect");
    check("src/journey/persist/a.rs", "use crate::kafka::contract::Offsets;", "crate::kafka");
    check("src/journey/consume/a.rs", "use crate::lake::Storage;", "crate::lake");
    check("src/journey/settle/a.rs", "use crate::config::Config;", "crate::config");
    check("src/lane/a.rs", "use crate::serve;", "crate::serve");
    check("src/serve/a.rs", "pub(crate) use crate::cli::Exit as E;", "crate::cli");
    check("src/kafka/a.rs", "use corelane::lane::Lane;", "crate::lane");
    check("src/telemetry/a.rs", "use crate::journey::{self, decode};", "crate::journey");
    check("src/audit/a.rs", "use crate::journey::measure::Windows;", "journey::measure");
    check("src/audit/deep/a.rs", "use crate::journey::{inspect, publish::EpochRecord};", "journey::inspect");
    check("src/audit/a.rs", "use crate::lane::Crew;", "crate::lane");
    check("src/lane/a.rs", "use crate::audit::audit;", "crate::audit");
}

#[test]
fn a_foreign_crate_in_the_wrong_place_is_found() {
    let check = |path, text, about| canary(imports::findings, path, text, about);
    check("src/lake/a.rs", "use rdkafka::Message;", "rdkafka");
    check("src/lane/a.rs", "let x = rdkafka_sys::rd_kafka_version();", "rdkafka_sys");
    check("src/kafka/a.rs", "use glommio::Task;", "glommio");
    check("src/journey/measure/a.rs", "async fn f() { tokio::time::sleep(d).await }", "tokio");
    check("src/journey/publish/a.rs", "use std::{fs::File, io};", "std::fs");
    check("src/journey/persist/a.rs", "use std::net::TcpStream;", "std::net");
    check("src/journey/inspect/a.rs", "fn f() { std::fs::read(p) }", "std::fs");
    check("src/batch/a.rs", "use parquet::file;", "parquet");
    check("src/batch/a.rs", "use tokio::sync::mpsc;", "tokio");
}

#[test]
fn what_is_allowed_is_not_found() {
    let check = |path, text| harmless(imports::findings, path, text);
    check("src/config/a.rs", "use crate::batch::SensorCatalog;\nuse super::raw::Raw;\nuse crate::config::Checked;");
    check("src/kafka/a.rs", "use rdkafka::consumer::{BaseConsumer, Consumer};\nuse crate::batch::RawBatch;");
    check("src/journey/settle/a.rs", "use crate::kafka::Transaction;\nuse crate::lake::{Storage, Staged};");
    check("src/journey/consume/a.rs", "use crate::kafka::TopicPartition;");
    check("src/journey/decode/fast/a.rs", "use super::super::plain;\nuse crate::journey::decode::Literals;");
    check("src/lane/a.rs", "use crate::journey::{consume, decode};\nuse glommio::LocalExecutor;\nuse crate::config::Config;");
    check("src/audit/a.rs", "use crate::journey::publish::EpochRecord;\nuse crate::kafka::Admin;\nuse crate::lake::Lake;");
    check("src/audit/tests/a.rs", "use crate::journey::measure::Measurer;");
    check("src/main.rs", "fn main() { corelane::cli::main() }");
    check("src/journey/decode/a.rs", "// use crate::kafka\n/* tokio:: /* nested */ rdkafka:: */\nlet a = \"crate::lane::x\";");
    check("src/journey/decode/a.rs", "let a = r#\"crate::\"lane\"::x\"#; let c = '\"'; let b: &'static str = \"tokio::\";");
}

#[test]
fn references_name_nothing_of_what_they_judge() {
    let sources = source::all_of("src");
    assert_none(&imports::missing_references(&sources));
    assert_none(&sources.iter().flat_map(imports::reference_findings).collect::<Vec<Finding>>());
}

#[test]
fn a_reference_that_leans_on_a_stage_is_found() {
    let check = |path, text, about| canary(imports::reference_findings, path, text, about);
    let (measure, lane) = ("src/journey/measure/tests/reference.rs", "src/lane/tests/measured.rs");
    check(measure, "use crate::journey::measure::Windows;", "journey::measure::Windows");
    check(measure, "use super::super::series::fold;", "journey::measure::series::fold");
    check(measure, "fn f() { crate::journey::inspect::flags() }", "journey::inspect::flags");
    check(measure, "use crate::batch::Flag;", "batch::Flag");
    check(lane, "use crate::journey::measure::Windows;", "journey::measure::Windows");
    check(lane, "use crate::lane::Lane;", "lane::Lane");
    harmless(imports::reference_findings, measure, "use super::{Reading, Row};\nuse std::collections::HashMap;");
    harmless(imports::reference_findings, lane, "use super::world::World;\nuse crate::batch::Table;");
    harmless(imports::reference_findings, "src/lane/tests/play.rs", "use crate::journey::measure::Windows;");
    assert_eq!(imports::missing_references(&[source::Source::new(lane, "")]).len(), 1);
}

#[test]
fn files_and_functions_are_short() {
    assert_none(&style::length_findings(&source::all_of("src"), style::ALLOWED));
}

#[test]
fn a_long_file_and_a_long_function_are_found() {
    let lines = |count: usize| "    work();\n".repeat(count);
    let function = |body: usize| format!("fn long() {{\n{}}}\n", lines(body));
    let check = |text: &str, allowed: &[style::Allowance], wanted: &[&str]| {
        let findings = style::length_findings(&[Source::new("src/a.rs", text)], allowed);
        let good = findings.len() == wanted.len() && findings.iter().zip(wanted).all(|(finding, about)| finding.contains(about));
        assert!(good, "wanted {wanted:?}, found {findings:?}");
    };
    check(&function(68), &[], &[]);
    check(&function(69), &[], &["`long` has 71 lines"]);
    check(&"\n".repeat(500), &[], &[]);
    check(&"\n".repeat(501), &[], &["501 lines"]);
    let text = "trait A {\n fn short(&self) -> [u8; 2];\n}\nfn next() { let s = \"{\"; }\n".to_owned() + &function(90);
    check(&text, &[], &["`long` has 92 lines"]);
    let allowed = style::Allowance { path: "src/a.rs", function: Some("long"), reason: "a table" };
    check(&function(90), &[allowed], &[]);
    check(&function(9), &[allowed], &["no longer"]);
}

#[test]
fn names_unwraps_and_unsafe_keep_the_style() {
    let findings: Vec<Finding> = source::all_of("src").iter().flat_map(style::findings).collect();
    assert_none(&findings);
}

#[test]
fn a_bad_name_an_unwrap_and_a_bare_unsafe_are_found() {
    let check = |path, text, about| canary(style::findings, path, text, about);
    check("src/a.rs", "//! A.\nmod util;", "util");
    check("src/a.rs", "//! A.\npub(crate) mod helpers {}", "helpers");
    check("src/a/manager.rs", "//! A.\n", "manager");
    check("src/a/types.rs", "//! A.\n", "types");
    check("src/a.rs", "//! A.\nfn f() { x.unwrap() }", "unwrap");
    check("src/a.rs", "//! A.\nfn f() { self.x.unwrap() }", "unwrap");
    check("src/a.rs", "//! A.\nfn f() { x\n.expect(\"never\") }", "expect");
    check("src/a.rs", "//! A.\nfn f() { unsafe { g() } }", "SAFETY");
    check("src/a.rs", "//! A.\n// SAFETY: of another one.\nfn e() {}\n\n\nunsafe impl Send for A {}", "SAFETY");
    check("src/a.rs", "//! A.\nfn f() { todo!() }", "todo");
    check("src/a.rs", "//! A.\nfn f() {} // FIXME: later", "FIXME");
    check("src/a.rs", "//! A.\n#[ignore]\nfn f() {}", "ignore");
    check("src/a.rs", "fn f() {}", "//!");
    check("src/a.rs", "//! A.\n#[cfg(test)]\nmod tests {\n}", "sibling");
}

#[test]
fn good_style_is_not_found() {
    let check = |path, text| harmless(style::findings, path, text);
    check("src/a.rs", "//! A.\n// SAFETY: g has no preconditions.\nlet x = unsafe { g() };\nx.unwrap_or(1);");
    check(
        "src/a.rs",
        "//! A.\n/// # Safety\n/// p is valid.\npub unsafe fn f(p: *const u8);\ntype F = unsafe extern \"C\" fn();",
    );
    check("src/a.rs", "//! A.\n/// Like `unwrap()`, TODO-list.\n#[cfg(test)]\nmod tests;");
    check("src/a.rs", "//! A.\nfn f(&self) { self.expect(x) }");
    check("src/a/tests.rs", "fn f() { x.unwrap() }");
    check("src/a_tests.rs", "fn f() { x.unwrap() }");
}
