//! The lake: names, staging, lock, instance. A local disk now, object stores later, behind [`Storage`].

mod contract;

pub use contract::{LakeError, SegmentName, Staged, Storage};
