//! `corelane demo`: everything at once, in one process: the embedded broker, a simulated fleet, the lanes, Parquet.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::exit::OrExit as _;
use super::run::{Goal, STOP_DEADLINE, outcome, start_logs, watch};
use super::signals::Signals;
use super::simulate::deliver::KafkaDeliver;
use super::simulate::plan::{now_ms, parse_duration};
use super::simulate::report;
use super::view::{CrewView, start_server, stop_server};
use super::{Exit, Failure, summary};
use crate::broker::{Broker, BrokerOptions};
use crate::config::{Config, Machine, from_minimal};
use crate::kafka::ClientSettings;
use crate::lane::Crew;
use crate::simulate::{Clock, Fleet, FleetOptions, Pace, Summary, drive};

const TOPIC: &str = "device-data";
/// Stands in a lake that a demo made: the next demo may replace it, and nothing else ever is replaced.
const MARKER: &str = "_corelane/demo";
/// Commits often enough that a newcomer sees files within seconds.
const EPOCH_INTERVAL: Duration = Duration::from_secs(5);
/// Short enough that windows close while a newcomer looks.
const WINDOW: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);
/// The view of docs/windows.md that merges parts; a test holds the two alike.
const WINDOWS_VIEW: &str = include_str!("demo/windows.sql");

/// Runs until Ctrl-C, or for --duration; then the lanes read what is left, settle, and the sums are printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  corelane demo --duration 30s
  corelane demo --devices 10000 --rate 50000 --lanes 2
  corelane demo --lake /tmp/lake --seed 7")]
pub(super) struct Args {
    /// Ends after this time; else on Ctrl-C
    #[arg(long, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Number of simulated devices
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// Messages a second of the whole fleet
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// The same seed gives the same fleet
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where Parquet goes; a lake that an earlier demo left there is replaced, any other is refused
    #[arg(long, default_value = "./lake")]
    lake: PathBuf,
    /// Lanes, one a core [default: all cores but one]
    #[arg(long)]
    lanes: Option<usize>,
    /// Partitions of the topic
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    partitions: i32,
    /// Where /livez, /readyz, /metrics and /version are served; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8089")]
    listen: SocketAddr,
    /// Prints no live line
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let signals = Signals::listen().or_exit(Exit::Io)?;
    let replaced = make_room(&args.lake)?;
    let broker = Broker::start(BrokerOptions { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..BrokerOptions::default() });
    let broker = broker.or_exit(Exit::Unavailable)?;
    broker.create_topic(TOPIC, args.partitions, &[]).or_exit(Exit::Software)?;
    let config = config_of(&args, &broker)?;
    start_logs(&config)?;

    let mut crew = Crew::start(config).or_exit(Exit::Unavailable)?;
    let stop = signals.stop_in_order();
    std::fs::write(args.lake.join(MARKER), "made by corelane demo\n")
        .context("cannot mark the lake as a demo's")
        .or_exit(Exit::Io)?;
    let view = CrewView::of(&crew);
    let server = start_server(crew.config(), Arc::clone(&view));
    greet(&args, &broker, replaced, crew.config().lanes.cores.len(), server.as_ref().map(crate::serve::Server::address));

    let began = Instant::now();
    let before = crew.metrics().snapshot();
    let fleet_stop = Arc::new(AtomicBool::new(false));
    let fleet = start_fleet(&args, &broker, Arc::clone(&fleet_stop))?;
    let mut failed = watch(&mut crew, &stop, args.duration.map(|duration| began + duration), None, !args.quiet);

    let deadline = Instant::now() + STOP_DEADLINE;
    fleet_stop.store(true, Ordering::Release);
    let sent = fleet.join().map_err(|_| anyhow::anyhow!("the simulator panicked; please report this"))??;
    if failed.is_none() {
        let goal = Goal { ends: crew.ends(deadline).or_exit(Exit::Unavailable)?, drains: true };
        // A first signal has ended the fleet; the lanes still read what it has sent. A second one ends the program.
        failed = watch(&mut crew, &Arc::default(), Some(deadline), Some(&goal), false);
    }
    crew.drain_windows();
    let stopped = crew.stop(deadline.max(Instant::now() + STOP_DEADLINE / 3));
    stop_server(server);
    println!();
    for line in report::lines(&sent, TOPIC) {
        println!("{line}");
    }
    summary::print_run(&crew, &before, began.elapsed());
    println!("           (the cpu and memory above are those of broker, simulator and lanes together)");
    print_query(&args.lake);
    outcome(failed, &stopped)?;
    check(&sent, &crew)
}

