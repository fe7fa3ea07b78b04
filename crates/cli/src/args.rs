//! The command line as clap reads it. Usage errors exit with 64; help texts have examples.

mod conflicts;
mod demo;
mod errors;
mod simulate;

pub(crate) use conflicts::{ChoiceArgs, ConflictsCommand, ConflictsListArgs, ResolveArgs, Take};
pub(crate) use demo::{DemoArgs, DemoCommand, DemoEditArgs, EditSide};
pub(crate) use errors::ErrorsCommand;
pub(crate) use simulate::SimulateArgs;

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Keeps records in agreement between Salesforce and another system that both change.
#[derive(Debug, Parser)]
#[command(name = "duet", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// The folder that holds duet.toml
    #[arg(short = 'C', long = "dir", global = true, default_value = ".", value_name = "DIR",
        help_heading = EVERYWHERE)]
    pub(crate) dir: PathBuf,
    /// How to print results: for people, as one JSON document, or each row of a list as one
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text,
        help_heading = EVERYWHERE)]
    pub(crate) output: Format,
    /// Never ask anything: take what is said, and defaults for the rest
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) no_input: bool,
    /// Print less: errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    pub(crate) quiet: bool,
    /// Print more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = EVERYWHERE)]
    pub(crate) verbose: u8,
    /// Log as text or as JSON lines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text,
        help_heading = EVERYWHERE)]
    pub(crate) log_format: LogFormat,
    /// Colour; auto: on a terminal or with CLICOLOR_FORCE, unless NO_COLOR or TERM=dumb says no
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto,
        help_heading = EVERYWHERE)]
    pub(crate) color: Color,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads a command line. What clap says of it keeps to `--color` too, which it hasn't read by then.
    pub(crate) fn read(words: Vec<OsString>) -> Result<Cli, clap::Error> {
        let matches = Cli::command().color(said(&words)).try_get_matches_from(words)?;
        Cli::from_arg_matches(&matches)
    }
}

/// What a command line that isn't read yet says of colour.
fn said(words: &[OsString]) -> ColorChoice {
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word {
            "--color" => words.next(),
            "--" => None,
            other => other.strip_prefix("--color="),
        };
        match value {
            Some("always") => return ColorChoice::Always,
            Some("never") => return ColorChoice::Never,
            Some(_) | None => {}
        }
    }
    ColorChoice::Auto
}

/// The longest list: a database counts no further than an `i64`, and nobody reads as many.
const LIMIT_MAX: u64 = 1_000_000;

/// The heading of what every command takes.
const EVERYWHERE: &str = "Everywhere";

const EXAMPLES: &str = "\
Examples:
  duet demo                         see it at work; needs nothing
  duet init                         a configuration to begin with
  duet check                        is everything in order?
  duet migrate                      prepare the state database
  duet capture install              let the shop's tables tell their changes
  duet adopt                        pair what exists on both sides; writes nothing
  duet adopt --yes                  link the pairs: from then on they are kept so
  duet run                          keep both sides in agreement
  duet explain customers/ALFKI      why is this record as it is?

Exit codes: 0 done, 1 failed, 2 differences, 3 conflicts need a person,
4 configuration invalid, 5 connection or permission, 7 partly done, 64 usage,
75 try later, 130 interrupted, 143 terminated.";

/// How to print results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    /// A list's rows, one JSON document a line
    Jsonl,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration to begin with; never overwrites
    Init(InitArgs),
    /// Check configuration, connections, permissions, types and write paths
    Check(CheckArgs),
    /// Bring the state database up to date
    #[command(
        after_help = "Example:\n  duet migrate          may run again; never takes data away"
    )]
    Migrate,
    /// Let SQL tables tell their changes: triggers in a schema of duet's own
    #[command(subcommand)]
    Capture(CaptureCommand),
    /// Pair what exists on both sides: report, then link with --yes
    Adopt(AdoptArgs),
    /// Keep both sides in agreement until stopped
    #[command(after_help = "Examples:\n  duet run\n  duet run --log-format json\n\n\
