//! The lake: names, staging, lock, instance. A local disk now, object stores later, behind [`Storage`].
//!
//! ```text
//! <lake>/
//!   _corelane/lake.json                      which lake this is, of which group
//!   _corelane/instance                       the instance id made at the first start
//!   _corelane/instances/<instance>.lock      held (flock) while a process of that instance lives
//!   _staging/<writer>/<epoch>.<table>.<YYYY-MM-DDTHH>.parquet      durable, not visible, not yet committed
//!   _quarantine/<writer>/...                 staged segments that nobody could judge, each with a .why.txt
//!   <table>/date=YYYY-MM-DD/hour=HH/<epoch>-<writer>.parquet       committed
//! ```
//!
//! Readers look below the tables alone, where only committed segments ever appear. A staged segment gets its visible name by one
//! rename that never replaces a file; both lie in one folder tree and therefore on one file system.

mod audit;
mod contract;
mod disk;
mod identity;
mod local;
mod lock;
mod memory;
mod names;
mod open;
mod origin;

pub use audit::{
    HeldFile, HeldFolder, HeldKind, Visible, VisibleSegment, VisibleSegments, held_files, is_instance_at_work, visible_segments,
};
pub use contract::{LakeError, SegmentName, Staged, Storage};
pub use identity::LakeIdentity;
pub use local::LocalStorage;
pub use memory::{FaultMoment, MemoryStorage, StorageStep};
pub use names::{WRITER_LENGTH_MAX, parse_visible_path, visible_path, writer_parts};
pub use open::{Lake, OpenOptions};
pub use origin::{BoundTopic, bound_topics};
