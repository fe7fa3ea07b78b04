//! What duet's own tables say at the end, as far as the checker believes them: who is linked with
//! whom, what was recorded before it was overwritten, what is still held, failed or dead.

use super::history::Place;
use std::collections::BTreeSet;

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRow {
    /// Its id.
    pub id: String,
    /// Every record that is or was one of its sides.
    pub records: BTreeSet<(Place, String)>,
    /// The records were taken apart, or are left alone: by a policy or a person.
    pub is_apart: bool,
}

/// A conflict, open or closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictRow {
    /// Its link.
    pub link: String,
    /// The field that it is about; none: the record.
    pub field: Option<String>,
    /// Whether it still holds its field or record.
    pub holds: bool,
    /// When it was recorded, in microseconds.
    pub opened_at: i64,
    /// Every value that it keeps, with its field.
    pub values: BTreeSet<(String, String)>,
}

/// A call that isn't over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Its link.
    pub link: String,
    /// What it is, for people.
    pub what: String,
    /// Whether it waits for a person.
    pub is_parked: bool,
}

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Links.
    pub links: Vec<LinkRow>,
    /// Conflicts.
    pub conflicts: Vec<ConflictRow>,
    /// Conflicts as people saw them when they decided: known to them, whatever became of the rows.
    pub decided: Vec<ConflictRow>,
    /// Calls that aren't over.
    pub calls: Vec<CallRow>,
    /// Records that an open dead letter is about.
    pub dead: BTreeSet<(Place, String)>,
    /// What isn't settled although everything came to rest.
    pub unsettled: Vec<String>,
}

impl Tables {
    /// The links of any of these records.
    pub fn links_of<'a>(
        &'a self,
        records: &'a BTreeSet<(Place, String)>,
    ) -> impl Iterator<Item = &'a LinkRow> {
        self.links.iter().filter(|link| !link.records.is_disjoint(records))
    }

    /// Those of these conflicts that are about a field of these records, or about them as a whole.
    pub fn about<'a>(
        &'a self,
        conflicts: &'a [ConflictRow],
        records: &'a BTreeSet<(Place, String)>,
        field: &'a str,
    ) -> impl Iterator<Item = &'a ConflictRow> {
        let links: BTreeSet<&str> = self.links_of(records).map(|link| link.id.as_str()).collect();
        conflicts.iter().filter(move |one| {
            let is_about = one.field.as_deref().is_none_or(|about| about == field);
            links.contains(one.link.as_str()) && is_about
        })
    }
}
