//! Lanes without Kafka, disk, threads or sleep: each poll of a lane's future is one turn of its loop.

mod canary;
mod handover;
mod property;
mod scenarios;
mod step;
mod world;
