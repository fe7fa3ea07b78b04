//! The command line.

use crate::measure::Only;
use clap::{Parser, Subcommand, ValueEnum};

/// Measures duet beside LIMIT, row by row.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
pub(crate) struct Args {
    /// Only these rows, by name or by what their names begin with
    #[arg(long, value_delimiter = ',')]
    pub(crate) rows: Vec<String>,

    /// List the rows and stop
    #[arg(long)]
    pub(crate) list: bool,

    /// Pairs of runs per row
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,

    /// Smaller counts, to see whether something moved
    #[arg(long)]
    pub(crate) quick: bool,

    /// Measure in spite of others who use the processors; the output says "not quiet"
    #[arg(long)]
    pub(crate) force: bool,

    /// Measure one of the two alone
    #[arg(long)]
    pub(crate) only: Option<Only>,

    /// Write the table to docs/performance.md
    #[arg(long, conflicts_with_all = ["force", "quick", "only"])]
    pub(crate) record: bool,

    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,

    /// What a process of the bench does
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A Markdown table.
    Table,
    /// JSON.
    Json,
}

/// Not for people.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Does one measured task; the bench starts it
    #[command(hide = true)]
    Task {
        /// The task, as JSON
        task: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_measured_in_full() {
        assert!(Args::try_parse_from(["bench", "--record"]).is_ok());
        for with in ["--force", "--quick", "--only=duet"] {
            assert!(Args::try_parse_from(["bench", "--record", with]).is_err(), "{with}");
        }
        let args = Args::try_parse_from(["bench", "--rows", "drain,store", "--runs", "5"]).unwrap();
        assert_eq!((args.rows, args.runs), (vec!["drain".to_owned(), "store".to_owned()], 5));
        assert!(Args::try_parse_from(["bench", "--runs", "0"]).is_err());
    }
}
