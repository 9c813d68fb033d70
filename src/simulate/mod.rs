//! The device fleet: messages of industrial devices, with every fault that the contract names, and the outcome that must follow.
//!
//! ```text
//! Fleet:  rota ─▶ measure ─▶ (fault) ─▶ layout ─▶ Message + Label
//! drive:  Message ─▶ Deliver … DeliveryReport ─▶ LabelWriter
//! ```
//!
//! Pure: it makes messages and labels and knows no Kafka. Whoever runs it implements [`Deliver`]. Everything follows from seed and
//! clock: the same two give the same bytes.

mod deliver;
mod digits;
mod drive;
mod event;
mod expected;
mod fault;
mod fleet;
mod flight;
mod label;
mod labels;
mod layout;
mod members;
mod metrics;
mod options;
mod place;
mod process;
mod random;
mod reading;
mod rota;
mod sensors;
mod tree;

#[cfg(test)]
pub(crate) mod tests;

pub use deliver::{Deliver, DeliverError, Delivery, DeliveryReport, Message};
pub use drive::{Pace, Sort, Speed, Summary, drive};
pub use expected::{Expected, ExpectedSensor};
pub use fault::{Class, Kind, Outcome, kinds};
pub use fleet::Fleet;
pub use label::Label;
pub use labels::{LabelError, LabelWriter};
pub use metrics::{LATENCY_BOUNDS_MS, Metrics};
pub use options::{Clock, FleetOptions, Mix, OptionsError, Rates};
pub use process::Anomaly;
