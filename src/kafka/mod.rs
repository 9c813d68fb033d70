//! The Kafka toolkit: the only place that names rdkafka, all its unsafe behind safe types.

mod contract;
mod memory;

pub use contract::{CommitOffset, Committed, Intake, IntakeBatch, IntakeEvent, Transaction, TxClass, TxError, time_left};
pub use memory::{MemoryBatch, MemoryIntake, MemoryKafka, MemoryMember, MemoryRecord, MemoryTransaction};
