//! Links as adoption leaves them: both records known, everything agreed; one in ten with a change
//! of the left side that was recorded while the flow was paused. Made by the core's own verdicts.

use crate::error::BenchError;
use crate::sample::{AGREED_AT, FLOW, base, pending, record, seen};
use duet_core::facts::{Event, Facts, FlowState};
use duet_core::id::LinkId;
use duet_core::link::Phase;
use duet_core::observation::Source;
use duet_core::reconcile::decide;
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_core::verdict::Verdict;
use duet_ports::clock::{Clock, Entropy, System};
use duet_ports::store::{Address, Decided, Store};
use std::collections::BTreeMap;

/// Links made in one transaction.
const BATCH: u64 = 200;

/// Makes links for keys `0..keys`, and marks the flow as adopted.
///
/// # Errors
/// When the store fails, or what was made isn't at rest.
pub(crate) async fn links(store: &dyn Store, spec: &FlowSpec, keys: u64) -> Result<(), BenchError> {
    let mut first = 0;
    while first < keys {
        let last = (first + BATCH).min(keys);
        batch(store, spec, first..last).await?;
        first = last;
    }
    let adopted = FlowState { adopted: true, ..FlowState::default() };
    Ok(store.set_flow_state(&FLOW.into(), adopted, System.now()).await?)
}

async fn batch(
    store: &dyn Store,
    spec: &FlowSpec,
    keys: std::ops::Range<u64>,
) -> Result<(), BenchError> {
    let keys: Vec<u64> = keys.collect();
    let addresses: Vec<Address> = keys.iter().map(|key| address(*key)).collect();
    let mut unit = store.begin().await?;
    let links = unit.ensure(&addresses, &|| LinkId(System.id()), AGREED_AT).await?;
    let mut ordered = links.clone();
    ordered.sort_unstable();
    unit.lock(&ordered, false).await?;
    let facts = unit.load(&ordered, &[], AGREED_AT).await?;
    let keys: BTreeMap<LinkId, u64> = links.into_iter().zip(keys).collect();
    let decided: Vec<Decided> =
        facts.into_iter().map(|facts| agreed(spec, keys[&facts.link.id], facts)).collect();
    unit.save(&decided, AGREED_AT).await?;
    unit.commit().await?;
    Ok(())
}

/// The address of a key's record on the right side.
pub(crate) fn address(key: u64) -> Address {
    Address { flow: FLOW.into(), side: Side::Right, record: record(key), marker: None }
}

/// What the core says when both records are met for the first time, and what was recorded since.
fn agreed(spec: &FlowSpec, key: u64, facts: Facts) -> Decided {
    let from_rev = facts.link.rev;
    let verdict = at_rest(spec, key, facts);
    Decided { from_rev, verdict, cause: "bench".to_owned(), policy: spec.version.clone() }
}

/// The verdict that makes a link of a key's records and agrees on everything.
pub(crate) fn at_rest(spec: &FlowSpec, key: u64, mut facts: Facts) -> Verdict {
    facts.flow = FlowState { adopted: true, ..FlowState::default() };
    facts.link.phase = Phase::Linked;
    for side in Side::BOTH {
        *facts.link.record.get_mut(side) = Some(record(key));
    }
    let events = Side::BOTH.map(|side| look(side, key, base(side, key), 1));
    let first = decide(facts.clone(), &events, spec);
    let Some(image) = pending(key) else { return first };
    let mut later = facts;
    later.link = first.link;
    later.agreed = first.agreed;
    later.seen = first.seen;
    later.flow.paused = true;
    let mut second = decide(later, &[look(Side::Left, key, image, 2)], spec);
    second.effects = first.effects.into_iter().chain(second.effects).collect();
    second
}

fn look(side: Side, key: u64, image: duet_core::image::Image, order: i64) -> Event {
    let observation = seen(image, order, AGREED_AT.plus_seconds(order - 1), Source::Scan);
    Event::Seen { side, record: record(key), observation: Box::new(observation) }
}

