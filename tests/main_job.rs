//! The main job from end to end, with real processes: `corelane simulate` sends, `corelane run` stores, Apache Kafka or `corelane broker`
//! stands between them, and DuckDB counts every message of the simulator's labels.
//!
//! CI runs small figures; the environment asks for more: `CORELANE_E2E_MESSAGES` (a run of [`exact`]), `CORELANE_E2E_KILLS` (kill -9 in a
//! row), `CORELANE_E2E_DEVICES` (of [`windows`]), `CORELANE_E2E_MEMORY_MESSAGES` (of [`limits`]), `CORELANE_E2E_POISON` and
//! `CORELANE_E2E_CROWD` (of [`poison`]), `CORELANE_E2E_SEED` (of fleets and moments; else a new one each time, printed).

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
#[path = "main_job/demo.rs"]
mod demo;
#[path = "main_job/disk.rs"]
mod disk;
#[path = "main_job/exact.rs"]
mod exact;
#[path = "main_job/kafka_faults.rs"]
mod kafka_faults;
#[path = "main_job/kills.rs"]
mod kills;
#[path = "main_job/limits.rs"]
mod limits;
#[path = "main_job/mount.rs"]
mod mount;
#[path = "main_job/poison.rs"]
mod poison;
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
#[path = "main_job/verified.rs"]
mod verified;
#[path = "main_job/verify.rs"]
mod verify;
#[path = "main_job/watched.rs"]
mod watched;
#[path = "main_job/web.rs"]
mod web;
#[path = "main_job/window_changes.rs"]
mod window_changes;
#[path = "main_job/window_report.rs"]
mod window_report;
#[path = "main_job/windows.rs"]
mod windows;
