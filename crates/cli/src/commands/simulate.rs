//! `duet simulate`: rehearses with faults from seeds, and accounts for every edit.

use super::Ended;
use crate::args::{Cli, SimulateArgs};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::progress;
use crate::signal;
use duet_sim::check::Violation;
use duet_sim::{Fault, Lab, Run, Settings, SimError, Summary};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Runs that wait to be counted, for each worker.
const WAITING: usize = 4;

/// What came of all seeds.
#[derive(Serialize)]
struct Report {
    from: u64,
    seconds: f64,
    deletions: bool,
    #[serde(flatten)]
    summary: Summary,
}

/// Seeds that workers take, one after the other.
struct Seeds {
    from: u64,
    /// How many there are, and how many were taken.
    count: u64,
    taken: AtomicU64,
    stopped: AtomicBool,
}

impl Seeds {
    fn of(args: &SimulateArgs) -> Result<Seeds, Failure> {
        let SimulateArgs { from, seeds: count, .. } = *args;
        // At least one is asked for.
        if from.checked_add(count - 1).is_none() {
            let failure =
                Failure::new(Exit::Usage, format!("there aren't {count} seeds from {from}"));
            return Err(failure.hint(format!("the last one is {}", u64::MAX)));
        }
        Ok(Seeds { from, count, taken: 0.into(), stopped: false.into() })
    }

    fn take(&self) -> Option<u64> {
        let at = self.taken.fetch_add(1, Ordering::Relaxed);
        (at < self.count && !self.stopped.load(Ordering::Relaxed)).then(|| self.from + at)
    }
}

impl From<SimError> for Failure {
    fn from(error: SimError) -> Failure {
        match error {
            SimError::Store(error) => error.into(),
            SimError::Hub(_) | SimError::Folder { .. } => {
                Failure::new(Exit::Failed, error.to_string())
                    .hint("a run needs some room among the system's temporary files (TMPDIR)")
                    .because(error)
            }
        }
    }
}

/// Runs it.
pub(crate) async fn run(cli: &Cli, args: &SimulateArgs) -> Ended {
    let begun = Instant::now();
    let seeds = Arc::new(Seeds::of(args)?);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (told, mut runs) = mpsc::channel(WAITING * workers);
    let mut tasks = JoinSet::new();
    for _ in 0..workers {
        let settings =
            Settings { trace: args.trace, deletions: args.deletions, ..Settings::default() };
        tasks.spawn(work(Arc::clone(&seeds), settings, told.clone()));
    }
    drop(told);
    let bar = progress::begin("simulating, seeds", cli.quiet);
    let mut summary = Summary::default();
    let mut stopping = Box::pin(signal::stopped());
    let mut stopped = None;
    loop {
        let run = tokio::select! {
            run = runs.recv() => run,
            exit = &mut stopping, if stopped.is_none() => {
                seeds.stopped.store(true, Ordering::Relaxed);
                stopped = Some(exit);
                continue;
            }
        };
        let Some(run) = run else { break };
        summary.add(&run?);
        progress::show(&bar, "simulating, seeds", summary.seeds, Some(args.seeds));
    }
    bar.finish_and_clear();
    let deletions = args.deletions;
    let report =
        Report { from: args.from, seconds: begun.elapsed().as_secs_f64(), deletions, summary };
    output::result(cli.output, "simulation", &report, || text(&report))?;
    match stopped {
        Some(exit) => Err(signal::interrupted(exit, "each seed stands by itself: run the others")),
        None if report.summary.failed.is_empty() => Ok(Exit::Done),
        None => Ok(Exit::Differences),
    }
}

/// One worker: a place of its own, and one seed after the other.
async fn work(seeds: Arc<Seeds>, settings: Settings, told: mpsc::Sender<Result<Run, SimError>>) {
    let lab = match Lab::new().await {
        Ok(lab) => lab,
        Err(error) => return drop(told.send(Err(error)).await),
    };
    while let Some(seed) = seeds.take() {
        let run = lab.run(seed, &settings).await;
        if let Ok(run) = &run {
            for line in &run.trace {
                // Who doesn't read any more needs nothing.
                drop(output::line(line));
            }
        }
        if told.send(run).await.is_err() {
            return;
        }
    }
}

