//! A run that is watched as an operator would: through its server and its log.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::records::committed;
use crate::stage::{PATIENCE, Stage};
use crate::support::process::Process;
use crate::support::wait::free_port;
use crate::web::{get, metric};

/// A session as short as is allowed, epochs that end often, one lane.
const SETTINGS: [&str; 7] =
    ["--quiet", "--set", "epoch.interval=300ms", "--set", "lanes.count=1", "--set", "kafka.session_timeout=9s"];
/// Warnings and errors that a fault may cause at once, and how many more a second while it lasts: each kind of trouble is told once in ten
/// seconds, by each client's threads and by ours. A loop would write thousands.
const WARNINGS_AT_ONCE: usize = 40;
const WARNINGS_A_SECOND: usize = 2;

pub(crate) struct Watched {
    run: Process,
    port: u16,
    began: Instant,
}

impl Watched {
    /// Waits until it is ready.
    pub(crate) fn start(stage: &Stage, args: &[&str]) -> Watched {
        Self::start_as(stage, args, |command| command)
    }

    /// The same; `prepare` may change the command, or put another one before it.
    pub(crate) fn start_as(stage: &Stage, args: &[&str], prepare: impl FnOnce(Command) -> Command) -> Watched {
        let port = free_port();
        let serve = format!("serve.listen=127.0.0.1:{port}");
        let command = stage.run(&[&SETTINGS[..], &["--set", &serve], args].concat());
        let run = Process::spawn(prepare(command));
        let mut watched = Watched { run, port, began: Instant::now() };
        watched.wait_ready();
        watched
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.run
    }

    pub(crate) fn wait_ready(&mut self) {
        let port = self.port;
        self.run.wait_for(PATIENCE, "readiness", |_| get(port, "/readyz").filter(|(status, _)| *status == 200));
    }

    #[cfg(feature = "failpoints")]
    pub(crate) fn is_ready(&self) -> bool {
        get(self.port, "/readyz").is_some_and(|(status, _)| status == 200)
    }

    /// Waits until `/readyz` is 503 and says `reason`; gives all that it says.
    pub(crate) fn wait_unready(&mut self, reason: &str) -> String {
        let port = self.port;
        let says = |_: &mut Process| {
            get(port, "/readyz").filter(|(status, body)| *status == 503 && body.contains(reason)).map(|(_, body)| body)
        };
        self.run.wait_for(PATIENCE, &format!("/readyz to be 503 for {reason:?}"), says)
    }

    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        metric(self.port, name)
    }

    /// How many epochs of its one lane ended so.
    pub(crate) fn epochs(&self, outcome: &str) -> f64 {
        epochs(self.port, outcome).expect("the server answers")
    }

    /// Waits until a metric has at least this value.
    pub(crate) fn wait_metric(&mut self, name: &str, least: f64) -> f64 {
        let port = self.port;
        self.run.wait_for(PATIENCE, &format!("{name} of {least}"), |_| metric(port, name).filter(|value| *value >= least))
    }

    /// Waits until so many epochs more than now are committed.
    pub(crate) fn wait_epochs(&mut self, more: f64) {
        let least = committed_epochs(self.port).unwrap_or(0.0) + more;
        let port = self.port;
        let enough = |_: &mut Process| committed_epochs(port).filter(|epochs| *epochs >= least);
        self.run.wait_for(PATIENCE, &format!("{least} committed epochs"), enough);
    }

    /// Waits until the group has committed every message.
    pub(crate) fn wait_committed(&mut self, stage: &Stage, messages: u64) {
        self.run.wait_for(PATIENCE, "all to be committed", |_| {
            std::thread::sleep(Duration::from_millis(50)); // each question makes a client
            let all: i64 = committed(stage).iter().filter_map(|(offset, _)| *offset).sum();
            (all == messages as i64).then_some(())
        });
    }

    /// Nothing of the run is heard while it goes on.
    pub(crate) fn lasts(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            assert!(self.run.is_running(), "ended by itself:\n{}", self.run.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGTERM; gives what it printed. No trouble may have been logged in a loop.
    pub(crate) fn stop(mut self) -> String {
        self.run.signal(libc::SIGTERM);
        let output = self.run.wait_success(PATIENCE);
        self.assert_no_loop();
        output
    }

    /// It ends by itself with exit code 69 and names `reasons`; gives its log.
    pub(crate) fn ends_for(mut self, reasons: &[&str]) -> String {
        let status = self.run.wait_exit(PATIENCE);
        let log = self.run.stderr();
        assert_eq!(status.code(), Some(69), "{log}");
        for reason in reasons {
            assert!(log.contains(reason), "no {reason:?} in:\n{log}");
        }
        self.assert_no_loop();
        log
    }

    fn assert_no_loop(&self) {
        let log = self.run.stderr();
        let warnings = log.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR ")).count();
        let most = WARNINGS_AT_ONCE + WARNINGS_A_SECOND * usize::try_from(self.began.elapsed().as_secs()).unwrap();
        assert!(warnings <= most, "{warnings} warnings, at most {most} may be:\n{log}");
    }
}

fn epochs(port: u16, outcome: &str) -> Option<f64> {
    metric(port, &format!("corelane_epochs_total{{lane=\"0\",outcome=\"{outcome}\"}}"))
}

fn committed_epochs(port: u16) -> Option<f64> {
    Some(epochs(port, "committed")? + epochs(port, "judged_committed")?)
}
