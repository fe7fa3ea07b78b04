//! `duet demo`: what it can be told.

use clap::{Args, Subcommand, ValueEnum};
use duet_ports::duration;
use std::time::Duration;

/// `duet demo`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  duet demo\n  duet demo --seed 7 -o json\n  \
duet -C my-demo demo --keep\n\n\
Needs nothing: Salesforce is emulated, the shop is a SQLite file. It makes a folder and leaves it\n\
behind: a project like any other. `-C DIR` names it, which must be new or empty; without it, it\n\
is a new one among the system's temporary files. It ends with 1 if the account doesn't stand\n\
the check."
)]
pub(crate) struct DemoArgs {
    /// Edit a record of the demo's shop or of its Salesforce, as a person would.
    #[command(subcommand)]
    pub(crate) command: Option<DemoCommand>,
    /// Go on after the account, until Ctrl-C: both sides are kept in agreement
    #[arg(long)]
    pub(crate) keep: bool,
    /// What names, numbers and the parts of the day grow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long Salesforce is away
    #[arg(long, default_value = "10s", value_name = "DURATION", value_parser = outage)]
    pub(crate) outage: Duration,
}

/// `duet demo …`.
#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// Edit a record of the demo in the folder -C, as a person would: past duet
    #[command(after_help = "Examples:\n  \
duet -C my-demo demo edit right customers/1007 city=Oslo\n  \
duet -C my-demo demo edit left customers/1007 phone='+47 22 00 00 00'\n\n\
For `left` the demo's Salesforce must be running: `duet demo --keep`, or the command that the\n\
demo's last lines name.")]
    Edit(DemoEditArgs),
}

/// `duet demo edit`.
#[derive(Debug, Args)]
pub(crate) struct DemoEditArgs {
    /// Where: left is Salesforce, right is the shop
    #[arg(value_enum)]
    pub(crate) side: EditSide,
    /// FLOW/KEY, with the key of the shop
    pub(crate) record: String,
    /// What to set
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub(crate) values: Vec<String>,
}

/// Where a person edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EditSide {
    #[value(alias = "salesforce")]
    Left,
    #[value(alias = "shop")]
    Right,
}

/// The longest outage: a demo is to be watched.
const OUTAGE_MAX: Duration = Duration::from_secs(600);

/// A length of time as configuration writes it.
fn outage(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_secs(1)..=OUTAGE_MAX;
    let length = duration::parse(text).filter(|length| allowed.contains(length));
    length.ok_or_else(|| "a time from 1s to 10m is needed, such as 10s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_to_be_watched() {
        assert_eq!(outage("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(outage("10m"), Ok(OUTAGE_MAX));
        for wrong in ["", "0s", "999ms", "601s", "1h", "10", "soon"] {
            assert!(outage(wrong).is_err_and(|told| told.contains("10s")), "{wrong}");
        }
    }
}
