//! The report for people.

use std::io::{self, Write};

use crate::audit::{Action, Class, Finding, PartitionSeen, Place, Report, Verdict};
use crate::cli::live::grouped;

/// Three things found, one not seen: what the exit code stands for.
pub(super) fn summary(report: &Report) -> String {
    let (found, unchecked) = (report.findings.total_of(Class::Found), report.findings.total_of(Class::Unchecked));
    match report.verdict() {
        Verdict::Holds => "all holds".to_owned(),
        Verdict::Unchecked => format!("nothing wrong was seen; {} unchecked", grouped(unchecked)),
        Verdict::Found => format!("{} found, {} unchecked", grouped(found), grouped(unchecked)),
    }
}

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    writeln!(out, "group      {} on cluster {}", report.group, report.cluster_id)?;
    for lake in &report.lakes {
        writeln!(out, "lake       {} ({})", lake.path, lake.id)?;
    }
    let looked = &report.looked;
    let (segments, rows) = (grouped(looked.segments), grouped(looked.rows));
    let mib = looked.bytes as f64 / f64::from(1 << 20);
    writeln!(out, "looked at  {} epochs; {segments} segments, {rows} rows, {mib:.1} MiB", grouped(looked.epochs))?;
    if report.deep {
        let [rows, messages] = [looked.deep_rows, looked.messages].map(grouped);
        let [aggregates, groups] = [looked.aggregates, looked.groups].map(grouped);
        writeln!(
            out,
            "deep       {rows} rows against {messages} messages; {aggregates} rows of aggregates, {groups} of groups recomputed"
        )?;
    }
    for partition in &report.partitions {
        writeln!(out, "partition  {}", line_of(partition))?;
    }
    for note in &report.notes {
        writeln!(out, "note       {note}")?;
    }
    for repaired in report.repaired.iter().flatten() {
        let action = match repaired.action {
            Action::Renamed => "renamed",
            Action::Removed => "removed",
            Action::Left => "left",
        };
        writeln!(out, "{action:<10} {}: {}", repaired.path, repaired.why)?;
    }
    for finding in report.findings.kept() {
        write_finding(out, finding)?;
    }
    for (kind, total) in report.findings.totals() {
        let kept = report.findings.kept().iter().filter(|finding| finding.kind == *kind).count() as u64;
        if *total > kept {
            writeln!(out, "and {} more {}", grouped(total - kept), kind.name())?;
        }
    }
    writeln!(out, "verdict    {}", summary(report))
}

fn line_of(partition: &PartitionSeen) -> String {
    let PartitionSeen { topic, partition, start, next, committed, epochs, consumed, gaps, readings, events, rejects } = partition;
    let committed = committed.map_or_else(|| "nothing".to_owned(), |offset| offset.to_string());
    format!(
        "{topic}[{partition}] [{start}, {next}) in {} epochs, committed {committed}; {} consumed + {} gaps; {} readings, {} events, {} rejects",
        grouped(*epochs),
        grouped(*consumed),
        grouped(*gaps),
        grouped(*readings),
        grouped(*events),
        grouped(*rejects),
    )
}

fn write_finding(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let class = match finding.class {
        Class::Found => "FOUND",
        Class::Unchecked => "UNCHECKED",
    };
    writeln!(out, "{class:<10} {}  {}", finding.kind.name(), place(&finding.place))?;
    writeln!(out, "           {}", finding.what)?;
    writeln!(out, "           remedy: {}", finding.remedy)
}

fn place(place: &Place) -> String {
    let Place { topic, partition, from, to, epoch, path, row } = place;
    let mut words: Vec<String> = Vec::new();
    match (topic, partition) {
        (Some(topic), Some(partition)) => words.push(format!("{topic}[{partition}]")),
        (Some(topic), None) => words.push(topic.clone()),
        _ => {}
    }
    if let (Some(from), Some(to)) = (from, to) {
        words.push(if from == to { format!("at {from}") } else { format!("[{from}, {to})") });
    }
    words.extend(path.clone());
    words.extend(epoch.as_ref().map(|epoch| format!("epoch {epoch}")));
    words.extend(row.as_ref().map(|row| format!("({row})")));
    words.join(" ")
}
