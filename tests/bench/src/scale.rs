//! How much is measured: enough to be repeatable, or quickly, to see whether something moved.

/// Counts of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Keys that have links.
    pub(crate) keys: u64,
    /// Changes drained or published.
    pub(crate) changes: usize,
    /// The same of the program that takes one at a time.
    pub(crate) naive: usize,
    /// Decisions.
    pub(crate) decisions: usize,
    /// Transactions of 200.
    pub(crate) transactions: usize,
    /// Rows changed between two databases.
    pub(crate) rows: u64,
    /// Single edits, one after another.
    pub(crate) edits: usize,
}

impl Scale {
    /// For numbers that are recorded.
    pub(crate) const FULL: Scale = Scale {
        keys: 100_000,
        changes: 40_000,
        naive: 4_000,
        decisions: 40_000,
        transactions: 300,
        rows: 10_000,
        edits: 1_000,
    };

    /// For a first look.
    pub(crate) const QUICK: Scale = Scale {
        keys: 20_000,
        changes: 10_000,
        naive: 1_500,
        decisions: 10_000,
        transactions: 60,
        rows: 2_000,
        edits: 200,
    };
}
