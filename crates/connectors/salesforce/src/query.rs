//! Queries: pages followed to their end, lists of ids cut to what an address may hold, the flow's
//! filter asked apart so that records outside it are seen as such.

use crate::rest::{Ask, Rest};
use crate::soql;
use crate::view::{Reading, View};
use crate::wire::{QueryPage, Row};
use duet_core::id::RecordId;
use duet_core::observation::{Absence, Presence, Source};
use duet_core::retry::FailureClass;
use duet_core::stamp::Stamp;
use duet_ports::connector::{ConnectorError, Record};
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Address and headers may have 16,384 bytes; the token alone may take 2,000 of them.
pub(crate) const ADDRESS_BYTES_MAX: usize = 12_000;
/// A query of ours never has more rows than a few pages, however short they are.
const PAGES_MAX: usize = 500;

/// Which rows a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Live ones.
    Live,
    /// Deleted ones too.
    All,
}

/// What a query found.
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) total: u64,
    pub(crate) sent_at: Stamp,
}

impl Rest {
    /// Runs a query to its last page.
    pub(crate) async fn query(
        &self,
        rows: Rows,
        soql: &str,
        until: Instant,
    ) -> Result<Found, ConnectorError> {
        let first = self.send(&Ask::get(self.query_path(rows, soql)), until).await?;
        let mut page: QueryPage = self.json(&first)?;
        let (mut all, mut pages) = (std::mem::take(&mut page.records), 1);
        while !page.done {
            let next = page.next.take().filter(|next| next.starts_with("/services/data/"));
            let Some(next) = next.filter(|_| pages < PAGES_MAX) else {
                return Err(self.error(FailureClass::Poison, "PAGES", "the pages don't end"));
            };
            page = self.json(&self.send(&Ask::get(next), until).await?)?;
            all.append(&mut page.records);
            pages += 1;
        }
        Ok(Found { rows: all, total: page.total, sent_at: first.sent_at })
    }

    pub(crate) fn query_path(&self, rows: Rows, soql: &str) -> String {
        let resource = match rows {
            Rows::Live => "query",
            Rows::All => "queryAll",
        };
        format!("{}?q={}", self.path(resource), encoded(soql))
    }

    /// The records with these ids, deleted ones too, with their presence in the flow's filter.
    pub(crate) async fn rows_by_id(
        &self,
        view: &View,
        ids: &[RecordId],
        source: Source,
        until: Instant,
    ) -> Result<BTreeMap<RecordId, Record>, ConnectorError> {
        let mut records = Vec::new();
        let select = format!("{} WHERE ", view.select());
        for chunk in chunks(ids, &select) {
            let soql = format!("{select}{}", by_ids(chunk));
            let found = self.query(Rows::All, &soql, until).await?;
            records.extend(self.records(view, &found, source)?);
        }
        self.mark_outside(view, &mut records, until).await?;
        Ok(records.into_iter().map(|one| (one.record.clone(), one)).collect())
    }

    /// Rows as records, their presence in the filter asked for.
    pub(crate) async fn observed(
        &self,
        view: &View,
        found: &Found,
        source: Source,
        until: Instant,
    ) -> Result<Vec<Record>, ConnectorError> {
        let mut records = self.records(view, found, source)?;
        self.mark_outside(view, &mut records, until).await?;
        Ok(records)
    }

    /// Rows as records, whether they meet the filter or not.
    pub(crate) fn records(
        &self,
        view: &View,
        found: &Found,
        source: Source,
    ) -> Result<Vec<Record>, ConnectorError> {
        let reading = Reading { at: found.sent_at, source };
        let record = |row| {
            let text = "a row has no id or no stamp";
            view.record(row, reading).ok_or_else(|| self.error(FailureClass::Poison, "ROW", text))
        };
        found.rows.iter().map(record).collect()
    }

    /// Marks the records that are there but don't meet the flow's filter.
    pub(crate) async fn mark_outside(
        &self,
        view: &View,
        records: &mut [Record],
        until: Instant,
    ) -> Result<(), ConnectorError> {
        let Some(filter) = &view.filter else { return Ok(()) };
        let there = records.iter().filter(|one| one.observation.presence == Presence::Present);
        let ids: Vec<RecordId> = there.map(|one| one.record.clone()).collect();
        let mut inside = BTreeSet::new();
        for chunk in chunks(&ids, filter) {
            let soql = members(view, chunk, filter);
            let found = self.query(Rows::Live, &soql, until).await?;
            inside.extend(found.rows.iter().filter_map(row_id));
        }
        mark_outside(records, &inside);
        Ok(())
    }
}

/// Marks present records that aren't among these.
pub(crate) fn mark_outside(records: &mut [Record], inside: &BTreeSet<RecordId>) {
    for one in records {
        let presence = &mut one.observation.presence;
        if *presence == Presence::Present && !inside.contains(&one.record) {
            *presence = Presence::OutOfScope(Absence::Filter);
        }
    }
}

/// The query for those of these records that meet the filter.
pub(crate) fn members(view: &View, ids: &[RecordId], filter: &str) -> String {
    format!("SELECT Id FROM {} WHERE {} AND ({filter})", view.object.name, by_ids(ids))
}

/// The id of a row.
pub(crate) fn row_id(row: &Row) -> Option<RecordId> {
    row.text("Id").and_then(|id| crate::record_id::record(&id))
}

/// `Id IN (…)`.
pub(crate) fn by_ids(ids: &[RecordId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| soql::quoted(id.as_str())).collect();
    soql::is_in("Id", &ids)
}

/// Ids in lists that fit an address beside the rest of the query.
pub(crate) fn chunks<'a>(ids: &'a [RecordId], rest: &str) -> impl Iterator<Item = &'a [RecordId]> {
    // 18 letters, two quotes and a comma, each of the latter encoded as three.
    const ID_BYTES: usize = 18 + 9;
    let room = ADDRESS_BYTES_MAX.saturating_sub(encoded(rest).len() + 100);
    ids.chunks((room / ID_BYTES).max(1))
}

/// A text as part of an address.
pub(crate) fn encoded(text: &str) -> String {
    let mut url = Url::parse("http://localhost/").expect("a constant address");
    url.query_pairs_mut().append_pair("q", text);
    url.query().and_then(|query| query.strip_prefix("q=")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_the_address() {
        assert_eq!(encoded("a b+c&d='ä'"), "a+b%2Bc%26d%3D%27%C3%A4%27");
    }

    #[test]
    fn lists_of_ids_fit_an_address() {
        let ids: Vec<_> = (0..2000).map(|n| RecordId::new(format!("001{n:012}AAA"))).collect();
        let cut: Vec<_> = chunks(&ids, "SELECT Id").collect();
        assert_eq!(cut.iter().map(|chunk| chunk.len()).sum::<usize>(), 2000);
        for chunk in cut {
            assert!(encoded(&by_ids(chunk)).len() < ADDRESS_BYTES_MAX);
        }
    }
}
