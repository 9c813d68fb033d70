//! From the command line to a fleet and its pace.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::PlanArgs;
use crate::batch::Format;
use crate::config::Config;
use crate::simulate::{Clock, FleetOptions, Mix, OptionsError, Pace, Rates, Speed};

const PRESETS: [u32; 7] = [100, 300, 500, 1_000, 2_000, 5_000, 10_000];

/// `--rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RateArg {
    PerSecond(f64),
    Max,
}

/// What is sent, and how fast.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) fleet: FleetOptions,
    pub(super) pace: Pace,
}

/// Arguments that fit no run.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum PlanError {
    #[error(transparent)]
    Fleet(#[from] OptionsError),
    #[error(
        "--start lies in the future: Kafka refuses records from there; give a time before now, or leave it out to simulate live"
    )]
    FutureStart,
    #[error(
        "simulated time would pass the present after {fitting} of {wanted} messages: give an earlier --start, fewer --messages, \
         or a higher --rate"
    )]
    PastThePresent { fitting: u64, wanted: u64 },
}

impl Plan {
    /// `now_ms`: the present.
    pub(super) fn new(args: &PlanArgs, config: &Config, now_ms: i64) -> Result<Self, PlanError> {
        let devices = args.fleet.or(args.devices).unwrap_or(config.simulate.fleet);
        let interval_us = match args.rate {
            Some(RateArg::PerSecond(rate)) => whole(f64::from(devices) * 1e6 / rate),
            Some(RateArg::Max) | None => micros(args.interval.unwrap_or(config.simulate.interval)),
        };
        let is_live = args.start.is_none();
        let clock = match (args.start, args.rate) {
            (Some(start_ms), _) => Clock::Schedule { start_ms },
            (None, Some(RateArg::Max)) => Clock::Wall,
            (None, _) => Clock::Schedule { start_ms: now_ms },
        };
        let fleet = FleetOptions {
            devices,
            interval_us,
            seed: args.seed.unwrap_or(config.simulate.seed),
            clock,
            mix: args.mix,
            rates: rates(args),
            future_skew_ms: millis(config.windows.future_skew),
            age_max_ms: millis(config.windows.age_max),
        };
        fleet.check()?;
        let pace = Pace {
            speed: match (is_live, args.rate) {
                (false, _) => args.speed,
                (true, Some(RateArg::Max)) => Speed::Max,
                (true, _) => Speed::Times(1.0),
            },
            messages: args.messages,
            duration: args.duration.filter(|_| is_live),
            until_ms: args.start.zip(args.duration).map(|(start_ms, duration)| start_ms.saturating_add(millis(duration))),
        };
        check_past(args, &fleet, now_ms)?;
        Ok(Self { fleet, pace })
    }
}

/// A run in the past must end before the present; how many messages fit is told at once, not after half of them.
fn check_past(args: &PlanArgs, fleet: &FleetOptions, now_ms: i64) -> Result<(), PlanError> {
    let Some(start_ms) = args.start else { return Ok(()) };
    if start_ms >= now_ms {
        return Err(PlanError::FutureStart);
    }
    let seconds = (now_ms - start_ms) as f64 / 1e3;
    let fitting = whole((seconds * fleet.messages_per_second()).floor());
    match args.messages {
        Some(wanted) if args.speed == Speed::Max && wanted > fitting => Err(PlanError::PastThePresent { fitting, wanted }),
        _ => Ok(()),
    }
}

fn rates(args: &PlanArgs) -> Rates {
    let rates = &args.rates;
    if rates.clean {
        return Rates::NONE;
    }
    Rates {
        anomalies: rates.anomalies,
        late: rates.late,
        future_clock: rates.future_clock,
        duplicates: rates.duplicates,
        malformed: rates.malformed,
        oversized: rates.oversized,
        unknown_sensors: rates.unknown_sensors,
        other_units: rates.other_units,
        events: rates.events,
        pretty: rates.pretty,
        shuffled: rates.shuffled,
    }
}

/// The nearest whole number of one that is not negative.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast from float saturates
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The present, ms since the epoch.
pub(in crate::cli) fn now_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn parse_preset(text: &str) -> Result<u32, String> {
    let known = |number: &u32| PRESETS.contains(number);
    text.parse().ok().filter(known).ok_or_else(|| format!("presets are {PRESETS:?}; --devices takes any number"))
}

pub(in crate::cli) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no duration; write 500ms, 10s, 1m or 2h"))?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("give a duration above zero".to_owned()),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<RateArg, String> {
    if text == "max" {
        return Ok(RateArg::Max);
    }
    let positive = |rate: &f64| rate.is_finite() && *rate > 0.0;
    text.parse().ok().filter(positive).map(RateArg::PerSecond).ok_or_else(|| "give messages a second, or max".to_owned())
}

pub(super) fn parse_speed(text: &str) -> Result<Speed, String> {
    match parse_rate(text) {
        Ok(RateArg::Max) => Ok(Speed::Max),
        Ok(RateArg::PerSecond(times)) => Ok(Speed::Times(times)),
        Err(_) => Err("give simulated seconds a second, or max".to_owned()),
    }
}

pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| format!("`{text}` is no time; write 2026-11-20T00:00:00Z"))?;
    Ok(time.as_millisecond())
}

/// `nested=40,flat=10`; formats that are not named have no share.
pub(super) fn parse_mix(text: &str) -> Result<Mix, String> {
    let mut mix = Mix { shares: [0; 5] };
    for part in text.split(',') {
        let named = part.split_once('=').and_then(|(name, share)| {
            let format = Format::ALL.into_iter().find(|format| format.name() == name.trim())?;
            Some((format, share.trim().parse().ok()?))
        });
        let Some((format, share)) = named else {
            return Err(format!("`{part}` is no share of a format; write nested=40,device=20,envelope=20,flat=10,single=10"));
        };
        mix.shares[format as usize] = share;
    }
    Ok(mix)
}