/// Facts of a link that nothing is known of.
pub(crate) fn blank(key: u64) -> Facts {
    let link = duet_core::link::Link {
        id: LinkId(System.id()),
        flow: FLOW.into(),
        rev: 0,
        phase: Phase::Matching,
        record: duet_core::side::Both::new(None, Some(record(key))),
        aliases: Vec::new(),
        synced_at: None,
        synced: duet_core::side::Both::default(),
        due_at: None,
        waits: 0,
        created_at: AGREED_AT,
        memory: duet_core::link::Memory::default(),
    };
    Facts {
        as_of: AGREED_AT,
        link,
        agreed: duet_core::agreed::Agreed::None,
        seen: duet_core::side::Both::default(),
        conflicts: Vec::new(),
        intents: duet_core::side::Both::default(),
        marked: BTreeMap::new(),
        claims: Vec::new(),
        parents: Vec::new(),
        rivals: Vec::new(),
        holders: Vec::new(),
        flow: FlowState { adopted: true, ..FlowState::default() },
    }
}

/// The facts that follow from a verdict, with nothing open.
pub(crate) fn settled(verdict: Verdict, mut before: Facts) -> Facts {
    before.link = verdict.link;
    before.agreed = verdict.agreed;
    before.seen = verdict.seen;
    before.flow.paused = false;
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::spec;
    use crate::sample::Changes;
    use duet_core::conflict::Conflict;
    use duet_core::intent::{Intent, Op};
    use duet_core::verdict::Effect;
    use duet_ports::envelope::WhatV1;

    fn rested(key: u64) -> Facts {
        settled(at_rest(&spec().unwrap(), key, blank(key)), blank(key))
    }

    fn plans(verdict: &Verdict) -> Vec<&Intent> {
        let plans = verdict.effects.iter().filter_map(|effect| match effect {
            Effect::Plan(intent) => Some(intent.as_ref()),
            _ => None,
        });
        plans.collect()
    }

    fn conflicts(verdict: &Verdict) -> Vec<&Conflict> {
        let conflicts = verdict.effects.iter().filter_map(|effect| match effect {
            Effect::Conflict(conflict) => Some(conflict.as_ref()),
            _ => None,
        });
        conflicts.collect()
    }

    #[test]
    fn a_link_at_rest_asks_for_nothing_and_is_due_never() {
        for key in [0, 1] {
            let first = at_rest(&spec().unwrap(), key, blank(key));
            assert!(plans(&first).is_empty(), "nothing is to be written: {:?}", first.effects);
            assert!(conflicts(&first).is_empty());
            assert_eq!(first.link.due_at, None);
        }
        let again = look(Side::Left, 1, base(Side::Left, 1), 1);
        let verdict = decide(rested(1), &[again], &spec().unwrap());
        assert!(verdict.echo && !verdict.changed, "{verdict:?}");
    }

    #[test]
    fn a_change_of_one_side_is_one_write_of_four_fields() {
        let (key, change) = Changes::new(1, 100).find(|(key, _)| key % 10 == 1).unwrap();
        let WhatV1::Seen(observation) = change.what else { panic!("a look") };
        let event = Event::Seen { side: Side::Right, record: change.record, observation };
        let verdict = decide(rested(key), &[event], &spec().unwrap());
        let plans = plans(&verdict);
        assert_eq!(plans.len(), 1);
        assert_eq!(
            (plans[0].side, plans[0].op, plans[0].values.len()),
            (Side::Left, Op::Update, 4)
        );
        assert!(conflicts(&verdict).is_empty());
    }

    #[test]
    fn a_change_that_meets_an_undecided_one_is_a_conflict_and_writes_both_ways() {
        let (key, change) = Changes::new(1, 100).find(|(key, _)| key % 10 == 0).unwrap();
        let WhatV1::Seen(observation) = change.what else { panic!("a look") };
        let event = Event::Seen { side: Side::Right, record: change.record, observation };
        let verdict = decide(rested(key), &[event], &spec().unwrap());
        let sides: Vec<(Side, usize)> =
            plans(&verdict).iter().map(|intent| (intent.side, intent.values.len())).collect();
        assert_eq!(sides, [(Side::Left, 4), (Side::Right, 1)]);
        assert_eq!(conflicts(&verdict).len(), 1, "both changed the phone");
    }
}
