//! What goes into one deciding transaction, and what comes out of it.

use duet_core::facts::Event;
use duet_core::id::{ConnectionName, FlowName, IntentId, LinkId, RecordId};
use duet_core::side::{Both, Side};
use duet_ports::envelope::Numbered;
use duet_ports::store::{Address, Attempt, DeadLetter};
use std::collections::BTreeSet;

/// Where a job's link is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// By its record; made if missing.
    Record(Address),
    /// By its id.
    Link(LinkId),
}

/// One thing that happened, to be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// To which link.
    pub target: Target,
    /// What.
    pub event: Event,
    /// In words, for the decision row.
    pub cause: &'static str,
}

impl Job {
    /// Look at a link again.
    #[must_use]
    pub fn due(link: LinkId) -> Job {
        Job { target: Target::Link(link), event: Event::Due, cause: "due" }
    }

    /// Nobody answered a sent intent.
    #[must_use]
    pub fn overdue(link: LinkId, intent: IntentId) -> Job {
        Job { target: Target::Link(link), event: Event::Overdue(intent), cause: "no answer" }
    }

    /// The records that the job names.
    fn names(&self) -> Vec<(FlowName, Side, RecordId)> {
        let Target::Record(Address { flow, side, record, .. }) = &self.target else {
            return Vec::new();
        };
        let mut names = vec![(flow.clone(), *side, record.clone())];
        if let Event::KeyChanged { new, .. } = &self.event {
            names.push((flow.clone(), *side, new.clone()));
        }
        names
    }

    /// The flow that the job names, if it names one.
    #[must_use]
    pub fn flow(&self) -> Option<&FlowName> {
        match &self.target {
            Target::Record(address) => Some(&address.flow),
            Target::Link(_) => None,
        }
    }
}

/// Jobs, and what their transaction settles with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// What happened, in order.
    pub jobs: Vec<Job>,
    /// Messages that are settled when all jobs are decided.
    pub numbers: Vec<Numbered>,
    /// What could not be decoded.
    pub dead: Vec<DeadLetter>,
    /// Calls that were tried.
    pub attempts: Vec<Attempt>,
}

impl Batch {
    /// A batch of jobs alone.
    #[must_use]
    pub fn of(jobs: Vec<Job>) -> Batch {
        Batch { jobs, ..Batch::default() }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
            && self.numbers.is_empty()
            && self.dead.is_empty()
            && self.attempts.is_empty()
    }

    /// The batch in parts of at most so many jobs, in order; what it settles stays with the last
    /// one, so that nothing is settled before everything is decided.
    #[must_use]
    pub fn parts(mut self, most: usize) -> Vec<Batch> {
        let mut parts = Vec::new();
        while self.jobs.len() > most.max(1) {
            let later = self.jobs.split_off(most.max(1));
            parts.push(Batch::of(std::mem::replace(&mut self.jobs, later)));
        }
        parts.push(self);
        parts
    }

    /// The batch in parts that are decided one after the other: a job that names an id of a key
    /// change before it is about another link once that change is stored. What the batch settles
    /// stays with the last part.
    #[must_use]
    pub fn apart(mut self) -> Vec<Batch> {
        let mut parts: Vec<Vec<Job>> = vec![Vec::new()];
        let mut moved: BTreeSet<(FlowName, Side, RecordId)> = BTreeSet::new();
        for job in std::mem::take(&mut self.jobs) {
            let names = job.names();
            if names.iter().any(|name| moved.contains(name)) {
                parts.push(Vec::new());
                moved.clear();
            }
            if matches!(job.event, Event::KeyChanged { .. }) {
                moved.extend(names);
            }
            parts.last_mut().expect("begun with one").push(job);
        }
        self.jobs = parts.pop().expect("begun with one");
        parts.into_iter().map(Batch::of).chain([self]).collect()
    }

    /// Splits off the second half of the jobs; what the batch settles stays with the later half,
    /// so that nothing is settled before everything is decided.
    #[must_use]
    pub fn halved(mut self) -> (Batch, Batch) {
        let later = self.jobs.split_off(self.jobs.len() / 2);
        let first = Batch { jobs: std::mem::take(&mut self.jobs), ..Batch::default() };
        (first, Batch { jobs: later, ..self })
    }
}

/// What a committed batch leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aftermath {
    /// Links to look at.
    pub wake: Vec<LinkId>,
    /// Pairs of half links to join, older first.
    pub joins: BTreeSet<(LinkId, LinkId)>,
    /// Connections that have intents to send.
    pub connections: BTreeSet<ConnectionName>,
    /// Links decided.
    pub decided: usize,
    /// Of these, those where nothing was new.
    pub echoes: usize,
    /// Jobs that became dead letters.
    pub dead: usize,
    /// Writes to each side that are known to have landed: by their answer, or by reading.
    pub landed: Both<usize>,
    /// Calls that were parked for lack of a right: flow and code.
    pub denied: BTreeSet<(FlowName, String)>,
}

