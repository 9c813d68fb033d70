//! What Kafka may do to a run, beside the refusals at a start: each fault ends in going on without loss, or in an end that names it.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::kills::follow_a_settle;
use crate::records::{committed, visit, watermarks};
use crate::refusals::{follow_the_remedy, refused};
use crate::stage::{Kind, PATIENCE, RATE, SHORT_SESSION, Stage, UNAVAILABLE, seed, sent};
use crate::support::kafka::ApacheKafka;
use crate::support::process::Process;
use crate::support::readers::{read_labels, read_lake};
use crate::support::wait::eventually;
use crate::verified::{audit, verify};
use crate::watched::Watched;

const MESSAGES: u64 = 2_000;

fn rows(stage: &Stage) -> u64 {
    let tables = read_lake(&stage.lake());
    ["readings", "events", "rejects"].iter().map(|table| tables[*table].rows).sum()
}

/// The client reads on in the new topic from the old offset, and says nothing; not one of its messages may be stored. It has more of them
/// than the old one had, so that no offset is out of range.
#[test]
fn a_topic_that_is_made_anew_while_it_runs_ends_the_run() {
    for kind in [Kind::Apache, Kind::Embedded] {
        let seed = seed();
        let stage = Stage::new(kind, "anew-running", 1);
        stage.fill(seed, MESSAGES);
        let mut run = Watched::start(&stage, &[]);
        run.wait_committed(&stage, MESSAGES);
        stage.delete_topic();
        stage.create_topic();
        stage.fill(seed + 1, 2 * MESSAGES);
        let log = run.ends_for(&[stage.topic()]);
        let named = ["deleted and made again", "does not exist any more"].iter().any(|text| log.contains(text));
        assert!(named, "{log}");
        assert_eq!(rows(&stage), MESSAGES, "rows of the new topic");
        let said = refused(&stage, &SHORT_SESSION, UNAVAILABLE, &["was deleted and made again", "lake.path"]);
        println!("{kind:?}, seed {seed}: {}\n{}", log.lines().last().unwrap_or_default(), said.trim());
    }
}

/// An epoch of it cannot be committed; the run says so for a while, then ends.
#[test]
fn a_topic_that_is_deleted_while_it_runs_ends_the_run() {
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "deleted", 1);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = Watched::start(&stage, &["--set", "epoch.interval=10s"]);
    // The first epoch of a partition is short. The one that is open now lasts long enough to delete a topic meanwhile.
    run.wait_epochs(1.0);
    let before = run.metric("corelane_messages_total").expect("the server answers");
    run.wait_metric("corelane_messages_total", before + 1.0);
    simulator.signal(libc::SIGSTOP);
    stage.delete_topic();
    let began = Instant::now();
    let log = run.ends_for(&[stage.topic(), "does not exist any more"]);
    println!("seed {seed}: ended after {:.1?}: {}", began.elapsed(), log.lines().last().unwrap_or_default());
}

/// Another cluster behind the same address, with a topic of the same name.
#[test]
fn another_cluster_ends_the_run_and_is_refused() {
    let seed = seed();
    let mut stage = Stage::new(Kind::Embedded, "replaced", 1);
    stage.fill(seed, MESSAGES);
    let mut run = Watched::start(&stage, &[]);
    run.wait_committed(&stage, MESSAGES);
    stage.replace_broker();
    stage.create_topic();
    stage.fill(seed + 1, 2 * MESSAGES);
    let log = run.ends_for(&[stage.topic()]);
    assert_eq!(rows(&stage), MESSAGES, "rows of the other cluster");
    let said = refused(&stage, &SHORT_SESSION, UNAVAILABLE, &["is on cluster", "lake.path"]);
    println!("seed {seed}: {}\n{}", log.lines().last().unwrap_or_default(), said.trim());
}

