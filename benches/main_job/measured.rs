//! What a process costs: CPU of all its threads as the kernel counted it, wall time, and its peak of resident memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::child;
use super::support::scratch::Scratch;

/// How often memory and threads are looked at. Both only grow, so at most the last so long is missed; CPU of the whole is exact.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Nothing here takes a tenth of this.
const DEADLINE: Duration = Duration::from_mins(15);

/// What one process cost from start to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost {
    /// User and system, of all threads, those that have ended included (`wait4`).
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// VmHWM. Not `ru_maxrss`, which counts the parent's memory up to the exec.
    pub(crate) peak_bytes: u64,
    /// By the name of the thread.
    pub(crate) threads: BTreeMap<String, Duration>,
    pub(crate) stdout: String,
}

/// Runs a command to its end; panics with its output unless it succeeds.
#[expect(clippy::zombie_processes, reason = "wait4 reaps it: std's wait gives no CPU time")]
pub(crate) fn run(mut command: Command) -> Cost {
    let output = Scratch::new("measured");
    let file = |name: &str| File::create(output.path().join(name)).expect("a file in scratch");
    command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    let name = format!("{command:?}");
    let began = Instant::now();
    let mut child = child::spawn(command).unwrap_or_else(|error| panic!("{name}: {error}"));
    let pid = libc::pid_t::try_from(child.id()).expect("a pid is positive");
    let mut cost = Cost::default();
    let mut threads: BTreeMap<String, (String, Duration)> = BTreeMap::new();
    let status = loop {
        look(pid, &mut cost, &mut threads);
        if let Some((status, cpu)) = reap(pid) {
            cost.cpu = cpu;
            break status;
        }
        if began.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("{name} did not end in {DEADLINE:?}");
        }
        std::thread::sleep(LOOK_INTERVAL);
    };
    cost.wall = began.elapsed();
    let read = |name: &str| fs::read_to_string(output.path().join(name)).unwrap_or_default();
    cost.stdout = read("stdout");
    assert_eq!(status, 0, "{name} ended with wait status {status}\n{}\n{}", cost.stdout, read("stderr"));
    assert!(!cost.cpu.is_zero() && cost.peak_bytes > 0, "{name}: the kernel told nothing: {cost:?}");
    for (name, cpu) in threads.into_values() {
        *cost.threads.entry(name).or_default() += cpu;
    }
    cost
}

/// Notes the peak of memory and each thread's CPU time so far. A process that has just ended shows nothing.
fn look(pid: libc::pid_t, cost: &mut Cost, threads: &mut BTreeMap<String, (String, Duration)>) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
    if let Some(kib) = peak.and_then(|kib| kib.parse::<u64>().ok()) {
        cost.peak_bytes = kib * 1024;
    }
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanos = read("schedstat").split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        if let Some(nanos) = nanos {
            let id = task.file_name().to_string_lossy().into_owned();
            threads.insert(id, (read("comm").trim().to_owned(), Duration::from_nanos(nanos)));
        }
    }
}

/// The wait status and the CPU time of a child that has ended.
fn reap(pid: libc::pid_t) -> Option<(i32, Duration)> {
    let mut status = 0;
    // SAFETY: an rusage is plain numbers and valid when zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both out-parameters are ours; the pid is our own child's, and nobody else waits for it.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
    assert!(reaped >= 0, "wait4: {}", std::io::Error::last_os_error());
    (reaped == pid).then(|| (status, duration(usage.ru_utime) + duration(usage.ru_stime)))
}

/// What an `rusage` says.
pub(crate) fn duration(time: libc::timeval) -> Duration {
    Duration::from_micros((time.tv_sec * 1_000_000 + time.tv_usec).unsigned_abs())
}

/// Bytes of the Parquet files below a folder, or of a file.
pub(crate) fn bytes_below(path: &Path) -> u64 {
    if path.is_file() {
        return fs::metadata(path).map_or(0, |metadata| metadata.len());
    }
    let files = super::support::process::files_below(path, ".parquet");
    files.iter().filter_map(|file| fs::metadata(file).ok()).map(|metadata| metadata.len()).sum()
}
