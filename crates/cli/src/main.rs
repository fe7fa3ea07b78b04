//! The `duet` binary: reads settings, wires the parts, runs one command.

mod app;
mod args;
mod ask;
mod catalogue;
mod commands;
mod demo;
mod env;
mod exit;
mod output;
#[cfg(test)]
mod pages;
mod progress;
mod report;
mod sides;
mod signal;
mod state;
mod unfit;
mod vet;
mod wire;

use app::App;
use args::{Cli, Command, LogFormat};
use clap::error::ErrorKind;
use commands::Ended;
use exit::{Exit, Failure};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Records are many small values that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log(&cli);
    // One TLS provider for every client; a second call finds it installed already.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(run(&cli))),
        Err(error) => Err(Failure::new(Exit::Failed, "no runtime can be started").because(error)),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            report::failure(&failure, cli.output, app::color(cli.color));
            failure.exit.into()
        }
    }
}

/// clap exits with 2 for usage errors, which means differences here: 64 it is.
fn usage(error: &clap::Error) -> ExitCode {
    // Fails only when nobody reads any more, such as `duet --help | head -1`.
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}

/// Libraries that log what duet tells itself, with its cause: lapin even calls a channel that was
/// closed on purpose an error.
const TOLD_BY_OTHERS: &str = "lapin=off,rustls_platform_verifier=off";

fn log(cli: &Cli) {
    // A service tells what it does; a command answers on stdout and tells only what is wrong.
    let serves = matches!(cli.command, Command::Run | Command::Emulator(_));
    let level = match (cli.quiet, cli.verbose) {
        (true, _) => "error",
        (false, 0) if serves => "info",
        // It tells an outage itself, and what came of it.
        (false, 0) if matches!(cli.command, Command::Demo(_)) => "error",
        // It makes the trouble that the stages warn of.
        (false, 0) if matches!(cli.command, Command::Simulate(_)) => "off",
        // A hub that stays away is told at the end, once.
        (false, 0) => "warn,duet_hub=off",
        (false, 1) => "info",
        (false, _) => "debug,sqlx=info,hyper=info,reqwest=info",
    };
    let filter = env::log().unwrap_or_else(|| format!("{level},{TOLD_BY_OTHERS}"));
    // lapin logs returned messages with their whole body, and a body holds record values.
    let filter = format!("{filter},{}=off", duet_hub::LOG_TARGET_WITH_BODIES);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(app::color(cli.color));
    match cli.log_format {
        LogFormat::Text => builder.with_target(false).compact().init(),
        LogFormat::Json => builder.json().init(),
    }
}

async fn run(cli: &Cli) -> Ended {
    // These need no project, or tell themselves what is wrong with it.
    match &cli.command {
        Command::Emulator(args) => return commands::emulator::run(args).await,
        Command::Check(args) if args.schema => return commands::texts::schema(),
        Command::Check(args) => return commands::check::run(cli, args).await,
        Command::Demo(args) => return commands::demo::run(cli, args).await,
        Command::Simulate(args) => return commands::simulate::run(cli, args).await,
        Command::Init(args) => return commands::init::run(cli, args),
        Command::Version { json } => return commands::texts::version(cli.output, *json),
        Command::Completions { shell } => return commands::texts::completions(*shell),
        Command::Man { into } => return commands::texts::man(into.as_deref()),
        _ => {}
    }
    let app = App::load(cli)?;
    match &cli.command {
        Command::Check(_)
        | Command::Demo(_)
        | Command::Emulator(_)
        | Command::Init(_)
        | Command::Simulate(_)
        | Command::Version { .. }
        | Command::Completions { .. }
        | Command::Man { .. } => Ok(Exit::Done),
        Command::Migrate => commands::migrate::run(&app).await,
        Command::Capture(command) => commands::capture::run(&app, command).await,
        Command::Adopt(args) => commands::adopt::run(&app, args).await,
        Command::Run => commands::run::run(&app).await,
        Command::Sync(args) => commands::sync::run(&app.only(&args.flow)?, args).await,
        Command::Status(args) => commands::status::run(&app, args).await,
        Command::Explain(args) => commands::explain::run(&app, args).await,
        Command::Conflicts(command) => commands::conflicts::run(&app, command).await,
        Command::Errors(command) => commands::errors::run(&app, command).await,
    }
}
