//! Configuration: raw text → checked values → resolved and immutable.

mod machine;
mod resolved;

pub use machine::Machine;
pub use resolved::{
    Compression, Config, Cores, Delivery, Epoch, Kafka, Lake, Lanes, LogFormat, Memory, Runtime, Secret, Serve, Simulate, Start,
    Telemetry, Windows,
};
