//! Deletes: a pre-read of the batch, one collections call, and the deleted rows read afterwards.
//! The platform knows no conditional delete, so what was deleted is shown to who decided it.

use super::{Task, failure_of, found, ids_in_address, unfit};
use crate::rest::Ask;
use crate::wire::SaveResult;
use duet_core::id::RecordId;
use duet_core::intent::Outcome;
use duet_core::observation::{Observation, Source};
use duet_core::retry::FailureClass;
use duet_ports::connector::ConnectorError;
use reqwest::Method;

/// Deletes the records of a batch.
pub(super) async fn delete(task: &mut Task<'_>) -> Result<(), ConnectorError> {
    let open = task.open();
    task.pre_read(&open).await?;
    let open: Vec<(usize, RecordId)> =
        task.open().into_iter().filter_map(|place| Some((place, task.id(place)?))).collect();
    for chunk in open.chunks(task.org.batch) {
        let (places, ids): (Vec<usize>, Vec<RecordId>) = chunk.iter().cloned().unzip();
        match send(task, &ids).await {
            Ok(results) => settle(task, chunk, results).await,
            Err(error) => return task.fail(&places, error),
        }
    }
    Ok(())
}

async fn send(task: &Task<'_>, ids: &[RecordId]) -> Result<Vec<SaveResult>, ConnectorError> {
    let list = ids_in_address(ids);
    let resource = format!("composite/sobjects?ids={list}&allOrNone=false");
    let ask = Ask::write(Method::DELETE, task.org.rest.path(&resource), None);
    let answer = task.org.rest.send(&ask, task.until).await?;
    let results: Vec<SaveResult> = task.org.rest.json(&answer)?;
    if results.len() != ids.len() {
        return Err(unfit(task.org, "the number of results isn't that of the records"));
    }
    Ok(results)
}

async fn settle(task: &mut Task<'_>, chunk: &[(usize, RecordId)], results: Vec<SaveResult>) {
    let ids: Vec<RecordId> = chunk.iter().map(|(_, id)| id.clone()).collect();
    let source = Source::WriteAnswer;
    // Without the rows the deletions stand all the same; only their last values stay unread.
    let rows = task.org.rest.rows_by_id(&task.view, &ids, source, task.until).await;
    let rows = rows.unwrap_or_default();
    for ((place, id), result) in chunk.iter().zip(results) {
        let row = rows.get(id);
        if result.success {
            let after = row.map(|row| Box::<Observation>::new(row.observation.clone()));
            task.set(*place, Outcome::Landed { record: id.clone(), after });
            continue;
        }
        let failure = failure_of(&result.errors, 200);
        let shown = matches!(failure.class, FailureClass::Gone | FailureClass::Restricted);
        let observed = row.filter(|_| shown).map(|row| Box::new(found(row)));
        task.set(*place, Outcome::Refused { failure, observed });
    }
}
