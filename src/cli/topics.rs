//! `corelane topics` (in work).

use super::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: Args) -> Result<(), Failure> {
    Err(anyhow::anyhow!("not built yet").into())
}
