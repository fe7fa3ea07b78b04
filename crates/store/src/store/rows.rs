//! Rows of hand-written statements, read by column name into the same models as lists use.

use crate::entity::{conflicts, intents, links};
use crate::session::Row;
use duet_ports::store::StoreError;

pub(super) fn link(row: &Row) -> Result<links::Model, StoreError> {
    Ok(links::Model {
        id: row.get("id")?,
        flow: row.get("flow")?,
        rev: row.get("rev")?,
        phase: row.get("phase")?,
        left_id: row.get("left_id")?,
        right_id: row.get("right_id")?,
        synced_at: row.get("synced_at")?,
        synced_left: row.get("synced_left")?,
        synced_right: row.get("synced_right")?,
        due_at: row.get("due_at")?,
        waits: row.get("waits")?,
        created_at: row.get("created_at")?,
        memory: row.get("memory")?,
    })
}

pub(super) fn intent(row: &Row) -> Result<intents::Model, StoreError> {
    Ok(intents::Model {
        id: row.get("id")?,
        link: row.get("link")?,
        flow: row.get("flow")?,
        side: row.get("side")?,
        connection: row.get("connection")?,
        op: row.get("op")?,
        path: row.get("path")?,
        state: row.get("state")?,
        record: row.get("record")?,
        attempts: row.get("attempts")?,
        due_at: row.get("due_at")?,
        sent_at: row.get("sent_at")?,
        deadline: row.get("deadline")?,
        planned_at: row.get("planned_at")?,
        landed_at: row.get("landed_at")?,
        failure: row.get("failure")?,
        form: row.get("form")?,
        data: row.get("data")?,
    })
}

pub(super) fn conflict(row: &Row) -> Result<conflicts::Model, StoreError> {
    Ok(conflicts::Model {
        id: row.get("id")?,
        link: row.get("link")?,
        flow: row.get("flow")?,
        kind: row.get("kind")?,
        field: row.get("field")?,
        seen: row.get("seen")?,
        rev: row.get("rev")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        resolution: row.get("resolution")?,
        opened_at: row.get("opened_at")?,
        until: row.get("until")?,
        closed_at: row.get("closed_at")?,
        form: row.get("form")?,
        data: row.get("data")?,
    })
}
