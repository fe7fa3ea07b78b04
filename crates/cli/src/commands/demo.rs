//! `duet demo`: see duet at work. Builds everything it needs, plays a day, gives an account that is
//! checked against both sides, and leaves a folder behind in which every command works.

use super::Ended;
use crate::args::{Cli, DemoArgs, DemoCommand};
use crate::demo::account::Account;
use crate::demo::day::Day;
use crate::demo::sample::Sample;
use crate::demo::stage::Stage;
use crate::demo::teller::Teller;
use crate::demo::{Chance, adopt, by_hand, ending, folder};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::signal;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step of the demo may take, beside an outage: many times what it takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// Runs it.
pub(crate) async fn run(cli: &Cli, args: &DemoArgs) -> Ended {
    match &args.command {
        Some(DemoCommand::Edit(edit)) => by_hand::edit(cli, edit).await,
        None => play(cli, args).await,
    }
}

async fn play(cli: &Cli, args: &DemoArgs) -> Ended {
    let begun = Instant::now();
    let mut stopped = Box::pin(signal::stopped());
    let folder = folder::make(&cli.dir)?;
    let teller = Teller::new(cli);
    let mut chance = Chance::new(args.seed);
    let sample = Sample::draw(&mut chance);
    // While Salesforce is away pauses double: the last one may be as long as all before.
    let patience = PATIENCE + args.outage * 2;
    let mut stage = tokio::select! {
        stage = Stage::build(cli, &folder, &sample, args.seed, patience) => stage?,
        exit = &mut stopped => return Err(interrupted(exit, &folder)),
    };
    let played = tokio::select! {
        played = day(&mut stage, &teller, &sample, chance, args) => played,
        exit = &mut stopped => Err(interrupted(exit, &folder)),
    };
    teller.end();
    let ended = match played {
        Ok(account) => told(cli, args, account.of_run(&stage, &folder, begun.elapsed())),
        Err(failure) => Err(failure),
    };
    let ended = if args.keep && ended.is_ok() { Ok(gracefully(stopped.await)) } else { ended };
    stage.close().await;
    ended
}

async fn day(
    stage: &mut Stage,
    teller: &Teller,
    sample: &Sample,
    chance: Chance,
    args: &DemoArgs,
) -> Result<Account, Failure> {
    adopt::adopt(stage, teller, sample).await?;
    let mut day = Day::new(stage, teller, sample, chance, args.outage);
    day.play().await?;
    Account::take(stage, sample, &day.edits, args.seed).await
}

/// Prints the account; one that doesn't stand the check is a failure.
fn told(cli: &Cli, args: &DemoArgs, account: Account) -> Ended {
    let program = ending::program();
    output::result(cli.output, "demo", &account, || ending::text(&account, &program, args.keep))?;
    if account.verified {
        return Ok(Exit::Done);
    }
    let sentence = "the two sides don't hold what the account says";
    Err(Failure::new(Exit::Failed, sentence)
        .hint("that is a defect of duet; the folder keeps everything that led to it"))
}

/// Whoever ends `--keep` in order has done well, as with `duet run`.
fn gracefully(exit: Exit) -> Exit {
    if exit == Exit::Terminated { Exit::Done } else { exit }
}

fn interrupted(exit: Exit, folder: &Path) -> Failure {
    signal::interrupted(exit, &format!("what there is so far is in {}", folder.display()))
}
