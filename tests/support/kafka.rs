//! Real Apache Kafka 4.1 (KRaft), one node or three, on loopback ports, started by the test that needs it.
//!
//! Each node is broker and controller at once. A start is about 2 s: the data directory is formatted by hand from a checkpoint that
//! `./dev setup` had Kafka's own tool write once, and the JVM reads its classes from an archive where there is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use super::scratch::Scratch;
use super::wait::{eventually, free_port};
use super::{cache_dir, child};

const VERSION: &str = "4.1.0";
/// A start takes 2 to 3 s, after kill -9 up to 15 s; ten times that on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_secs(150);
/// Small heap, the collector and the compiler that start fastest: measured in the prototype `startup.sh`.
const JVM: [&str; 4] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
/// Ports are chosen before they are bound; if somebody else was faster the whole start is tried again.
const START_ATTEMPTS: u32 = 3;

/// Nodes are numbered from 1. All calls take `&self`, so that threads of a test can kill and restart.
pub struct ApacheKafka {
    scratch: Scratch,
    ports: Vec<u16>,
    routes: Vec<Vec<Route>>,
    nodes: Mutex<Vec<Node>>,
    cluster_id: String,
}

/// A further listener of a node, for one client whose network a test breaks: what listens at `advertised` forwards to `listens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub listens: u16,
    /// What Kafka tells the client that came in here.
    pub advertised: u16,
}

/// The ports of one node.
#[derive(Clone, Debug)]
struct Ports {
    broker: u16,
    controller: u16,
    seats: Vec<Route>,
}

struct Node {
    properties: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl ApacheKafka {
    /// Formats and starts `nodes` (1 or 3) and waits until each is ready.
    ///
    /// `overrides` are broker settings that replace those of [`settings`] or are added to them. Replication and min ISR follow the
    /// number of nodes (3 and 2 with three). Topics are not created by themselves: a mistyped topic is an error.
    pub fn start(nodes: usize, overrides: &[(&str, &str)]) -> ApacheKafka {
        Self::start_with_seats(nodes, 0, overrides)
    }

    /// The same, and each node has `seats` more listeners, each of which advertises a port of its own: [`Self::route`].
    pub fn start_with_seats(nodes: usize, seats: usize, overrides: &[(&str, &str)]) -> ApacheKafka {
        assert!(nodes == 1 || nodes == 3, "one node or three, not {nodes}");
        for attempt in 1.. {
            let kafka = Self::format(nodes, seats, overrides);
            (1..=nodes).for_each(|n| kafka.spawn(n));
            match (1..=nodes).try_for_each(|n| kafka.wait_ready(n, 0)) {
                Ok(()) => return kafka,
                Err(log) if log.contains("Address already in use") && attempt < START_ATTEMPTS => {}
                Err(log) => panic!("Apache Kafka ended while starting; the end of its log:\n{log}"),
            }
        }
        unreachable!("the loop above ends by return or panic")
    }

    /// A single node for the whole test binary, for tests that only need topics of their own. It ends with the process.
    pub fn shared() -> &'static ApacheKafka {
        static SHARED: OnceLock<ApacheKafka> = OnceLock::new();
        extern "C" fn at_exit() {
            // Statics are not dropped: without this the data would stay until the next test process sweeps it.
            if let Some(kafka) = SHARED.get() {
                kafka.end();
                let _ = fs::remove_dir_all(kafka.scratch.path());
            }
        }
        SHARED.get_or_init(|| {
            // SAFETY: a plain function without arguments that does not unwind: `end` and the removal swallow their errors.
            unsafe { libc::atexit(at_exit) };
            ApacheKafka::start(1, &[])
        })
    }

