//! `duet conflicts`: what it can be told.

use super::LIMIT_MAX;
use clap::{Args, Subcommand, ValueEnum, value_parser};

/// `duet conflicts …`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsCommand {
    /// List conflicts, oldest first
    #[command(after_help = "Examples:\n  duet conflicts list\n  \
duet conflicts list --flow customers --field phone -o json")]
    List(ConflictsListArgs),
    /// Show one with every value, stamp and actor
    #[command(after_help = "Example:\n  duet conflicts show 3f2a")]
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Decide one: take a side or a value, link, create, or leave it
    #[command(
        override_usage = "duet conflicts resolve [OPTIONS] <ID> <CHOICE>
  CHOICE: --take SIDE|--value VALUE|--null|--link RECORD|--create|--leave",
        after_help = "Examples:\n  duet conflicts resolve 3f2a --take right\n  \
duet conflicts resolve 3f2a --value '+47 22 00' --note 'asked the customer'\n  \
duet conflicts resolve 3f2a --link 001000000000001AAA"
    )]
    Resolve(ResolveArgs),
}

/// `duet conflicts list`.
#[derive(Debug, Args)]
pub(crate) struct ConflictsListArgs {
    /// Only of this flow
    #[arg(long)]
    pub(crate) flow: Option<String>,
    /// Only about this field
    #[arg(long)]
    pub(crate) field: Option<String>,
    /// Closed ones too
    #[arg(long)]
    pub(crate) all: bool,
    /// Show sensitive values too
    #[arg(long)]
    pub(crate) reveal: bool,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(1..=LIMIT_MAX))]
    pub(crate) limit: u64,
}

/// `duet conflicts resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The conflict's id, or the beginning of it
    pub(crate) id: String,
    /// What is chosen.
    #[command(flatten)]
    pub(crate) choice: ChoiceArgs,
    /// What you saw (`conflicts show` prints it): refused if the conflict has moved on since
    #[arg(long, value_name = "DIGEST")]
    pub(crate) seen: Option<String>,
    /// Change a decision that isn't carried out yet: its revision, as `conflicts show` prints it
    #[arg(long, value_name = "REVISION")]
    pub(crate) instead_of: Option<i64>,
    /// Who decides (default: $DUET_USER or $USER)
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) note: Option<String>,
}

/// Exactly one choice.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ChoiceArgs {
    /// Take what this side holds, or what was agreed
    #[arg(long, value_enum)]
    pub(crate) take: Option<Take>,
    /// Take this value instead (as the field's type is written)
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// Make the field empty
    #[arg(long)]
    pub(crate) null: bool,
    /// Link with this record
    #[arg(long, value_name = "RECORD")]
    pub(crate) link: Option<String>,
    /// None of the candidates: create a new record
    #[arg(long)]
    pub(crate) create: bool,
    /// Leave both sides as they are
    #[arg(long)]
    pub(crate) leave: bool,
}

/// A party of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Take {
    Left,
    Right,
    Agreed,
}
