//! A play from the first message to the verdict: strike, heal, wait until the group commits again, and so on.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::cast::{Asked, Cast, SESSION, Settles};
use crate::options::Options;
use crate::proxy::Weather;
use crate::schedule::{Fault, FaultKind, Round};
use crate::stage::{PATIENCE, sent};
use crate::support::group::{Group, has_reached};
use crate::support::process::Process;
use crate::theatre::{Theatre, delay};
use crate::verdict::{Verdict, verdict};

/// Longer than any recovery: session, transaction time-out, and the rebuilds of a lane together. Beyond it the group is stuck.
const RECOVERY_PATIENCE: Duration = Duration::from_mins(3);
/// Session and transaction time-out, one after the other; who watches wants to know why it took longer.
const SLOW: Duration = Duration::from_secs(25);
/// Each question goes to Kafka.
const LOOK: Duration = Duration::from_millis(50);

/// Three nodes have the machine for themselves: two cores that bear them and the plays beside them let sessions of brokers expire.
static MACHINE: RwLock<()> = RwLock::new(());

/// A round as it came to pass.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) faults: Vec<Fault>,
    /// From the first strike until all was healed.
    pub(crate) lasted: Duration,
    /// From then until the group had committed every partition up to where it ended then.
    pub(crate) recovered: Duration,
}

/// All that the report tells.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) options: Options,
    pub(crate) rounds: Vec<Played>,
    pub(crate) messages: u64,
    pub(crate) took: Duration,
    /// Processes that ended by themselves with a reason, and were started again.
    pub(crate) incidents: Vec<String>,
    /// What was logged of epochs that Kafka refused.
    pub(crate) refusals: Vec<String>,
    pub(crate) settles: Settles,
    pub(crate) verdict: Verdict,
}

impl Outcome {
    /// Panics with all findings, if there are any.
    pub(crate) fn assert_right(&self) {
        let findings = &self.verdict.findings;
        assert!(findings.is_empty(), "{} findings; again: {}\n{}", findings.len(), self.options.command(), findings.join("\n"));
    }
}

/// Plays the rounds that `schedule` makes for this world. `asked`: whether the program breaks its protocol or stands still somewhere.
pub(crate) fn play(options: &Options, asked: Asked, schedule: impl FnOnce(&Theatre) -> Vec<Round>) -> Outcome {
    let alone = (options.brokers > 1).then(|| MACHINE.write().unwrap_or_else(PoisonError::into_inner));
    let _shared = alone.is_none().then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner));
    let began = Instant::now();
    let theatre = Theatre::open(options, options.processes() + 1);
    let rounds = schedule(&theatre);
    let mut cast = Cast::new(&theatre, options, asked);
    let stage = &theatre.stage;
    let group = Group::new(stage.bootstrap(), stage.group(), stage.topic(), stage.partitions());
    let simulator = Process::spawn(theatre.stage.simulate(options.seed(), &["--rate", &options.rate.to_string()]));
    (0..options.processes()).for_each(|seat| cast.enter(seat));
    let until = options.duration.map(|duration| began + duration);
    let mut played: Vec<Played> = Vec::new();
    let mut stuck = recover(&group, &mut cast).err();
    for round in rounds {
        if stuck.is_some() || until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        match one_round(&theatre, &mut cast, &group, round) {
            Ok(round) => {
                println!("{:>6.1} s  {}", began.elapsed().as_secs_f64(), line(&round));
                if round.recovered > SLOW {
                    println!("that was slow; the ends of the logs:\n{}", cast.logs());
                }
                played.push(round);
            }
            Err(text) => stuck = Some(text),
        }
    }
    let messages = end_of(simulator, &mut cast.findings);
    cast.curtain();
    // Static members do not leave: who comes now gets their partitions when their session is over.
    let until = Instant::now() + SESSION + PATIENCE;
    while group.members() != Some(0) && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
    if group.members() != Some(0) {
        cast.findings.push(format!("the group was not empty {:?} after all had stopped", SESSION + PATIENCE));
    }
    cast.run_to_end();
    cast.judge_incidents(played.iter().map(|round| round.faults.len()).sum());
    let mut verdict = verdict(&theatre.stage, &cast.lakes(), messages);
    verdict.findings.splice(0..0, stuck.into_iter().chain(cast.findings.drain(..)));
    Outcome {
        options: options.clone(),
        rounds: played,
        messages,
        took: began.elapsed(),
        incidents: std::mem::take(&mut cast.incidents),
        refusals: std::mem::take(&mut cast.refusals),
        settles: cast.settles,
        verdict,
    }
}

