//! Readers of the lake that share no code with us: DuckDB, pyarrow and Polars, in the virtual environment of `./dev setup`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::cache_dir;

/// What one reader saw of one column: its kind, and `count`, `sum`, `min`, `max`, `bytes`, `true`, `buckets`, `counted` as far as the kind
/// has them.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Column {
    /// `int32`, `int64`, `uint16`, `float64`, `bool`, `text`, `bytes`, `time_utc`, `buckets`.
    pub kind: String,
    #[serde(flatten)]
    pub values: BTreeMap<String, Value>,
}

/// What one reader saw of one table. Without a file: no rows, no columns.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct TableReport {
    pub rows: u64,
    pub columns: BTreeMap<String, Column>,
}

/// By table name: `readings`, `events`, `rejects`, `aggregates`, `groups`.
pub type LakeReport = BTreeMap<String, TableReport>;

/// Reads the whole lake with all three and panics where they do not agree on rows, schema, counts, sums or extremes.
pub fn read_lake(lake: &Path) -> LakeReport {
    let output = python("lake_counts.py", &[lake.as_os_str()]);
    let mut readers: BTreeMap<String, LakeReport> = serde_json::from_str(&output).expect("lake_counts.py prints a report");
    assert_eq!(readers.keys().collect::<Vec<_>>(), ["duckdb", "polars", "pyarrow"]);
    let differences = disagreements(&readers);
    assert!(differences.is_empty(), "the readers of {} do not agree:\n{}", lake.display(), differences.join("\n"));
    readers.remove("duckdb").expect("checked above")
}

/// Where readers differ from the first one, a line each.
pub fn disagreements(readers: &BTreeMap<String, LakeReport>) -> Vec<String> {
    let mut lines = Vec::new();
    let (first_name, first) = readers.first_key_value().expect("at least one reader");
    for (name, report) in readers.iter().skip(1) {
        for (table, expected) in first {
            let Some(found) = report.get(table) else {
                lines.push(format!("{table}: {name} does not have it"));
                continue;
            };
            if found.rows != expected.rows {
                lines.push(format!("{table}: {first_name} has {} rows, {name} {}", expected.rows, found.rows));
            }
            let columns = |report: &TableReport| report.columns.keys().cloned().collect::<Vec<_>>().join(" ");
            if columns(expected) != columns(found) {
                lines.push(format!("{table}: {first_name} has {}; {name} has {}", columns(expected), columns(found)));
                continue;
            }
            for (column, expected) in &expected.columns {
                let found = &found.columns[column];
                if !same_column(expected, found) {
                    lines.push(format!("{table}.{column}: {first_name} has {expected:?}, {name} has {found:?}"));
                }
            }
        }
    }
    lines
}

fn same_column(one: &Column, other: &Column) -> bool {
    let same_names = one.values.keys().eq(other.values.keys());
    one.kind == other.kind && same_names && one.values.iter().all(|(name, value)| same_value(value, &other.values[name]))
}

/// Whole numbers exactly; sums of floats depend on the order of adding, so these to 9 digits.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(a), Some(b)) if one.is_f64() && other.is_f64() => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => one == other,
    }
}

/// Runs `tests/readers/<script>` and gives what it printed; panics with its error output when it fails.
pub fn python(script: &str, args: &[&std::ffi::OsStr]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script);
    let interpreter = interpreter();
    let mut command = Command::new(&interpreter);
    // No byte code in the checkout, and nothing from the user's own packages.
    command.args(["-B", "-s"]).arg(path).args(args);
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}: run `./dev setup`", interpreter.display()));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}

fn interpreter() -> PathBuf {
    let path = cache_dir().join("venv/bin/python");
    assert!(path.exists(), "{} is missing: run `./dev setup`", path.display());
    path
}

/// How a lake fits the labels of the simulator.
#[derive(Clone, Debug, Deserialize)]
pub struct LabelReport {
    /// Messages that the simulator made, and of these the ones that Kafka acknowledged.
    pub labels: u64,
    pub delivered: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Labels that share a sequence number or a place in Kafka with another one: a fault of the labels.
    pub labels_double: u64,
    /// Delivered messages in no table; in more than one row; rows without a label.
    pub missing: u64,
    pub double: u64,
    pub unlabelled: u64,
    /// Rows that are not what the label expects, by what differs: `table`, `reason`, `quality`, `temperature` …
    pub wrong: BTreeMap<String, u64>,
    pub by_table: BTreeMap<String, u64>,
    pub by_reason: BTreeMap<String, u64>,
    /// By the name of the fault, empty for none.
    pub by_fault: BTreeMap<String, FaultReport>,
    /// The first ten mismatches, with label and rows.
    pub first: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct FaultReport {
    pub messages: u64,
    pub wrong: u64,
}

/// Compares a lake with the labels of all that went into its topic.
pub fn read_labels(lake: &Path, labels: &Path) -> LabelReport {
    let output = python("lake_labels.py", &[lake.as_os_str(), labels.as_os_str()]);
    serde_json::from_str(&output).expect("lake_labels.py prints a report")
}

impl LabelReport {
    /// Panics unless `messages` were made and delivered and each is in exactly one table, once, as its label expects.
    pub fn assert_exactly_once(&self, messages: u64) {
        assert_eq!(
            (self.labels, self.delivered, self.labels_double),
            (messages, messages, 0),
            "labels, delivered, labels that stand twice"
        );
        let faults: Vec<_> = self.by_fault.iter().filter(|(_, report)| report.wrong > 0).collect();
        let is_right = self.missing + self.double + self.unlabelled == 0 && self.wrong.is_empty() && self.rows == messages;
        assert!(
            is_right,
            "of {messages} messages: missing {}, double {}, without a label {}; wrong: {:?}; faults: {faults:?}\n{}",
            self.missing,
            self.double,
            self.unlabelled,
            self.wrong,
            self.first.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
        );
    }
}
