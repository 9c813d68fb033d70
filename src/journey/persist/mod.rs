//! Columns → Parquet bytes, encoded as batches come.
//!
//! ```text
//! InspectedBatch ──▶ readings ─┐
//!                    events   ─┼─▶ one open segment a (table, hour) ──close, with the footer──▶ EncodedSegment
//! RawBatch ────────▶ rejects  ─┤
//! MeasuredParts ───▶ aggregates, groups
//! ```
//!
//! This is the plain path, on the stock `ArrowWriter`: the oracle of any faster writer behind [`OpenSegments`].

mod error;
mod footer;
mod open_segments;
mod parts;
mod properties;
mod rows;

pub use error::PersistError;
pub use footer::Footer;
pub use open_segments::{OpenSegments, PersistSettings, RowsTaken};
pub use properties::PageCompression;
