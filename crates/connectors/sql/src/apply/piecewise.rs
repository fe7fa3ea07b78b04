//! One statement for many records; where the server refuses it, for halves, down to the one record
//! that is to blame. Its neighbours pass.

use super::Work;
use super::prepare::Item;
use crate::error::{failure, is_about_rows};
use crate::session::Session;
use crate::sql::{self, Line, Statement};
use duet_core::id::{Column, RecordId};
use duet_core::intent::Op;
use duet_core::retry::Failure;
use std::collections::BTreeMap;

/// What became of an item: written under this id, not written for no reason given, or refused.
pub(super) type Fate = Result<Option<RecordId>, Failure>;

impl Work<'_> {
    /// Writes items, those that set the same columns together. One fate per item.
    pub(super) async fn piecewise(
        &self,
        session: &mut Session,
        items: Vec<Item>,
    ) -> Result<Vec<(Item, Fate)>, sqlx::Error> {
        let mut groups: BTreeMap<_, Vec<Item>> = BTreeMap::new();
        for item in items {
            // An insert whose id nobody knows before must be alone, to know which id is its own.
            let alone = item.record.is_none().then_some(item.at);
            groups.entry((item.columns.clone(), alone)).or_default().push(item);
        }
        let mut fates = Vec::new();
        let mut pieces: Vec<Vec<Item>> =
            groups.into_values().flat_map(|group| self.as_many_as_fit(group)).collect();
        pieces.reverse();
        while let Some(piece) = pieces.pop() {
            match self.piece(session, &piece).await? {
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

    async fn piece(&self, session: &mut Session, items: &[Item]) -> Result<Piece, sqlx::Error> {
        session.run(&sql::savepoint()).await?;
        match self.execute(session, items).await {
            Err(error) if is_about_rows(&error) && items.len() == 1 => go_back(session, error)
                .await
                .map(|error| Piece::Written(vec![Err(failure(&error, self.doing()))])),
            Err(error) if is_about_rows(&error) => {
                go_back(session, error).await.map(|_| Piece::Split)
            }
            Err(error) => Err(error),
            Ok(ids) => match attributed(items, ids) {
                Some(fates) => {
                    session.script(&sql::release()).await?;
                    Ok(Piece::Written(fates))
                }
                None => {
                    session.script(&sql::back()).await?;
                    Ok(Piece::Split)
                }
            },
        }
    }

    /// Groups that one statement can carry.
    fn as_many_as_fit(&self, mut group: Vec<Item>) -> Vec<Vec<Item>> {
        let columns = group.first().map_or(0, |item| item.cells.len());
        let most = self.shape.lines_max(columns).max(1);
        let mut groups = Vec::new();
        while group.len() > most {
            let rest = group.split_off(most);
            groups.push(std::mem::replace(&mut group, rest));
        }
        groups.push(group);
        groups
    }

    async fn execute(
        &self,
        session: &mut Session,
        items: &[Item],
    ) -> Result<Vec<RecordId>, sqlx::Error> {
        let Some(first) = items.first() else { return Ok(Vec::new()) };
        if self.op == Op::Update && first.columns.is_empty() {
            // Nothing to set: the marker alone is to be left.
            return Ok(items.iter().filter_map(|item| item.record.clone()).collect());
        }
        let lines: Vec<Line> = items.iter().map(Item::line).collect();
        let rows = session.all(&self.statement(&first.columns, &lines)).await?;
        rows.iter().map(|row| row.own_text("id").map(RecordId::new)).collect()
    }

    fn statement(&self, columns: &[Column], lines: &[Line]) -> Statement {
        match self.op {
            Op::Create => self.shape.insert(&self.columns(columns), lines),
            Op::Update => self.shape.update(&self.columns(columns), lines),
            Op::Delete | Op::Undelete | Op::Read | Op::Find => self.shape.delete(lines),
        }
    }
}

/// Takes a refused statement back and hands its error on; where the whole transaction went with it,
/// the error is the end of all.
async fn go_back(session: &mut Session, error: sqlx::Error) -> Result<sqlx::Error, sqlx::Error> {
    match session.script(&sql::back()).await {
        Ok(()) => Ok(error),
        Err(gone) if is_about_rows(&gone) => Err(error),
        Err(lost) => Err(lost),
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
