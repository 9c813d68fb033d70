//! `corelane run`: the lanes, until they are told to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::config::Files;
use super::exit::OrExit as _;
use super::live::LiveLine;
use super::signals::{Signals, StopFlag};
use super::simulate::plan::parse_duration;
use super::summary;
use super::view::{CrewView, start_server, stop_server};
use super::{Exit, Failure};
use crate::batch::TopicPartition;
use crate::config::{Config, LogFormat};
use crate::kafka::give_back_freed_memory;
use crate::lane::{Crew, CrewReport};
use crate::telemetry::logs;

/// From the signal to the end; then whoever is late is named and left behind.
pub(super) const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How often the main thread looks at the lanes, the clock and the signals.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How often what the Kafka clients have freed is given back to the system. What they need again at once comes at a page fault each.
const GIVE_BACK_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  corelane run conf/minimal.yaml
  corelane run conf/corelane.yaml --set kafka.brokers=[kafka-1:9092] --set lake.path=/data/lake
  corelane run conf/minimal.yaml --until-end

Ends on Ctrl-C or SIGTERM: settles what it has, at most 30 s. Exit codes: 0 stopped, 69 Kafka or the lake is not available or
refused, 78 the configuration is wrong.")]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// Ends once every message that was there at the start is committed, by this process or by others of its group
    #[arg(long)]
    until_end: bool,
    /// When it ends, also writes the windows that are open, as they stand; else they stay for the next start
    #[arg(long)]
    drain: bool,
    /// Ends after this time, such as 30s or 10m
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Prints no live line
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = args.files.load()?;
    start_logs(&config)?;
    let signals = Signals::listen().or_exit(Exit::Io)?;
    let began = Instant::now();
    let mut crew = Crew::start(config).or_exit(Exit::Unavailable)?;
    let stop = signals.stop_in_order();
    let view = CrewView::of(&crew);
    let server = start_server(crew.config(), Arc::clone(&view));
    let goal = if args.until_end {
        let ends = crew.ends(Instant::now() + STOP_DEADLINE).or_exit(Exit::Unavailable)?;
        Some(Goal { ends, drains: args.drain })
    } else {
        None
    };
    let until = args.duration.map(|duration| began + duration);

    let before = crew.metrics().snapshot();
    let failed = watch(&mut crew, &stop, until, goal.as_ref(), !args.quiet);
    if let Some(reason) = &failed {
        view.set_dead(reason);
    }
    if args.drain {
        crew.drain_windows();
    }
    let report = crew.stop(Instant::now() + STOP_DEADLINE);
    stop_server(server);
    summary::print_run(&crew, &before, began.elapsed());
    outcome(failed, &report)
}

/// Logs as configured. A second initialisation (in tests) keeps the first.
pub(super) fn start_logs(config: &Config) -> Result<(), Failure> {
    let format = match config.telemetry.log_format {
        LogFormat::Human => logs::Format::Human,
        LogFormat::Json => logs::Format::Json,
    };
    logs::init(&config.telemetry.log_level, format).or_exit(Exit::Config)?;
    Ok(())
}

/// When the input has been worked off.
pub(super) struct Goal {
    pub(super) ends: Vec<(TopicPartition, i64)>,
    /// The open windows are to be written then: the lanes must have them, also where no message is left to read.
    pub(super) drains: bool,
}

impl Goal {
    fn is_reached(&self, crew: &mut Crew) -> bool {
        (!self.drains || crew.is_live()) && crew.has_reached(&self.ends)
    }
}

/// Looks at the lanes until a signal, the time or the end of the input says enough, or one of them has ended by itself: then it says
/// why.
pub(super) fn watch(crew: &mut Crew, stop: &StopFlag, until: Option<Instant>, goal: Option<&Goal>, live: bool) -> Option<String> {
    let mut line = LiveLine::begin(crew.metrics(), live);
    let mut given_back = Instant::now();
    let failed = loop {
        if let Some(reason) = crew.failure() {
            break Some(reason);
        }
        let over = until.is_some_and(|until| Instant::now() >= until);
        if over || stop.load(Ordering::Acquire) || goal.is_some_and(|goal| goal.is_reached(crew)) {
            break None;
        }
        if let Some(line) = &mut line {
            line.tick(crew.metrics());
        }
        if given_back.elapsed() >= GIVE_BACK_INTERVAL {
            give_back_freed_memory();
            given_back = Instant::now();
        }
        std::thread::sleep(LOOK_INTERVAL);
    };
    if let Some(line) = line {
        line.end();
    }
    failed
}

/// A lane that ended by itself, or did not end, makes the run a failure.
pub(super) fn outcome(failed: Option<String>, report: &CrewReport) -> Result<(), Failure> {
    match failed.or_else(|| report.failure()) {
        None => Ok(()),
        Some(reason) => Err(Failure { exit: Exit::Unavailable, error: anyhow::anyhow!(reason) }),
    }
}