/// Retention was faster than we: the run does not jump by itself. Told to, it goes on from what is left.
#[test]
fn offsets_out_of_range_are_refused_until_told_which_way_to_go() {
    const GONE: i64 = 500;
    let seed = seed();
    let stage = Stage::new(Kind::Apache, "expired", 1);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE, "--messages", "15000"]));
    let mut run = Watched::start(&stage, &[]);
    run.wait_metric("corelane_messages_total", 1_000.0);
    run.stop();
    let stood = committed(&stage)[0].0.unwrap();
    simulator.wait_success(PATIENCE);
    let first = stood + GONE;
    assert!(watermarks(&stage)[0].1 > first, "too few messages after {stood}");
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(stage.topic(), 0, Offset::Offset(first)).unwrap();
    stage.delete_records(&before);
    let refusal = refused(&stage, &SHORT_SESSION, UNAVAILABLE, &["cannot be read on from offset", "retention", stage.group()]);
    assert_eq!(committed(&stage)[0].0, Some(stood), "a refusal changes nothing");
    eventually(PATIENCE, "the members' session to pass", || follow_the_remedy(&refusal, None).then_some(()));
    assert_eq!(committed(&stage)[0].0, Some(first));
    stage.run_to_end(&SHORT_SESSION);
    let report = read_labels(&stage.lake(), &stage.labels());
    println!(
        "seed {seed}: stood at {stood}, first {first}: missing {}, double {}; {}",
        report.missing,
        report.double,
        refusal.trim()
    );
    assert_eq!((report.missing, report.double, report.unlabelled), (GONE as u64, 0, 0));
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
}

#[test]
fn partitions_that_are_added_while_it_runs_are_read_from_their_first_offset() {
    for kind in [Kind::Apache, Kind::Embedded] {
        let seed = seed();
        let mut stage = Stage::new(kind, "added", 2);
        stage.fill(seed, MESSAGES);
        // By default the client looks for new partitions every five minutes.
        let mut run = Watched::start(&stage, &["--set", "kafka.properties={topic.metadata.refresh.interval.ms: 500}"]);
        run.wait_committed(&stage, MESSAGES);
        let mut simulator = Process::spawn(stage.simulate(seed + 1, &["--rate", RATE, "--messages", "6000"]));
        stage.add_partitions(5);
        run.wait_metric("corelane_active_partitions", 5.0);
        simulator.wait_success(PATIENCE);
        // The simulator's client may have learned of them too late; another one knows them from the start.
        stage.fill(seed + 2, MESSAGES);
        let all: u64 = watermarks(&stage).iter().map(|(_, high)| high.cast_unsigned()).sum();
        run.wait_committed(&stage, all);
        run.stop();
        let ends: Vec<i64> = watermarks(&stage).iter().map(|(_, high)| *high).collect();
        println!("{kind:?}, seed {seed}: partitions of {ends:?} messages");
        assert!(ends.iter().all(|end| *end > 0), "{ends:?}");
        assert_eq!(all, 2 * MESSAGES + 6_000);
        assert_eq!(rows(&stage), all);
        verify(&stage).assert_holds();
    }
}

/// Another producer under the lane's own transactional.id: ours is fenced, its epoch judged, and the lane goes on with a new one.
fn is_fenced(kind: Kind) {
    const TIMES: u64 = 4;
    let seed = seed();
    let stage = Stage::new(kind, "fenced", 2);
    let mut simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = Watched::start(&stage, &[]);
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..TIMES {
        run.wait_epochs(2.0);
        run.lasts(Duration::from_millis(random.random_range(0..300)));
        let writer = std::fs::read_dir(stage.staging()).unwrap().next().unwrap().unwrap().file_name();
        let stranger: BaseProducer = stage.client().set("transactional.id", writer.to_str().unwrap()).create().unwrap();
        stranger.init_transactions(Duration::from_secs(30)).unwrap();
    }
    run.wait_epochs(2.0);
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(&stage, messages);
    let failures = run.metric("corelane_processing_errors_total").unwrap();
    run.stop();
    println!("{kind:?}, fenced {TIMES} times, seed {seed}: {failures} failures; {}", audit(&stage, messages).line());
    assert!(failures >= 1.0, "no call of ours met the stranger");
}

