//! The numbering of a source's messages, and what of it is settled (design, 2.3). Pure book-keeping:
//! asks nobody, waits for nothing.

use duet_core::stamp::Stamp;
use duet_ports::connector::Position;
use duet_ports::envelope::Envelope;
use duet_ports::hub::Published;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A message that isn't settled yet.
#[derive(Debug)]
pub struct Outstanding {
    /// Its partition.
    pub partition: u32,
    /// What it says, to be sent again under its number.
    pub envelope: Envelope,
    /// When it was last sent; `None`: it must be sent.
    pub sent_at: Option<Stamp>,
    /// How often in a row the hub refused it.
    refusals: u32,
    /// Not sent again before.
    not_before: Option<Stamp>,
}

/// The shortest and the longest wait before a refused message is sent again.
const AFTER_REFUSAL_US: (i64, i64) = (Stamp::SECOND, 60 * Stamp::SECOND);

impl Outstanding {
    /// One that the hub refuses is sent again after a second, then after twice as long each time.
    fn refused(&mut self, now: Stamp) {
        let (least, most) = AFTER_REFUSAL_US;
        let wait = (least << self.refusals.min(16)).min(most);
        self.refusals = self.refusals.saturating_add(1);
        self.sent_at = None;
        self.not_before = Some(now.plus(wait));
    }

    fn accepted(&mut self, now: Stamp) {
        self.sent_at = Some(now);
        self.refusals = 0;
        self.not_before = None;
    }
}

/// One reading of a source: its position is given up when all its messages are settled.
#[derive(Debug)]
struct Reading {
    position: Position,
    /// The last number of its messages. A reading without messages has that of the one before.
    last: i64,
}

/// The unsettled messages of one source under one fencing token.
#[derive(Debug, Default)]
pub struct Ledger {
    next: i64,
    /// Everything up to here is settled.
    settled: i64,
    /// Settled numbers beyond, and their partitions.
    ahead: BTreeMap<i64, u32>,
    outstanding: BTreeMap<i64, Outstanding>,
    readings: VecDeque<Reading>,
}

