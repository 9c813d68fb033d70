//! Corelane turns a Kafka stream of industrial device telemetry into validated readings, in Parquet, each message exactly once.

pub mod batch;
pub mod broker;
pub mod cli;
pub mod config;
pub mod journey;
pub mod kafka;
pub mod lake;
pub mod lane;
pub mod serve;
pub mod simulate;
pub mod telemetry;
