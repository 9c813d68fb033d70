//! Audits of a small group that is whole, and of what was damaged in it by hand.

mod damaged;
mod damages;
mod docs;
mod finishing;
mod fleet;
mod kafka;
mod random;
mod rows;
mod whole;
mod world;
