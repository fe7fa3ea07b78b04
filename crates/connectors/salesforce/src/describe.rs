//! Describe: an object as a collection, with what its writes can promise and what a person should
//! know about it.

use crate::object::{KEY, MARKER, Object};
use crate::rest::{Ask, Rest};
use crate::salesforce::Org;
use duet_core::id::Column;
use duet_core::retry::FailureClass;
use duet_core::spec::{ColumnSpec, PathClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::{
    About, Collection, ConnectorError, Description, May, NO_COLLECTION, Remark,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// How long a description counts: what an administrator adds or takes away is heeded by then.
const KNOWN_US: i64 = 600 * Stamp::SECOND;

/// Objects as described last, and when, by our clock.
#[derive(Default)]
pub(crate) struct Objects(Mutex<BTreeMap<String, (Stamp, Arc<Object>)>>);

impl Objects {
    /// The object as described lately, else as it is now.
    pub(crate) async fn known(
        &self,
        rest: &Rest,
        name: &str,
        until: Instant,
    ) -> Result<Arc<Object>, ConnectorError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let now = rest.clock.local();
        match known {
            Some((at, object)) if now.0.abs_diff(at.0) < KNOWN_US.unsigned_abs() => Ok(object),
            Some(_) | None => self.fresh(rest, name, until).await,
        }
    }

    /// Forgets an object that isn't what it was, so that the next call asks again.
    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The object as it is now.
    pub(crate) async fn fresh(
        &self,
        rest: &Rest,
        name: &str,
        until: Instant,
    ) -> Result<Arc<Object>, ConnectorError> {
        if !is_name(name) {
            let text = format!("{name:?} can't be an object's name");
            return Err(rest.error(FailureClass::Permission, NO_COLLECTION, &text));
        }
        let path = rest.path(&format!("sobjects/{name}/describe"));
        let answer = rest.send(&Ask::get(path), until).await;
        let object: Object = rest.json(&answer.map_err(|error| not_there(rest, name, error))?)?;
        let object = Arc::new(object);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), (rest.clock.local(), object.clone()));
        Ok(object)
    }
}

/// Salesforce doesn't say which object it doesn't find, nor that rights may be why.
fn not_there(rest: &Rest, name: &str, error: ConnectorError) -> ConnectorError {
    if error.failure.class != FailureClass::Gone {
        return error;
    }
    let text = format!("there is no object {name}, or this user has no right to see it");
    rest.error(FailureClass::Permission, NO_COLLECTION, &text)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Describes a collection.
pub(crate) async fn describe(
    org: &Org,
    collection: &Collection,
    until: Instant,
) -> Result<Description, ConnectorError> {
    let object = org.objects.fresh(&org.rest, &collection.name, until).await?;
    let mut columns = object.columns();
    for path in collection.columns.keys().filter(|column| column.as_str().contains('.')) {
        if let Some(spec) = parent_column(org, &object, path.as_str(), until).await? {
            columns.insert(path.clone(), spec);
        }
    }
    let mut remarks = remarks(&object, collection);
    remarks.extend(filter_remark(org, &object, collection, until).await?);
    let marker = object.has_marker();
    Ok(Description {
        columns,
        key: vec![Column::from("Id")],
        unique: object.unique(),
        key_column: object.has_key().then(|| Column::from(KEY)),
        marker,
        guarded: if marker { PathClass::K3s } else { PathClass::K2 },
        batch: PathClass::K1p,
        grain_us: Stamp::SECOND,
        skew_us: org.rest.clock.offset_us().abs(),
        may: May { create: object.createable, update: object.updateable, delete: object.deletable },
        remarks,
    })
}

/// A column of a parent, such as `Owner.Email`: to be read, never written.
async fn parent_column(
    org: &Org,
    object: &Object,
    path: &str,
    until: Instant,
) -> Result<Option<ColumnSpec>, ConnectorError> {
    let (mut object, mut rest) = (Arc::new(object.clone()), path);
    while let Some((relationship, tail)) = rest.split_once('.') {
        let Some(parent) = object.parent(relationship) else { return Ok(None) };
        object = org.objects.known(&org.rest, parent, until).await?;
        rest = tail;
    }
    let spec = object.field(rest).and_then(crate::object::Field::spec);
    Ok(spec.map(|spec| ColumnSpec { nullable: true, createable: false, updateable: false, ..spec }))
}

fn remarks(object: &Object, collection: &Collection) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |fatal, text: String| remarks.push(Remark { fatal, about: None, text });
    let name = &object.name;
    if !object.queryable || !object.has("SystemModstamp") {
        say(true, format!("{name} can't be polled: it has no SystemModstamp or can't be queried"));
    }
    if !matches!(collection.key.as_slice(), [] | [_]) || collection.key.iter().any(is_other_key) {
        let text = format!("the key of {name} is Id; a flow can't name another");
        remarks.push(Remark { fatal: true, about: Some(About::Key), text });
    }
    let mut say = |fatal, text: String| remarks.push(Remark { fatal, about: None, text });
    if !object.has(MARKER) {
        say(false, missing_marker(name));
    } else if !object.has_marker() {
        let how = "make it a text of 36 or more and give the user edit access";
        say(false, format!("{MARKER} on {name} can't be written, so it isn't used: {how}"));
    }
    if object.has(KEY) && !object.has_key() {
        let what = "isn't a unique text of 36 or more that may be written; not used";
        say(false, format!("{KEY} on {name} {what}"));
    } else if !object.has(KEY) && object.unique().is_empty() {
        let why = "a create whose answer is lost could be made twice";
        say(false, format!("{name} has no unique field and no {KEY} (text 36, unique): {why}"));
    }
    remarks
}

fn is_other_key(column: &Column) -> bool {
    column.as_str() != "Id"
}

fn missing_marker(name: &str) -> String {
    format!(
        "{name} has no {MARKER} (text 36): counters and the strictest path aren't available, and \
         writes whose answer is lost are recovered by comparing values"
    )
}

/// Whether the flow's filter is understood.
async fn filter_remark(
    org: &Org,
    object: &Object,
    collection: &Collection,
    until: Instant,
) -> Result<Option<Remark>, ConnectorError> {
    let Some(filter) = &collection.filter else { return Ok(None) };
    match org.count(&object.name, Some(filter), until).await {
        Ok(_) => Ok(None),
        Err(error) if error.failure.class == FailureClass::Permission => Ok(Some(Remark {
            fatal: true,
            about: Some(About::Filter),
            text: format!("the filter is refused: {}", error.failure.message.trim()),
        })),
        Err(error) => Err(error),
    }
}
