//! Rows of `conflicts`: what is asked or changed by a person stands in columns, the rest in `data`.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::{FORM, checked, from_json, from_name, name_of, to_json};
use duet_core::conflict::{Candidate, Conflict, Decider, Scope};
use duet_core::id::{ConflictId, FieldName, FlowName, LinkId, RecordId};
use duet_core::side::Both;
use duet_core::stamp::Stamp;
use duet_core::value::Value as CoreValue;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conflicts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub link: Uuid,
    pub flow: String,
    pub kind: String,
    pub field: Option<String>,
    pub seen: String,
    pub rev: i64,
    pub state: String,
    pub reason: Option<String>,
    #[sea_orm(select_as = "text")]
    pub resolution: Option<String>,
    pub opened_at: i64,
    pub until: Option<i64>,
    pub closed_at: Option<i64>,
    pub form: i16,
    #[sea_orm(select_as = "text")]
    pub data: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What of a conflict stands in `data`.
#[derive(Serialize, Deserialize)]
struct Data<'a> {
    agreed: Cow<'a, BTreeMap<FieldName, CoreValue>>,
    sides: Cow<'a, Both<Candidate>>,
    candidates: Cow<'a, [RecordId]>,
    decided_by: Cow<'a, Option<Decider>>,
    result: Cow<'a, BTreeMap<FieldName, CoreValue>>,
}

impl Model {
    /// The row of a conflict.
    pub fn of(conflict: &Conflict) -> Result<Model, StoreError> {
        let resolution = conflict.resolution.as_ref().map(|chosen| to_json("resolution", chosen));
        Ok(Model {
            id: conflict.id.0,
            link: conflict.link.0,
            flow: conflict.flow.as_str().to_owned(),
            kind: name_of(conflict.kind),
            field: match &conflict.scope {
                Scope::Field(field) => Some(checked("field", field.as_str())?.to_owned()),
                Scope::Record => None,
            },
            seen: checked("digest", &conflict.seen)?.to_owned(),
            rev: conflict.rev,
            state: name_of(conflict.state),
            reason: conflict.reason.map(name_of),
            resolution: resolution.transpose()?,
            opened_at: conflict.opened_at.0,
            until: conflict.until.map(|at| at.0),
            closed_at: conflict.closed_at.map(|at| at.0),
            form: FORM,
            data: data_of(conflict)?,
        })
    }

    /// The conflict of a row.
    pub fn into_conflict(self) -> Result<Conflict, StoreError> {
        let data: Data<'static> = from_json("conflict", self.form, &self.data)?;
        let resolution = self.resolution.map(|text| from_json("resolution", FORM, &text));
        let reason = self.reason.as_deref().map(|name| from_name("reason of a conflict", name));
        Ok(Conflict {
            id: ConflictId(self.id),
            link: LinkId(self.link),
            flow: FlowName::new(self.flow),
            kind: from_name("kind of a conflict", &self.kind)?,
            scope: self.field.map_or(Scope::Record, |field| Scope::Field(FieldName::new(field))),
            agreed: data.agreed.into_owned(),
            sides: data.sides.into_owned(),
            candidates: data.candidates.into_owned(),
            seen: self.seen,
            rev: self.rev,
            state: from_name("state of a conflict", &self.state)?,
            reason: reason.transpose()?,
            decided_by: data.decided_by.into_owned(),
            resolution: resolution.transpose()?,
            result: data.result.into_owned(),
            opened_at: Stamp(self.opened_at),
            until: self.until.map(Stamp),
            closed_at: self.closed_at.map(Stamp),
        })
    }
}

fn data_of(conflict: &Conflict) -> Result<String, StoreError> {
    let data = Data {
        agreed: Cow::Borrowed(&conflict.agreed),
        sides: Cow::Borrowed(&conflict.sides),
        candidates: Cow::Borrowed(&conflict.candidates),
        decided_by: Cow::Borrowed(&conflict.decided_by),
        result: Cow::Borrowed(&conflict.result),
    };
    to_json("conflict", &data)
}
