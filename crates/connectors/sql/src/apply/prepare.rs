//! What a call wants written, as texts for a statement; or why it can't be.

use super::Work;
use crate::codec;
use crate::error::made;
use crate::sql::Line;
use crate::table::ColumnInfo;
use duet_core::id::{Column, IntentId, RecordId};
use duet_core::intent::Outcome;
use duet_core::retry::FailureClass;
use duet_ports::connector::Call;

/// One write of a statement.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Which call it is.
    pub(super) at: usize,
    /// Its marker.
    pub(super) intent: IntentId,
    /// The record it is about; on a create the id that its values give it, if they do.
    pub(super) record: Option<RecordId>,
    /// The parts of that id.
    pub(super) key: Vec<String>,
    /// What it sets.
    pub(super) columns: Vec<Column>,
    /// The values.
    pub(super) cells: Vec<Option<String>>,
}

impl Item {
    /// What a statement needs of it.
    pub(super) fn line(&self) -> Line<'_> {
        let id = self.record.as_ref().map(RecordId::as_str);
        Line { id, key: &self.key, cells: &self.cells }
    }
}

impl Work<'_> {
    /// The values of a call as texts.
    pub(super) fn item(&self, at: usize, call: &Call) -> Result<Item, Outcome> {
        let mut item = Item {
            at,
            intent: call.intent,
            record: None,
            key: Vec::new(),
            columns: Vec::new(),
            cells: Vec::new(),
        };
        for (name, value) in &call.values {
            let column = self.shape.table.column(name).ok_or_else(|| no_column(name))?;
            let cell = codec::encode(value, column).map_err(|_| unfit(column))?;
            item.columns.push(name.clone());
            item.cells.push(cell);
        }
        Ok(item)
    }

    /// The columns of an item as the catalogue knows them.
    pub(super) fn columns(&self, names: &[Column]) -> Vec<&ColumnInfo> {
        names.iter().filter_map(|name| self.shape.table.column(name)).collect()
    }
}

fn no_column(name: &Column) -> Outcome {
    let text = format!("there is no column {name}");
    refused_column(made(FailureClass::Permission, "42703", text), name)
}

fn unfit(column: &ColumnInfo) -> Outcome {
    let text = format!("the value can't be one of column {}", column.name);
    refused_column(made(FailureClass::Validation, "22P02", text), &column.name)
}

pub(super) fn refused_column(mut failure: duet_core::retry::Failure, name: &Column) -> Outcome {
    failure.columns.push(name.as_str().to_owned());
    Outcome::Refused { failure, observed: None }
}
