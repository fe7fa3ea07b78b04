//! Reads: records by id as they are now, and all records page by page. Writes nothing.

use crate::query::Rows;
use crate::salesforce::Org;
use crate::soql;
use crate::view::{Reading, View};
use duet_core::id::RecordId;
use duet_core::observation::Source;
use duet_core::retry::FailureClass;
use duet_ports::connector::{Collection, ConnectorError, Page, Position, Record};
use tokio::time::Instant;

/// Rows of one page of a scan: what one answer of the platform holds.
const PAGE_MAX: usize = 2_000;

/// Reads records by id, in the order asked.
pub(crate) async fn read(
    org: &Org,
    collection: &Collection,
    records: &[RecordId],
    until: Instant,
) -> Result<Vec<Record>, ConnectorError> {
    let view = org.view(collection, until).await?;
    let asked = Reading { at: org.rest.clock.now(), source: Source::Read };
    let found = org.rest.rows_by_id(&view, &usable(records), Source::Read, until).await?;
    let answer = |id: &RecordId| match long(id).and_then(|long| found.get(&long)) {
        Some(record) => Record { record: id.clone(), observation: record.observation.clone() },
        None => View::missing(id, asked),
    };
    Ok(records.iter().map(answer).collect())
}

/// The ids that can be asked for; anything else names no record.
pub(crate) fn usable(records: &[RecordId]) -> Vec<RecordId> {
    records.iter().filter_map(long).collect()
}

/// The 18-character form of an id.
pub(crate) fn long(id: &RecordId) -> Option<RecordId> {
    crate::record_id::record(id.as_str())
}

/// Reads the records that meet the flow's filter, in the order of their ids.
pub(crate) async fn scan(
    org: &Org,
    collection: &Collection,
    after: Option<&Position>,
    limit: usize,
    until: Instant,
) -> Result<Page, ConnectorError> {
    let view = org.view(collection, until).await?;
    let after = match after {
        None => None,
        Some(position) => Some(crate::record_id::long(&position.0).ok_or_else(|| {
            org.rest.error(FailureClass::Poison, "POSITION", "no position of a scan")
        })?),
    };
    let estimate = match &after {
        None => Some(org.count(&view.object.name, view.filter.as_deref(), until).await?),
        Some(_) => None,
    };
    let limit = limit.clamp(1, PAGE_MAX);
    let soql = page_of(&view, after.as_deref(), limit);
    let found = org.rest.query(Rows::Live, &soql, until).await?;
    let reading = Reading { at: found.sent_at, source: Source::Scan };
    let records: Vec<Record> =
        found.rows.iter().filter_map(|row| view.record(row, reading)).collect();
    let full = found.rows.len() >= limit;
    let next = records.last().filter(|_| full).map(|last| Position(last.record.to_string()));
    Ok(Page { records, next, estimate })
}

fn page_of(view: &View, after: Option<&str>, limit: usize) -> String {
    let after = after.map(|id| format!("Id > {}", soql::quoted(id)));
    let filter = view.filter.as_ref().map(|filter| format!("({filter})"));
    let conditions: Vec<String> = after.into_iter().chain(filter).collect();
    let condition = match conditions.as_slice() {
        [] => String::new(),
        some => format!(" WHERE {}", some.join(" AND ")),
    };
    format!("{}{condition} ORDER BY Id LIMIT {limit}", view.select())
}
