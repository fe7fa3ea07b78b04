//! Seeds that ever failed, and some that are fresh, break no promise; a seed does the same twice; and
//! every part that is broken on purpose is found.

use duet_sim::{Broken, Fault, Lab, Run, Settings, Summary};

/// Seeds that ever failed, with what was wrong then.
const FAILED: &str = include_str!("seeds.txt");
/// Seeds of their own for each day would make a failure hard to find again: these are the first.
const FRESH: std::ops::RangeInclusive<u64> = 1..=40;
/// Seeds in which a mistake must be found.
const ENOUGH: u64 = 200;

fn told(run: &Run) -> String {
    let seed = run.seed;
    let again = format!("duet simulate --seeds 1 --from {seed} --trace");
    format!("seed {seed} ({again}): {:#?}", run.verdict.violations)
}

async fn run(lab: &Lab, seed: u64) -> Run {
    lab.run(seed, &Settings::default()).await.expect("a state database can be made")
}

async fn lab() -> Lab {
    Lab::new().await.expect("the folder for temporary files can be written")
}

async fn keep_every_promise(seeds: impl Iterator<Item = u64>) -> Summary {
    let (lab, mut summary, mut failed) = (lab().await, Summary::default(), Vec::new());
    for seed in seeds {
        let run = run(&lab, seed).await;
        if !run.verdict.violations.is_empty() {
            failed.push(told(&run));
        }
        summary.add(&run);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    summary
}

#[tokio::test]
async fn seeds_that_ever_failed_break_no_promise() {
    let lines = FAILED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let numbers = lines.map(|line| line.split_whitespace().next().unwrap_or(line));
    keep_every_promise(numbers.map(|number| number.parse().expect("a seed"))).await;
}

#[tokio::test]
async fn fresh_seeds_break_no_promise_and_account_for_every_edit() {
    let summary = keep_every_promise(FRESH).await;
    assert_eq!(summary.accounted(), summary.edits);
    let often = [Fault::Crash, Fault::AnswerLost, Fault::SeenLate, Fault::PublishLost];
    assert!(often.iter().all(|fault| !summary.never.contains(fault)), "{:?}", summary.never);
}

#[tokio::test]
async fn a_seed_does_the_same_twice() {
    let lab = lab().await;
    for seed in 1..=5 {
        assert_eq!(run(&lab, seed).await, run(&lab, seed).await, "seed {seed}");
    }
    assert_ne!(run(&lab, 1).await.hash, run(&lab, 2).await.hash);
}

#[tokio::test]
async fn every_mistake_is_found() {
    let lab = lab().await;
    for broken in Broken::ALL {
        let settings = Settings { broken: Some(broken), ..Settings::default() };
        let mut found = None;
        for seed in 1..=ENOUGH {
            let run = lab.run(seed, &settings).await.expect("a state database can be made");
            if let Some(violation) = run.verdict.violations.first() {
                found = Some((seed, violation.clone()));
                break;
            }
        }
        let (seed, violation) = found.unwrap_or_else(|| panic!("{broken:?} is never found"));
        println!("{broken:?}: {:?} in seed {seed}", violation.broke);
    }
}