impl Aftermath {
    /// Adds what another batch led to.
    pub fn add(&mut self, other: Aftermath) {
        self.wake.extend(other.wake);
        self.joins.extend(other.joins);
        self.connections.extend(other.connections);
        self.decided += other.decided;
        self.echoes += other.echoes;
        self.dead += other.dead;
        for side in Side::BOTH {
            *self.landed.get_mut(side) += other.landed.get(side);
        }
        self.denied.extend(other.denied);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(record: &str) -> Job {
        let (flow, record) = (FlowName::from("things"), RecordId::from(record));
        let address = Address { flow, side: Side::Left, record, marker: None };
        Job { target: Target::Record(address), event: Event::Due, cause: "test" }
    }

    fn full(jobs: &[&str]) -> Batch {
        let numbers = vec![Numbered { source: "things/left".into(), token: 1, number: 7 }];
        let letter = DeadLetter { reason: "test".into(), ..DeadLetter::default() };
        let jobs = jobs.iter().map(|record| job(record)).collect();
        Batch { jobs, numbers, dead: vec![letter], attempts: Vec::new() }
    }

    #[test]
    fn what_a_batch_settles_stays_with_its_later_half() {
        let whole = full(&["a", "b", "c"]);
        let (first, later) = whole.clone().halved();
        assert_eq!(first, Batch::of(vec![job("a")]));
        assert_eq!(later.jobs, [job("b"), job("c")]);
        assert_eq!((&later.numbers, &later.dead), (&whole.numbers, &whole.dead));
    }

    #[test]
    fn what_names_an_id_that_changed_hands_comes_after_it() {
        let renamed = |old: &str, new: &str| {
            let (old, new) = (RecordId::from(old), RecordId::from(new));
            let event = Event::KeyChanged { side: Side::Left, old, new, order: None };
            let Event::KeyChanged { old, .. } = &event else { unreachable!("made just above") };
            Job { event: event.clone(), ..job(old.as_str()) }
        };
        let whole = Batch {
            jobs: vec![
                job("a"),
                renamed("a", "b"),
                job("c"),
                renamed("c", "d"),
                renamed("e", "a"),
                job("b"),
                job("a"),
            ],
            ..full(&[])
        };
        let parts = whole.clone().apart();
        let lengths: Vec<usize> = parts.iter().map(|part| part.jobs.len()).collect();
        assert_eq!(lengths, [4, 2, 1]);
        let jobs: Vec<Job> = parts.iter().flat_map(|part| part.jobs.clone()).collect();
        assert_eq!(jobs, whole.jobs, "in their order");
        assert!(parts[..2].iter().all(|part| part.numbers.is_empty() && part.dead.is_empty()));
        assert_eq!((&parts[2].numbers, &parts[2].dead), (&whole.numbers, &whole.dead));
        assert_eq!(full(&[]).apart(), [full(&[])]);
    }

    #[test]
    fn halving_ends_with_one_job_each() {
        let mut rest = vec![full(&["a", "b", "c", "d", "e"])];
        let mut order = Vec::new();
        while let Some(batch) = rest.pop() {
            if batch.jobs.len() == 1 {
                order.extend(batch.jobs);
                continue;
            }
            let (first, later) = batch.halved();
            assert!(!first.jobs.is_empty() && !later.jobs.is_empty());
            rest.extend([later, first]);
        }
        assert_eq!(order, ["a", "b", "c", "d", "e"].map(job), "in their order");
    }

    #[test]
    fn a_large_batch_is_decided_in_parts_and_settled_with_the_last() {
        let records = ["a", "b", "c", "d", "e"];
        let parts = full(&records).parts(2);
        assert_eq!(parts.iter().map(|part| part.jobs.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(parts[..2].iter().all(|part| *part == Batch::of(part.jobs.clone())));
        assert_eq!(parts[2], full(&["e"]));
        let jobs: Vec<Job> = parts.into_iter().flat_map(|part| part.jobs).collect();
        assert_eq!(jobs, records.map(job));
        assert_eq!(full(&records).parts(5), [full(&records)]);
        assert_eq!(full(&[]).parts(0), [full(&[])], "it settles something");
    }

    #[test]
    fn a_batch_is_empty_when_it_has_nothing_to_decide_and_nothing_to_settle() {
        assert!(Batch::default().is_empty());
        assert!(!Batch::of(vec![job("a")]).is_empty());
        assert!(!full(&[]).is_empty());
    }

    #[test]
    fn what_batches_lead_to_adds_up() {
        let mut sum = Aftermath { decided: 2, echoes: 1, ..Aftermath::default() };
        let more =
            Aftermath { decided: 3, dead: 1, landed: Both::new(2, 0), ..Aftermath::default() };
        sum.add(more.clone());
        sum.add(Aftermath { landed: Both::new(1, 1), ..Aftermath::default() });
        assert_eq!(sum.landed, Both::new(3, 1));
        assert_eq!((sum.decided, sum.echoes, sum.dead), (5, 1, 1));
        assert_eq!(job("a").flow().map(FlowName::as_str), Some("things"));
    }
}
