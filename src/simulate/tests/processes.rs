//! What devices measure, and how often what goes wrong does.

use std::collections::BTreeMap;

use super::super::sensors::{NUMBER_COUNT, SENSORS, SWITCH};
use super::super::{Anomaly, Mix, Rates};
use super::*;
use crate::batch::{Flag, SensorCatalog, Table};

const NESTED: Mix = Mix { shares: [1, 0, 0, 0, 0] };

#[test]
fn sensors_are_those_of_the_default_catalogue() {
    let catalog = SensorCatalog::default();
    assert_eq!(catalog.len(), SENSORS.len());
    for (ours, theirs) in SENSORS.iter().zip(&catalog.sensors) {
        assert_eq!(ours.name, theirs.name);
        assert_eq!(ours.key, format!("\"{}\":", ours.name));
        if let Some(range) = theirs.range {
            assert_eq!(ours.range, range);
            assert_eq!(ours.unit, theirs.unit);
        }
    }
}

#[test]
fn healthy_values_stay_in_range_and_return_to_their_mean() {
    let fleet = FleetOptions { devices: 50, mix: NESTED, interval_us: 60_000_000, ..options(Rates::NONE) };
    let messages = sent(fleet, 50 * 1_440);
    for (sensor, spec) in SENSORS.iter().enumerate().take(NUMBER_COUNT) {
        let values: Vec<f64> = messages.iter().filter_map(|message| message.label.expected.sensors[sensor].value).collect();
        assert_eq!(values.len(), messages.len());
        assert!(values.iter().all(|value| (spec.low..=spec.high).contains(value)), "{}", spec.name);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - spec.mean).abs() < spec.device_offset * 0.5 + spec.deviation, "{}: mean {mean}", spec.name);
        let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        let expected = (spec.deviation.powi(2) + spec.device_offset.powi(2) / 3.0 + spec.daily_swing.powi(2) / 2.0).sqrt();
        assert!((0.7..1.4).contains(&(spread / expected)), "{}: deviation {spread}, not {expected}", spec.name);
    }
    let on = messages.iter().filter(|message| message.label.expected.sensors[SWITCH].value == Some(1.0)).count();
    assert!(on > 0 && on < messages.len());
}

#[test]
fn one_device_moves_in_small_steps() {
    let messages = sent(FleetOptions { devices: 1, mix: NESTED, ..options(Rates::NONE) }, 1_000);
    let values: Vec<f64> = messages.iter().filter_map(|message| message.label.expected.sensors[0].value).collect();
    let largest = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
    assert!(largest > 0.0 && largest < 1.5, "a step of {largest} °C within 5 s");
}

#[test]
fn anomalies_show_what_they_are_called() {
    let rates = Rates { anomalies: 0.01, ..Rates::NONE };
    let mut fleet = Fleet::new(FleetOptions { devices: 100, mix: NESTED, ..options(rates) }).unwrap();
    let mut seen = BTreeMap::new();
    let mut last_stuck = BTreeMap::new();
    for _ in 0..50_000 {
        fleet.build();
        let label = fleet.label();
        *seen.entry(label.anomaly).or_insert(0_u32) += 1;
        let values = label.expected.sensors.map(|sensor| sensor.value.map(f64::to_bits));
        match label.anomaly {
            Anomaly::OutOfRange => {
                let flagged = label.expected.sensors.iter().any(|sensor| sensor.quality.has(Flag::OutOfRange));
                assert!(flagged, "{label:?}");
            }
            Anomaly::Stuck => {
                if let Some(before) = last_stuck.insert(label.device, values) {
                    let stays = (0..NUMBER_COUNT).any(|sensor| before[sensor] == values[sensor]);
                    assert!(stays, "device {} was stuck", label.device);
                }
                continue;
            }
            _ => assert_eq!(label.expected.sensors.iter().filter(|sensor| sensor.quality.0 != 0).count(), 0),
        }
        last_stuck.remove(&label.device);
    }
    for anomaly in Anomaly::ALL {
        assert!(seen.contains_key(&anomaly), "no {anomaly:?} in {seen:?}");
    }
    assert!(fleet.metrics().silent() > 0, "nobody was silent");
}

#[test]
fn rates_are_kept() {
    const MESSAGES: usize = 200_000;
    let rates = Rates { malformed: 0.01, duplicates: 0.01, late: 0.02, events: 0.05, ..Rates::NONE };
    let mut fleet = Fleet::new(options(rates)).unwrap();
    let (mut malformed, mut duplicates, mut late, mut events) = (0.0, 0.0, 0.0, 0.0);
    let classes: BTreeMap<_, _> = kinds().map(|kind| (kind.name, kind.class)).collect();
    for _ in 0..MESSAGES {
        fleet.build();
        let label = fleet.label();
        match classes.get(label.fault) {
            Some(super::super::Class::Malformed) => malformed += 1.0,
            Some(super::super::Class::Duplicate) => duplicates += 1.0,
            Some(super::super::Class::Late) => late += 1.0,
            _ => {}
        }
        events += f64::from(u8::from(label.expected.table == Table::Events));
    }
    // Events have no faults, and some kinds do not fit each message of their format.
    for (name, count, rate) in
        [("malformed", malformed, 0.0095), ("duplicates", duplicates, 0.0095), ("late", late, 0.019), ("events", events, 0.05)]
    {
        let share = count / MESSAGES as f64;
        assert!((share / rate - 1.0).abs() < 0.1, "{name}: {share} instead of {rate}");
    }
}

#[test]
fn options_that_make_no_fleet_are_refused() {
    let refused = |options: FleetOptions| options.check().unwrap_err().to_string();
    assert!(refused(FleetOptions { devices: 0, ..FleetOptions::default() }).contains("devices"));
    assert!(refused(FleetOptions { interval_us: 100, ..FleetOptions::default() }).contains("100 µs"));
    assert!(refused(options(Rates { late: 1.5, ..Rates::NONE })).contains("late"));
    assert!(refused(options(Rates { late: f64::NAN, ..Rates::NONE })).contains("late"));
    assert!(refused(options(Rates { late: 0.6, malformed: 0.6, ..Rates::NONE })).contains("1.2"));
    assert!(refused(FleetOptions { mix: Mix { shares: [0; 5] }, ..FleetOptions::default() }).contains("mix"));
}

#[test]
fn every_device_sends_once_an_interval() {
    for devices in [1, 2, 100, 997, 1_000] {
        let fleet = FleetOptions { devices, ..options(Rates::NONE) };
        let interval_ms = i64::try_from(fleet.interval_us / 1_000).unwrap();
        let messages = sent(fleet, devices as usize * 2);
        let (first, second) = messages.split_at(devices as usize);
        for round in [first, second] {
            let keys: BTreeSet<_> = round.iter().map(|message| &message.key).collect();
            assert_eq!(keys.len(), devices as usize);
        }
        assert_eq!(second[0].label.kafka_time_ms - first[0].label.kafka_time_ms, interval_ms);
        assert_eq!(second[0].key, first[0].key);
    }
}
