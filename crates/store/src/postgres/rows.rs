//! Rows of hand-written statements, read by column name into the same models as lists use.

use crate::entity::{conflicts, intents, links};
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

pub(super) fn link(row: &PgRow) -> Result<links::Model, Error> {
    Ok(links::Model {
        id: row.try_get("id")?,
        flow: row.try_get("flow")?,
        rev: row.try_get("rev")?,
        phase: row.try_get("phase")?,
        left_id: row.try_get("left_id")?,
        right_id: row.try_get("right_id")?,
        synced_at: row.try_get("synced_at")?,
        synced_left: row.try_get("synced_left")?,
        synced_right: row.try_get("synced_right")?,
        due_at: row.try_get("due_at")?,
        waits: row.try_get("waits")?,
        created_at: row.try_get("created_at")?,
        memory: row.try_get("memory")?,
    })
}

pub(super) fn intent(row: &PgRow) -> Result<intents::Model, Error> {
    Ok(intents::Model {
        id: row.try_get("id")?,
        link: row.try_get("link")?,
        flow: row.try_get("flow")?,
        side: row.try_get("side")?,
        connection: row.try_get("connection")?,
        op: row.try_get("op")?,
        path: row.try_get("path")?,
        state: row.try_get("state")?,
        record: row.try_get("record")?,
        attempts: row.try_get("attempts")?,
        due_at: row.try_get("due_at")?,
        sent_at: row.try_get("sent_at")?,
        deadline: row.try_get("deadline")?,
        planned_at: row.try_get("planned_at")?,
        landed_at: row.try_get("landed_at")?,
        failure: row.try_get("failure")?,
        form: row.try_get("form")?,
        data: row.try_get("data")?,
    })
}

pub(super) fn conflict(row: &PgRow) -> Result<conflicts::Model, Error> {
    Ok(conflicts::Model {
        id: row.try_get("id")?,
        link: row.try_get("link")?,
        flow: row.try_get("flow")?,
        kind: row.try_get("kind")?,
        field: row.try_get("field")?,
        seen: row.try_get("seen")?,
        rev: row.try_get("rev")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        resolution: row.try_get("resolution")?,
        opened_at: row.try_get("opened_at")?,
        until: row.try_get("until")?,
        closed_at: row.try_get("closed_at")?,
        form: row.try_get("form")?,
        data: row.try_get("data")?,
    })
}
