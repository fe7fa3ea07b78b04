//! What this process stored of links just before: the answer to a call, or the next change of a busy
//! record, finds it here instead of reading it again. Only what the lock finds at the same revision
//! counts, so nothing is lost with it, and nothing here can be wrong.

use duet_core::id::LinkId;
use duet_ports::store::{Contents, Decided, Remembered};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Links in a generation: more than calls under way can carry. Two generations are kept.
const GENERATION: usize = 2_048;

/// The contents of links that were stored last.
#[derive(Default)]
pub struct Recent(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Remembered,
    old: Remembered,
}

impl Recent {
    /// What is remembered of these links.
    pub(crate) fn of(&self, links: &[LinkId]) -> Remembered {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |link: &LinkId| all.young.get(link).or_else(|| all.old.get(link));
        links.iter().filter_map(|link| Some((*link, Arc::clone(one(link)?)))).collect()
    }

    /// Remembers what was committed, and returns what follows from it.
    pub(crate) fn keep(&self, decided: Vec<Decided>) -> Vec<duet_core::verdict::Effect> {
        let (mut kept, mut effects) = (Vec::with_capacity(decided.len()), Vec::new());
        for Decided { verdict, .. } in decided {
            let rev = verdict.link.rev;
            let contents = Contents { rev, agreed: verdict.agreed, seen: verdict.seen };
            kept.push((verdict.link.id, Arc::new(contents)));
            effects.extend(verdict.effects);
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = all.add(kept);
        drop(all);
        drop(passed);
        effects
    }
}

impl Generations {
    /// What is forgotten is handed out, to be dropped without the lock.
    fn add(&mut self, kept: Vec<(LinkId, Arc<Contents>)>) -> Remembered {
        let mut passed = HashMap::new();
        if self.young.len() + kept.len() > GENERATION {
            passed = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        }
        self.young.extend(kept);
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::agreed::Agreed;
    use duet_core::side::Both;

    fn link(number: usize) -> LinkId {
        LinkId(format!("{number:032x}").parse().expect("an id"))
    }

    fn contents(rev: i64) -> Arc<Contents> {
        Arc::new(Contents { rev, agreed: Agreed::None, seen: Both::default() })
    }

    #[test]
    fn the_newest_word_counts_and_the_oldest_links_are_forgotten() {
        let recent = Recent::default();
        let half = GENERATION / 2;
        for round in 0..4 {
            let kept = (round * half..(round + 1) * half).map(|at| (link(at), contents(1)));
            let mut all = recent.0.lock().expect("nobody panicked");
            all.add(kept.collect());
            all.add(vec![(link(0), contents(2))]);
        }
        let revs = |at| recent.of(&[link(at)]).get(&link(at)).map(|contents| contents.rev);
        assert_eq!((revs(0), revs(1)), (Some(2), None));
        assert_eq!(revs(4 * half - 1), Some(1));
        let all = recent.0.lock().expect("nobody panicked");
        assert!(all.young.len() <= GENERATION && all.old.len() <= GENERATION);
    }
}