    /// `bootstrap.servers`: all nodes, those that are down too.
    pub fn bootstrap(&self) -> String {
        self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    pub fn node_count(&self) -> usize {
        self.ports.len()
    }

    /// The further listener of node `n` (from 1) for a seat (from 0).
    pub fn route(&self, n: usize, seat: usize) -> Route {
        self.routes[n - 1][seat]
    }

    /// The cluster id that the nodes were formatted with.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Where node `n` writes its log, for a test's own message.
    pub fn log_path(&self, n: usize) -> PathBuf {
        self.nodes()[n - 1].log.clone()
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill9(&self, n: usize) {
        self.end_node(n, libc::SIGKILL);
    }

    /// SIGTERM: Kafka's controlled shutdown; waits until the process is gone.
    pub fn terminate(&self, n: usize) {
        self.end_node(n, libc::SIGTERM);
    }

    /// SIGSTOP: the node keeps its connections and answers nothing.
    pub fn stop_signal(&self, n: usize) {
        self.signal(n, libc::SIGSTOP);
    }

    /// SIGCONT after [`Self::stop_signal`].
    pub fn continue_signal(&self, n: usize) {
        self.signal(n, libc::SIGCONT);
    }

    /// Starts a node again that was ended, on the same port with the same data, and waits until it is ready.
    pub fn restart(&self, n: usize) {
        let seen = self.restart_without_waiting(n);
        if let Err(log) = self.wait_ready(n, seen) {
            panic!("node {n} of Apache Kafka ended while restarting; the end of its log:\n{log}");
        }
    }

    /// The same without waiting: with two of three nodes down, one alone never becomes ready. Returns the length of the log before.
    pub fn restart_without_waiting(&self, n: usize) -> usize {
        let seen = fs::read_to_string(self.log_path(n)).map_or(0, |log| log.len());
        assert!(self.nodes()[n - 1].child.is_none(), "node {n} runs: end it before restarting it");
        self.spawn(n);
        seen
    }

    fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        // A test that panicked while it held the lock must still be cleaned up after.
        self.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes settings and data directories of all nodes.
    fn format(nodes: usize, seats: usize, overrides: &[(&str, &str)]) -> ApacheKafka {
        let scratch = Scratch::new("kafka");
        let route = |_| Route { listens: free_port(), advertised: free_port() };
        let node = |_| Ports { broker: free_port(), controller: free_port(), seats: (0..seats).map(route).collect() };
        let ports: Vec<Ports> = (0..nodes).map(node).collect();
        let cluster_id = kafka_uuid();
        let mut all = Vec::new();
        for n in 1..=nodes {
            let data = scratch.path().join(format!("data{n}"));
            fs::create_dir_all(&data).expect("a directory in scratch");
            fs::copy(checkpoint(), data.join("bootstrap.checkpoint")).expect("a file in scratch");
            let meta = format!("version=1\ncluster.id={cluster_id}\nnode.id={n}\ndirectory.id={}\n", kafka_uuid());
            fs::write(data.join("meta.properties"), meta).expect("a file in scratch");
            let properties = scratch.path().join(format!("node{n}.properties"));
            fs::write(&properties, settings(n, &ports, &data, overrides)).expect("a file in scratch");
            all.push(Node { properties, log: scratch.path().join(format!("node{n}.log")), child: None });
        }
        let (ports, routes) = ports.into_iter().map(|ports| (ports.broker, ports.seats)).unzip();
        ApacheKafka { scratch, ports, routes, nodes: Mutex::new(all), cluster_id }
    }

    fn spawn(&self, n: usize) {
        let mut nodes = self.nodes();
        let node = &mut nodes[n - 1];
        let log = fs::OpenOptions::new().create(true).append(true).open(&node.log).expect("a file in scratch");
        let mut java = Command::new("java");
        java.args(JVM);
        let archive = home().join("classes.jsa");
        if archive.exists() {
            java.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        java.args(["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]);
        java.args(["-cp", class_path(), "kafka.Kafka"]).arg(&node.properties);
        java.stdin(Stdio::null()).stdout(log.try_clone().expect("an open file")).stderr(log);
        let child = child::spawn(java).unwrap_or_else(|error| panic!("java cannot be started ({error}): run `./dev setup`"));
        node.child = Some(child);
    }

    /// Waits for the line that Kafka writes when it serves. `Err`: the node ended, with the end of its log.
    fn wait_ready(&self, n: usize, seen: usize) -> Result<(), String> {
        let path = self.log_path(n);
        let what = format!("node {n} of Apache Kafka to be ready, see {}", path.display());
        eventually(READY_WITHIN, &what, || {
            let log = fs::read(&path).unwrap_or_default();
            let log = String::from_utf8_lossy(log.get(seen..).unwrap_or_default());
            if log.contains("Kafka Server started") {
                return Some(Ok(()));
            }
            let mut nodes = self.nodes();
            let child = nodes[n - 1].child.as_mut().expect("the caller has started it");
            let ended = child.try_wait().expect("our own child");
            ended.map(|status| Err(format!("{}\n{status}", tail(&log, 25))))
        })
    }

    fn signal(&self, n: usize, signal: i32) {
        let nodes = self.nodes();
        let running = nodes[n - 1].child.as_ref().unwrap_or_else(|| panic!("node {n} of Apache Kafka does not run"));
        child::signal(running, signal);
    }

    fn end_node(&self, n: usize, signal: i32) {
        self.signal(n, signal);
        let child = self.nodes()[n - 1].child.take();
        child.expect("signalled just before").wait().expect("our own child");
    }

    /// Kills whatever still runs. Swallows errors: it also runs on the way out.
    fn end(&self) {
        for node in self.nodes().iter_mut() {
            if let Some(mut child) = node.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Drop for ApacheKafka {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            for node in self.nodes().iter() {
                let log = fs::read_to_string(&node.log).unwrap_or_default();
                eprintln!("--- the end of {}:\n{}", node.log.display(), tail(&log, 15));
            }
        }
    }
}

/// The settings of node `n`; `overrides` win.
fn settings(n: usize, ports: &[Ports], data: &Path, overrides: &[(&str, &str)]) -> String {
    let Ports { broker, controller, seats } = &ports[n - 1];
    let voter = |(i, ports): (usize, &Ports)| format!("{}@127.0.0.1:{}", i + 1, ports.controller);
    let voters: Vec<String> = ports.iter().enumerate().map(voter).collect();
    let each_seat = |text: &dyn Fn(usize, &Route) -> String| {
        seats.iter().enumerate().map(|(i, seat)| text(i, seat)).collect::<Vec<_>>().concat()
    };
    let listens = each_seat(&|i, seat| format!(",SEAT{i}://127.0.0.1:{}", seat.listens));
    let advertised = each_seat(&|i, seat| format!(",SEAT{i}://127.0.0.1:{}", seat.advertised));
    let protocols = each_seat(&|i, _| format!(",SEAT{i}:PLAINTEXT"));
    let replicas = ports.len().to_string();
    let in_sync = if ports.len() == 3 { "2" } else { "1" };
    let mut all: Vec<(&str, String)> = vec![
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", n.to_string()),
        ("controller.quorum.voters", voters.join(",")),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}{listens}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{broker}{advertised}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listener.security.protocol.map", format!("CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}")),
        ("log.dirs", data.display().to_string()),
        ("auto.create.topics.enable", "false".to_owned()),
        // Consumers of a test join at once; in production 3 s pass in which others may come.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ];
    for name in ["default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor"] {
        all.push((name, replicas.clone()));
    }
    for name in ["min.insync.replicas", "transaction.state.log.min.isr"] {
        all.push((name, in_sync.to_owned()));
    }
    // 50 by default; each is a log to open at every start.
    for name in ["offsets.topic.num.partitions", "transaction.state.log.num.partitions"] {
        all.push((name, "4".to_owned()));
    }
    all.retain(|(name, _)| !overrides.iter().any(|(other, _)| other == name));
    all.extend(overrides.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.join("\n")
}

/// The directory of the jars, the checkpoint and the archive: `CORELANE_KAFKA_LIBS` names its `libs`, else it is in the cache.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let libs = std::env::var_os("CORELANE_KAFKA_LIBS").map(PathBuf::from);
        let libs = libs.unwrap_or_else(|| cache_dir().join(format!("kafka-{VERSION}/libs")));
        let libs = fs::canonicalize(&libs)
            .unwrap_or_else(|error| panic!("Apache Kafka is not in {} ({error}): run `./dev setup`", libs.display()));
        libs.parent().expect("libs stands in a directory").to_owned()
    })
}

/// All jars by name: the archive of classes is only used under the very class path that it was made with.
fn class_path() -> &'static str {
    static CLASS_PATH: OnceLock<String> = OnceLock::new();
    CLASS_PATH.get_or_init(|| {
        let libs = home().join("libs");
        let entries = fs::read_dir(&libs).unwrap_or_else(|error| panic!("{}: {error}: run `./dev setup`", libs.display()));
        let mut jars: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        jars.retain(|path| path.extension().is_some_and(|ending| ending == "jar"));
        jars.sort_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        assert!(!jars.is_empty(), "no jars in {}: run `./dev setup`", libs.display());
        jars.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
    })
}

/// What the format tool wrote: the features of this version (transactions v2, KIP-848). It names no cluster and no node.
fn checkpoint() -> PathBuf {
    let path = home().join("bootstrap.checkpoint");
    assert!(path.exists(), "{} is missing: run `./dev setup`", path.display());
    path
}

/// A random id in Kafka's spelling: 22 characters of base64url that hold 16 bytes. Hex digits are such characters, too.
fn kafka_uuid() -> String {
    format!("{}A", &uuid::Uuid::new_v4().simple().to_string()[..21])
}

/// The last `count` lines.
fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
