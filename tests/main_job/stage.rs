//! What each test plays on: a Kafka with a topic of its own, a folder with lake, labels and configuration, and the commands.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::support::kafka::ApacheKafka;
use crate::support::process::{Process, corelane};
use crate::support::scratch::Scratch;
use crate::support::wait::eventually;

/// Whatever a process is waited for; far above what it takes, for machines that do much else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);
/// Messages a second: what a debug build on a busy machine keeps up with.
pub(crate) const RATE: &str = "1000";
/// The shortest that is allowed: a stopped run's static members stay in the group that long.
pub(crate) const SHORT_SESSION: [&str; 2] = ["--set", "kafka.session_timeout=9s"];
/// The exit code of a run whose Kafka, topic or lake is not available; whoever supervises it starts it again.
pub(crate) const UNAVAILABLE: i32 = 69;

/// The two Kafkas that everything must work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Apache,
    Embedded,
}

/// A topic of its own; the Apache node is shared by the tests, the embedded broker is a process of each.
pub(crate) struct Stage {
    kind: Kind,
    bootstrap: String,
    /// Topic, group and prefix at once.
    name: String,
    partitions: i32,
    scratch: Scratch,
    /// The embedded broker.
    broker: Option<Process>,
}

impl Stage {
    /// `name` for people; topic, group and prefix get a number besides.
    pub(crate) fn new(kind: Kind, name: &str, partitions: i32) -> Stage {
        let (bootstrap, broker) = match kind {
            Kind::Apache => (ApacheKafka::shared().bootstrap(), None),
            Kind::Embedded => {
                let (broker, address) = embedded_broker("127.0.0.1:0");
                (address, Some(broker))
            }
        };
        Self::with(kind, bootstrap, broker, name, partitions)
    }

    /// On an Apache Kafka of the caller's own.
    pub(crate) fn on(kafka: &ApacheKafka, name: &str, partitions: i32) -> Stage {
        Self::with(Kind::Apache, kafka.bootstrap(), None, name, partitions)
    }

