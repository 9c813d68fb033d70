//! Medians and ratios, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

use super::measured::Cost;

/// What was measured of each contender, in the order of their first appearance.
pub(crate) struct Table {
    title: String,
    messages: u64,
    rows: Vec<(String, Vec<Cost>)>,
    sizes: BTreeMap<String, u64>,
}

impl Table {
    pub(crate) fn new(title: &str, messages: u64) -> Table {
        Table { title: title.to_owned(), messages, rows: Vec::new(), sizes: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, name: &str, cost: Cost) {
        match self.rows.iter_mut().find(|(known, _)| known == name) {
            Some((_, costs)) => costs.push(cost),
            None => self.rows.push((name.to_owned(), vec![cost])),
        }
    }

    /// Bytes of Parquet that it wrote.
    pub(crate) fn size(&mut self, name: &str, bytes: u64) {
        self.sizes.insert(name.to_owned(), bytes);
    }

    /// As a Markdown table, ready for docs/performance.md.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        text += "| what | CPU-s a million, median | least to most | wall s | peak MiB | Parquet bytes a message |\n|---|---|---|---|---|---|\n";
        for (name, costs) in &self.rows {
            let cpu = self.cpu(costs);
            let wall = median(costs.iter().map(|cost| cost.wall.as_secs_f64()).collect());
            let peak = median(costs.iter().map(|cost| cost.peak_bytes as f64).collect()) / f64::from(1 << 20);
            let peak = if peak > 0.0 { format!("{peak:.0}") } else { "–".to_owned() };
            let size =
                self.sizes.get(name).map_or("–".to_owned(), |&bytes| format!("{:.1}", bytes as f64 / self.messages as f64));
            let (least, most) = (cpu.first().copied().unwrap_or(0.0), cpu.last().copied().unwrap_or(0.0));
            let cpu = median(cpu);
            let _ = writeln!(text, "| {name} | {cpu:.2} | {least:.2} to {most:.2} | {wall:.2} | {peak} | {size} |");
        }
        text
    }

    /// CPU of one as a multiple of another's: median of the ratios of each round, so that what slows a whole round cancels out.
    pub(crate) fn ratio(&self, one: &str, other: &str) -> String {
        let of = |name: &str| self.rows.iter().find(|(known, _)| known == name).map(|(_, costs)| costs).expect("it was measured");
        let rounds = of(one).iter().zip(of(other)).map(|(one, other)| one.cpu.as_secs_f64() / other.cpu.as_secs_f64());
        let mut ratios: Vec<f64> = rounds.collect();
        ratios.sort_by(f64::total_cmp);
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        format!("CPU of {one} / {other}: {:.2} (by round {least:.2} to {most:.2})", median(ratios))
    }

    /// CPU-seconds a million messages, ascending.
    fn cpu(&self, costs: &[Cost]) -> Vec<f64> {
        let mut cpu: Vec<f64> = costs.iter().map(|cost| a_million(cost.cpu, self.messages)).collect();
        cpu.sort_by(f64::total_cmp);
        cpu
    }
}

/// Which threads the CPU time went to: medians over rounds, largest first.
pub(crate) fn threads(costs: &[Cost], messages: u64) -> String {
    let mut by_name: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for cost in costs {
        for (name, cpu) in &cost.threads {
            by_name.entry(name).or_default().push(a_million(*cpu, messages));
        }
    }
    let mut threads: Vec<(f64, &str)> = by_name.into_iter().map(|(name, cpu)| (median(cpu), name)).collect();
    threads.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let shown: Vec<String> =
        threads.iter().filter(|(cpu, _)| *cpu >= 0.01).map(|(cpu, name)| format!("{name} {cpu:.2}")).collect();
    format!("threads of corelane run, CPU-s a million: {}", shown.join(", "))
}

/// What the figures were measured on.
pub(crate) fn machine(broker: &str) {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(1).collect();
    let profile = if cfg!(debug_assertions) { "with debug assertions: these are no figures" } else { "optimised" };
    println!(
        "{cores} cores{}; Linux {}; {broker} beside it; load before {}; {profile}\n",
        model.trim_start().trim_start_matches(':'),
        kernel.trim(),
        load.join("")
    );
}

fn a_million(cpu: Duration, messages: u64) -> f64 {
    cpu.as_secs_f64() * 1e6 / messages as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        even if even.is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
