//! Corelane turns a Kafka stream of industrial device telemetry into validated readings, in Parquet, each message exactly once.
//!
//! This page tells both journeys. The map by task is `docs/architecture.md`; the contract of the input is `docs/formats.md`.
//!
//! # A lane
//!
//! A [`lane`] is one pinned core: one thread with one Kafka consumer (a static member of the group) and one transactional producer. It
//! owns whole partitions, by the group's assignment, and all their state; lanes share nothing on the hot path. Its lasting name is the
//! *writer*, `<group>.<instance>.<lane>`: transactional id, member name and staging folder in one.
//!
//! # The journey of a batch
//!
//! ```text
//!  Kafka ─▶ consume ──▶ decode ───▶ inspect ────▶ measure ────▶ persist ────▶ the open epoch: encoded rows, dead letters,
//!           RawBatch    Decoded-    Inspected-    Measured-  └▶ publish ───▶ parts of windows, ledger
//!           borrowed    Batch       Batch         Parts
//! ```
//!
//! 1. **consume** ([`journey::consume`]). The lane takes up to 1,024 messages at once from [`kafka::LaneConsumer`], cut into runs of one
//!    partition. Nothing is copied: a [`batch::RawBatch`] borrows from librdkafka. What was handled before (a re-delivery after a
//!    rebalance) is left out, jumps of offsets are counted as gaps, and the partition's clock moves on.
//! 2. **decode** ([`journey::decode`]). JSON bytes become columns, [`batch::DecodedBatch`]. Decoding never fails: each message ends in
//!    exactly one of readings, events, rejects.
//! 3. **inspect** ([`journey::inspect`]). One function a rule, over whole columns: units, ranges, what is missing, the devices' own
//!    faults, trust in times. A bad value is flagged, not dropped. The type becomes [`batch::InspectedBatch`]: what was not inspected
//!    cannot be persisted.
//! 4. **measure** ([`journey::measure`]). Readings count into windows by event time; repeats are flagged. Windows that the partition's clock has
//!    passed come out as parts, [`batch::MeasuredParts`], which merge and are never rewritten.
//! 5. **persist** ([`journey::persist`]). Rows go into one open segment a table and hour, encoded as Parquet as they come.
//! 6. **publish** ([`journey::publish`]). Rejects become dead letters for `<prefix>.rejects`, as they came; parts of windows become messages.
//!
//! Alerts (*notice*) will stand between measure and persist. The loop that calls the stages by name is [`lane::Lane::run`]; no stage knows
//! another.
//!
//! Open windows are stored nowhere: when a partition is taken over, [`lane`] reads again what the committed offset's note lists, without
//! output, and only then goes on.
//!
//! # The journey of an epoch
//!
//! An *epoch* is what a lane commits as one: by time (30 s), by size (64 MiB), when memory is short, when partitions are taken away, at a
//! stop. At most two are alive, one Open and one Settling; when both are full the lane pauses its partitions and keeps polling.
//! **settle** ([`journey::settle`]) runs on the lane's delivery thread, over two traits, [`lake::Storage`] and [`kafka::Transaction`]:
//!
//! ```text
//!  close ────────▶ 1 stage ────────────▶ 2 send ─────────────────▶ 3 commit ──────▶ 4 reveal
//!  member and      segments, durable,    dead letters, the epoch   THE COMMIT       segments get their
//!  positions of    in _staging/<writer>  record, the group's       POINT OF         visible names
//!  this moment                           offsets, as one           EVERYTHING
//!                                        transaction
//! ```
//!
//! * The offsets go under the membership that the lane had when it *closed* the epoch. Kafka checks member and generation, never who owns a
//!   partition: a refreshed membership would let a lane commit what it has lost.
//! * Whatever happens between 2 and 3 has a deadline. An abort that Kafka acknowledged is certain: the same epoch is sent again, or given
//!   up and its messages read again. Anything else is *judged*: a new producer with the same id ends what was under way, then
//!   the epochs topic says whether the epoch is there.
//! * A crash is judged the same way at the next start: staged segments whose epoch has a record are revealed, those whose epoch has none are
//!   deleted, those too old to be judged are put aside.
//! * Each committed offset carries a [`batch::CommitNote`]: who set it, by which epoch, and which windows were open then. An offset without one
//!   was set by somebody else.
//! * The [`batch::Ledger`] says for every partition that `consumed = readings + events + rejects` and that the span's length is `consumed +
//!   gaps`. Each term is counted where it happens; the equations are checked, never solved.
//!
//! # Floors
//!
//! Imports go downwards only; `tests/floors.rs` enforces it.
//!
//! ```text
//!  cli                                      one file a subcommand
//!  serve                                    health and metrics over HTTP: best effort, never holds an offset
//!  audit                                    records, lakes and Kafka against each other; shares no code with what it audits
//!  lane                                     one core: the loop, the settler, the watchdog; the crew of lanes
//!  journey                                  the stages; none names another
//!  config  kafka  lake  telemetry  broker  simulate      none names another
//!  batch                                    what travels: columns, spans, flags, reasons, the ledger
//! ```

pub mod audit;
pub mod batch;
pub mod broker;
pub mod cli;
pub mod config;
pub mod failpoint;
pub mod journey;
pub mod kafka;
pub mod lake;
pub mod lane;
pub mod serve;
pub mod simulate;
pub mod telemetry;
