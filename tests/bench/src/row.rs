//! A row of the table: what is measured, what with, and what is wanted.

use crate::error::BenchError;
use crate::lab::Lab;
use crate::reading::Reading;
use async_trait::async_trait;

/// What must be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// A ratio to the baseline of at least so much.
    AtLeast(f64),
    /// A figure of at most so much.
    AtMost(f64),
    /// A figure of at most so much, and another one, by its name, too.
    AtMostAnd(f64, &'static str, f64),
    /// At most so many times the baseline.
    RatioAtMost(f64),
    /// Whatever it is.
    Measured,
}

/// One row.
#[async_trait(?Send)]
pub(crate) trait Row {
    /// Its name on the command line.
    fn name(&self) -> String;

    /// What is measured.
    fn what(&self) -> String;

    /// What it is compared with.
    fn against(&self) -> String;

    /// The unit of its figures.
    fn unit(&self) -> &'static str;

    /// What version 0.1 must reach.
    fn first(&self) -> Wanted;

    /// What is aimed at.
    fn goal(&self) -> Wanted;

    /// The same by the program it is compared with; `None`: there is none.
    ///
    /// # Errors
    /// When it can't be measured.
    async fn baseline(&self, lab: &Lab) -> Result<Option<Reading>, BenchError>;

    /// duet.
    ///
    /// # Errors
    /// When it can't be measured, or didn't do what it should.
    async fn duet(&self, lab: &Lab) -> Result<Reading, BenchError>;

    /// Most runs that tell more than the one before.
    fn runs_max(&self) -> usize {
        usize::MAX
    }
}