Stops in order on SIGTERM or Ctrl-C; a second one stops it at once.")]
    Run,
    /// One pass over everything that has changed, then exit
    Sync(SyncArgs),
    /// What every flow is doing
    #[command(after_help = "Examples:\n  duet status\n  duet status --watch\n  \
duet status --check -o json\n\n\
LINKED   records that stand on both sides\n\
ALONE    records without a partner\n\
ACTIVE   writes and reads under way\n\
WAIT     records that wait for a parent\n\
OPEN     conflicts that wait for a person\n\
ERRORS   writes and reads to be tried again or parked: duet errors list\n\
DEAD     changes that could not be decided: duet errors list\n\
READ     how long ago the position of a source moved, on each side\n\
TO       how long the oldest write to that side has been on its way\n\
QUEUE    writes and reads that are to be sent\n\
FRESH    records that change so fast that their write waits for a pause\n\
AGREED   how long ago a record was last brought into agreement")]
    Status(StatusArgs),
    /// Why a record, or one of its fields, is as it is
    Explain(ExplainArgs),
    /// Conflicts that wait for a person
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// Writes and reads that failed, values kept back, dead letters
    #[command(subcommand)]
    Errors(ErrorsCommand),
    /// Salesforce on localhost, to try and to test with
    Emulator(EmulatorArgs),
    /// See duet at work for a minute: a shop, Salesforce, and a day of edits on both sides
    Demo(DemoArgs),
    /// Rehearse with lost calls, messages and processes, and account for every edit
    Simulate(SimulateArgs),
    /// Print the version
    #[command(after_help = "Examples:\n  duet version\n  duet version --json")]
    Version {
        /// As a JSON document; the same as -o json
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell
    #[command(after_help = "Examples:\n  duet completions bash > /etc/bash_completion.d/duet\n  \
duet completions fish > ~/.config/fish/completions/duet.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command into a folder
    #[command(after_help = "Examples:\n  duet man | man -l -\n  duet man --into target/man")]
    Man {
        /// Write a page for each command here
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
}

/// `duet init`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet init\n  duet -C my-shop init --external sqlite\n  \
duet init --no-input --external postgres --servers\n\n\
On a terminal it asks for what isn't said, unless --no-input. It overwrites\n\
nothing: if one of its files is there already, it writes none.")]
pub(crate) struct InitArgs {
    /// What to begin with
    #[arg(long, value_enum, default_value_t = Template::ShopOrders)]
    pub(crate) template: Template,
    /// What the other system is (default: postgres)
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(crate) external: Option<External>,
    /// State in PostgreSQL and a RabbitMQ broker, for any number of processes; else in a file
    #[arg(long)]
    pub(crate) servers: bool,
}

/// What Salesforce is kept in agreement with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum External {
    /// A PostgreSQL database
    Postgres,
    /// A SQLite file
    Sqlite,
}

/// What a configuration can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A shop in a SQL database and Salesforce: customers, products with stock, orders
    ShopOrders,
}

impl Template {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Template::ShopOrders => "shop-orders",
        }
    }
}

/// `duet check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet check\n  duet check --offline -o json\n  \
duet check --schema > .duet/duet.schema.json     what editors know, anew")]
pub(crate) struct CheckArgs {
    /// Read the configuration only; no network
    #[arg(long)]
    pub(crate) offline: bool,
    /// Exit with 2 when there are warnings
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the JSON Schema of duet.toml and of files of flows, for editors; check nothing
    #[arg(long, conflicts_with_all = ["offline", "strict"])]
    pub(crate) schema: bool,
}

