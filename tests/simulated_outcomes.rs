//! The simulator states what must become of each message, and never asks the decoder; here the two are held against each other, row
//! by row, without Kafka or a lake between them.

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use corelane::batch::{
    Dictionaries, Flags, Format, Headers, InspectedBatch, RawBatch, RawRow, SensorCatalog, SensorValues, Table, TopicPartition,
};
use corelane::journey::decode::Decoder;
use corelane::journey::inspect::{InspectSettings, Inspector};
use corelane::simulate::{Clock, Expected, ExpectedSensor, Fleet, FleetOptions, Label, Rates, kinds};

const MESSAGES: usize = 60_000;
const BATCH: usize = 1_000;

/// More faults than plain messages, so that each kind comes often.
const RATES: Rates = Rates {
    anomalies: 0.02,
    late: 0.03,
    future_clock: 0.03,
    duplicates: 0.03,
    malformed: 0.5,
    oversized: 0.0005,
    unknown_sensors: 0.02,
    other_units: 0.05,
    events: 0.05,
    pretty: 0.1,
    shuffled: 0.1,
};

struct Sent {
    value: Option<Vec<u8>>,
    label: Label,
}

fn fleet() -> Fleet {
    let clock = Clock::Schedule { start_ms: 1_763_650_000_000 };
    Fleet::new(FleetOptions { clock, rates: RATES, ..FleetOptions::default() }).unwrap()
}

fn build(fleet: &mut Fleet, messages: usize) -> Vec<Sent> {
    let mut sent = Vec::with_capacity(messages);
    for _ in 0..messages {
        fleet.build();
        sent.push(Sent { value: fleet.message().value.map(<[u8]>::to_vec), label: fleet.label().clone() });
    }
    sent
}

fn raw(sent: &[Sent]) -> RawBatch<'_> {
    let rows = sent.iter().map(|sent| RawRow {
        offset: sent.label.seq.cast_signed(),
        kafka_time_ms: sent.label.kafka_time_ms,
        key: None,
        value: sent.value.as_deref(),
        headers: Headers::NONE,
    });
    RawBatch { source: TopicPartition::new("device-data", 0), rows: rows.collect(), ingest_time_us: 0, stamped_by_broker: false }
}

/// What became of each message, by offset, and the device's id of readings.
fn outcomes(batch: &InspectedBatch, dictionaries: &Dictionaries) -> BTreeMap<i64, (Expected, Option<String>)> {
    let mut outcomes = BTreeMap::new();
    let nothing = [ExpectedSensor::default(); 5];
    let readings = &batch.readings;
    for row in 0..readings.len() {
        let sensors = std::array::from_fn(|sensor| {
            let columns = &readings.sensors[sensor];
            let value = match &columns.values {
                SensorValues::Number(values) => values.is_valid(row).then(|| values.value(row)),
                SensorValues::Boolean(values) => values.is_valid(row).then(|| f64::from(u8::from(values.value(row)))),
            };
            ExpectedSensor { value, quality: Flags(columns.quality[row]) }
        });
        let found = Expected {
            table: Table::Readings,
            reason: None,
            event_time_us: Some(readings.event_time.value(row)),
            format: Format::ALL[usize::from(readings.format.value(row))],
            quality: Flags(readings.quality[row]),
            sensors,
        };
        let device = dictionaries.devices.get(readings.device.value(row)).to_owned();
        outcomes.insert(readings.offset.value(row), (found, Some(device)));
    }
    let events = &batch.events;
    for row in 0..events.len() {
        let event_time_us = events.event_time.is_valid(row).then(|| events.event_time.value(row));
        let found = Expected {
            table: Table::Events,
            reason: None,
            event_time_us,
            format: Format::Envelope,
            quality: Flags::GOOD,
            sensors: nothing,
        };
        outcomes.insert(events.offset.value(row), (found, Some(events.device_id.value(row).to_owned())));
    }
    for reject in &batch.rejects {
        let reason = Some(reject.reason);
        // The format of what cannot be read is nobody's business.
        let found = Expected {
            table: Table::Rejects,
            reason,
            event_time_us: None,
            format: Format::Nested,
            quality: Flags::GOOD,
            sensors: nothing,
        };
        outcomes.insert(reject.offset, (found, None));
    }
    outcomes
}

fn agree(found: &Expected, expected: &Expected) -> bool {
    let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
        // The same factor and offset, perhaps in another order.
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        (found, expected) => found.is_none() && expected.is_none(),
    };
    let sensors = found.sensors.iter().zip(&expected.sensors);
    (found.table, found.reason, found.event_time_us) == (expected.table, expected.reason, expected.event_time_us)
        && (found.quality == expected.quality)
        && (found.format == expected.format || expected.table == Table::Rejects)
        && sensors.into_iter().all(|(found, expected)| close(found.value, expected.value) && found.quality == expected.quality)
}

#[test]
fn every_message_becomes_what_its_label_says() {
    let catalog = Arc::new(SensorCatalog::default());
    let mut decoder = Decoder::new(Arc::clone(&catalog));
    let mut inspector = Inspector::new(InspectSettings { catalog, future_skew_ms: 30_000, age_max_ms: 7 * 86_400_000 });
    let (mut dictionaries, mut fleet) = (Dictionaries::default(), fleet());
    let (mut wrong, mut seen) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..MESSAGES / BATCH {
        let sent = build(&mut fleet, BATCH);
        let decoded = decoder.decode(&raw(&sent), &mut dictionaries);
        let batch = inspector.inspect(decoded, &dictionaries);
        let mut outcomes = outcomes(&batch, &dictionaries);
        for Sent { value, label } in &sent {
            let (found, device) = outcomes.remove(&label.seq.cast_signed()).expect("each message has an outcome");
            *seen.entry(label.fault).or_insert(0) += 1;
            let same_device = device.is_none_or(|device| device == fleet.device_id(label.device));
            if !same_device || !agree(&found, &label.expected) {
                let text: String = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).chars().take(900).collect();
                wrong
                    .entry(label.fault)
                    .or_insert_with(|| format!("{text}\n  expected {:?}\n  found    {found:?}", label.expected));
            }
        }
        assert!(outcomes.is_empty(), "messages that nobody sent: {:?}", outcomes.keys());
    }
    let report: Vec<String> = wrong.iter().map(|(fault, first)| format!("{fault}: {first}")).collect();
    assert!(wrong.is_empty(), "{} kinds of messages came out otherwise:\n{}", wrong.len(), report.join("\n"));
    let missing: Vec<_> = kinds().map(|kind| kind.name).filter(|name| !seen.contains_key(name)).collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
}