fn text(report: &Report) -> String {
    let Report { from, seconds, deletions, summary } = report;
    let rate = per_second(summary.seeds, *seconds);
    let struck: u64 = summary.faults.values().sum();
    let mut text = format!(
        "{} seeds from {from}, {rate:.1} a second\n{} edits, {} of them accounted for\n",
        summary.seeds,
        summary.edits,
        summary.accounted(),
    );
    for (account, count) in &summary.accounts {
        text.push_str(&format!("  {:<20} {count:>9}\n", word(account)));
    }
    text.push_str(&format!(
        "{struck} faults of {} kinds of {}; {} processes died\n{} calls to the sides, {} writes \
         landed, {} refused because the record had moved on\n",
        summary.faults.len(),
        Fault::ALL.len(),
        summary.crashes,
        summary.calls,
        summary.writes,
        summary.stale,
    ));
    text + &violations(summary, *deletions)
}

fn per_second(seeds: u64, seconds: f64) -> f64 {
    // Nobody counts seeds beyond what a double holds whole.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let seeds = seeds as f64;
    if seconds > 0.0 { seeds / seconds } else { 0.0 }
}

fn violations(summary: &Summary, deletions: bool) -> String {
    if summary.failed.is_empty() {
        return "no promise was broken".to_owned();
    }
    let mut text = String::from("BROKEN PROMISES\n");
    for (seed, violations) in &summary.failed {
        for Violation { broke, what } in violations {
            text.push_str(&format!("seed {seed}: {}: {what}\n", word(broke)));
        }
        let with = if deletions { " --deletions" } else { "" };
        text.push_str(&format!(
            "  to repeat it: duet simulate --seeds 1 --from {seed}{with} --trace\n"
        ));
    }
    text
}

/// The name of an account or a promise, in words.
fn word(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_sim::check::{Account, Broke};

    #[test]
    fn the_report_names_the_seed_and_how_to_repeat_it() {
        let mut summary = Summary { seeds: 2, edits: 3, ..Summary::default() };
        summary.accounts.insert(Account::ReplacedAtHome, 2);
        let report = |summary| Report { from: 16, seconds: 4.0, deletions: true, summary };
        let clean = text(&report(summary.clone()));
        assert!(clean.contains("2 seeds from 16, 0.5 a second"), "{clean}");
        assert!(clean.contains("replaced at home"), "{clean}");
        assert!(clean.ends_with("no promise was broken"), "{clean}");
        let lost = Violation { broke: Broke::Lost, what: "Left a name".into() };
        summary.failed.insert(17, vec![lost]);
        let broken = text(&report(summary));
        assert!(broken.contains("seed 17: lost: Left a name"), "{broken}");
        assert!(
            broken.contains("duet simulate --seeds 1 --from 17 --deletions --trace"),
            "{broken}"
        );
    }

    #[test]
    fn workers_take_every_seed_once_until_they_are_stopped() {
        let of =
            |from, seeds| Seeds::of(&SimulateArgs { from, seeds, deletions: false, trace: false });
        let Ok(seeds) = of(5, 3) else { panic!("there are so many") };
        let taken: Vec<u64> = std::iter::from_fn(|| seeds.take()).collect();
        assert_eq!(taken, [5, 6, 7]);
        let seeds = Seeds { taken: 0.into(), stopped: true.into(), ..seeds };
        assert_eq!(seeds.take(), None);
        let last = of(u64::MAX, 1).ok().and_then(|seeds| seeds.take());
        assert_eq!((last, of(u64::MAX, 2).is_err()), (Some(u64::MAX), true));
        assert!(per_second(1, 0.0) < 1.0);
    }
}