impl Ledger {
    /// How many messages aren't settled.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.outstanding.len()
    }

    /// Whether every reading was given up.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.outstanding.is_empty() && self.readings.is_empty()
    }

    /// The number up to which everything is settled.
    #[must_use]
    pub fn settled_up_to(&self) -> i64 {
        self.settled
    }

    /// The number taken last; 0: none.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.next
    }

    /// Takes the next number; numbers begin at 1 and are never used twice under a token.
    pub fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// Notes a message under a number taken before.
    pub fn add(&mut self, number: i64, partition: u32, envelope: Envelope) {
        let new = Outstanding { partition, envelope, sent_at: None, refusals: 0, not_before: None };
        self.outstanding.insert(number, new);
    }

    /// Notes that everything taken so far belongs to readings up to this position.
    pub fn read(&mut self, position: Position) {
        self.readings.push_back(Reading { position, last: self.next });
    }

    /// Messages to be sent now: never sent, refused a while ago, or silent for too long where `stuck` says
    /// that the broker can't be holding them.
    pub fn to_send(
        &self,
        now: Stamp,
        resend_after_us: i64,
        stuck: impl Fn(u32, i64) -> bool,
    ) -> Vec<i64> {
        self.outstanding
            .iter()
            .filter(|(number, message)| match message.sent_at {
                None => message.not_before.is_none_or(|at| at <= now),
                Some(at) => {
                    now.0.saturating_sub(at.0) >= resend_after_us
                        && stuck(message.partition, **number)
                }
            })
            .map(|(number, _)| *number)
            .collect()
    }

    /// Partitions that hold messages silent for too long: whether they are stuck depends on them.
    #[must_use]
    pub fn silent(&self, now: Stamp, resend_after_us: i64) -> BTreeSet<u32> {
        self.outstanding
            .values()
            .filter(|message| {
                message.sent_at.is_some_and(|at| now.0.saturating_sub(at.0) >= resend_after_us)
            })
            .map(|message| message.partition)
            .collect()
    }

    /// A message.
    #[must_use]
    pub fn get(&self, number: i64) -> Option<&Outstanding> {
        self.outstanding.get(&number)
    }

    /// Notes the fate of a publish.
    pub fn sent(&mut self, number: i64, fate: Published, now: Stamp) {
        if let Some(message) = self.outstanding.get_mut(&number) {
            match fate {
                Published::Confirmed | Published::Unknown => message.accepted(now),
                Published::Refused | Published::Unroutable | Published::TooLarge => {
                    message.refused(now);
                }
            }
        }
    }

    /// Whether a later number of this partition is settled though this one isn't: it was lost.
    #[must_use]
    pub fn overtaken(&self, partition: u32, number: i64) -> bool {
        self.ahead.range(number.saturating_add(1)..).any(|(_, of)| *of == partition)
    }

    /// Notes settled numbers and returns the positions that may be given up, in order.
    pub fn settle(&mut self, numbers: &[i64]) -> Vec<Position> {
        for number in numbers {
            if let Some(message) = self.outstanding.remove(number) {
                self.ahead.insert(*number, message.partition);
            }
        }
        while self.ahead.remove(&(self.settled + 1)).is_some() {
            self.settled += 1;
        }
        let mut given_up = Vec::new();
        while self.readings.front().is_some_and(|reading| reading.last <= self.settled) {
            given_up.extend(self.readings.pop_front().map(|reading| reading.position));
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_ports::envelope::{Body, ENVELOPE_VERSION};

    fn envelope() -> Envelope {
        Envelope { v: ENVELOPE_VERSION, number: None, body: Body::WakeRetry }
    }

    fn read(ledger: &mut Ledger, messages: i64, position: &str) -> Vec<i64> {
        let numbers: Vec<i64> = (0..messages).map(|_| ledger.number()).collect();
        for number in &numbers {
            ledger.add(*number, 0, envelope());
        }
        ledger.read(Position(position.into()));
        numbers
    }

    #[test]
    fn a_position_is_given_up_only_when_everything_before_it_is_settled() {
        let mut ledger = Ledger::default();
        let first = read(&mut ledger, 2, "a");
        let second = read(&mut ledger, 1, "b");
        assert!(ledger.settle(&second).is_empty());
        assert!(ledger.settle(&first[1..]).is_empty());
        assert_eq!((ledger.settled_up_to(), ledger.last()), (0, 3));
        let given_up = ledger.settle(&first[..1]);
        assert_eq!(given_up, [Position("a".into()), Position("b".into())]);
        assert_eq!(ledger.settled_up_to(), 3);
        assert!(ledger.is_idle());
    }

    #[test]
    fn settling_twice_changes_nothing() {
        let mut ledger = Ledger::default();
        let first = read(&mut ledger, 1, "a");
        assert_eq!(ledger.settle(&first).len(), 1);
        assert!(ledger.settle(&first).is_empty());
        assert_eq!(ledger.settled_up_to(), 1);
    }

    #[test]
    fn a_reading_without_messages_is_given_up_behind_those_before_it() {
        let mut ledger = Ledger::default();
        let first = read(&mut ledger, 1, "a");
        ledger.read(Position("b".into()));
        assert!(!ledger.is_idle());
        assert_eq!(ledger.settle(&first).len(), 2);
    }

    #[test]
    fn refused_messages_are_sent_again_after_a_while_silent_ones_when_stuck() {
        let mut ledger = Ledger::default();
        let numbers = read(&mut ledger, 3, "a");
        ledger.sent(1, Published::Confirmed, Stamp(0));
        ledger.sent(2, Published::Refused, Stamp(0));
        ledger.sent(3, Published::Unknown, Stamp(0));
        assert_eq!(numbers, [1, 2, 3]);
        assert!(ledger.to_send(Stamp(1), 10, |_, _| true).is_empty());
        assert_eq!(ledger.to_send(Stamp(10), 10, |_, _| true), [1, 3]);
        let later = Stamp(Stamp::SECOND);
        assert_eq!(ledger.to_send(later, 10, |_, _| false), [2]);
        assert_eq!(ledger.to_send(later, 10, |_, _| true), [1, 2, 3]);
        ledger.settle(&[2]);
        assert!(ledger.overtaken(0, 1));
        assert!(!ledger.overtaken(1, 1));
        assert!(!ledger.overtaken(0, 3));
    }

    #[test]
    fn a_message_refused_again_and_again_waits_longer_each_time_up_to_a_minute() {
        let mut ledger = Ledger::default();
        read(&mut ledger, 1, "a");
        let (mut sent, mut refuse) = (Vec::new(), true);
        for second in 0..200 {
            let now = Stamp(second * Stamp::SECOND);
            for number in ledger.to_send(now, i64::MAX, |_, _| false) {
                sent.push(second);
                refuse &= second < 183;
                let fate = if refuse { Published::Refused } else { Published::Confirmed };
                ledger.sent(number, fate, now);
            }
        }
        assert_eq!(sent, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        ledger.sent(1, Published::Refused, Stamp(0));
        assert_eq!(ledger.to_send(Stamp(Stamp::SECOND), i64::MAX, |_, _| false), [1], "anew");
    }

    #[test]
    fn a_number_that_was_never_given_out_settles_nothing() {
        let mut ledger = Ledger::default();
        read(&mut ledger, 1, "a");
        assert!(ledger.settle(&[7, 2]).is_empty());
        assert_eq!((ledger.settled_up_to(), ledger.unsettled()), (0, 1));
    }
}
