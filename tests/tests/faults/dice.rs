//! Chance that can be repeated: the seed is printed, and `DUET_TEST_SEED` sets it.

use std::time::SystemTime;

/// A small generator (SplitMix64).
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// From the environment, else from the time of day.
    #[expect(clippy::disallowed_methods, reason = "a test draws its own seed")]
    #[expect(clippy::print_stdout, reason = "the seed repeats a failure")]
    pub(crate) fn new() -> Dice {
        let given = std::env::var("DUET_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap().subsec_nanos().into()
        });
        println!("DUET_TEST_SEED={seed}");
        Dice { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    /// One of a list.
    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