#[test]
fn a_fenced_producer_is_replaced_on_apache_kafka() {
    is_fenced(Kind::Apache);
}

#[test]
fn a_fenced_producer_is_replaced_beside_the_embedded_broker() {
    is_fenced(Kind::Embedded);
}

/// The simulator ends, all that it sent is committed, and the run stops: then everything is right.
fn ends_right(stage: &Stage, mut simulator: Process, mut run: Watched) -> String {
    simulator.signal(libc::SIGINT);
    let messages = sent(&simulator.wait_success(PATIENCE));
    run.wait_committed(stage, messages);
    run.stop();
    audit(stage, messages).line()
}

/// How long an epoch stands still once its offsets were sent: whoever strikes some moments after the staged file strikes a transaction.
const IN_TRANSACTION: Duration = Duration::from_millis(1_500);

/// A run whose epochs stand still for [`IN_TRANSACTION`] in the middle of their transaction, in a build that has failpoints.
fn standing_in_transactions(stage: &Stage) -> Watched {
    Watched::start_as(stage, &[], |mut command| {
        command.env("CORELANE_PAUSE", format!("transact.offsets_sent={}", IN_TRANSACTION.as_millis()));
        command
    })
}

/// Waits for a settle, and then until its transaction is under way.
fn follow_a_transaction(stage: &Stage, run: &mut Watched, random: &mut SmallRng) {
    follow_a_settle(stage, run.process(), random);
    if cfg!(feature = "failpoints") {
        // From the staged file to the pause it takes some milliseconds, more on a machine that does much else.
        run.lasts(Duration::from_millis(random.random_range(300..900)));
    }
}

/// Stops the program in mid-transaction. 15 s is what a transaction may last, 9 s a session: both are over when it wakes up, and nobody took
/// its partitions. Gives how many epochs were not committed by that. A machine that does much else may strike before the transaction or
/// after it: then it is stopped once more.
fn stop_in_a_transaction(stage: &Stage, run: &mut Watched, random: &mut SmallRng) -> f64 {
    const TRIES: usize = 3;
    let lost = |run: &Watched| run.epochs("aborted") + run.epochs("judged_lost");
    let before = lost(run);
    for _ in 0..TRIES {
        follow_a_transaction(stage, run, random);
        run.process().signal(libc::SIGSTOP);
        std::thread::sleep(Duration::from_secs(17));
        run.process().signal(libc::SIGCONT);
        run.wait_epochs(2.0);
        // Without failpoints a transaction lasts for some milliseconds, and is seldom met.
        if lost(run) > before || !cfg!(feature = "failpoints") {
            break;
        }
    }
    lost(run) - before
}

/// The only node, killed and stopped in mid-transaction; then the program itself, for longer than a transaction may last.
#[test]
fn one_node_that_restarts_and_a_transaction_that_times_out_lose_nothing() {
    let seed = seed();
    let swept_often = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500");
    let kafka = ApacheKafka::start(1, &[swept_often]);
    let stage = Stage::on(&kafka, "restarted", 2);
    let mut random = SmallRng::seed_from_u64(seed);
    let simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = standing_in_transactions(&stage);
    run.wait_epochs(3.0);
    for end in [ApacheKafka::kill9 as fn(&ApacheKafka, usize), ApacheKafka::terminate] {
        follow_a_transaction(&stage, &mut run, &mut random);
        end(&kafka, 1);
        kafka.restart(1);
        run.wait_epochs(2.0);
    }
    let timed_out = stop_in_a_transaction(&stage, &mut run, &mut random);
    println!("seed {seed}: {timed_out} epochs lost by the stop; {}", ends_right(&stage, simulator, run));
    let mut epochs = 0;
    visit(&stage, &stage.output_topic("epochs"), |_| epochs += 1);
    assert!(epochs > 7, "{epochs} epochs");
    assert!(timed_out >= 1.0 || !cfg!(feature = "failpoints"), "the transaction that was open for 17 s was committed");
}

