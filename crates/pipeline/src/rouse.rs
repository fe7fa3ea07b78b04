//! Rouse: makes every link of a flow due, so that the sweep decides all of them again: after an
//! adoption, and when a flow goes on that was paused (what changed meanwhile was only recorded).

use crate::context::Context;
use crate::error::StageError;
use duet_core::id::{FlowName, LinkId};
use duet_core::link::Phase;

/// Links in one transaction.
const PAGE: u64 = 500;

/// Makes all links of a flow due.
///
/// Idempotence: a link that is decided again with nothing new is an echo.
///
/// # Errors
/// When the store can't be reached: do it again.
pub async fn all(context: &Context, flow: &FlowName) -> Result<(), StageError> {
    let mut after = None;
    while let Some(last) = page(context, flow, after).await? {
        after = Some(last);
    }
    Ok(())
}

/// Makes the links due that come after this one, some of them. The last of them; `None`: there are
/// none.
///
/// # Errors
/// When the store can't be reached.
pub(crate) async fn page(
    context: &Context,
    flow: &FlowName,
    after: Option<LinkId>,
) -> Result<Option<LinkId>, StageError> {
    let page = context.store.links(flow, &[], after, PAGE).await?;
    let Some(last) = page.last().map(|link| link.id) else { return Ok(None) };
    let live = page.iter().filter(|link| link.phase != Phase::Joined);
    let links: Vec<LinkId> = live.map(|link| link.id).collect();
    let mut unit = context.store.begin().await?;
    let locked: Vec<LinkId> =
        unit.lock(&links, false).await?.into_iter().map(|(link, _)| link).collect();
    unit.touch(&locked, context.clock.now()).await?;
    unit.commit().await?;
    Ok(Some(last))
}
