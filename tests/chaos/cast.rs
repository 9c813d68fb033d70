//! The processes of the group: who runs, who is stopped, who was sent away, and who ended without being told to.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::options::{Lakes, Options};
use crate::stage::{PATIENCE, Stage, UNAVAILABLE};
use crate::support::process::{Process, files_below};
use crate::theatre::Theatre;

/// As short as the program allows: a dead process's partitions wait that long.
pub(crate) const SESSION: Duration = Duration::from_secs(9);
/// Short, so that many windows close, are rolled up and are read again within a play.
pub(crate) const WINDOW_MS: u64 = 10_000;
/// From SIGTERM to the end: 30 s by the contract, and some for a machine that does much else.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// A settle comes every half second, unless its process has no partition.
const SETTLE_PATIENCE: Duration = Duration::from_secs(10);
/// Exit code of a process that a signal met while it started.
const ENDED_AT_ONCE: i32 = 130;

pub(crate) struct Cast<'a> {
    stage: &'a Stage,
    seats: Vec<Seat>,
    /// Ends that nobody asked for and that are no fault: the reason, as the process said it.
    pub(crate) incidents: Vec<String>,
    /// Ends that must not be.
    pub(crate) findings: Vec<String>,
    /// What processes that have ended by now logged of epochs that Kafka refused.
    pub(crate) refusals: Vec<String>,
    /// Strikes that were to fall into a settle, and those that did: staged files were there after it.
    pub(crate) settles: Settles,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settles {
    pub(crate) wanted: usize,
    pub(crate) met: usize,
}

/// What the environment of the processes asks of their failpoints.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// How the program breaks its protocol; None: it keeps it.
    pub(crate) canary: Option<&'static str>,
    /// Where it stands still for a while, so that a fault can fall into that moment: `<point>=<ms>`.
    pub(crate) pause: Option<&'static str>,
}

struct Seat {
    name: String,
    lake: PathBuf,
    arguments: Vec<String>,
    asked: Asked,
    process: Option<Process>,
    stopped: bool,
    /// It was started at least once: it may have left something staged.
    has_lived: bool,
}

impl<'a> Cast<'a> {
    /// Seats for `options.processes` and one guest; nobody has come yet.
    pub(crate) fn new(theatre: &'a Theatre, options: &Options, asked: Asked) -> Cast<'a> {
        let seats = (0..=options.processes()).map(|number| Seat::new(theatre, options.lakes, number, asked)).collect();
        Cast {
            stage: &theatre.stage,
            seats,
            incidents: Vec::new(),
            findings: Vec::new(),
            refusals: Vec::new(),
            settles: Settles::default(),
        }
    }

    /// The lakes that there may be.
    pub(crate) fn lakes(&self) -> BTreeSet<PathBuf> {
        self.seats.iter().map(|seat| seat.lake.clone()).collect()
    }

    /// The number of the seat that is kept for a guest.
    pub(crate) fn guest(&self) -> usize {
        self.seats.len() - 1
    }

    pub(crate) fn enter(&mut self, seat: usize) {
        self.seats[seat].start(self.stage, &[]);
    }

    pub(crate) fn kill(&mut self, seat: usize) {
        self.revive_one(seat);
        if let Some(mut process) = self.seats[seat].process.take() {
            process.kill9();
        }
    }

    /// Waits until this process stages a file, and `after` besides.
    pub(crate) fn wait_for_settle(&mut self, seat: usize, after: Duration) {
        self.revive_one(seat);
        let staging = self.seats[seat].staging(self.stage);
        let staged = || files_below(&staging, ".parquet").into_iter().collect::<BTreeSet<_>>();
        let (before, until) = (staged(), Instant::now() + SETTLE_PATIENCE);
        while staged().is_subset(&before) && Instant::now() < until {
            // A settle is a matter of milliseconds.
            std::thread::sleep(Duration::from_micros(300));
        }
        std::thread::sleep(after);
    }

    /// Counts whether the strike that just fell on this process met it in a settle.
    pub(crate) fn note_settle(&mut self, seat: usize) {
        self.settles.wanted += 1;
        self.settles.met += usize::from(!files_below(&self.seats[seat].staging(self.stage), ".parquet").is_empty());
    }

    pub(crate) fn ask_to_leave(&mut self, seat: usize) {
        self.revive_one(seat);
        if let Some(process) = &mut self.seats[seat].process {
            process.signal(libc::SIGTERM);
        }
    }

    /// Waits until a process that was asked to leave has gone.
    pub(crate) fn see_off(&mut self, seat: usize) {
        let Some(mut process) = self.seats[seat].process.take() else { return };
        let until = Instant::now() + STOP_PATIENCE;
        while process.is_running() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        if process.is_running() {
            self.findings.push(format!(
                "{} did not stop within {STOP_PATIENCE:?} of SIGTERM:\n{}",
                seat_name(seat),
                tail(&process)
            ));
            process.kill9();
            return;
        }
        self.judge(seat, &mut process, false);
    }

    pub(crate) fn stop(&mut self, seat: usize) {
        self.revive_one(seat);
        let seat = &mut self.seats[seat];
        if let Some(process) = &mut seat.process {
            process.signal(libc::SIGSTOP);
            seat.stopped = true;
        }
    }

    pub(crate) fn wake(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        if let Some(process) = seat.process.as_mut().filter(|_| seat.stopped) {
            process.signal(libc::SIGCONT);
        }
        seat.stopped = false;
    }

    /// What a supervisor does: who ended without being told to is started again.
    pub(crate) fn revive(&mut self) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].process.is_some() {
                self.revive_one(seat);
            }
        }
    }

    fn revive_one(&mut self, seat: usize) {
        if let Some(mut process) = self.seats[seat].process.take() {
            if process.is_running() {
                self.seats[seat].process = Some(process);
                return;
            }
            self.judge(seat, &mut process, true);
        }
        self.enter(seat);
    }

    /// A process may end with "not available" while Kafka is not; anything else is a finding.
    fn judge(&mut self, seat: usize, process: &mut Process, unasked: bool) {
        let status = process.wait_exit(PATIENCE);
        self.refusals.extend(process.stderr().lines().filter(|line| line.contains("epoch aborted")).map(str::to_owned));
        if !unasked && (status.success() || status.code() == Some(ENDED_AT_ONCE)) {
            return;
        }
        let reason = last_line(process);
        let text = format!("{} ended with {}: {reason}", seat_name(seat), end_of(status));
        if status.code() == Some(UNAVAILABLE) && passes(&reason) {
            self.incidents.push(text);
        } else {
            self.findings.push(format!("{text}\n{}", tail(process)));
        }
    }

    /// Kafka that is away again and again ends few processes: they wait. More ends than this are a fault of ours, whatever each says.
    pub(crate) fn judge_incidents(&mut self, faults: usize) {
        let most = 2 + faults / 10;
        if self.incidents.len() > most {
            let all = self.incidents.join("\n");
            self.findings
                .push(format!("{} ends by themselves in {faults} faults, at most {most} may be:\n{all}", self.incidents.len()));
        }
    }

    /// Everybody settles what he has and goes.
    pub(crate) fn curtain(&mut self) {
        for seat in 0..self.seats.len() {
            self.wake(seat);
            if let Some(process) = &mut self.seats[seat].process
                && process.is_running()
            {
                process.signal(libc::SIGTERM);
            }
        }
        (0..self.seats.len()).for_each(|seat| self.see_off(seat));
    }

    /// Once more, one after the other, to the end: the first commits what is left and writes the open windows, each recovers what an
    /// earlier life of its own left staged.
    pub(crate) fn run_to_end(&mut self) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].has_lived {
                self.seats[seat].start(self.stage, &["--until-end", "--drain"]);
                let mut process = self.seats[seat].process.take().expect("started just before");
                let status = process.wait_exit(PATIENCE);
                if !status.success() {
                    let text = format!("{}: the last run ended with {}", seat_name(seat), end_of(status));
                    self.findings.push(format!("{text}:\n{}", tail(&process)));
                }
            }
        }
    }

    /// The ends of what all processes that run have logged.
    pub(crate) fn logs(&self) -> String {
        let running = self.seats.iter().filter_map(|seat| Some((&seat.name, seat.process.as_ref()?)));
        running.map(|(name, process)| format!("--- {name}\n{}\n", tail(process))).collect::<Vec<_>>().concat()
    }
}

