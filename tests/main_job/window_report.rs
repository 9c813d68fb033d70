//! What a stage's tables of windows are held against: readings, messages and labels, by `tests/readers/lake_windows.py`.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::records::visit;
use crate::stage::Stage;
use crate::support::readers::python;

/// What tests/readers/lake_windows.py found; every member of `faults` is empty or zero when all is right.
#[derive(Debug, Deserialize)]
pub(crate) struct WindowsReport {
    pub(crate) windows: u64,
    pub(crate) windows_of_parts: u64,
    pub(crate) partial_rows: u64,
    #[serde(flatten)]
    pub(crate) all: serde_json::Map<String, Value>,
}

impl WindowsReport {
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.all[name].as_u64().unwrap_or_else(|| panic!("{name} of {:?}", self.all))
    }

    /// Panics where anything does not fit: parts overlap, a value is in no part or in two, a row is not what its readings say, a merged
    /// window or place is not what all readings say, a quantile is off by more than 1 %, a message is not its row.
    pub(crate) fn assert_right(&self) {
        let is_fault = |name: &str| ["wrong", "missing", "double", "overlapping"].iter().any(|ending| name.ends_with(ending));
        let is_none = |value: &Value| match value {
            Value::Object(members) => members.values().all(|count| count == 0),
            value => value == 0,
        };
        let faults: Vec<_> = self.all.iter().filter(|(name, value)| is_fault(name) && !is_none(value)).collect();
        assert!(faults.is_empty(), "{faults:?}\n{}", serde_json::to_string_pretty(&self.all).unwrap());
        assert!(self.windows > 0 && self.number("values") > 0);
    }

    /// A line for people.
    pub(crate) fn line(&self) -> String {
        let of = |name: &str| self.all.get(name).cloned().unwrap_or(Value::Null);
        format!(
            "{} windows ({} of several parts) from {} values, rows {}, parts {}; {} quantiles, the worst off by {}; {} messages; {} readings \
             ahead, {} late, {} repeats",
            self.windows,
            self.windows_of_parts,
            of("values"),
            of("rows"),
            of("parts"),
            of("quantiles"),
            of("quantiles_worst_error"),
            of("messages"),
            of("ahead"),
            of("late"),
            of("repeats"),
        )
    }
}

/// What windows are held against besides readings and messages.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    /// Of all windows that were ever configured, with commas.
    pub(crate) sizes_ms: &'a str,
    /// Whether the labels are asked which readings must be on time, and which are repeats.
    pub(crate) labels: bool,
    /// Retention removed what lies before this offset while its windows were open.
    pub(crate) kept_from: i64,
}

/// Holds the stage's windows against its readings, its messages and its labels.
pub(crate) fn read_windows(stage: &Stage, asked: &Asked<'_>) -> WindowsReport {
    let messages = stage.scratch_file("aggregates.ndjson");
    write_messages(stage, &messages);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let (windows, schema) = (docs.join("windows.md"), docs.join("schemas/aggregate.v1.json"));
    let (lake, labels) = (stage.lake(), stage.labels());
    let mut args: Vec<&std::ffi::OsStr> = vec![lake.as_os_str()];
    let kept_from = asked.kept_from.to_string();
    for (name, value) in [
        ("--docs", windows.as_os_str()),
        ("--sizes", asked.sizes_ms.as_ref()),
        ("--kept-from", kept_from.as_ref()),
        ("--messages", messages.as_os_str()),
        ("--schema", schema.as_os_str()),
    ] {
        args.extend([name.as_ref(), value]);
    }
    if asked.labels {
        args.extend(["--labels".as_ref(), labels.as_os_str()]);
    }
    serde_json::from_str(&python("lake_windows.py", &args)).expect("lake_windows.py prints a report")
}

/// The committed records of `<prefix>.aggregates`, a line each.
fn write_messages(stage: &Stage, path: &Path) {
    let mut lines = BufWriter::new(std::fs::File::create(path).unwrap());
    visit(stage, &stage.output_topic("aggregates"), |record| {
        let (key, value) = (String::from_utf8(record.key.unwrap()).unwrap(), record.value.unwrap());
        writeln!(lines, "{{\"key\":{},\"value\":{}}}", json!(key), std::str::from_utf8(&value).unwrap()).unwrap();
    });
    lines.into_inner().unwrap();
}
