//! `corelane check`: says OK, or every fault of a configuration at once.

use std::io::Write as _;

use super::config::Files;
use super::exit::OrExit as _;
use super::{Exit, Failure};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  corelane check conf/minimal.yaml\n  corelane check base.yaml plant7.yaml --set lanes.count=2\n\n\
                        Exit codes: 0 all is well, 78 the configuration is wrong"
)]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.files.load()?;
    let (lanes, topics) = (config.lanes.cores.len(), config.kafka.topics.join(", "));
    let lake = config.lake.path.display();
    writeln!(std::io::stdout(), "OK: {lanes} lane(s), topics {topics} of {} into {lake}", config.kafka.brokers.join(", "))
        .or_exit(Exit::Io)
}
