//! Storing a batch of verdicts: links first, then what hangs on them, then whom to wake.

use super::save_claims as claims;
use super::save_effects as effect;
use super::save_field_errors as field_errors;
use super::save_links as own;
use crate::batch::{Batch, Known};
use crate::effects::Effects;
use crate::session::Session;
use duet_core::id::LinkId;
use duet_core::stamp::Stamp;
use duet_ports::store::{Decided, StoreError};
use std::collections::HashMap;

pub(super) async fn save(
    session: &mut Session<'_>,
    known: &mut HashMap<LinkId, Known>,
    decided: &[Decided],
    now: Stamp,
) -> Result<Vec<LinkId>, StoreError> {
    for one in decided {
        check_rev(known, one)?;
    }
    let batch = Batch::of(decided, known)?;
    let effects = Effects::of(decided)?;
    own::links(session, &batch).await?;
    own::contents(session, &batch).await?;
    effect::intents(session, &effects).await?;
    effect::conflicts(session, &effects).await?;
    claims::claims(session, &effects).await?;
    claims::waits(session, &effects).await?;
    effect::deletes(session, &effects, now).await?;
    field_errors::save(session, &effects).await?;
    own::decisions(session, decided, now).await?;
    for one in decided {
        move_on(known, one);
    }
    claims::wake(session, &effects, now).await
}

/// A verdict counts only for the revision it was made from, and only under that link's lock.
fn check_rev(known: &HashMap<LinkId, Known>, one: &Decided) -> Result<(), StoreError> {
    let link = one.verdict.link.id;
    match known.get(&link) {
        Some(known) if known.rev == one.from_rev => Ok(()),
        Some(_) | None => Err(StoreError::StaleLink { link }),
    }
}

/// What was loaded is no longer what is stored: a further verdict writes its link whole.
fn move_on(known: &mut HashMap<LinkId, Known>, one: &Decided) {
    if let Some(known) = known.get_mut(&one.verdict.link.id).filter(|_| one.verdict.changed) {
        *known = Known { rev: one.verdict.link.rev, stored: None };
    }
}