impl Seat {
    fn new(theatre: &Theatre, lakes: Lakes, number: usize, asked: Asked) -> Seat {
        let name = seat_name(number);
        let shared = theatre.stage.lake();
        let lake = match lakes {
            Lakes::Shared => shared,
            Lakes::Own => shared.with_file_name(format!("lake-{name}")),
        };
        let mut settings = vec![
            format!("lanes.instance={name}"),
            format!("lake.path={}", lake.display()),
            format!("kafka.session_timeout={}s", SESSION.as_secs()),
            "epoch.interval=500ms".to_owned(),
            "lanes.count=1".to_owned(),
            format!("windows.size={WINDOW_MS}ms"),
            "windows.grace=3s".to_owned(),
        ];
        settings.extend(theatre.bootstrap(number).map(|brokers| format!("kafka.brokers=[{brokers}]")));
        let arguments = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]).collect();
        Seat { name, lake, arguments, asked, process: None, stopped: false, has_lived: false }
    }

    fn staging(&self, stage: &Stage) -> PathBuf {
        self.lake.join("_staging").join(format!("{}.{}.0", stage.group(), self.name))
    }

    fn start(&mut self, stage: &Stage, more: &[&str]) {
        let mut command = stage.run(&["--quiet"]);
        command.args(&self.arguments).args(more);
        command.envs(self.asked.canary.map(|canary| ("CORELANE_DETOUR", canary)));
        command.envs(self.asked.pause.map(|pause| ("CORELANE_PAUSE", pause)));
        self.process = Some(Process::spawn(command));
        self.stopped = false;
        self.has_lived = true;
    }
}

fn seat_name(number: usize) -> String {
    format!("seat-{number}")
}

/// Whether an end with "not available" is over once Kafka is there again. What asks for an operator, or for us, is no fault of Kafka's:
/// here nobody moves groups, makes topics anew or keeps what Kafka refuses for ever.
fn passes(reason: &str) -> bool {
    !["groups reset", "please report", "report it", "made again", "made anew", "refused"].iter().any(|sign| reason.contains(sign))
}

fn end_of(status: ExitStatus) -> String {
    status
        .signal()
        .map_or_else(|| format!("exit code {}", status.code().unwrap_or_default()), |signal| format!("signal {signal}"))
}

fn last_line(process: &Process) -> String {
    process.stderr().lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}

fn tail(process: &Process) -> String {
    let log = process.stderr();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[test]
fn an_end_that_asks_for_an_operator_is_no_incident() {
    let passing = "corelane: lane 0: after 5 new clients in a row: the group's committed offsets cannot be read: _TIMED_OUT";
    assert!(passes(passing));
    for reason in [
        "corelane: lane 0: device-data[1] cannot be read on from offset 7: … Remedy: `corelane groups reset --brokers …`",
        "corelane: lane 0: the lane panicked; please report this",
        "corelane: lane 0: device-data was deleted and made again",
        "corelane: lane 0: epoch 0198… was refused 30 times: INVALID_TIMESTAMP",
    ] {
        assert!(!passes(reason), "{reason}");
    }
}
