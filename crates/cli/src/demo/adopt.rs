//! The morning: what exists on both sides is paired, and what one side lacks is made there.

use super::flows::{FLOWS, Flow};
use super::sample::Sample;
use super::stage::{Stage, all_records, begin_counts};
use super::teller::Teller;
use crate::exit::Failure;
use crate::output::count;
use duet_core::id::FlowName;
use duet_core::link::Phase;
use duet_pipeline::adopt::Survey;

/// Tells what there is, pairs it, starts duet, and waits until both sides have everything.
pub(crate) async fn adopt(
    stage: &mut Stage,
    teller: &Teller,
    sample: &Sample,
) -> Result<(), Failure> {
    opening(stage, teller, sample)?;
    teller.head("Pairing what exists on both sides")?;
    for flow in FLOWS {
        teller.wait_for(format!("pairing {}", flow.name));
        let survey = stage.adopt(flow, &|_| {}).await?;
        teller.say(flow.name, &paired(&survey))?;
    }
    stage.start();
    teller.wait_for("making what one side lacks".to_owned());
    let everything = all_records(sample);
    stage
        .until("each record stands on both sides", async || {
            for (flow, wanted) in &everything {
                if linked(stage, flow).await? < *wanted {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await?;
    stage.rest("duet has done what followed from the pairing").await?;
    let mut made = (0, 0);
    for (flow, all) in everything {
        let (left, right) = begin_counts(sample, flow);
        made = (made.0 + all - left, made.1 + all - right);
    }
    let text = format!("{} in Salesforce, {} in the shop: what the other side had", made.0, made.1);
    teller.say("made", &text)
}

/// What there is to begin with.
fn opening(stage: &Stage, teller: &Teller, sample: &Sample) -> Result<(), Failure> {
    teller.line("duet keeps a shop (a SQLite file) and Salesforce (an emulator) in agreement")?;
    teller.line("")?;
    teller.say("folder", &stage.folder)?;
    let counts = |of: fn((usize, usize)) -> usize| {
        let told = FLOWS.map(|flow| format!("{} {}", of(begin_counts(sample, flow)), flow.name));
        told.join(", ")
    };
    teller.say("shop", &format!("{}; Sam works there", counts(|(_, right)| right)))?;
    teller.say("Salesforce", &format!("{}; Petra works there", counts(|(left, _)| left)))
}

/// Records of a flow that stand on both sides.
async fn linked(stage: &Stage, flow: &Flow) -> Result<usize, Failure> {
    let counts = stage.context.store.counts(&FlowName::from(flow.name)).await?;
    let linked = counts.phases.iter().find(|(phase, _)| *phase == Phase::Linked);
    Ok(linked.map_or(0, |(_, count)| usize::try_from(*count).unwrap_or(usize::MAX)))
}

fn paired(survey: &Survey) -> String {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let by_rule = |rule| survey.matched.iter().filter(|one| one.rule == rule).count();
    let mut parts = vec![count(number(survey.matched.len()), "pair", "pairs")];
    if by_rule(1) > 0 {
        parts.push(format!("{} by the shop's key, {} by e-mail", by_rule(0), by_rule(1)));
    }
    let differing = survey.matched.iter().filter(|pair| !pair.differing.is_empty()).count();
    if differing > 0 {
        parts.push(format!("{differing} differ (gaps are filled, the rest waits for a person)"));
    }
    for (count, side) in [
        (survey.only.left.len(), "only in Salesforce"),
        (survey.only.right.len(), "only in the shop"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {side}"));
        }
    }
    parts.join("; ")
}
