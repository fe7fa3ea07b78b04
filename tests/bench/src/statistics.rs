//! Medians, ratios and their spread.

/// The value in the middle; the mean of the two in the middle of an even number. Not a number
/// without any value.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value that `share` of all values (0 to 1) don't exceed.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// What runs gave: the median, the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The greatest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of some values; `None` without any.
    pub(crate) fn of(values: &[f64]) -> Option<Spread> {
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        let most = values.iter().copied().max_by(f64::total_cmp)?;
        Some(Spread { median: median(values), least, most })
    }
}

/// The ratios of runs that were made side by side.
pub(crate) fn ratios(baseline: &[f64], duet: &[f64]) -> Vec<f64> {
    baseline.iter().zip(duet).filter(|(l, _)| **l > 0.0).map(|(l, d)| d / l).collect()
}

/// A count as a number to calculate with.
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_stands_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_percentile_is_a_value_of_the_list() {
        let values: Vec<f64> = (1..=101).map(f64::from).collect();
        assert!((percentile(&values, 0.5) - 51.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0.99) - 100.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        // The machine was slower in the second pair: both were.
        let spread = Spread::of(&ratios(&[100.0, 10.0, 100.0], &[50.0, 6.0, 40.0])).unwrap();
        assert_eq!(spread, Spread { median: 0.5, least: 0.4, most: 0.6 });
        assert_eq!(Spread::of(&[]), None);
        assert!(ratios(&[0.0], &[1.0]).is_empty(), "nothing is compared with nothing");
    }
}
