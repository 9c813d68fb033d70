//! `corelane config`: the schema, the reference, and what a configuration resolves to. Also the arguments of every command that reads one.

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::PathBuf;

use super::exit::OrExit as _;
use super::{Exit, Failure};
use crate::config::{self, Config};

/// Files and `--set`, for every command that takes a configuration: `#[command(flatten)]`.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// Configuration files; later ones win
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Sets one key, over all files; the value is YAML
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) sets: Vec<String>,
}

impl Files {
    /// The resolved configuration, or all its faults with exit code 78.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        config::load_files(&self.files, &self.sets).or_exit(Exit::Config)
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  corelane config schema > corelane.schema.json\n  \
                        corelane config show conf/minimal.yaml --set kafka.brokers=10.0.0.5:9092")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Prints the JSON Schema, for editors
    Schema,
    /// Prints what files resolve to, defaults included, secrets masked
    Show(Files),
    /// Prints every key with its default, limits and their reasons, as Markdown
    Reference,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let text = match args.action {
        Action::Schema => format!("{:#}\n", config::schema()),
        Action::Show(files) => config::show(&files.load()?),
        Action::Reference => config::reference(),
    };
    std::io::stdout().write_all(text.as_bytes()).or_exit(Exit::Io)
}
