//! The command line as clap reads it. Usage errors exit with 64; help texts have examples.

use clap::value_parser;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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

/// `duet demo`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  duet demo\n  duet demo --seed 7 -o json\n  \
duet -C my-demo demo --keep\n\n\
Needs nothing: Salesforce is emulated, the shop is a SQLite file. It makes a folder, `-C DIR` if\n\
that isn't there or is empty, else a new one among the system's temporary files, and leaves it\n\
behind: a project like any other. It ends with 1 if the account doesn't stand the check."
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
    let (digits, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = digits.parse::<u64>().ok();
    let length = match (number, unit) {
        (Some(number), "ms") => Some(Duration::from_millis(number)),
        (Some(number), "s") => Some(Duration::from_secs(number)),
        (Some(number), "m") => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    let length = length.filter(|length| (Duration::from_secs(1)..=OUTAGE_MAX).contains(length));
    length.ok_or_else(|| "a time from 1s to 10m is needed, such as 10s".to_owned())
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
