//! Rows of `intents`: what is asked or counted stands in columns, the rest in `data`.
#![expect(unreachable_pub, reason = "the derive writes public items")]

use crate::stored::{FORM, checked, from_json, from_name, name_of, to_json};
use duet_core::id::{ConnectionName, FieldName, FlowName, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::intent::{FindKey, Intent};
use duet_core::observation::Version;
use duet_core::stamp::Stamp;
use duet_core::value::Value as CoreValue;
use duet_ports::store::StoreError;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "intents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub link: Uuid,
    pub flow: String,
    pub side: String,
    pub connection: String,
    pub op: String,
    pub path: String,
    pub state: String,
    pub record: Option<String>,
    pub attempts: i32,
    pub due_at: Option<i64>,
    pub sent_at: Option<i64>,
    pub deadline: Option<i64>,
    pub planned_at: i64,
    pub landed_at: Option<i64>,
    #[sea_orm(select_as = "text")]
    pub failure: Option<String>,
    pub form: i16,
    #[sea_orm(select_as = "text")]
    pub data: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What of an intent stands in `data`.
#[derive(Serialize, Deserialize)]
struct Data<'a> {
    values: Cow<'a, Image>,
    find: Cow<'a, [FindKey]>,
    expected: Cow<'a, Option<Version>>,
    expected_values: Cow<'a, Image>,
    carries: Cow<'a, BTreeMap<FieldName, CoreValue>>,
    why: Cow<'a, str>,
}

impl Model {
    /// The row of an intent.
    pub fn of(intent: &Intent) -> Result<Model, StoreError> {
        let record = intent.record.as_ref().map(|id| checked("record id", id.as_str()));
        let failure = intent.failure.as_ref().map(|failure| to_json("failure", failure));
        Ok(Model {
            id: intent.id.0,
            link: intent.link.0,
            flow: intent.flow.as_str().to_owned(),
            side: intent.side.as_str().to_owned(),
            connection: intent.connection.as_str().to_owned(),
            op: intent.op.as_str().to_owned(),
            path: name_of(intent.path),
            state: name_of(intent.state),
            record: record.transpose()?.map(str::to_owned),
            attempts: i32::try_from(intent.attempts).unwrap_or(i32::MAX),
            due_at: intent.due_at.map(|at| at.0),
            sent_at: intent.sent_at.map(|at| at.0),
            deadline: intent.deadline.map(|at| at.0),
            planned_at: intent.planned_at.0,
            landed_at: intent.landed_at.map(|at| at.0),
            failure: failure.transpose()?,
            form: FORM,
            data: data_of(intent)?,
        })
    }

    /// The intent of a row.
    pub fn into_intent(self) -> Result<Intent, StoreError> {
        let data: Data<'static> = from_json("intent", self.form, &self.data)?;
        let failure = self.failure.map(|text| from_json("failure", FORM, &text));
        Ok(Intent {
            id: IntentId(self.id),
            link: LinkId(self.link),
            flow: FlowName::new(self.flow),
            side: from_name("side of an intent", &self.side)?,
            connection: ConnectionName::new(self.connection),
            op: from_name("operation of an intent", &self.op)?,
            path: from_name("path of an intent", &self.path)?,
            record: self.record.map(RecordId::new),
            values: data.values.into_owned(),
            find: data.find.into_owned(),
            expected: data.expected.into_owned(),
            expected_values: data.expected_values.into_owned(),
            carries: data.carries.into_owned(),
            state: from_name("state of an intent", &self.state)?,
            attempts: self.attempts.unsigned_abs(),
            due_at: self.due_at.map(Stamp),
            sent_at: self.sent_at.map(Stamp),
            deadline: self.deadline.map(Stamp),
            planned_at: Stamp(self.planned_at),
            landed_at: self.landed_at.map(Stamp),
            failure: failure.transpose()?,
            why: data.why.into_owned(),
        })
    }
}

fn data_of(intent: &Intent) -> Result<String, StoreError> {
    let data = Data {
        values: Cow::Borrowed(&intent.values),
        find: Cow::Borrowed(&intent.find),
        expected: Cow::Borrowed(&intent.expected),
        expected_values: Cow::Borrowed(&intent.expected_values),
        carries: Cow::Borrowed(&intent.carries),
        why: Cow::Borrowed(&intent.why),
    };
    to_json("intent", &data)
}
