//! What is selected of a collection, and how a row becomes an observation. Asks nothing.

use crate::field_value::{decode, stamp};
use crate::object::{KEY, MARKER, Object};
use crate::record_id;
use crate::wire::Row;
use duet_core::id::{Column, IntentId, LinkId, RecordId};
use duet_core::image::Image;
use duet_core::observation::{
    Absence, Actor, ActorClass, Deletion, Observation, Presence, Source, Version,
};
use duet_core::spec::ColumnSpec;
use duet_core::stamp::Stamp;
use duet_core::value::Value;
use duet_ports::connector::{Collection, Record};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A collection as it is read.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) object: Arc<Object>,
    pub(crate) filter: Option<String>,
    columns: BTreeMap<Column, Selected>,
    soft: Option<(Column, Value)>,
    /// Our own user: its changes are duet's.
    user: Option<String>,
}

#[derive(Clone)]
struct Selected {
    spec: ColumnSpec,
    ids: bool,
}

/// The stamps that make a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    /// SystemModstamp.
    pub(crate) system: Stamp,
    /// LastModifiedDate: what `If-Unmodified-Since` looks at.
    pub(crate) modified: Stamp,
}

impl Stamps {
    pub(crate) fn version(self) -> Version {
        let token = format!("{}/{}", self.system.0, self.modified.0);
        Version { order: Some(self.system.0), token }
    }

    /// The stamps inside a version of ours.
    pub(crate) fn of(version: &Version) -> Option<Stamps> {
        let (system, modified) = version.token.split_once('/')?;
        let (system, modified) = (system.parse().ok()?, modified.parse().ok()?);
        Some(Stamps { system: Stamp(system), modified: Stamp(modified) })
    }
}

/// When and how rows were read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Stamp,
    pub(crate) source: Source,
}

impl View {
    pub(crate) fn new(collection: &Collection, object: Arc<Object>, user: Option<String>) -> View {
        let mut columns = BTreeMap::new();
        for (column, spec) in &collection.columns {
            let ids = object.field(column.as_str()).is_some_and(super::object::Field::holds_ids);
            columns.insert(column.clone(), Selected { spec: spec.clone(), ids });
        }
        if let Some((column, _)) = &collection.soft
            && let Some(field) = object.field(column.as_str())
            && let Some(spec) = field.spec()
        {
            let ids = field.holds_ids();
            columns.entry(column.clone()).or_insert(Selected { spec, ids });
        }
        let (soft, filter) = (collection.soft.clone(), collection.filter.clone());
        View { object, filter, columns, soft, user }
    }

    /// Also read these columns (those that are searched by).
    pub(crate) fn with(mut self, columns: impl Iterator<Item = Column>) -> View {
        for column in columns {
            let field = self.object.field(column.as_str());
            let selected = field.and_then(|it| Some((it.spec()?, it.holds_ids())));
            if let Some((spec, ids)) = selected {
                self.columns.entry(column).or_insert(Selected { spec, ids });
            }
        }
        self
    }

    /// `SELECT … FROM …`.
    pub(crate) fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.fields().join(","), self.object.name)
    }

    fn fields(&self) -> Vec<&str> {
        let system = ["Id", "IsDeleted", "SystemModstamp", "LastModifiedDate", "LastModifiedById"];
        let all = system.into_iter().chain([MARKER, KEY, "MasterRecordId"]);
        let mut fields: Vec<&str> = all.filter(|name| self.object.has(name)).collect();
        for column in self.columns.keys() {
            if !fields.contains(&column.as_str()) {
                fields.push(column.as_str());
            }
        }
        fields
    }

    /// The stamps of a row.
    pub(crate) fn stamps(row: &Row) -> Option<Stamps> {
        let system = stamp(&row.text("SystemModstamp")?)?;
        let modified = row.text("LastModifiedDate").and_then(|text| stamp(&text));
        Some(Stamps { system, modified: modified.unwrap_or(system) })
    }

    /// A row as a record; `None` for a row without id or stamps, which no query of ours gives.
    pub(crate) fn record(&self, row: &Row, reading: Reading) -> Option<Record> {
        let stamps = Self::stamps(row)?;
        let image = self.image(row);
        let observation = Observation {
            presence: self.presence(row, &image),
            image,
            version: Some(stamps.version()),
            changed_at: Some(stamps.system),
            actor: self.actor(row),
            marker: uuid(row, MARKER).map(IntentId),
            key: uuid(row, KEY).map(LinkId),
            read_at: reading.at,
            source: reading.source,
            ..Observation::default()
        };
        Some(Record { record: record_id::record(&row.text("Id")?)?, observation })
    }

    /// What stands for a record that no query shows: no evidence of a deletion.
    pub(crate) fn missing(record: &RecordId, reading: Reading) -> Record {
        let observation = Observation {
            presence: Presence::OutOfScope(Absence::Visibility),
            read_at: reading.at,
            source: reading.source,
            ..Observation::default()
        };
        Record { record: record.clone(), observation }
    }

    fn presence(&self, row: &Row, image: &Image) -> Presence {
        if let Some(master) = row.text("MasterRecordId").and_then(|id| record_id::record(&id)) {
            return Presence::Deleted(Deletion::MergedInto(master));
        }
        let softly = self
            .soft
            .as_ref()
            .is_some_and(|(column, value)| image.get(column).is_some_and(|held| held == value));
        if row.flag("IsDeleted") || softly {
            return Presence::Deleted(Deletion::Soft);
        }
        Presence::Present
    }

    /// The values; one that isn't of its column's type counts as not seen.
    fn image(&self, row: &Row) -> Image {
        let mut image = Image::new();
        for (column, selected) in &self.columns {
            let Some(json) = row.json(column.as_str()) else { continue };
            match decode(&json, &selected.spec, selected.ids) {
                Some(value) => drop(image.insert(column.clone(), value)),
                None => tracing::debug!(%column, "a value isn't of its column's type; left out"),
            }
        }
        image
    }

    fn actor(&self, row: &Row) -> Actor {
        let name = row.text("LastModifiedById").and_then(|id| record_id::long(&id));
        let class = match &name {
            None => ActorClass::Unknown,
            Some(_) if name == self.user => ActorClass::Duet,
            Some(_) => ActorClass::User,
        };
        Actor { class, name }
    }
}

fn uuid(row: &Row, field: &str) -> Option<Uuid> {
    row.text(field).and_then(|text| Uuid::try_parse(text.trim()).ok())
}
