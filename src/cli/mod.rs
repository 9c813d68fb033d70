//! The command line: one file a subcommand. Exit codes follow sysexits: 1 an audit found
//! something, 64 usage, 69 unavailable, 70 software, 78 configuration.

mod broker;
mod check;
mod config;
mod demo;
mod exit;
mod groups;
mod live;
mod run;
mod signals;
mod simulate;
mod summary;
mod tap;
mod topics;
mod verify;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

use crate::telemetry::logs;

/// Kafka telemetry of industrial devices in; validated readings as Parquet out, each message exactly once.
#[derive(Debug, Parser)]
#[command(name = "corelane", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything at once: embedded broker, simulated devices, lanes, Parquet under ./lake
    Demo(demo::Args),
    /// Runs the lanes: Kafka in, Parquet and Kafka out
    Run(run::Args),
    /// Produces the telemetry of a simulated fleet
    Simulate(simulate::Args),
    /// Runs the embedded in-memory Kafka broker alone
    Broker(broker::Args),
    /// Lists, creates, describes and deletes topics
    Topics(topics::Args),
    /// Sets a group's committed offsets, with a reason that is recorded
    Groups(groups::Args),
    /// Checks a configuration: every fault at once, with its place and the remedy
    Check(check::Args),
    /// Prints the JSON Schema of the configuration, or the resolved configuration
    Config(config::Args),
    /// Prints decoded messages of a topic, with their flags or the reason of a reject
    Tap(tap::Args),
    /// Audits lakes against epoch records and Kafka: what does not agree, where, and the remedy
    Verify(verify::Args),
}

/// Parses the command line, runs the subcommand, prints a failure with its causes, and says the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody reads an error about an unwritable terminal.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let result = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Simulate(args) => log_warnings().and_then(|()| simulate::run(args)),
        Command::Broker(args) => broker::run(args),
        Command::Topics(args) => topics::run(args),
        Command::Groups(args) => groups::run(args),
        Command::Check(args) => check::run(args),
        Command::Config(args) => config::run(args),
        Command::Tap(args) => log_warnings().and_then(|()| tap::run(args)),
        Command::Verify(args) => log_warnings().and_then(|()| verify::run(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("corelane: {:#}", failure.error);
            failure.exit.into()
        }
    }
}

/// For the commands whose output is the matter: only what goes wrong is told beside it.
fn log_warnings() -> Result<(), Failure> {
    logs::init("warn", logs::Format::Human)?;
    Ok(())
}
