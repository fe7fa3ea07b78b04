//! Queries and their cursors.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};

use super::{
    call::{Answer, Call},
    state::Context,
};
use crate::{
    error::ApiError,
    ids::Id,
    soql::{self, Plan, Select},
};

/// The most rows of one answer.
const PAGE_MAX: usize = 2_000;
/// The least page that a client can ask for.
const PAGE_MIN: usize = 200;
/// Open cursors of a user: one more drops the oldest.
const CURSORS_MAX: usize = 10;

/// A query whose rows are not all answered yet: its ids are fixed, its values are read later.
struct Cursor {
    id: Id,
    path: &'static str,
    plan: Arc<Plan>,
    ids: Arc<Vec<Id>>,
    page: usize,
}

/// The open cursors, oldest first.
#[derive(Default)]
pub(crate) struct Cursors {
    open: VecDeque<Cursor>,
    opened: u64,
}

impl Cursors {
    fn open(&mut self, path: &'static str, plan: Plan, ids: Vec<Id>, page: usize) -> &Cursor {
        self.opened += 1;
        let id = Id::numbered("01g", 0, self.opened);
        if self.open.len() == CURSORS_MAX {
            self.open.pop_front();
        }
        let (plan, ids) = (Arc::new(plan), Arc::new(ids));
        self.open.push_back(Cursor { id, path, plan, ids, page });
        self.open.back().expect("just pushed")
    }

    fn find(&self, locator: &str) -> Option<(&Cursor, usize)> {
        let (id, offset) = locator.rsplit_once('-')?;
        let id = Id::parse(id)?;
        let cursor = self.open.iter().find(|cursor| cursor.id == id)?;
        let offset = offset.parse().ok().filter(|at| *at <= cursor.ids.len())?;
        Some((cursor, offset))
    }
}

/// `/query?q=…` and `/queryAll?q=…`.
pub(crate) fn query(ctx: &mut Context<'_>, call: &Call, all: bool) -> Result<Answer, ApiError> {
    let statement = call
        .parameter("q")
        .ok_or_else(|| ApiError::bad("MALFORMED_QUERY", "A query has to be specified"))?;
    let statement = soql::parse(statement)?;
    let org = &ctx.state.org;
    let plan = soql::bind(&org.schema, &statement, ctx.actor.now_ms)?;
    let ids = soql::select(org, &plan, all, ctx.actor.now_ms);
    if plan.select == Select::Count {
        let body = json!({ "totalSize": ids.len(), "done": true, "records": [] });
        return Ok(Answer::json(200, body));
    }
    let page = page_size(call);
    let mut body = json!({ "totalSize": ids.len(), "done": ids.len() <= page });
    body["records"] = records(ctx, &plan, &ids[..ids.len().min(page)]);
    if ids.len() > page {
        let path = if all { "queryAll" } else { "query" };
        let cursor = ctx.state.cursors.open(path, plan, ids, page);
        body["nextRecordsUrl"] = next_url(&ctx.base, cursor, page);
    }
    Ok(Answer::json(200, body))
}

/// `/query/<locator>`, whichever call opened it.
pub(crate) fn more(ctx: &Context<'_>, locator: &str) -> Result<Answer, ApiError> {
    let (cursor, from) = ctx
        .state
        .cursors
        .find(locator)
        .ok_or_else(|| ApiError::bad("INVALID_QUERY_LOCATOR", "invalid query locator"))?;
    let to = cursor.ids.len().min(from + cursor.page);
    let done = to == cursor.ids.len();
    let mut body = json!({ "totalSize": cursor.ids.len(), "done": done });
    body["records"] = records(ctx, &cursor.plan, &cursor.ids[from..to]);
    if !done {
        body["nextRecordsUrl"] = next_url(&ctx.base, cursor, to);
    }
    Ok(Answer::json(200, body))
}

fn next_url(base: &str, cursor: &Cursor, offset: usize) -> Value {
    json!(format!("{base}/{}/{}-{offset}", cursor.path, cursor.id))
}

fn records(ctx: &Context<'_>, plan: &Plan, ids: &[Id]) -> Value {
    let (org, now) = (&ctx.state.org, ctx.actor.now_ms);
    let rows = ids.iter().filter_map(|id| org.view(plan.object, *id, now));
    rows.map(|row| soql::record(org, row, plan.object, &plan.columns, &ctx.base, now)).collect()
}

fn page_size(call: &Call) -> usize {
    let options = call.header("sforce-query-options").unwrap_or_default();
    let size = options.split(',').find_map(|option| {
        let (name, value) = option.split_once('=')?;
        name.trim().eq_ignore_ascii_case("batchSize").then(|| value.trim().parse().ok())?
    });
    size.unwrap_or(PAGE_MAX).clamp(PAGE_MIN, PAGE_MAX)
}
