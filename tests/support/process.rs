//! Our own program as a child process: output in files, waiting with deadlines, signals, exit codes; it dies with the test.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::child;
use super::scratch::Scratch;
use super::wait::eventually;

/// The program that Cargo built for this test run, with `args`. Directory and environment can be added before [`Process::spawn`].
pub fn corelane<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(args);
    command
}

/// A running (or ended) child. Dropping it kills it; when the test is panicking it prints the end of what the child wrote.
pub struct Process {
    child: Child,
    status: Option<ExitStatus>,
    name: String,
    output: Scratch,
}

impl Process {
    /// Starts `command` without standard input; standard output and error go to files.
    pub fn spawn(mut command: Command) -> Process {
        let output = Scratch::new("output");
        let file = |name: &str| File::create(output.path().join(name)).expect("a file in scratch");
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
        let name = format!("{command:?}");
        let child = child::spawn(command).unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Process { child, status: None, name, output }
    }

    /// All that it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    /// All that it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// The file of standard output, for a reader of its own.
    pub fn stdout_path(&self) -> PathBuf {
        self.output.path().join("stdout")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a whole line of either output contains `text`, and gives that line. Panics when the process ends without it.
    pub fn wait_line(&mut self, deadline: Duration, text: &str) -> String {
        let what = format!("a line with {text:?}");
        self.wait_for(deadline, &what, |process| {
            let find = |output: String| {
                let whole = output.rfind('\n').map_or(0, |end| end + 1);
                output[..whole].lines().find(|line| line.contains(text)).map(str::to_owned)
            };
            find(process.stdout()).or_else(|| find(process.stderr()))
        })
    }

    /// Waits for a condition; panics when it does not come before the deadline or before the process ends.
    pub fn wait_for<T>(&mut self, deadline: Duration, what: &str, mut ask: impl FnMut(&mut Process) -> Option<T>) -> T {
        let what = format!("{what}, of {}", self.name);
        eventually(deadline, &what, || {
            // Looked at first: an answer that came just before the end still counts.
            let ended = self.ended();
            let answer = ask(self);
            if let (None, Some(status)) = (&answer, ended) {
                panic!("ended with {status} before: {what}\n{}", self.report());
            }
            answer
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// Sends SIGTERM, SIGINT, SIGHUP, SIGSTOP or SIGCONT (`libc::SIGTERM` …). Panics when it has ended.
    pub fn signal(&mut self, signal: i32) {
        assert!(self.is_running(), "{} has ended: no signal {signal}\n{}", self.name, self.report());
        child::signal(&self.child, signal);
    }

    /// SIGKILL, and waits until it is gone. Quietly nothing when it has ended already: a kill at a random moment may come late.
    pub fn kill9(&mut self) -> ExitStatus {
        if self.is_running() {
            child::signal(&self.child, libc::SIGKILL);
        }
        let status = self.child.wait().expect("our own child");
        self.status = Some(status);
        status
    }

    /// Waits until it ends by itself.
    pub fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        eventually(deadline, &what, || self.ended())
    }

    /// Waits for exit code 0 and gives standard output; panics with both outputs on any other end.
    pub fn wait_success(&mut self, deadline: Duration) -> String {
        let status = self.wait_exit(deadline);
        assert!(status.success(), "{} ended with {status}\n{}", self.name, self.report());
        self.stdout()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("our own child");
        }
        self.status
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.output.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The ends of both outputs.
    fn report(&self) -> String {
        let end = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        format!("--- standard output\n{}\n--- standard error\n{}", end(self.stdout()), end(self.stderr()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.name, self.report());
        }
    }
}

/// All files below `dir` whose name ends with `ending`, hidden ones too, in order. An absent directory has none.
pub fn files_below(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