/// Removes the lake of an earlier demo. Anything else that is there stays, and the demo does not start.
fn make_room(lake: &Path) -> Result<bool, Failure> {
    let is_empty = |path: &Path| path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    if !lake.exists() || is_empty(lake) {
        return Ok(false);
    }
    if !lake.join(MARKER).exists() {
        let error = anyhow::anyhow!("{} is there and no demo made it; give another folder with --lake", lake.display());
        return Err(error).or_exit(Exit::Unavailable);
    }
    std::fs::remove_dir_all(lake)
        .with_context(|| format!("cannot remove the earlier demo's {}", lake.display()))
        .or_exit(Exit::Io)?;
    Ok(true)
}

fn config_of(args: &Args, broker: &Broker) -> Result<Config, Failure> {
    let machine = Machine::detect();
    let config = from_minimal(&[broker.address().to_string()], &[TOPIC.to_owned()], &args.lake, &machine);
    let mut config = config.or_exit(Exit::Config)?;
    if let Some(lanes) = args.lanes {
        let available = machine.cores.len();
        if lanes == 0 || lanes > available {
            return Err(anyhow::anyhow!("--lanes {lanes}: give 1 to {available}, this machine's cores")).or_exit(Exit::Usage);
        }
        config.lanes.cores = machine.cores[available - lanes..].to_vec();
    }
    config.epoch.interval = EPOCH_INTERVAL;
    (config.windows.size, config.windows.grace) = (WINDOW, GRACE);
    config.serve.listen = Some(args.listen);
    "warn".clone_into(&mut config.telemetry.log_level);
    Ok(config)
}

fn greet(args: &Args, broker: &Broker, replaced: bool, lanes: usize, server: Option<SocketAddr>) {
    if replaced {
        println!("replaced   the lake of an earlier demo in {}", args.lake.display());
    }
    println!("broker     embedded, at {}, topic {TOPIC} with {} partitions", broker.address(), args.partitions);
    println!("fleet      {} devices, {} messages a second, all five formats", args.devices, args.rate);
    println!("lanes      {lanes}, an epoch each {} s, Parquet under {}", EPOCH_INTERVAL.as_secs(), args.lake.display());
    println!("windows    of {} s, written {} s after their end", WINDOW.as_secs(), GRACE.as_secs());
    if let Some(address) = server {
        println!("metrics    http://{address}/metrics");
    }
    let end = if args.duration.is_some() { "" } else { " (Ctrl-C ends it)" };
    println!("running{end}");
}

/// The fleet sends on a thread of its own until it is told to stop.
fn start_fleet(args: &Args, broker: &Broker, stop: Arc<AtomicBool>) -> Result<JoinHandle<anyhow::Result<Summary>>, Failure> {
    let options = FleetOptions {
        devices: args.devices,
        interval_us: (u64::from(args.devices) * 1_000_000 / args.rate).max(1),
        seed: args.seed,
        clock: Clock::Schedule { start_ms: now_ms() },
        ..FleetOptions::default()
    };
    let mut fleet = Fleet::new(options).or_exit(Exit::Usage)?;
    let settings = ClientSettings {
        brokers: vec![broker.address().to_string()],
        client_id: "corelane-demo-fleet".to_owned(),
        ..ClientSettings::default()
    };
    let mut kafka = KafkaDeliver::connect(&settings, TOPIC).or_exit(Exit::Unavailable)?;
    let send = move || {
        let summary = drive(&mut fleet, &mut kafka, &Pace::default(), &stop, None)?;
        if let Err(late) = kafka.close(Instant::now() + Duration::from_secs(5)) {
            tracing::warn!("{late}");
        }
        Ok(summary)
    };
    Ok(std::thread::Builder::new().name("fleet".into()).spawn(send)?)
}

fn print_query(lake: &Path) {
    // Between the quotes of SQL.
    let lake = lake.display().to_string().replace('\'', "''");
    println!();
    println!(
        "Paste these into a shell to look at the readings, and at the windows merged from their parts (https://duckdb.org):"
    );
    println!(
        "  duckdb -c \"SELECT building, count(*) AS readings, round(avg(temperature), 2) AS temperature \
         FROM '{lake}/readings/*/*/*.parquet' GROUP BY building ORDER BY building\""
    );
    println!("  duckdb -c \"{} FROM windows ORDER BY window_start, device_id, sensor LIMIT 20\"", windows_view(&lake));
}

/// The view on one line, for this lake.
fn windows_view(lake: &str) -> String {
    let line = WINDOWS_VIEW.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("'lake/", &format!("'{lake}/"))
}

/// Every message that Kafka acknowledged must be committed: that is what the program is for.
fn check(sent: &Summary, crew: &Crew) -> Result<(), Failure> {
    let committed = crew.committed().consumed;
    if sent.failed == 0 && committed != sent.delivered {
        let error = anyhow::anyhow!("{} messages were delivered and {committed} committed; please report this", sent.delivered);
        return Err(error).or_exit(Exit::Software);
    }
    Ok(())
}