    fn with(kind: Kind, bootstrap: String, broker: Option<Process>, name: &str, partitions: i32) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let stage = Stage { kind, bootstrap, name, partitions, scratch: Scratch::new("stage"), broker };
        stage.create_topic();
        stage.write_configuration();
        stage
    }

    /// The embedded broker's process.
    pub(crate) fn broker(&mut self) -> &mut Process {
        self.broker.as_mut().expect("a stage with an embedded broker")
    }

    /// Another cluster at the same address: an embedded broker that knows nothing of the one before.
    pub(crate) fn replace_broker(&mut self) {
        self.broker().kill9();
        let (broker, address) = embedded_broker(&self.bootstrap);
        assert_eq!(address, self.bootstrap);
        self.broker = Some(broker);
    }

    /// `host:port` of its Kafka.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn topic(&self) -> &str {
        &self.name
    }

    pub(crate) fn group(&self) -> &str {
        &self.name
    }

    pub(crate) fn partitions(&self) -> i32 {
        self.partitions
    }

    pub(crate) fn output_topic(&self, which: &str) -> String {
        format!("{}.{which}", self.name)
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.scratch.path().join("lake")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.lake().join("_staging")
    }

    pub(crate) fn labels(&self) -> PathBuf {
        self.scratch.path().join("labels.parquet")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.scratch.path().join("corelane.yaml")
    }

    /// A file for what a test itself writes.
    pub(crate) fn scratch_file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Any client of rdkafka's, for this Kafka.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// `corelane run` with the stage's configuration; `args` may change it with `--set`.
    pub(crate) fn run(&self, args: &[&str]) -> Command {
        let mut command = corelane(["run"]);
        command.arg(self.configuration()).args(args);
        command
    }

    /// `corelane simulate` into the stage's topic, with labels and every kind of fault. Its clock is the wall's: Kafka keeps what is
    /// young, and refuses what lies an hour ahead.
    pub(crate) fn simulate(&self, seed: u64, args: &[&str]) -> Command {
        let faults = ["--malformed", "0.01", "--duplicates", "0.01", "--oversized", "0.00002"];
        self.simulate_just(seed, &[&faults, args].concat())
    }

    /// The same with the faults that `args` name.
    pub(crate) fn simulate_just(&self, seed: u64, args: &[&str]) -> Command {
        let mut command = corelane(["simulate", "--quiet", "--brokers", &self.bootstrap, "--topic", self.topic()]);
        command.args(["--seed", &seed.to_string()]).arg("--labels").arg(self.labels()).args(args);
        command
    }

    /// Simulates `messages` as fast as Kafka takes them.
    pub(crate) fn fill(&self, seed: u64, messages: u64) {
        let mut simulator = Process::spawn(self.simulate(seed, &["--rate", "max", "--messages", &messages.to_string()]));
        simulator.wait_success(PATIENCE);
    }

    /// Runs until all that is there is committed, and gives what it printed.
    pub(crate) fn run_to_end(&self, args: &[&str]) -> String {
        let mut run = Process::spawn(self.run(&[&["--until-end", "--quiet"], args].concat()));
        let output = run.wait_success(PATIENCE);
        assert!(output.contains("ledger     balances"), "{output}");
        output
    }

    /// Until the deadline: a topic of this name that was just deleted goes a little later.
    pub(crate) fn create_topic(&self) {
        eventually(PATIENCE, "the topic to be made", || {
            let topics = [NewTopic::new(&self.name, self.partitions, TopicReplication::Fixed(-1))];
            let results = block_on(self.admin().create_topics(&topics, &AdminOptions::new())).unwrap();
            results[0].is_ok().then_some(())
        });
        // The programs ask once. Whichever node they ask then knows it and its leaders.
        for node in self.bootstrap.split(',') {
            let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", node).create().unwrap();
            eventually(PATIENCE, "each node to know the new topic", || {
                let metadata = client.fetch_metadata(Some(&self.name), Duration::from_secs(30)).ok()?;
                let partitions = metadata.topics().first()?.partitions();
                let are_led = partitions.iter().all(|partition| partition.leader() >= 0);
                (are_led && i32::try_from(partitions.len()) == Ok(self.partitions)).then_some(())
            });
        }
    }

    /// A setting of the topic, as Kafka names it.
    pub(crate) fn set_topic(&self, name: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(&self.name)).set(name, value);
        let results = block_on(self.admin().alter_configs([&change], &AdminOptions::new())).unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    pub(crate) fn delete_topic(&self) {
        let results = block_on(self.admin().delete_topics(&[&self.name], &AdminOptions::new())).unwrap();
        assert_eq!(results, [Ok(self.name.clone())]);
    }

    /// Removes what lies before the offsets of the list, as retention does.
    pub(crate) fn delete_records(&self, before: &TopicPartitionList) {
        let removed = block_on(self.admin().delete_records(before, &AdminOptions::new())).unwrap();
        assert!(removed.elements().iter().all(|element| element.error().is_ok()), "{removed:?}");
    }

    /// More partitions for the topic: `total` in all.
    pub(crate) fn add_partitions(&mut self, total: i32) {
        let wanted = [NewPartitions::new(&self.name, usize::try_from(total).unwrap())];
        let results = block_on(self.admin().create_partitions(&wanted, &AdminOptions::new())).unwrap();
        assert_eq!(results, [Ok(self.name.clone())]);
        self.partitions = total;
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    fn write_configuration(&self) {
        let brokers: Vec<String> = self.bootstrap.split(',').map(|broker| format!("\"{broker}\"")).collect();
        let text = format!(
            "kafka:\n  brokers: [{}]\n  topics: [{name}]\n  group: {name}\n  prefix: {name}\nlake:\n  path: {}\nserve:\n  listen: off\n",
            brokers.join(", "),
            self.lake().display(),
            name = self.name,
        );
        fs::write(self.configuration(), text).unwrap();
    }
}

/// The process, once it is ready, and where it listens.
fn embedded_broker(listen: &str) -> (Process, String) {
    let mut broker = Process::spawn(corelane(["broker", "--listen", listen, "--memory", "4GiB"]));
    let line = broker.wait_line(PATIENCE, "broker ready at ");
    let address = line.split_whitespace().nth(3).expect("the address is the fourth word");
    let address = address.trim_end_matches(',').to_owned();
    (broker, address)
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A figure of the environment, else the default.
pub(crate) fn figure(name: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"));
    std::env::var(name).map_or(default, parse)
}

/// Another one each time, unless the environment names one.
pub(crate) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    figure("CORELANE_E2E_SEED", now.as_nanos() as u64 % 1_000_000_007)
}

/// What the output of a process says after `label` on its line.
pub(crate) fn said(output: &str, label: &str) -> String {
    let line = output.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no line begins with {label:?}:\n{output}")).trim().to_owned()
}

/// How many messages a simulator that has ended says it sent: `sent       19,340 messages, …`.
pub(crate) fn sent(output: &str) -> u64 {
    said(output, "sent").split(' ').next().unwrap().replace(',', "").parse().unwrap()
}
