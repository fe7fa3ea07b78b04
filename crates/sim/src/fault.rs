//! What goes wrong on purpose. Each seed draws some kinds and how often each of them strikes (swarm
//! style): a run in which everything fails all the time reaches little.

use crate::chance::Chance;
use serde::Serialize;
use std::collections::BTreeMap;

/// A kind of fault, injected at a call of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A write is carried out and its answer is lost.
    AnswerLost,
    /// A write is lost on its way; nobody can tell it from a lost answer.
    CallLost,
    /// A write arrives long after its caller gave up.
    CallLate,
    /// Some records of a write are refused, the others land.
    PartlyRefused,
    /// The side can't be reached; nothing was sent.
    Unreachable,
    /// Too many calls; the side asks to wait.
    Throttled,
    /// The session ended.
    SignedOut,
    /// The last answer of a call is left out.
    AnswerMissing,
    /// A source tells again what it told before.
    ToldAgain,
    /// A transaction at the side stays open, so its edit is seen later than its stamp says.
    SeenLate,
    /// A message is in its queue, and nobody learns so.
    ConfirmLost,
    /// A message is lost, and nobody learns so.
    PublishLost,
    /// The queue is full.
    PublishRefused,
    /// A message is delivered twice.
    Duplicated,
    /// A message is delivered after later ones.
    Delayed,
    /// A wake-up is lost.
    WakeLost,
    /// An acknowledgement doesn't arrive: what was decided is delivered again.
    AckLost,
    /// Every queue is emptied.
    Purged,
    /// The state database asks to try again.
    Busy,
    /// A transaction is committed, and nobody learns so.
    CommitUnknown,
    /// The process dies; what it had in memory is gone.
    Crash,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 21] = [
        Fault::AnswerLost,
        Fault::CallLost,
        Fault::CallLate,
        Fault::PartlyRefused,
        Fault::Unreachable,
        Fault::Throttled,
        Fault::SignedOut,
        Fault::AnswerMissing,
        Fault::ToldAgain,
        Fault::SeenLate,
        Fault::ConfirmLost,
        Fault::PublishLost,
        Fault::PublishRefused,
        Fault::Duplicated,
        Fault::Delayed,
        Fault::WakeLost,
        Fault::AckLost,
        Fault::Purged,
        Fault::Busy,
        Fault::CommitUnknown,
        Fault::Crash,
    ];

    /// The most of 10,000 chances in which it strikes. Where a chance is a call to a side, nearly
    /// every record meets it at the highest rate; where it is any call of a port, a step has many.
    fn most(self) -> u32 {
        match self {
            Fault::AnswerLost
            | Fault::CallLost
            | Fault::CallLate
            | Fault::PartlyRefused
            | Fault::SeenLate
            | Fault::ToldAgain => 3_000,
            Fault::ConfirmLost
            | Fault::PublishLost
            | Fault::PublishRefused
            | Fault::Duplicated
            | Fault::Delayed => 2_000,
            Fault::WakeLost => 10_000,
            Fault::Unreachable | Fault::Throttled | Fault::Busy | Fault::CommitUnknown => 800,
            Fault::SignedOut | Fault::AnswerMissing | Fault::AckLost => 400,
            Fault::Purged => 200,
            Fault::Crash => 60,
        }
    }
}

/// How often each kind strikes, of 10,000 chances; kinds that aren't there never do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rates(BTreeMap<Fault, u32>);

impl Rates {
    /// Some kinds, and how often.
    #[must_use]
    pub(crate) fn draw(chance: &mut Chance) -> Rates {
        // From hardly any to nearly all of them: what one fault hides, its absence shows.
        let share = u32::try_from(chance.between(500, 9_000)).unwrap_or(0);
        let mut rates = BTreeMap::new();
        for fault in Fault::ALL {
            let rate = u32::try_from(chance.below(u64::from(fault.most()))).unwrap_or(0) + 1;
            if chance.meets(share) {
                rates.insert(fault, rate);
            }
        }
        Rates(rates)
    }

    /// Only this kind.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn only(fault: Fault, of_ten_thousand: u32) -> Rates {
        Rates(BTreeMap::from([(fault, of_ten_thousand)]))
    }

    /// How often a kind strikes.
    #[must_use]
    pub(crate) fn of(&self, fault: Fault) -> u32 {
        self.0.get(&fault).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_drawn_by_some_seed_and_left_out_by_another() {
        let drawn: Vec<Rates> = (0..200).map(|seed| Rates::draw(&mut Chance::new(seed))).collect();
        for fault in Fault::ALL {
            let with = drawn.iter().filter(|rates| rates.of(fault) > 0).count();
            assert!((1..200).contains(&with), "{fault:?} is in {with} of 200");
            let most = drawn.iter().map(|rates| rates.of(fault)).max();
            assert!(most <= Some(fault.most()), "{fault:?} strikes {most:?} times");
        }
    }

    #[test]
    fn every_kind_is_on_the_list_once() {
        assert_eq!(Fault::ALL.iter().collect::<BTreeSet<_>>().len(), Fault::ALL.len());
        let last = Fault::ALL.last().copied();
        assert_eq!(last, Some(Fault::Crash), "a new kind comes before it, and into the list");
    }

    #[test]
    fn one_kind_alone_is_one() {
        let rates = Rates::only(Fault::Crash, 7);
        assert_eq!((rates.of(Fault::Crash), rates.of(Fault::Busy)), (7, 0));
    }
}
