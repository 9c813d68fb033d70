use clap::Parser;

use super::super::Exit;
use super::Files;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    files: Files,
}

fn load(words: &[&str]) -> Result<crate::config::Config, super::Failure> {
    Line::try_parse_from(["corelane"].iter().chain(words)).expect("a good command line").files.load()
}

fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn files_and_sets_of_a_command_line_become_one_configuration() {
    let (full, minimal) = (repository("conf/corelane.yaml"), repository("conf/minimal.yaml"));
    let config = load(&[&full, &minimal, "--set", "kafka.group=a=b", "--set", "kafka.group=plant-7"]).expect("good");
    assert_eq!(config.kafka.group, "plant-7");
}

#[test]
fn faults_end_with_78_and_are_all_in_the_message() {
    let failure =
        load(&[&repository("conf/minimal.yaml"), "--set", "kafka.group=", "--set", "epoch.bytes=1"]).expect_err("two faults");
    assert_eq!(failure.exit, Exit::Config);
    let message = format!("{:#}", failure.error);
    assert!(message.contains("2 faults") && message.contains("kafka.group") && message.contains("epoch.bytes"), "{message}");
    assert_eq!(load(&["/missing/file.yaml"]).expect_err("no file").exit, Exit::Config);
}

#[test]
fn a_file_must_be_named() {
    assert!(Line::try_parse_from(["corelane", "--set", "a=b"]).is_err());
}
