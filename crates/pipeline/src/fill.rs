//! Loads, in one query per kind, what verdicts need besides their links' own rows.

use duet_core::facts::{Claim, Event, Facts, Holder, Parent, Rival};
use duet_core::id::{Column, FlowName, LinkId, RecordId};
use duet_core::reconcile::{Needs, needs};
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use duet_core::value::Value;
use duet_ports::store::{StoreError, Unit};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One link's part of a batch.
pub(crate) struct Case {
    /// Its facts as loaded.
    pub(crate) facts: Facts,
    /// What happened to it, in order.
    pub(crate) events: Vec<Event>,
    /// Causes, in words.
    pub(crate) causes: BTreeSet<&'static str>,
    /// Its flow.
    pub(crate) spec: Arc<FlowSpec>,
}

/// Fills claims, parents and holders of all cases.
pub(crate) async fn fill(unit: &mut dyn Unit, cases: &mut [Case]) -> Result<(), StoreError> {
    let needs: Vec<Needs> =
        cases.iter().map(|case| needs(&case.facts, &case.events, &case.spec)).collect();
    let claims = claims(unit, cases, &needs).await?;
    let parents = parents(unit, &needs).await?;
    let holders = holders(unit, cases, &needs).await?;
    let rivals = rivals(unit, cases, &needs).await?;
    for (case, needs) in cases.iter_mut().zip(&needs) {
        case.facts.claims = claims_of(case, needs, &claims);
        case.facts.parents = parents_of(needs, &parents);
        case.facts.holders = holders_of(case, needs, &holders);
        case.facts.rivals = rivals_of(case, needs, &rivals);
    }
    Ok(())
}

async fn claims(
    unit: &mut dyn Unit,
    cases: &[Case],
    needs: &[Needs],
) -> Result<Vec<(FlowName, Claim)>, StoreError> {
    let keys: BTreeSet<(FlowName, usize, String)> = cases
        .iter()
        .zip(needs)
        .flat_map(|(case, needs)| {
            needs.keys.iter().map(|(rule, key)| (case.spec.name.clone(), *rule, key.clone()))
        })
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    unit.claims(&keys.into_iter().collect::<Vec<_>>()).await
}

async fn parents(unit: &mut dyn Unit, needs: &[Needs]) -> Result<Vec<Parent>, StoreError> {
    let records: BTreeSet<(FlowName, Side, RecordId)> =
        needs.iter().flat_map(|needs| needs.parents.iter().cloned()).collect();
    let links: BTreeSet<LinkId> =
        needs.iter().flat_map(|needs| needs.parent_links.iter().copied()).collect();
    if records.is_empty() && links.is_empty() {
        return Ok(Vec::new());
    }
    unit.parents(&records.into_iter().collect::<Vec<_>>(), &links.into_iter().collect::<Vec<_>>())
        .await
}

async fn holders(
    unit: &mut dyn Unit,
    cases: &[Case],
    needs: &[Needs],
) -> Result<Vec<(FlowName, Holder)>, StoreError> {
    let records: BTreeSet<(FlowName, Side, RecordId)> = cases
        .iter()
        .zip(needs)
        .flat_map(|(case, needs)| {
            let flow = &case.spec.name;
            needs.holders.iter().map(|(side, record)| (flow.clone(), *side, record.clone()))
        })
        .collect();
    if records.is_empty() {
        return Ok(Vec::new());
    }
    unit.holders(&records.into_iter().collect::<Vec<_>>()).await
}

async fn rivals(
    unit: &mut dyn Unit,
    cases: &[Case],
    needs: &[Needs],
) -> Result<Vec<(FlowName, Rival)>, StoreError> {
    let values: BTreeSet<(FlowName, Side, Column, Value)> = cases
        .iter()
        .zip(needs)
        .flat_map(|(case, needs)| {
            let flow = &case.spec.name;
            let one = |(side, column, value): &(Side, Column, Value)| {
                (flow.clone(), *side, column.clone(), value.clone())
            };
            needs.rivals.iter().map(one)
        })
        .collect();
    if values.is_empty() {
        return Ok(Vec::new());
    }
    unit.rivals(&values.into_iter().collect::<Vec<_>>()).await
}

fn claims_of(case: &Case, needs: &Needs, all: &[(FlowName, Claim)]) -> Vec<Claim> {
    let wanted: BTreeSet<(usize, &str)> =
        needs.keys.iter().map(|(rule, key)| (*rule, key.as_str())).collect();
    all.iter()
        .filter(|(flow, claim)| {
            *flow == case.spec.name && wanted.contains(&(claim.rule, claim.key.as_str()))
        })
        .map(|(_, claim)| claim.clone())
        .collect()
}

fn rivals_of(case: &Case, needs: &Needs, all: &[(FlowName, Rival)]) -> Vec<Rival> {
    let asked = |rival: &Rival| {
        needs.rivals.iter().any(|(side, column, value)| {
            (*side, column, value) == (rival.side, &rival.column, &rival.held)
        })
    };
    all.iter()
        .filter(|(flow, rival)| *flow == case.spec.name && asked(rival))
        .filter(|(_, rival)| rival.link != case.facts.link.id)
        .map(|(_, rival)| rival.clone())
        .collect()
}

fn parents_of(needs: &Needs, all: &[Parent]) -> Vec<Parent> {
    let named = |parent: &Parent| {
        needs.parent_links.contains(&parent.link)
            || needs.parents.iter().any(|(flow, side, record)| {
                *flow == parent.flow
                    && (parent.record.get(*side).as_ref() == Some(record)
                        || parent
                            .aliases
                            .iter()
                            .any(|alias| alias.side == *side && alias.record == *record))
            })
    };
    all.iter().filter(|parent| named(parent)).cloned().collect()
}

fn holders_of(case: &Case, needs: &Needs, all: &[(FlowName, Holder)]) -> Vec<Holder> {
    all.iter()
        .filter(|(flow, holder)| {
            *flow == case.spec.name
                && needs
                    .holders
                    .iter()
                    .any(|(side, record)| *side == holder.side && *record == holder.record)
        })
        .map(|(_, holder)| holder.clone())
        .collect()
}
