//! Rows of `attempts`.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::{FORM, from_json};
use duet_core::id::IntentId;
use duet_core::stamp::Stamp;
use duet_ports::inspect::AttemptRow;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attempts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub intent: Uuid,
    pub link: Uuid,
    pub number: i32,
    pub sent_at: i64,
    pub done_at: i64,
    pub outcome: String,
    #[sea_orm(select_as = "text")]
    pub failure: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The attempt of a row.
    pub fn into_row(self) -> Result<AttemptRow, StoreError> {
        let failure = self.failure.map(|text| from_json("failure", FORM, &text));
        Ok(AttemptRow {
            intent: IntentId(self.intent),
            number: self.number.unsigned_abs(),
            sent_at: Stamp(self.sent_at),
            done_at: Stamp(self.done_at),
            outcome: self.outcome,
            failure: failure.transpose()?,
        })
    }
}
