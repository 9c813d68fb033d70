//! From bytes on a socket to requests, and back: frames, the shape of requests, and the one response that is written without copying.

pub(super) mod frame;
pub(super) mod records;
pub(super) mod shape;
