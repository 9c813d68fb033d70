//! What a newcomer sees first: `corelane demo` says what became of windows, and the lines that it prints for a shell do what they say.

use std::path::Path;

use serde::Deserialize;

use crate::stage::PATIENCE;
use crate::support::process::{Process, corelane};
use crate::support::readers::python;
use crate::support::scratch::Scratch;

/// What tests/readers/demo_lines.py found.
#[derive(Debug, Deserialize)]
struct Shown {
    shown: Vec<u64>,
    windows: u64,
    differing: u64,
    aggregates: u64,
    groups: u64,
    kept_out: [u64; 3],
}

/// The whole numbers of a line; thousands have commas.
fn numbers(line: &str) -> Vec<u64> {
    let words = line.split_whitespace().map(|word| word.trim_end_matches([',', ';']).replace(',', ""));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_lines_that_the_demo_prints_make_the_windows_of_the_docs() {
    let scratch = Scratch::new("demo");
    // A name that a shell and SQL take differently.
    let lake = scratch.path().join("a newcomer's lake");
    let flags = ["demo", "--duration", "15s", "--quiet", "--devices", "200", "--rate", "1000", "--lanes", "1"];
    let mut command = corelane(flags);
    command.args(["--listen", "127.0.0.1:0", "--lake"]).arg(&lake);
    let mut demo = Process::spawn(command);
    let output = demo.wait_success(PATIENCE);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/windows.md");
    let printed = demo.stdout_path();
    let report = python("demo_lines.py", &[lake.as_os_str(), docs.as_os_str(), printed.as_os_str()]);
    let found: Shown = serde_json::from_str(&report).expect("demo_lines.py prints a report");
    println!("{found:?}");
    assert_eq!(found.shown.len(), 2, "{output}");
    assert!(found.shown[0] > 0 && found.shown[1] == 20, "{found:?}\n{output}");
    assert!(found.windows > 200, "{found:?}");
    assert_eq!(found.differing, 0, "{output}");

    let line = |what: &str| output.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}:\n{output}"));
    let windows = numbers(line(" on-time parts, "));
    assert_eq!((windows.len(), windows[3], windows[4]), (5, found.aggregates, found.groups), "{output}");
    assert!(windows[0] > 0, "{output}");
    assert_eq!(numbers(line(" kept out: ")), found.kept_out, "{output}");
}
