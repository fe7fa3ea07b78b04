//! `duet errors`: what it can be told.

use super::LIMIT_MAX;
use clap::{Subcommand, value_parser};

/// `duet errors …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ErrorsCommand {
    /// List failed writes and reads, values kept back and dead letters, oldest first
    #[command(
        after_help = "Examples:\n  duet errors list\n  duet errors list --flow orders -o json"
    )]
    List {
        /// Only of this flow
        #[arg(long)]
        flow: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(1..=LIMIT_MAX))]
        limit: u64,
        /// Show the side's own words too where the flow has sensitive fields: they may repeat values
        #[arg(long)]
        reveal: bool,
    },
    /// Show one with every call that was tried, and advice
    #[command(after_help = "Example:\n  duet errors show 7c1e")]
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// Show the side's own words too where the flow has sensitive fields: they may repeat values
        #[arg(long)]
        reveal: bool,
    },
    /// Try again now; the record of a value or of a dead letter is decided again
    #[command(after_help = "Examples:\n  duet errors retry 7c1e L12\n  duet errors retry --all")]
    Retry {
        /// Ids, or their beginnings
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Every one that is listed
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Give up: a call isn't tried again until one of its inputs changes, a dead letter is over
    #[command(after_help = "Examples:\n  duet errors discard 7c1e --yes\n  \
duet errors discard L12 --reason 'a test of the importer' --yes")]
    Discard {
        /// Ids, or their beginnings
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why; kept with a dead letter, which needs one
        #[arg(long)]
        reason: Option<String>,
        /// Who gives up (default: $DUET_USER or $USER)
        #[arg(long)]
        by: Option<String>,
        /// Really discard
        #[arg(long)]
        yes: bool,
    },
}