/// `duet capture …`.
#[derive(Debug, Subcommand)]
pub(crate) enum CaptureCommand {
    /// Install what is missing (may run again)
    #[command(after_help = "Example:\n  duet capture install")]
    Install,
    /// Take away what install made; needs --yes
    #[command(after_help = "Examples:\n  duet capture remove --yes\n  \
duet capture remove --flow customers --yes\n  \
duet capture remove --unconfigured --yes     what flows of before left behind")]
    Remove {
        /// Only that of this flow (default: all)
        #[arg(long, value_name = "FLOW")]
        flow: Vec<String>,
        /// Really remove: changes not read yet are lost to detection
        #[arg(long)]
        yes: bool,
        /// Only captures of flows that are not configured any more
        #[arg(long, conflicts_with = "flow")]
        unconfigured: bool,
    },
    /// What is installed, and how much waits to be read
    #[command(after_help = "Example:\n  duet capture status")]
    Status,
}

/// `duet adopt`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet adopt                     every flow, report only\n  \
duet adopt --flow customers --yes")]
pub(crate) struct AdoptArgs {
    /// Only this flow (default: all, parents first)
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Vec<String>,
    /// Link the matched records; from then on the flow is kept in agreement
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `duet sync`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet sync --once\n  duet sync --once --flow customers\n  \
duet sync --once --fail-on-conflict")]
pub(crate) struct SyncArgs {
    /// One pass (the only way so far)
    #[arg(long, required = true)]
    pub(crate) once: bool,
    /// Only this flow (default: all)
    #[arg(long, value_name = "FLOW")]
    pub(crate) flow: Vec<String>,
    /// Exit with 3 when conflicts wait for a person
    #[arg(long)]
    pub(crate) fail_on_conflict: bool,
}

/// `duet status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print it again every two seconds until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
    /// For probes: exit with 5 while a connection rests, 7 when something needs mending, 3 when
    /// conflicts wait for a person
    #[arg(long, conflicts_with = "watch")]
    pub(crate) check: bool,
}

/// `duet explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  duet explain customers/ALFKI\n  \
duet explain customers/left:001000000000001AAA --field phone -o json")]
pub(crate) struct ExplainArgs {
    /// FLOW/KEY; the key of either side, or FLOW/left:KEY, FLOW/right:KEY
    #[arg(value_name = "RECORD")]
    pub(crate) record: String,
    /// Only this field
    #[arg(long, value_name = "FIELD")]
    pub(crate) field: Option<String>,
    /// Show sensitive values too
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// `duet emulator`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  duet emulator --listen 127.0.0.1:8080 --data org.jsonl\n\n\
User u@example.test, password pw, token tok, client id `client`,\n\
secret `secret`.")]
pub(crate) struct EmulatorArgs {
    /// Where to listen; loopback only
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT",
        value_parser = listen)]
    pub(crate) listen: SocketAddr,
    /// Keep the org's records in this file; created if absent
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// More objects and fields, in the Salesforce source format
    #[arg(long, value_name = "DIR")]
    pub(crate) metadata: Option<PathBuf>,
    /// What ids and random faults grow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// An address to listen on; `localhost` is the one of IPv4.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = numeric.as_deref().unwrap_or(text).parse();
    address.map_err(|_| "an address and a port are needed, such as 127.0.0.1:8080".to_owned())
}

#[cfg(test)]
mod tests {
    //! Shows what counts as an address, and that clap finds nothing wrong with the definitions.

    use super::*;

    #[test]
    fn what_is_said_of_colour_is_known_before_the_rest() {
        let said = |line: &str| said(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(said("duet --color never --help"), ColorChoice::Never);
        assert_eq!(said("duet status --color=always --nonsense"), ColorChoice::Always);
        for line in ["duet status", "duet --color auto check", "duet --color"] {
            assert_eq!(said(line), ColorChoice::Auto, "{line}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        let address = |text| listen(text).map(|address| address.to_string());
        assert_eq!(address("localhost:80").as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(address("127.0.0.1:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(address("[::1]:8080").as_deref(), Ok("[::1]:8080"));
        for wrong in ["8080", "localhost", "localhost:x", "127.0.0.1:65536", "", "host:80"] {
            assert!(address(wrong).is_err_and(|told| told.contains("127.0.0.1:8080")), "{wrong}");
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
