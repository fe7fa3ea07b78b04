//! One statement for many records; where the server refuses it, for halves, down to the one record
//! that is to blame. Its neighbours pass.

use super::Work;
use super::prepare::Item;
use crate::error::{failure, is_about_rows};
use crate::sql::{Sql, writes};
use duet_core::id::RecordId;
use duet_core::intent::Op;
use duet_core::retry::Failure;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// What became of an item: written under this id, not written for no reason given, or refused.
pub(super) type Fate = Result<Option<RecordId>, Failure>;

impl Work<'_> {
    /// Writes items, those that set the same columns together. One fate per item.
    pub(super) async fn piecewise(
        &self,
        connection: &mut PgConnection,
        items: Vec<Item>,
    ) -> Result<Vec<(Item, Fate)>, sqlx::Error> {
        let mut groups: BTreeMap<_, Vec<Item>> = BTreeMap::new();
        for item in items {
            // An insert whose id nobody knows before must be alone, to know which id is its own.
            let alone = item.record.is_none().then_some(item.at);
            groups.entry((item.columns.clone(), alone)).or_default().push(item);
        }
        let mut fates = Vec::new();
        let mut pieces: Vec<Vec<Item>> = groups.into_values().rev().collect();
        while let Some(piece) = pieces.pop() {
            match self.piece(connection, &piece).await? {
                Piece::Written(written) => fates.extend(piece.into_iter().zip(written)),
                Piece::Split => {
                    let mut front = piece;
                    let back = front.split_off(front.len() / 2);
                    pieces.extend([back, front]);
                }
            }
        }
        Ok(fates)
    }

    async fn piece(
        &self,
        connection: &mut PgConnection,
        items: &[Item],
    ) -> Result<Piece, sqlx::Error> {
        sqlx::query(writes::SAVEPOINT).execute(&mut *connection).await?;
        let answer = match self.execute(connection, items).await {
            Ok(ids) => attributed(items, ids).map(Piece::Written),
            Err(error) if is_about_rows(&error) && items.len() == 1 => {
                sqlx::raw_sql(writes::BACK).execute(&mut *connection).await?;
                return Ok(Piece::Written(vec![Err(failure(&error, self.doing()))]));
            }
            Err(error) if is_about_rows(&error) => None,
            Err(error) => return Err(error),
        };
        let end = if answer.is_some() { writes::RELEASE } else { writes::BACK };
        sqlx::raw_sql(end).execute(&mut *connection).await?;
        Ok(answer.unwrap_or(Piece::Split))
    }

    async fn execute(
        &self,
        connection: &mut PgConnection,
        items: &[Item],
    ) -> Result<Vec<RecordId>, sqlx::Error> {
        let Some(first) = items.first() else { return Ok(Vec::new()) };
        if self.op == Op::Update && first.columns.is_empty() {
            // Nothing to set: the marker alone is to be left.
            return Ok(items.iter().filter_map(|item| item.record.clone()).collect());
        }
        let statement = self.statement(first);
        let mut query = sqlx::query_scalar::<_, String>(statement.text());
        if self.op != Op::Create {
            for part in 0..first.key.len() {
                query = query.bind(items.iter().map(|i| i.key[part].clone()).collect::<Vec<_>>());
            }
        }
        for cell in 0..first.cells.len() {
            query = query.bind(items.iter().map(|i| i.cells[cell].clone()).collect::<Vec<_>>());
        }
        let ids = query.fetch_all(connection).await?;
        Ok(ids.into_iter().map(RecordId::new).collect())
    }

    fn statement(&self, item: &Item) -> Sql {
        match self.op {
            Op::Create => writes::insert(&self.shape, &self.columns(&item.columns)),
            Op::Update => writes::update(&self.shape, &self.columns(&item.columns)),
            Op::Delete | Op::Undelete | Op::Read | Op::Find => writes::delete(&self.shape),
        }
    }
}

enum Piece {
    /// One fate per item.
    Written(Vec<Fate>),
    /// Refused as a whole, and taken back.
    Split,
}

/// Which id belongs to which item. `None`: an id that no item expects, so that nobody can tell.
fn attributed(items: &[Item], mut ids: Vec<RecordId>) -> Option<Vec<Fate>> {
    if items.len() == 1 {
        return Some(vec![Ok(ids.pop())]);
    }
    let fates: Vec<Fate> = items
        .iter()
        .map(|item| {
            let place = ids.iter().position(|id| Some(id) == item.record.as_ref());
            Ok(place.map(|place| ids.swap_remove(place)))
        })
        .collect();
    ids.is_empty().then_some(fates)
}
