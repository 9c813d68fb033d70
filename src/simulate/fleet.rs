//! The fleet: whose turn it is, what that device measures, what goes wrong, and the message that comes of it.
//!
//! Everything follows from seed and clock: one generator, drawn from in the order of the messages.

use std::sync::Arc;

use rand::RngCore;

use crate::batch::{Format, SensorCatalog};

use super::deliver::Message;
use super::expected::Expected;
use super::fault::{Class, Draft, Inject, Kind, Outcome, Turns};
use super::label::Label;
use super::layout::Layout;
use super::members::{Bytes, TreeBuilder};
use super::metrics::Metrics;
use super::options::{FleetOptions, OptionsError, Rates};
use super::process::{Anomaly, Device, Processes};
use super::random::Random;
use super::reading::{Content, Reading, sensor_mask};
use super::rota::Rota;
use super::tree::Node;

/// So many messages back reaches a repeat.
const RECENT: usize = 32;
/// A device's own delay between measuring and sending, ms.
const TRANSIT_MS_MAX: u64 = 200;

/// A fleet of simulated devices. [`Fleet::build`] makes the next message, which then can be looked at.
pub struct Fleet {
    options: FleetOptions,
    rota: Rota,
    devices: Vec<Device>,
    random: Random,
    processes: Processes,
    layout: Layout,
    catalog: SensorCatalog,
    turns: Vec<(Class, f64, [Turns; 5])>,
    /// Plain readings of late, for repeats.
    recent: Vec<Reading>,
    transit_ms_max: u32,
    value: Vec<u8>,
    is_tombstone: bool,
    label: Label,
    next_seq: u64,
    metrics: Arc<Metrics>,
}

/// How the text is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Compact,
    Pretty,
    Shuffled,
}

impl Fleet {
    /// Makes the devices; takes about 60 bytes each.
    pub fn new(options: FleetOptions) -> Result<Self, OptionsError> {
        options.check()?;
        let mut random = Random::from_seed(options.seed);
        let devices = (0..options.devices).map(|number| Device::new(number, &mut random)).collect();
        let rota = Rota::new(options.devices, options.interval_us, options.clock);
        let transit_ms_max = TRANSIT_MS_MAX.min(options.interval_us / 2_000) * u64::from(!rota.follows_wall());
        let reading = Reading {
            seq: 0,
            device: 0,
            format: Format::Nested,
            content: Content::Reading,
            sent_ms: 0,
            event_ms: 0,
            mask: 0,
            values: [0; 5],
            battery: 0,
            signal: 0,
            ttl_s: 0,
        };
        let label = Label {
            seq: 0,
            device: 0,
            kafka_time_ms: 0,
            format: Format::Nested,
            fault: "",
            anomaly: Anomaly::None,
            expected: Expected::of(&reading, options.future_skew_ms, options.age_max_ms),
            duplicate_of: None,
        };
        Ok(Self {
            rota,
            devices,
            random,
            processes: Processes::new(options.interval_us as f64 / 1e6, options.rates.anomalies),
            layout: Layout::new(options.devices),
            catalog: SensorCatalog::default(),
            turns: turns(&options.rates),
            recent: Vec::with_capacity(RECENT),
            transit_ms_max: u32::try_from(transit_ms_max).unwrap_or(0),
            value: Vec::with_capacity(2_048),
            is_tombstone: false,
            label,
            next_seq: 0,
            metrics: Arc::new(Metrics::new(options.devices)),
            options,
        })
    }

    pub fn options(&self) -> &FleetOptions {
        &self.options
    }

    /// For whoever wants to look on from another thread.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// The name of a device, which is also the key of its messages.
    pub fn device_id(&self, device: u32) -> String {
        let mut id = String::new();
        self.layout.places.push_id(&mut id, device);
        id
    }

    /// Tells the wall time, for [`Clock::Wall`](super::Clock::Wall).
    pub fn set_wall(&mut self, now_us: i64) {
        self.rota.set_wall(now_us);
    }

    /// The wall time that was told last, µs.
    pub fn wall_us(&self) -> i64 {
        self.rota.wall_us()
    }

