//! Dead letters: stored, listed, asked for, given up, and over as soon as what is newer counts.

use super::SqlStore;
use crate::entity::dead_letters::{self, Column, Model};
use crate::session::Session;
use crate::statement::{Query, Statement};
use crate::stored::{from_name, name_of};
use duet_core::id::{FlowName, RecordId};
use duet_core::side::Side;
use duet_core::stamp::Stamp;
use duet_ports::inspect::{Accepted, DeadLetterRow, LetterChange, LetterFilter, LetterState};
use duet_ports::store::{DeadLetter, SeenRecord, StoreError};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

/// A version of a record dies once: whoever looks at it again tells nothing new, also after it was
/// given up.
const BURY: Statement = Statement {
    what: "store dead letters",
    postgres: "
INSERT INTO dead_letters (at, flow, side, record, read_at, version, place, reason, body, state)
SELECT $9, flow, side, record, read_at, version, place, reason, body, 'open'
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
        $7::text[], $8::bytea[])
    WITH ORDINALITY AS n(flow, side, record, read_at, version, place, reason, body, number)
WHERE NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.flow = n.flow AND d.side = n.side
    AND d.record = n.record AND d.version = n.version AND d.state <> 'superseded')
ORDER BY number",
    sqlite: "
INSERT INTO dead_letters (at, flow, side, record, read_at, version, place, reason, body, state)
SELECT $9, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6, unhex(value ->> 7), 'open'
FROM json_each($1) AS n
WHERE NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.flow = n.value ->> 0
    AND d.side = n.value ->> 1 AND d.record = n.value ->> 2 AND d.version = n.value ->> 4
    AND d.state <> 'superseded')
ORDER BY n.key",
};

const SUPERSEDE: Statement = Statement {
    what: "end dead letters",
    postgres: "
UPDATE dead_letters d SET state = 'superseded', closed_at = $6
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
    AS s(flow, side, record, read_at, died)
WHERE d.closed_at IS NULL AND d.flow = s.flow AND d.side = s.side AND d.record = s.record
    AND d.read_at <= s.read_at AND (s.died IS NULL OR d.version IS NULL OR d.version <> s.died)",
    sqlite: "
UPDATE dead_letters AS d SET state = 'superseded', closed_at = $6
FROM (SELECT value ->> 0 AS flow, value ->> 1 AS side, value ->> 2 AS record,
        value ->> 3 AS read_at, value ->> 4 AS died FROM json_each($1)) AS s
WHERE d.closed_at IS NULL AND d.flow = s.flow AND d.side = s.side AND d.record = s.record
    AND d.read_at <= s.read_at AND (s.died IS NULL OR d.version IS NULL OR d.version <> s.died)",
};

const CHANGE: Statement = Statement::same(
    "change a dead letter",
    "UPDATE dead_letters SET state = $2, closed_at = $3, handled_by = coalesce($4, handled_by),
    note = coalesce($5, note)
WHERE id = $1 AND closed_at IS NULL RETURNING id",
);

const STATES: [LetterState; 5] = [
    LetterState::Open,
    LetterState::Asked,
    LetterState::Replayed,
    LetterState::Discarded,
    LetterState::Superseded,
];

/// Stores dead letters. Nothing about one may be refused any more: NUL becomes a visible sign.
pub(super) async fn bury(
    session: &mut Session<'_>,
    dead: &[DeadLetter],
    now: Stamp,
) -> Result<(), StoreError> {
    if dead.is_empty() {
        return Ok(());
    }
    let flow = |one: &DeadLetter| one.flow.as_ref().map(|flow| shown(flow.as_str()));
    let record = |one: &DeadLetter| one.record.as_ref().map(|record| shown(record.as_str()));
    let query = Query::new(&BURY)
        .column(dead.iter().map(flow))
        .column(dead.iter().map(|one| one.side.map(Side::as_str)))
        .column(dead.iter().map(record))
        .column(dead.iter().map(|one| one.read_at.map(|at| at.0)))
        .column(dead.iter().map(|one| one.version.as_deref().map(shown)))
        .column(dead.iter().map(|one| shown(&one.place)))
        .column(dead.iter().map(|one| shown(&one.reason)))
        .column(dead.iter().map(|one| one.body.as_slice()))
        .bind(now.0);
    session.run(query).await
}

