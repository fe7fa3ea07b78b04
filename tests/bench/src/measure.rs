//! Measuring a row: LIMIT, duet, LIMIT, duet, …; the ratio of each pair, and their median. Both of a
//! pair ran within seconds on the same servers, so a machine that is slower today is so for both.

use crate::error::BenchError;
use crate::lab::{Lab, note};
use crate::processes::Servers;
use crate::quiet::{Judgement, judge, refusal, strangers};
use crate::reading::Reading;
use crate::row::{Row, Wanted};
use crate::statistics::{Spread, median, ratios};
use serde::Serialize;
use std::collections::BTreeMap;

/// How often a disturbed run is made in all.
const TRIES: u32 = 3;

/// Which of the two is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// The baseline alone.
    Limit,
    /// duet alone.
    Duet,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// Pairs of runs.
    pub(crate) runs: usize,
    /// Measure in spite of strangers.
    pub(crate) force: bool,
    /// One of the two alone.
    pub(crate) only: Option<Only>,
}

/// A measured row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    /// Its name.
    pub(crate) name: String,
    /// What is measured.
    pub(crate) what: String,
    /// What it is compared with.
    pub(crate) against: String,
    /// The unit of its figures.
    pub(crate) unit: &'static str,
    /// Figures of the baseline.
    pub(crate) baseline: Option<Spread>,
    /// Figures of duet.
    pub(crate) duet: Option<Spread>,
    /// Ratios of the pairs.
    pub(crate) ratio: Option<Spread>,
    /// What must be reached, in words, and whether it is.
    pub(crate) first: String,
    /// `None`: nothing was asked for, or not measured.
    pub(crate) first_reached: Option<bool>,
    /// What is aimed at.
    pub(crate) goal: String,
    /// Whether it is reached.
    pub(crate) goal_reached: Option<bool>,
    /// Processor microseconds a record of the baseline, by process.
    pub(crate) baseline_cpu: BTreeMap<String, f64>,
    /// The same of duet.
    pub(crate) cpu: BTreeMap<String, f64>,
    /// Other figures of duet.
    pub(crate) more: BTreeMap<String, f64>,
    /// The most that strangers used during a run, in cores.
    pub(crate) strangers: f64,
    /// Whether strangers disturbed it.
    pub(crate) quiet: bool,
    /// Why it could not be measured.
    pub(crate) failed: Option<String>,
}

/// Measures one row. A row that can't be measured says why.
///
/// # Errors
/// When strangers use the processors: then no row counts.
pub(crate) async fn measure(lab: &Lab, row: &dyn Row, way: Way) -> Result<Measured, BenchError> {
    let mut runs = Runs::default();
    match series(lab, row, way, &mut runs).await {
        Ok(()) => Ok(runs.measured(row, None)),
        Err(refused @ BenchError::NotQuiet { .. }) => Err(refused),
        Err(error) => Ok(runs.measured(row, Some(error.chain()))),
    }
}

/// The runs of a row.
#[derive(Default)]
struct Runs {
    baseline: Vec<Reading>,
    duet: Vec<Reading>,
    disturbed: bool,
}

async fn series(lab: &Lab, row: &dyn Row, way: Way, runs: &mut Runs) -> Result<(), BenchError> {
    for run in 1..=way.runs.min(row.runs_max()) {
        if way.only != Some(Only::Duet) {
            let limit = undisturbed(lab, way, async || row.baseline(lab).await, runs).await?;
            if let Some(limit) = limit {
                note(&format!("{} {run}: LIMIT {:.0} {}", row.name(), limit.value, row.unit()));
                runs.baseline.push(limit);
            }
        }
        if way.only != Some(Only::Limit) {
            let duet = async || row.duet(lab).await.map(Some);
            if let Some(duet) = undisturbed(lab, way, duet, runs).await? {
                note(&format!("{} {run}: duet {:.1} {}", row.name(), duet.value, row.unit()));
                runs.duet.push(duet);
            }
        }
    }
    Ok(())
}

/// One run, again if strangers disturbed it.
async fn undisturbed(
    lab: &Lab,
    way: Way,
    mut run: impl AsyncFnMut() -> Result<Option<Reading>, BenchError>,
    runs: &mut Runs,
) -> Result<Option<Reading>, BenchError> {
    before(lab, way, runs).await?;
    for tried in 1.. {
        let Some(reading) = run().await? else { return Ok(None) };
        match judge(reading.strangers, tried, TRIES, way.force) {
            Judgement::Counts => return Ok(Some(reading)),
            Judgement::Again => note("disturbed by strangers; once more"),
            Judgement::Refused => return Err(refusal(reading.strangers)),
            Judgement::NotQuiet => {
                runs.disturbed = true;
                return Ok(Some(reading));
            }
        }
    }
    Ok(None)
}

