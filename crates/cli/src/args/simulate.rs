//! `duet simulate`: what it can be told.

use clap::Args;

/// `duet simulate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet simulate\n  duet simulate --seeds 5000 --from 1001\n  \
duet simulate --seeds 1 --from 17 --trace\n\n\
Needs nothing and touches nothing: both sides are in memory, time is virtual, state is a SQLite\n\
file among the system's temporary files. In each run people edit both sides while calls, messages\n\
and processes are lost; then everything heals, and every edit is accounted for from what the \
sides\nsaw. A seed always does the same. It ends with 2 if a promise was broken, and names the \
seeds.")]
pub(crate) struct SimulateArgs {
    /// How many runs
    #[arg(long, default_value_t = 100, value_name = "COUNT",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seeds: u64,
    /// The seed of the first one; each other has the next
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    pub(crate) from: u64,
    /// People delete records too; some of these histories break promises (docs/reliability.md)
    #[arg(long)]
    pub(crate) deletions: bool,
    /// Print everything that happens, line by line
    #[arg(long)]
    pub(crate) trace: bool,
}
