//! Rows of `dead_letters`. Lists leave the bodies out: those may be large and hold values.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub at: i64,
    pub flow: Option<String>,
    pub place: String,
    pub reason: String,
    pub body: Vec<u8>,
    pub side: Option<String>,
    pub record: Option<String>,
    pub read_at: Option<i64>,
    pub version: Option<String>,
    pub state: String,
    pub handled_by: Option<String>,
    pub note: Option<String>,
    pub closed_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
