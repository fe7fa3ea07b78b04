//! Rows of `decisions`. Read only: the table is append-only.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::from_json;
use duet_core::stamp::Stamp;
use duet_ports::inspect::DecisionRow;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "decisions")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub link: Uuid,
    pub rev: i64,
    pub at: i64,
    pub decided_row: String,
    pub rule: String,
    pub cause: String,
    pub policy: String,
    pub form: i16,
    #[sea_orm(select_as = "text")]
    pub outcomes: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The decision of a row.
    pub fn into_row(self) -> Result<DecisionRow, StoreError> {
        Ok(DecisionRow {
            at: Stamp(self.at),
            rev: self.rev,
            row: self.decided_row,
            rule: self.rule,
            cause: self.cause,
            outcomes: from_json("decision", self.form, &self.outcomes)?,
            policy: self.policy,
        })
    }
}
