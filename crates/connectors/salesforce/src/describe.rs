//! Describe: an object as a collection, with what its writes can promise and what a person should
//! know about it.

use crate::object::{KEY, MARKER, Object};
use crate::rest::{Ask, Rest};
use crate::salesforce::Org;
use duet_core::id::Column;
use duet_core::retry::FailureClass;
use duet_core::spec::{ColumnSpec, PathClass};
use duet_core::stamp::Stamp;
use duet_ports::connector::{Collection, ConnectorError, Description, May, Remark};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Objects as described last.
#[derive(Default)]
pub(crate) struct Objects(Mutex<BTreeMap<String, Arc<Object>>>);

impl Objects {
    /// The object as described before, else as it is now.
    pub(crate) async fn known(
        &self,
        rest: &Rest,
        name: &str,
        until: Instant,
    ) -> Result<Arc<Object>, ConnectorError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        match known {
            Some(object) => Ok(object),
            None => self.fresh(rest, name, until).await,
        }
    }

    /// The object as it is now.
    pub(crate) async fn fresh(
        &self,
        rest: &Rest,
        name: &str,
        until: Instant,
    ) -> Result<Arc<Object>, ConnectorError> {
        if !is_name(name) {
            return Err(rest.error(FailureClass::Permission, "OBJECT_NAME", "no object's name"));
        }
        let path = rest.path(&format!("sobjects/{name}/describe"));
        let object: Object = rest.json(&rest.send(&Ask::get(path), until).await?)?;
        let object = Arc::new(object);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), object.clone());
        Ok(object)
    }
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
    let marker = object.field(MARKER).is_some_and(|field| is_writable(field.spec()));
    Ok(Description {
        columns,
        key: vec![Column::from("Id")],
        unique: object.unique(),
        key_column: has_key(&object).then(|| Column::from(KEY)),
        marker,
        guarded: if marker { PathClass::K3s } else { PathClass::K2 },
        batch: PathClass::K1p,
        grain_us: Stamp::SECOND,
        skew_us: org.rest.clock.offset_us().abs(),
        may: May { create: object.createable, update: object.updateable, delete: object.deletable },
        remarks,
    })
}

fn is_writable(spec: Option<ColumnSpec>) -> bool {
    spec.is_some_and(|spec| spec.createable && spec.updateable)
}

/// Whether duet's own key may carry a create here: it must be unique, or it makes nothing unique.
pub(crate) fn has_key(object: &Object) -> bool {
    object.field(KEY).is_some_and(|field| field.unique && is_writable(field.spec()))
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
    let mut say = |fatal, text: String| remarks.push(Remark { fatal, text });
    let name = &object.name;
    if !object.queryable || !object.has("SystemModstamp") {
        say(true, format!("{name} can't be polled: it has no SystemModstamp or can't be queried"));
    }
    if !matches!(collection.key.as_slice(), [] | [_]) || collection.key.iter().any(is_other_key) {
        say(true, format!("the key of {name} is Id; a flow can't name another"));
    }
    match object.field(MARKER) {
        None => say(false, missing_marker(name)),
        Some(field) if !is_writable(field.spec()) => {
            say(false, format!("{MARKER} on {name} may not be written: give the user edit access"));
        }
        Some(_) => {}
    }
    if object.has(KEY) && !has_key(object) {
        say(false, format!("{KEY} on {name} isn't a unique field that may be written; not used"));
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
            text: format!("the filter is refused: {}", error.failure.message.trim()),
        })),
        Err(error) => Err(error),
    }
}