pub(super) async fn supersede(
    session: &mut Session<'_>,
    seen: &[SeenRecord<'_>],
    now: Stamp,
) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    let query = Query::new(&SUPERSEDE)
        .column(seen.iter().map(|one| shown(one.flow.as_str())))
        .column(seen.iter().map(|one| one.side.as_str()))
        .column(seen.iter().map(|one| shown(one.record.as_str())))
        .column(seen.iter().map(|one| one.read_at.0))
        .column(seen.iter().map(|one| one.died.map(shown)))
        .bind(now.0);
    session.run(query).await
}

impl SqlStore {
    pub(super) async fn list_dead_letters(
        &self,
        filter: &LetterFilter,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        let states: Vec<LetterState> = match filter.states.as_slice() {
            [] => STATES.into_iter().filter(|state| state.is_open()).collect(),
            states => states.to_vec(),
        };
        let flow = filter.flow.as_ref().map(|flow| Column::Flow.eq(shown(flow.as_str())));
        let wanted = Condition::all()
            .add(Column::State.is_in(states.into_iter().map(name_of)))
            .add_option(flow);
        self.letters(wanted, filter.limit).await
    }

    pub(super) async fn one_dead_letter(
        &self,
        id: i64,
    ) -> Result<Option<DeadLetterRow>, StoreError> {
        Ok(self.letters(Condition::all().add(Column::Id.eq(id)), 1).await?.pop())
    }

    async fn letters(
        &self,
        wanted: Condition,
        most: u64,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        let size = Func::cust("octet_length").arg(Expr::col(Column::Body));
        let rows: Vec<Row> = dead_letters::Entity::find()
            .select_only()
            .columns([Column::Id, Column::At, Column::Flow, Column::Side, Column::Record])
            .columns([Column::Place, Column::Reason])
            .expr(size)
            .columns([Column::State, Column::HandledBy, Column::Note, Column::ClosedAt])
            .filter(wanted)
            .order_by_asc(Column::Id)
            .limit(most)
            .into_tuple()
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list dead letters"))?;
        rows.into_iter().map(letter).collect()
    }

    pub(super) async fn letters_asked_for(
        &self,
        flows: &[FlowName],
        limit: u64,
    ) -> Result<Vec<(DeadLetterRow, Vec<u8>)>, StoreError> {
        let rows = dead_letters::Entity::find()
            .filter(Column::ClosedAt.is_null())
            .filter(Column::State.eq(name_of(LetterState::Asked)))
            .filter(Column::Flow.is_in(flows.iter().map(FlowName::as_str)))
            .filter(Column::Side.is_not_null())
            .filter(Column::Record.is_not_null())
            .order_by_asc(Column::Id)
            .limit(limit)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list dead letters"))?;
        let whole = |row: Model| {
            let Model { id, at, flow, side, record, place, reason, body, .. } = row;
            let bytes = i32::try_from(body.len()).unwrap_or(i32::MAX);
            let Model { state, handled_by, note, closed_at, .. } = row;
            let row = (
                id, at, flow, side, record, place, reason, bytes, state, handled_by, note,
                closed_at,
            );
            Ok((letter(row)?, body))
        };
        rows.into_iter().map(whole).collect()
    }

    pub(super) async fn change_dead_letter(
        &self,
        id: i64,
        change: &LetterChange,
        now: Stamp,
    ) -> Result<Accepted, StoreError> {
        let closed_at = (!change.state.is_open()).then_some(now.0);
        let change = Query::new(&CHANGE)
            .bind(id)
            .bind(name_of(change.state))
            .bind(closed_at)
            .bind(change.by.as_deref().map(shown))
            .bind(change.note.as_deref().map(shown));
        let changed = self.write(change).await?;
        Ok(if changed.is_some() { Accepted::Yes } else { Accepted::Gone })
    }
}

fn shown(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A row without its body, whose length stands in its place.
type Row = (
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
    String,
    String,
    i32,
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
);

fn letter(row: Row) -> Result<DeadLetterRow, StoreError> {
    let (id, at, flow, side, record, place, reason, bytes, state, handled_by, note, closed_at) =
        row;
    let side = side.map(|side| from_name("side of a dead letter", &side)).transpose()?;
    Ok(DeadLetterRow {
        id,
        at: Stamp(at),
        flow: flow.map(FlowName::new),
        side,
        record: record.map(RecordId::new),
        place,
        reason,
        bytes: u64::from(bytes.unsigned_abs()),
        state: from_name("state of a dead letter", &state)?,
        handled_by,
        note,
        closed_at: closed_at.map(Stamp),
    })
}