    /// The sequence number of the message to come.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// When the next message is sent, simulated time, µs. Passes over devices that are silent.
    pub fn due_us(&mut self) -> i64 {
        while self.devices[self.rota.device() as usize].passes_in_silence() {
            self.rota.advance();
            self.metrics.count_silent();
        }
        self.rota.due_us()
    }

    /// Makes the next message and its label.
    pub fn build(&mut self) {
        let sent_us = self.due_us();
        let device = self.rota.device();
        self.rota.advance();
        let (reading, anomaly) = self.measure(device, sent_us.div_euclid(1_000));
        self.next_seq += 1;
        self.is_tombstone = false;
        self.value.clear();
        self.label.seq = reading.seq;
        self.label.device = device;
        self.label.kafka_time_ms = reading.sent_ms;
        self.label.format = reading.format;
        self.label.fault = "";
        self.label.anomaly = anomaly;
        self.label.duplicate_of = None;
        match self.draw_fault(&reading) {
            Some(kind) => self.build_faulty(kind, reading),
            None => self.build_plain(reading),
        }
    }

    /// The message made last.
    pub fn message(&self) -> Message<'_> {
        Message {
            seq: self.label.seq,
            key: self.layout.device_id.as_bytes(),
            value: if self.is_tombstone { None } else { Some(&self.value) },
            kafka_time_ms: self.label.kafka_time_ms,
        }
    }

    /// Its label.
    pub fn label(&self) -> &Label {
        &self.label
    }

    fn measure(&mut self, device: u32, sent_ms: i64) -> (Reading, Anomaly) {
        let format = format_of(device, &self.options);
        let mut reading = Reading {
            seq: self.next_seq,
            device,
            format,
            content: self.draw_content(),
            sent_ms,
            event_ms: sent_ms - i64::from(self.random.below(self.transit_ms_max)),
            mask: sensor_mask(format, device),
            values: [0; 5],
            battery: 0,
            signal: 0,
            ttl_s: 3_600,
        };
        let anomaly = self.processes.measure(&mut self.devices[device as usize], &mut reading, &mut self.random);
        (reading, anomaly)
    }

    fn draw_content(&mut self) -> Content {
        if self.options.rates.events <= 0.0 || !self.random.chance(self.options.rates.events) {
            return Content::Reading;
        }
        match self.random.below(4) {
            0 => Content::Alert,
            1 => Content::SystemStatus,
            _ => Content::Heartbeat,
        }
    }

    /// What goes wrong with this message, one thing at most; events are left alone.
    fn draw_fault(&mut self, reading: &Reading) -> Option<&'static Kind> {
        let drawn = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        if reading.content != Content::Reading {
            return None;
        }
        let mut bound = 0.0;
        let (_, _, turns) = self.turns.iter_mut().find(|(_, rate, _)| {
            bound += rate;
            drawn < bound
        })?;
        turns[reading.format as usize].take()
    }

    fn draw_style(&mut self) -> Style {
        let Rates { pretty, shuffled, .. } = self.options.rates;
        let drawn = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        if drawn < pretty {
            Style::Pretty
        } else if drawn < pretty + shuffled {
            Style::Shuffled
        } else {
            Style::Compact
        }
    }

    fn expect(&mut self, reading: &Reading) {
        self.label.expected = Expected::of(reading, self.options.future_skew_ms, self.options.age_max_ms);
    }

    fn build_plain(&mut self, reading: Reading) {
        self.expect(&reading);
        if reading.content == Content::Reading {
            self.remember(reading);
        }
        match self.draw_style() {
            Style::Compact => self.lay_out(&reading),
            Style::Pretty => {
                let tree = self.tree(&reading);
                tree.write_pretty(&mut self.value, 0);
            }
            Style::Shuffled => {
                let mut tree = self.tree(&reading);
                tree.shuffle(&mut self.random);
                tree.write_compact(&mut self.value);
            }
        }
    }

    fn build_faulty(&mut self, kind: &'static Kind, mut reading: Reading) {
        self.label.fault = kind.name;
        match kind.inject {
            Inject::Repeat => return self.build_repeat(&reading),
            Inject::Reading(inject) => {
                inject(&mut reading, &mut self.random);
                self.expect(&reading);
                self.lay_out(&reading);
            }
            Inject::Tombstone => {
                self.expect(&reading);
                self.layout.begin(reading.device);
                self.is_tombstone = true;
            }
            Inject::Bytes(inject) => {
                self.expect(&reading);
                self.lay_out(&reading);
                inject(&mut self.value, &mut self.random);
            }
            Inject::Tree(inject) => {
                if !self.build_tree(inject, reading) {
                    self.label.fault = "";
                    self.expect(&reading);
                    return self.lay_out(&reading);
                }
            }
        }
        if let Outcome::Reject(reason) = kind.outcome {
            self.label.expected.reject(reason);
        }
    }

    /// Lets a fault change the tree. False: it does not fit this message.
    fn build_tree(&mut self, inject: fn(&mut Draft<'_>) -> bool, reading: Reading) -> bool {
        let tree = self.tree(&reading);
        let mut draft = Draft {
            reading,
            tree,
            expected: Expected::of(&reading, self.options.future_skew_ms, self.options.age_max_ms),
            random: &mut self.random,
            catalog: &self.catalog,
            times: &mut self.layout.times,
            skew_ms: self.options.future_skew_ms,
            age_ms: self.options.age_max_ms,
        };
        let fits = inject(&mut draft);
        if fits {
            draft.tree.write_compact(&mut self.value);
            self.label.expected = draft.expected;
        }
        fits
    }

    /// An earlier reading of any device once more, under its own sequence number: same device, event time and values.
    fn build_repeat(&mut self, reading: &Reading) {
        let Some(earlier) = self.random.pick(&self.recent).copied() else {
            self.label.fault = "";
            return self.build_plain(*reading);
        };
        let again = Reading { seq: reading.seq, sent_ms: reading.sent_ms, ..earlier };
        self.label.duplicate_of = Some(earlier.seq);
        self.label.device = again.device;
        self.label.format = again.format;
        self.label.anomaly = Anomaly::None;
        self.expect(&again);
        self.lay_out(&again);
    }

    fn remember(&mut self, reading: Reading) {
        if self.options.rates.duplicates <= 0.0 {
            return;
        }
        if self.recent.len() < RECENT {
            self.recent.push(reading);
        } else {
            let oldest = usize::try_from(reading.seq % RECENT as u64).unwrap_or(0);
            self.recent[oldest] = reading;
        }
    }

    /// The message as compact text.
    fn lay_out(&mut self, reading: &Reading) {
        self.layout.begin(reading.device);
        let mut bytes = Bytes::begin(&mut self.value);
        if reading.content == Content::Reading {
            self.layout.write(&mut bytes, reading);
        } else {
            self.layout.write_event(&mut bytes, reading);
        }
        bytes.end();
    }

    /// The message as a tree.
    fn tree(&mut self, reading: &Reading) -> Node {
        self.layout.begin(reading.device);
        let mut tree = TreeBuilder::default();
        if reading.content == Content::Reading {
            self.layout.write(&mut tree, reading);
        } else {
            self.layout.write_event(&mut tree, reading);
        }
        tree.finish()
    }
}

/// The format of a device, which stays: the golden ratio spreads the shares evenly over any number of devices.
fn format_of(device: u32, options: &FleetOptions) -> Format {
    options.mix.at((f64::from(device) * 0.618_033_988_749_895 + 0.5).fract())
}

fn turns(rates: &Rates) -> Vec<(Class, f64, [Turns; 5])> {
    let classes = [
        (Class::Late, rates.late),
        (Class::FutureClock, rates.future_clock),
        (Class::Duplicate, rates.duplicates),
        (Class::Malformed, rates.malformed),
        (Class::Oversized, rates.oversized),
        (Class::UnknownSensor, rates.unknown_sensors),
        (Class::OtherUnit, rates.other_units),
    ];
    classes.map(|(class, rate)| (class, rate, Format::ALL.map(|format| Turns::new(class, format)))).into()
}
