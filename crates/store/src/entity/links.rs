//! Rows of `links`. Aliases stand in a table of their own and come in afterwards.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::{FORM, from_json, from_name};
use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::link::{Alias, Link};
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "links")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub flow: String,
    pub rev: i64,
    pub phase: String,
    pub left_id: Option<String>,
    pub right_id: Option<String>,
    pub synced_at: Option<i64>,
    pub synced_left: Option<i64>,
    pub synced_right: Option<i64>,
    pub due_at: Option<i64>,
    pub waits: i32,
    pub created_at: i64,
    #[sea_orm(select_as = "text")]
    pub memory: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The link, with its aliases.
    pub fn into_link(self, aliases: Vec<Alias>) -> Result<Link, StoreError> {
        let memory = self.memory.map(|text| from_json("memory", FORM, &text)).transpose()?;
        Ok(Link {
            id: LinkId(self.id),
            phase: from_name("phase of a link", &self.phase)?,
            flow: FlowName::new(self.flow),
            rev: self.rev,
            record: Both::new(self.left_id.map(RecordId::new), self.right_id.map(RecordId::new)),
            aliases,
            synced_at: self.synced_at.map(Stamp),
            synced: Both::new(self.synced_left.map(Stamp), self.synced_right.map(Stamp)),
            due_at: self.due_at.map(Stamp),
            waits: self.waits.unsigned_abs(),
            created_at: Stamp(self.created_at),
            memory: memory.unwrap_or_default(),
        })
    }
}
