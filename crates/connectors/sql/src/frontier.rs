//! How far an outbox has been read. Numbers are drawn before the commit, so a row with a low number
//! may appear after a higher one was read: "above the highest" alone would miss it. Pure.

use crate::sql::Reached;
use std::collections::BTreeMap;

/// Everything visible with a number up to `top` and of a transaction before `oldest` was read.
/// A row not read yet is thus above `top`, or of a transaction since `oldest` and not in `recent`.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    top: i64,
    oldest: u64,
    /// Read and not settled: number and transaction.
    unsettled: BTreeMap<i64, u64>,
}

impl Frontier {
    /// How far it was read.
    pub(crate) fn reached(&self) -> Reached {
        // Those that the two bounds don't exclude.
        let recent = self.unsettled.iter().filter(|(_, xid)| **xid >= self.oldest);
        let recent = recent.map(|(seq, _)| *seq).collect();
        Reached { top: self.top, oldest: self.oldest, recent }
    }

    /// Takes rows as read: the first ones, in order, of all that were unread in a snapshot whose
    /// oldest open transaction was `oldest`. `all`: there were no others.
    pub(crate) fn take(&mut self, rows: &[(i64, u64)], oldest: u64, all: bool) {
        self.unsettled.extend(rows.iter().copied());
        let last = rows.last().map_or(0, |(seq, _)| *seq);
        // Stopped below the top: what is between here and there may be unread still.
        if all || last >= self.top {
            self.top = self.top.max(last);
            self.oldest = oldest;
        }
    }

    /// Settled rows are gone from the table.
    pub(crate) fn settle(&mut self, rows: &[i64]) {
        for row in rows {
            self.unsettled.remove(row);
        }
    }
}

#[cfg(test)]
mod tests {
    //! A model of the table and random schedules of commits, readings and settlements.

    use super::*;
    use std::collections::BTreeSet;

    struct Model {
        open: BTreeMap<u64, Vec<i64>>,
        visible: BTreeMap<i64, u64>,
        next_seq: i64,
        next_xid: u64,
    }

    impl Model {
        fn oldest(&self) -> u64 {
            self.open.keys().next().copied().unwrap_or(self.next_xid)
        }

        fn unread(&self, frontier: &Frontier) -> Vec<(i64, u64)> {
            let Reached { top, oldest, recent } = frontier.reached();
            let news = self
                .visible
                .iter()
                .filter(|(seq, xid)| (**seq > top || **xid >= oldest) && !recent.contains(seq));
            news.map(|(seq, xid)| (*seq, *xid)).collect()
        }
    }

    fn below(state: &mut u64, bound: u64) -> u64 {
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % bound
    }

    fn schedule(seed: u64) {
        let mut state = seed;
        let mut model =
            Model { open: BTreeMap::new(), visible: BTreeMap::new(), next_seq: 1, next_xid: 1 };
        let mut frontier = Frontier::default();
        let mut read = BTreeSet::new();
        for _ in 0..400 {
            match below(&mut state, 6) {
                0 => {
                    model.open.insert(model.next_xid, Vec::new());
                    model.next_xid += 1;
                }
                1 | 2 => {
                    let pick = below(&mut state, model.open.len().max(1) as u64);
                    if let Some(rows) = model.open.values_mut().nth(pick as usize) {
                        rows.push(model.next_seq);
                        model.next_seq += 1;
                    }
                }
                3 => {
                    let pick = below(&mut state, model.open.len().max(1) as u64);
                    if let Some(xid) = model.open.keys().nth(pick as usize).copied() {
                        let rows = model.open.remove(&xid).expect("it is open");
                        model.visible.extend(rows.into_iter().map(|seq| (seq, xid)));
                    }
                }
                4 => {
                    let unread = model.unread(&frontier);
                    let count = (1 + below(&mut state, 3)) as usize;
                    let taken = &unread[..count.min(unread.len())];
                    for (seq, _) in taken {
                        assert!(read.insert(*seq), "seed {seed}: {seq} was read twice");
                    }
                    frontier.take(taken, model.oldest(), taken.len() == unread.len());
                }
                _ => {
                    let settled: Vec<i64> = read
                        .iter()
                        .filter(|seq| model.visible.contains_key(seq))
                        .take(1)
                        .copied()
                        .collect();
                    for seq in &settled {
                        model.visible.remove(seq);
                    }
                    frontier.settle(&settled);
                }
            }
        }
        let unread = model.unread(&frontier);
        read.extend(unread.iter().map(|(seq, _)| *seq));
        let open: BTreeSet<i64> = model.open.values().flatten().copied().collect();
        for seq in 1..model.next_seq {
            assert!(read.contains(&seq) != open.contains(&seq), "seed {seed}: {seq} was missed");
        }
    }

    #[test]
    fn nothing_is_missed_and_nothing_read_twice() {
        for seed in 0..500 {
            schedule(seed);
        }
    }
}
