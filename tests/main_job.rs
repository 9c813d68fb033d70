//! The main job from end to end, with real processes: `corelane simulate` sends, `corelane run` stores, Apache Kafka or `corelane broker`
//! stands between them, and DuckDB counts every message of the simulator's labels.
//!
//! CI runs small figures; the environment asks for more: `CORELANE_E2E_MESSAGES` (a run of [`exact`]), `CORELANE_E2E_KILLS` (kill -9 in a
//! row), `CORELANE_E2E_SEED` (of fleets and moments; else a new one each time, printed).

// A test that unwraps fails where it stands, which is what one wants of it; clippy.toml allows it in #[test] functions only.
#![allow(
    clippy::cast_possible_wrap,      // counts of messages are far below 2^63
    clippy::cast_possible_truncation, // a seed may lose its upper bits
    clippy::float_cmp,               // counters of the metrics page are whole numbers, exact as floats
    clippy::struct_field_names       // members of records are named as in Kafka
)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "main_job/audit.rs"]
mod audit;
#[path = "main_job/exact.rs"]
mod exact;
#[path = "main_job/kills.rs"]
mod kills;
#[path = "main_job/records.rs"]
mod records;
#[path = "main_job/refusals.rs"]
mod refusals;
#[path = "main_job/reproduce.rs"]
mod reproduce;
#[path = "main_job/sharing.rs"]
mod sharing;
#[path = "main_job/stage.rs"]
mod stage;
#[path = "main_job/stop.rs"]
mod stop;
#[path = "main_job/web.rs"]
mod web;