#[test]
fn a_transaction_that_times_out_beside_the_embedded_broker_loses_nothing() {
    let seed = seed();
    let stage = Stage::new(Kind::Embedded, "timed-out", 2);
    let mut random = SmallRng::seed_from_u64(seed);
    let simulator = Process::spawn(stage.simulate(seed, &["--rate", RATE]));
    let mut run = standing_in_transactions(&stage);
    run.wait_epochs(2.0);
    let timed_out = stop_in_a_transaction(&stage, &mut run, &mut random);
    println!("seed {seed}: {timed_out} epochs lost by the stop; {}", ends_right(&stage, simulator, run));
    assert!(timed_out >= 1.0 || !cfg!(feature = "failpoints"), "the transaction that was open for 17 s was committed");
}

/// Java's `String.hashCode`, by which Kafka chooses the partition that keeps a group or a transaction.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Leaders of a topic's partitions, in order; None unless every replica is in sync.
fn leaders_in_sync(client: &BaseConsumer, topic: &str) -> Option<Vec<usize>> {
    let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
    let mut partitions: Vec<_> = metadata.topics().first()?.partitions().iter().collect();
    partitions.sort_by_key(|partition| partition.id());
    let is_whole = !partitions.is_empty() && partitions.iter().all(|partition| partition.isr().len() == 3);
    is_whole.then(|| partitions.iter().filter_map(|partition| usize::try_from(partition.leader()).ok()).collect())
}

/// Who leads the partition of `topic` that keeps `name`, once all replicas of all that the run relies on are in sync.
fn leader_of(client: &BaseConsumer, stage: &Stage, topic: &str, name: Option<&str>) -> usize {
    let (groups, transactions) = ("__consumer_offsets", "__transaction_state");
    let (epochs, rejects) = (stage.output_topic("epochs"), stage.output_topic("rejects"));
    let all = [groups, transactions, stage.topic(), &epochs, &rejects];
    eventually(PATIENCE, "all replicas to be in sync", || {
        let leaders: Vec<Vec<usize>> = all.iter().map(|topic| leaders_in_sync(client, topic)).collect::<Option<_>>()?;
        let of_topic = &leaders[all.iter().position(|other| *other == topic)?];
        let hash = name.map_or(0, |name| java_hash(name) & i32::MAX);
        of_topic.get(usize::try_from(hash).ok()? % of_topic.len()).copied()
    })
}

/// Three nodes: the one that coordinates the group, the one that coordinates the lane's transactions, and the leader of an input partition,
/// each killed in mid-transaction. The other two go on without it, with min ISR 2.
#[test]
fn the_coordinator_and_the_leader_are_killed() {
    let seed = seed();
    let kafka = ApacheKafka::start(3, &[]);
    let stage = Stage::on(&kafka, "led", 3);
    let mut random = SmallRng::seed_from_u64(seed);
    let simulator = Process::spawn(stage.simulate(seed, &["--rate", "300"]));
    let mut run = standing_in_transactions(&stage);
    run.wait_epochs(2.0);
    let client: BaseConsumer = stage.client().create().unwrap();
    let writer = std::fs::read_dir(stage.staging()).unwrap().next().unwrap().unwrap().file_name();
    let writer = writer.to_str().unwrap();
    let roles =
        [("__consumer_offsets", Some(stage.group())), ("__transaction_state", Some(writer)), (stage.topic(), None::<&str>)];
    for (topic, name) in roles {
        let node = leader_of(&client, &stage, topic, name);
        follow_a_transaction(&stage, &mut run, &mut random);
        let began = Instant::now();
        kafka.kill9(node);
        run.wait_epochs(2.0);
        let committed = began.elapsed();
        kafka.restart(node);
        println!("{topic}: node {node} killed, two epochs {committed:.1?} later without it");
    }
    println!("seed {seed}: {}", ends_right(&stage, simulator, run));
}
