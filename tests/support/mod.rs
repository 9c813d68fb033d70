//! What the integration tests stand on: real Apache Kafka, our binary as a child process, independent readers, waiting with a deadline.
//!
//! Nothing here skips: what is not installed panics with the remedy, `./dev setup`.

// Each test binary includes this module and uses a part of it; the rest is no dead code.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod child;
pub mod group;
pub mod kafka;
pub mod process;
pub mod readers;
pub mod scratch;
pub mod wait;

use std::path::PathBuf;

/// Where `./dev setup` puts what the tests need: `$CORELANE_CACHE`, else `$XDG_CACHE_HOME/corelane`, else `~/.cache/corelane`.
pub fn cache_dir() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("CORELANE_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("corelane")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/corelane")))
        .expect("none of CORELANE_CACHE, XDG_CACHE_HOME and HOME is set: set CORELANE_CACHE to a writable directory")
}
