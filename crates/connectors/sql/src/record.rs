//! A row as answered by a statement of `sql::rows`, and what it means: the observation.

use crate::answer::Answer;
use crate::codec;
use crate::sql::Shape;
use duet_core::id::{Column, IntentId, RecordId};
use duet_core::image::Image;
use duet_core::observation::{Absence, Deletion, Observation, Presence, Source, Version};
use duet_core::stamp::Stamp;
use duet_ports::connector::Collection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A row, or the answer that there is none.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) record: RecordId,
    pub(crate) found: bool,
    scope: bool,
    cells: Vec<Option<String>>,
    /// Which search it answers, in a search.
    pub(crate) needle: i64,
    /// Its version; the capture's base while it never changed.
    pub(crate) seq: i64,
    pub(crate) marker: Option<IntentId>,
    changed_at: Option<Stamp>,
    column_times: BTreeMap<Column, Stamp>,
}

impl Row {
    /// Reads the rows of an answer.
    pub(crate) fn all(rows: &[Answer], shape: &Shape) -> Result<Vec<Row>, sqlx::Error> {
        rows.iter().map(|row| Row::of(row, shape)).collect()
    }

    fn of(row: &Answer, shape: &Shape) -> Result<Row, sqlx::Error> {
        let write = row.text("write_id")?.and_then(|id| id.parse::<Uuid>().ok());
        let found = row.is("found")?;
        Ok(Row {
            record: RecordId::new(row.id("id")?),
            found,
            scope: row.is("scope")?,
            // A row that isn't there holds nothing: not even null, which would be a change.
            cells: if found { row.cells(shape.columns.len())? } else { Vec::new() },
            needle: row.own_integer("needle")?,
            seq: row.integer("seq")?.unwrap_or(0),
            marker: write.map(IntentId),
            changed_at: row.integer("changed_at")?.map(Stamp),
            column_times: times(row)?,
        })
    }

    /// Whether its version is the expected one.
    pub(crate) fn is_at(&self, expected: &Version) -> bool {
        expected.token == self.seq.to_string()
    }

    /// What it holds.
    pub(crate) fn image(&self, shape: &Shape, collection: &Collection) -> Image {
        image(self.cells.clone(), shape, collection)
    }

    /// What it says of the record.
    pub(crate) fn observe(
        self,
        shape: &Shape,
        collection: &Collection,
        read_at: Stamp,
        source: Source,
    ) -> Observation {
        let captured = shape.capture.is_some();
        let times = self.column_times;
        let image = image(self.cells, shape, collection);
        let presence = presence(self.found, self.scope, &image, shape, collection);
        let image = asked(image, collection);
        // Every read tells them, not only the change: whichever is decided first, a conflict is
        // ranked by the same times (`docs/decisions/0048-column-times.md`).
        let stamp = |column: &Column| match shape.untimed.contains(column) {
            true => self.changed_at,
            false => times.get(column).or_else(|| times.get("")).copied(),
        };
        let column_stamps =
            image.keys().filter_map(|column| Some((column.clone(), stamp(column)?))).collect();
        Observation {
            presence,
            image,
            version: captured
                .then(|| Version { order: Some(self.seq), token: self.seq.to_string() }),
            changed_at: self.changed_at,
            column_stamps,
            marker: self.marker,
            read_at,
            source,
            ..Observation::default()
        }
    }
}

/// When each column was changed last; the empty name stands for those that aren't named.
fn times(row: &Answer) -> Result<BTreeMap<Column, Stamp>, sqlx::Error> {
    let Some(text) = row.text("column_times")? else {
        return Ok(BTreeMap::new());
    };
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn image(cells: Vec<Option<String>>, shape: &Shape, collection: &Collection) -> Image {
    let columns = shape.columns.iter().zip(cells);
    columns
        .map(|(column, cell)| {
            let spec = collection.columns.get(&column.name).unwrap_or(&column.spec);
            (column.name.clone(), codec::decode(cell, column, spec))
        })
        .collect()
}

/// A look-up by the whole key that finds no row is evidence of a deletion: a table hides nothing,
/// unless policies of row security apply to us (`docs/decisions/0032-absent-rows.md`).
fn presence(
    found: bool,
    scope: bool,
    image: &Image,
    shape: &Shape,
    collection: &Collection,
) -> Presence {
    match (found, is_soft_deleted(image, shape, collection), scope) {
        (false, _, _) if shape.table.row_security => Presence::OutOfScope(Absence::Visibility),
        (false, _, _) => Presence::Deleted(Deletion::Hard),
        (true, true, _) => Presence::Deleted(Deletion::Soft),
        (true, false, false) => Presence::OutOfScope(Absence::Filter),
        (true, false, true) => Presence::Present,
    }
}

/// The configured value may be of another type than the column: `1` for a boolean's `true` is not
/// guessed, `"1"` for a number's `1` is.
fn is_soft_deleted(image: &Image, shape: &Shape, collection: &Collection) -> bool {
    let Some((column, mark)) = &collection.soft else { return false };
    let (Some(held), Some(info)) = (image.get(column), shape.table.column(column)) else {
        return false;
    };
    match codec::encode(mark, info) {
        Ok(text) => *held == codec::decode(text, info, &info.spec),
        Err(codec::Unfit) => false,
    }
}

/// Drops what was read for the presence only.
fn asked(mut image: Image, collection: &Collection) -> Image {
    if !collection.columns.is_empty() {
        image.retain(|column: &Column, _| collection.columns.contains_key(column));
    }
    image
}