async fn before(lab: &Lab, way: Way, runs: &mut Runs) -> Result<(), BenchError> {
    if way.force {
        return Ok(());
    }
    let servers = lab.started().map_or_else(Servers::default, |running| running.servers);
    // What ended just now may still be written down by the servers and the kernel.
    let mut cores = strangers(servers).await?;
    for _ in 1..TRIES {
        if judge(cores, 0, TRIES, way.force) == Judgement::Counts {
            break;
        }
        cores = strangers(servers).await?;
    }
    match judge(cores, 0, TRIES, way.force) {
        Judgement::Counts | Judgement::Again => Ok(()),
        Judgement::Refused => Err(refusal(cores)),
        Judgement::NotQuiet => {
            runs.disturbed = true;
            Ok(())
        }
    }
}

impl Runs {
    fn measured(&self, row: &dyn Row, failed: Option<String>) -> Measured {
        let values = |of: &[Reading]| of.iter().map(|one| one.value).collect::<Vec<f64>>();
        let (limit, duet) = (values(&self.baseline), values(&self.duet));
        let ratio = Spread::of(&ratios(&limit, &duet));
        let duet = Spread::of(&duet);
        let more = medians(&self.duet, |one| &one.more);
        let reached = |wanted| is_reached(wanted, ratio, duet, &more).filter(|_| failed.is_none());
        let strangers = self.baseline.iter().chain(&self.duet).map(|one| one.strangers);
        Measured {
            name: row.name(),
            what: row.what(),
            against: row.against(),
            unit: row.unit(),
            baseline: Spread::of(&limit),
            duet,
            ratio,
            first: worded(row.first(), row.unit()),
            first_reached: reached(row.first()),
            goal_reached: reached(row.goal()),
            goal: worded(row.goal(), row.unit()),
            baseline_cpu: medians(&self.baseline, |one| &one.cpu),
            cpu: medians(&self.duet, |one| &one.cpu),
            more,
            strangers: strangers.fold(0.0, f64::max),
            quiet: !self.disturbed,
            failed,
        }
    }
}

/// Whether a wish is fulfilled; `None`: nothing is wished, or nothing known.
fn is_reached(
    wanted: Wanted,
    ratio: Option<Spread>,
    duet: Option<Spread>,
    more: &BTreeMap<String, f64>,
) -> Option<bool> {
    match wanted {
        Wanted::AtLeast(least) => ratio.map(|ratio| ratio.median >= least),
        Wanted::AtMost(most) => duet.map(|duet| duet.median <= most),
        Wanted::AtMostAnd(most, name, other) => {
            let other = more.get(name).map(|figure| *figure <= other)?;
            duet.map(|duet| duet.median <= most && other)
        }
        Wanted::RatioAtMost(most) => ratio.map(|ratio| ratio.median <= most),
        Wanted::Measured => None,
    }
}

fn worded(wanted: Wanted, unit: &str) -> String {
    match wanted {
        Wanted::AtLeast(least) => format!("{least}"),
        Wanted::AtMost(most) => format!("≤ {most} {unit}"),
        Wanted::AtMostAnd(most, name, other) => format!("≤ {most} {unit}, {name} ≤ {other}"),
        Wanted::RatioAtMost(most) => format!("≤ {most}"),
        Wanted::Measured => "measured".to_owned(),
    }
}

fn medians(
    readings: &[Reading],
    of: impl Fn(&Reading) -> &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in readings.iter().flat_map(of) {
        values.entry(name.clone()).or_default().push(*value);
    }
    values.into_iter().map(|(name, values)| (name, median(&values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64) -> Option<Spread> {
        Spread::of(&[median])
    }

    #[test]
    fn ratios_must_be_high_and_times_low() {
        let more = BTreeMap::from([("p99".to_owned(), 140.0)]);
        let reached = |wanted, ratio, duet| is_reached(wanted, ratio, duet, &more);
        assert_eq!(reached(Wanted::AtLeast(0.4), spread(0.4), None), Some(true));
        assert_eq!(reached(Wanted::AtLeast(0.4), spread(0.39), None), Some(false));
        assert_eq!(reached(Wanted::AtLeast(0.4), None, spread(9.0)), None);
        assert_eq!(reached(Wanted::AtMost(100.0), None, spread(100.0)), Some(true));
        assert_eq!(reached(Wanted::AtMost(100.0), None, spread(101.0)), Some(false));
        assert_eq!(reached(Wanted::AtMostAnd(30.0, "p99", 150.0), None, spread(30.0)), Some(true));
        assert_eq!(reached(Wanted::AtMostAnd(30.0, "p99", 139.0), None, spread(30.0)), Some(false));
        assert_eq!(reached(Wanted::AtMostAnd(30.0, "p98", 139.0), None, spread(30.0)), None);
        assert_eq!(reached(Wanted::RatioAtMost(1.1), spread(1.2), None), Some(false));
        assert_eq!(reached(Wanted::Measured, spread(1.0), spread(1.0)), None);
        assert_eq!(worded(Wanted::AtMost(100.0), "ms"), "≤ 100 ms");
        assert_eq!(worded(Wanted::AtLeast(0.4), "rows/s"), "0.4");
    }

    #[test]
    fn a_figure_that_some_runs_have_is_their_median() {
        let readings = [
            Reading::of(1.0).with("p99", 2.0),
            Reading::of(1.0),
            Reading::of(1.0).with("p99", 4.0),
        ];
        assert_eq!(medians(&readings, |one| &one.more), BTreeMap::from([("p99".to_owned(), 3.0)]));
    }
}
