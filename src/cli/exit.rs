//! Exit codes (sysexits.h), and failures that carry one.

use std::process::ExitCode;

/// Why the program ends, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: an audit found something, or could not see all.
    Findings = 1,
    /// 64: the command line was wrong.
    Usage = 64,
    /// 65: input data was wrong (labels, a file given on the command line).
    Data = 65,
    /// 69: something needed is not available: Kafka, a topic, the lake's lock.
    Unavailable = 69,
    /// 70: a defect of this program.
    Software = 70,
    /// 74: reading or writing failed.
    Io = 74,
    /// 78: the configuration was wrong.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error with the exit code that it means. `?` on any other error means 70.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { exit: Exit::Software, error: error.into() }
    }
}

/// Gives an error its exit code: `open(path).or_exit(Exit::Io)?`.
pub(crate) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure { exit, error: error.into() })
    }
}
