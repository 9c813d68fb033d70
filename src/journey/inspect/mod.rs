//! Validation of decoded columns: units, ranges, what is missing, faults that devices report, trust in times.
//!
//! Each rule is one function over whole columns, in a file of its own. The rules run in a fixed order, since some need what an earlier
//! one found: a range is that of the sensor's own unit, so units come first.

mod fault;
mod missing;
mod range;
mod trust;
mod units;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::fault::FaultWords;
use self::units::Units;
use crate::batch::{DecodedBatch, Dictionaries, InspectedBatch, SensorCatalog, SensorValues};

/// What decides flags.
#[derive(Clone, Debug)]
pub struct InspectSettings {
    pub catalog: Arc<SensorCatalog>,
    /// An event time more than this after the Kafka time is not trusted.
    pub future_skew_ms: i64,
    /// An event time more than this before the Kafka time is not trusted.
    pub age_max_ms: i64,
}

/// Inspects the batches of one lane. What it keeps between batches is a cache by dictionary id, nothing else.
#[derive(Debug)]
pub struct Inspector {
    settings: InspectSettings,
    /// [`Dictionaries::generation`] of the caches.
    generation: u64,
    units: Units,
    faults: FaultWords,
}

impl Inspector {
    pub fn new(settings: InspectSettings) -> Self {
        let units = Units::new(settings.catalog.len());
        Self { settings, generation: 0, units, faults: FaultWords::default() }
    }

    /// Turns values into the units of their columns and completes the flags. `dictionaries` are those the batch was decoded with.
    pub fn inspect(&mut self, decoded: DecodedBatch, dictionaries: &Dictionaries) -> InspectedBatch {
        self.learn(dictionaries);
        let DecodedBatch { source, span, ingest_time_us, mut readings, events, rejects } = decoded;
        for (index, (spec, columns)) in self.settings.catalog.sensors.iter().zip(&mut readings.sensors).enumerate() {
            units::flag_unknown(self.units.of_sensor(index), &columns.unit, &mut columns.quality);
            if let SensorValues::Number(values) = &mut columns.values {
                units::normalise(self.units.of_sensor(index), &columns.unit, values, &mut columns.quality);
                if let Some(bounds) = spec.range {
                    range::flag_outside(bounds, values, &mut columns.quality);
                }
            }
            if spec.required {
                missing::flag_missing(&columns.values, &mut columns.quality);
            }
            fault::flag_faults(&self.faults, &columns.status, &mut columns.quality);
        }
        let window = trust::Window { future_skew_ms: self.settings.future_skew_ms, age_max_ms: self.settings.age_max_ms };
        trust::flag_untrusted(&window, &readings.event_time, &readings.kafka_time, &mut readings.quality);
        InspectedBatch { source, span, ingest_time_us, readings, events, rejects }
    }

    /// Brings the caches up to the dictionaries: what is new is looked up once, not once a row.
    fn learn(&mut self, dictionaries: &Dictionaries) {
        if self.generation != dictionaries.generation() {
            self.generation = dictionaries.generation();
            self.units.forget();
            self.faults.forget();
        }
        self.units.learn(&self.settings.catalog, &dictionaries.units);
        self.faults.learn(&dictionaries.sensor_statuses);
    }
}
