//! Rows of `field_errors`: values that are kept back.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::from_name;
use duet_core::field_error::FieldError;
use duet_core::id::{Column as SideColumn, FieldErrorId, FieldName, FlowName, LinkId, RecordId};
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_ports::inspect::FieldErrorRow;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "field_errors")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub link: Uuid,
    pub flow: String,
    pub field: String,
    pub code: String,
    pub source: String,
    pub side: String,
    pub side_column: String,
    pub reason: String,
    pub since: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The error of a row, with its link's records.
    pub fn into_row(self, record: Both<Option<RecordId>>) -> Result<FieldErrorRow, StoreError> {
        Ok(FieldErrorRow {
            id: FieldErrorId(self.id),
            link: LinkId(self.link),
            flow: FlowName::new(self.flow),
            record,
            error: FieldError {
                field: FieldName::new(self.field),
                code: from_name("code of a field error", &self.code)?,
                source: from_name("source of a field error", &self.source)?,
                side: from_name("side of a field error", &self.side)?,
                column: SideColumn::new(self.side_column),
                reason: self.reason,
                since: Stamp(self.since),
            },
        })
    }
}