/// Lets the simulator wait for what it has sent, and gives how many messages that were. Messages that Kafka did not take prove nothing,
/// whatever becomes of them.
fn end_of(mut simulator: Process, findings: &mut Vec<String>) -> u64 {
    if simulator.is_running() {
        simulator.signal(libc::SIGINT);
    }
    let status = simulator.wait_exit(PATIENCE);
    if !status.success() {
        let reason = simulator.stderr().lines().last().unwrap_or_default().to_owned();
        findings.push(format!("the simulator ended with {status}, so nothing is proved: {reason}"));
    }
    sent(&simulator.stdout())
}

/// `Err`: the group did not come back.
fn one_round(theatre: &Theatre, cast: &mut Cast<'_>, group: &Group, round: Round) -> Result<Played, String> {
    std::thread::sleep(round.calm);
    let began = Instant::now();
    let mut ends = Vec::new();
    for fault in &round.faults {
        strike(theatre, cast, fault);
        ends.push((Instant::now() + fault.length, fault));
    }
    ends.sort_by_key(|(end, _)| *end);
    for (end, fault) in ends {
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        heal(theatre, cast, fault);
    }
    let lasted = began.elapsed();
    let recovered = recover(group, cast).map_err(|text| format!("after {:?}: {text}", round.faults))?;
    Ok(Played { faults: round.faults, lasted, recovered })
}

fn strike(theatre: &Theatre, cast: &mut Cast<'_>, fault: &Fault) {
    let victim = fault.victim;
    match fault.kind {
        FaultKind::Kill => cast.kill(victim),
        FaultKind::KillInSettle => {
            cast.wait_for_settle(victim, Duration::from_micros(fault.detail));
            cast.kill(victim);
            cast.note_settle(victim);
        }
        FaultKind::Terminate => cast.ask_to_leave(victim),
        FaultKind::Stall => cast.stop(victim),
        FaultKind::StallInSettle => {
            cast.wait_for_settle(victim, Duration::from_micros(fault.detail));
            cast.stop(victim);
            cast.note_settle(victim);
        }
        FaultKind::Guest => cast.enter(cast.guest()),
        FaultKind::BrokerKill => theatre.kill_broker(victim),
        FaultKind::BrokerRestart => theatre.end_broker(victim),
        FaultKind::BrokerStall => theatre.stall_broker(victim),
        FaultKind::Cut => theatre.set_weather(victim, Weather::Cut),
        FaultKind::Delay => theatre.set_weather(victim, delay(fault.detail)),
        FaultKind::HalfOpen => theatre.set_weather(victim, Weather::HalfOpen),
    }
}

fn heal(theatre: &Theatre, cast: &mut Cast<'_>, fault: &Fault) {
    let victim = fault.victim;
    match fault.kind {
        FaultKind::Kill | FaultKind::KillInSettle => cast.enter(victim),
        FaultKind::Terminate => {
            cast.see_off(victim);
            cast.enter(victim);
        }
        FaultKind::Stall | FaultKind::StallInSettle => cast.wake(victim),
        FaultKind::Guest => {
            cast.ask_to_leave(cast.guest());
            cast.see_off(cast.guest());
        }
        FaultKind::BrokerKill | FaultKind::BrokerRestart => theatre.start_broker(victim),
        FaultKind::BrokerStall => theatre.wake_broker(victim),
        FaultKind::Cut | FaultKind::Delay | FaultKind::HalfOpen => theatre.set_weather(victim, Weather::Fair),
    }
}

/// Waits until the group has committed every partition up to where it ends now.
fn recover(group: &Group, cast: &mut Cast<'_>) -> Result<Duration, String> {
    let began = Instant::now();
    let mut ends = group.unknown_ends();
    let mut committed = None;
    while began.elapsed() < RECOVERY_PATIENCE {
        cast.revive();
        group.note_ends(&mut ends);
        committed = group.committed();
        if let (Some(committed), Some(ends)) = (&committed, ends.iter().copied().collect::<Option<Vec<i64>>>())
            && has_reached(committed, &ends)
        {
            return Ok(began.elapsed());
        }
        std::thread::sleep(LOOK);
    }
    let logs = cast.logs();
    Err(format!(
        "after {RECOVERY_PATIENCE:?} the group has committed {committed:?}, and the partitions ended at {ends:?}\n{logs}"
    ))
}

/// A line for who watches.
pub(crate) fn line(round: &Played) -> String {
    let name = |fault: &Fault| match fault.kind {
        FaultKind::Guest => fault.kind.name().to_owned(),
        kind => format!("{} ({})", kind.name(), fault.victim),
    };
    let faults = round.faults.iter().map(name).collect::<Vec<_>>().join(" and ");
    format!("{faults}: {:.1} s, then {:.1} s until all was committed", round.lasted.as_secs_f64(), round.recovered.as_secs_f64())
}
