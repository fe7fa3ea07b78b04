//! Measures duet beside LIMIT, the hand-written baselines, interleaved on servers of its own, and
//! prints the table of docs/performance.md. `just bench` builds and starts it.

mod args;
mod bucardo;
mod child;
mod error;
mod flow;
mod lab;
mod ledger;
mod machine;
mod measure;
mod page;
mod processes;
mod project;
mod quiet;
mod reading;
mod row;
mod rows;
mod sample;
mod scale;
mod seed;
mod shop;
mod side;
mod stage;
mod statistics;
mod table;
mod task;
mod watch;

use args::{Args, Command, Output};
use clap::Parser;
use error::BenchError;
use lab::{Lab, note};
use measure::{Measured, Way, measure};
use row::Row;
use scale::Scale;
use std::process::ExitCode;
use task::Task;

/// As in `duet` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Something couldn't be measured.
const FAILED: u8 = 1;
/// The command line names something that isn't there.
const USAGE: u8 = 2;
/// Strangers use the processors: try again later.
const TRY_LATER: u8 = 75;
/// Ctrl-C.
const INTERRUPTED: u8 = 130;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    let code = match &args.command {
        Some(Command::Task { task }) => do_task(task).await,
        None if args.list => list(),
        None => bench(&args).await,
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            note(&error.chain());
            let refused = matches!(error, BenchError::NotQuiet { .. });
            ExitCode::from(if refused { TRY_LATER } else { FAILED })
        }
    }
}

async fn do_task(task: &str) -> Result<u8, BenchError> {
    let task: Task = serde_json::from_str(task)?;
    if let Some(reading) = task.run().await? {
        print(&serde_json::to_string(&reading)?);
    }
    Ok(0)
}

fn list() -> Result<u8, BenchError> {
    let rows = rows::all();
    let lines = rows.iter().map(|row| format!("{:16} {}", row.name(), row.what()));
    print(&lines.collect::<Vec<_>>().join("\n"));
    Ok(0)
}

async fn bench(args: &Args) -> Result<u8, BenchError> {
    let rows = match rows::chosen(&args.rows) {
        Ok(rows) => rows,
        Err(unknown) => {
            note(&format!("there is no row {unknown}; --list tells all"));
            return Ok(USAGE);
        }
    };
    let mut lab = Lab::new(if args.quick { Scale::QUICK } else { Scale::FULL })?;
    let measured = tokio::select! {
        measured = all(&lab, &rows, args) => Some(measured),
        _ = tokio::signal::ctrl_c() => None,
    };
    lab.end();
    let Some(measured) = measured.transpose()? else { return Ok(INTERRUPTED) };
    match args.output {
        Output::Table => print(&page::generated(&measured)),
        Output::Json => print(&serde_json::to_string_pretty(&measured)?),
    }
    if args.record {
        note(&format!("written to {}", page::record(&measured)?.display()));
    }
    Ok(if measured.iter().any(|row| row.failed.is_some()) { FAILED } else { 0 })
}

async fn all(lab: &Lab, rows: &[Box<dyn Row>], args: &Args) -> Result<Vec<Measured>, BenchError> {
    let way = Way { runs: usize::from(args.runs), force: args.force, only: args.only };
    let mut measured = Vec::new();
    for row in rows {
        let done = measure(lab, row.as_ref(), way).await?;
        if let Some(why) = &done.failed {
            note(&format!("{} can't be measured: {why}", done.name));
        }
        measured.push(done);
    }
    Ok(measured)
}

#[expect(clippy::print_stdout, reason = "the results of a command")]
fn print(text: &str) {
    println!("{text}");
}
