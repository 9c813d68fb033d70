//! Settle: the numbered steps that make an epoch durable, over two traits, storage and transaction (DESIGN section 5).
//!
//! ```text
//!  1 stage    segments into the staging folder, files and directory fsynced
//!  2 send     one short transaction: records, the epoch record, and last the group's offsets under the member of the close
//!  3 commit   THE COMMIT POINT OF EVERYTHING
//!  4 reveal   segments get their visible names
//! ```
//!
//! Whatever happens between 2 and 3, the epoch ends as one of two things, and which one is never guessed: an abort that Kafka
//! acknowledged is certain; anything else (a deadline of ours, a dead producer) is **judged**: a new producer with the same id ends
//! what was under way, and then the epochs topic says whether the epoch is there.

mod error;
mod recover;
mod steps;

pub use error::{AbortReason, SettleError};
pub use recover::{Recovered, recover};
pub use steps::{Party, Progress, Sealed, SettleRules, Settled, give_up, same_topics, settle};

#[cfg(test)]
mod tests;
