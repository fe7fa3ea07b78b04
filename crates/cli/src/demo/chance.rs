//! Chance from a seed (SplitMix64): the same seed draws the same. Not for anything but samples.

/// Random numbers that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins with a seed.
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; `bound` is at least 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).expect("less than a usize")
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        let span = usize::try_from(most - least + 1).unwrap_or(1);
        least + i64::try_from(self.below(span)).expect("less than the span")
    }

    /// One of them.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// In another order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_another_one_decides_otherwise() {
        let drawn = |seed| {
            let mut chance = Chance::new(seed);
            let mut items: Vec<usize> = (0..20).collect();
            chance.shuffle(&mut items);
            (items, chance.between(-3, 3))
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7).0, drawn(8).0);
        let mut sorted = drawn(7).0;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>(), "nothing is lost");
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        let mut chance = Chance::new(1);
        let numbers: Vec<i64> = (0..200).map(|_| chance.between(2, 5)).collect();
        assert!(numbers.iter().all(|number| (2..=5).contains(number)));
        assert!((2..=5).all(|number| numbers.contains(&number)));
        assert_eq!(chance.below(0), 0);
    }
}
