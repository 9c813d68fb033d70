//! The Kafka toolkit: the only place that names rdkafka, all its unsafe behind safe types.
//!
//! [`LaneConsumer`] and [`LaneProducer`] are the two hands of a lane, behind the traits [`Intake`] and [`Transaction`];
//! [`PlainProducer`] is the simulator's; [`Admin`] asks and changes what is outside of the data's way. What clients are set to, and why,
//! stands in one table in `settings.rs`.

mod admin;
mod client;
mod consumer;
mod contract;
mod error;
mod freed;
mod member;
mod memory;
mod native;
mod plain;
mod producer;
mod settings;
mod stretch;

pub use admin::{Admin, GroupState, Isolation, NewTopic, OffsetSpec, PartitionDescription, TopicDescription, TopicSummary};
pub use client::confine_thread;
pub use consumer::{BATCH_MESSAGES, GroupMember, LaneBatch, LaneConsumer};
pub use contract::{
    CommitOffset, Committed, Intake, IntakeBatch, IntakeEvent, PartitionFault, Testimony, Transaction, TxClass, TxError,
    time_left,
};
pub use error::{CloseLate, KafkaError};
pub use freed::give_back_freed_memory;
pub use member::Member;
pub use memory::{MemoryBatch, MemoryIntake, MemoryKafka, MemoryMember, MemoryRecord, MemoryTransaction};
pub use plain::{Delivered, Deliveries, DeliveryError, PlainProducer, PlainRecord};
pub use producer::{Delivery, LaneProducer};
pub use settings::{ClientSettings, EVERY_CLIENT, PROTECTED_PROPERTIES, Role, Setting, protection_of};
pub use stretch::{Patience, Stretch, read_stretches};
