//! `[connections.NAME]`: what every connection has, and one section that only its connector reads.

use crate::code::Code;
use crate::keys;
use crate::section::{Reading, clipped, list};
use crate::tree::{Entry, Tree};
use duet_core::bind::closest;
use duet_core::id::ConnectionName;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// Kinds that there are, and their word for a collection.
pub(crate) const KINDS: [(&str, &str); 3] =
    [("salesforce", "object"), ("postgres", "table"), ("sqlite", "table")];
/// Kinds of later work.
const KINDS_LATER: [&str; 4] = ["rest", "mysql", "mariadb", "csv"];

/// One connection.
#[derive(Clone, PartialEq)]
pub struct ConnectionSection {
    /// Its name.
    pub name: ConnectionName,
    /// `salesforce`, `postgres` or `sqlite`.
    pub kind: String,
    /// How people call it.
    pub label: String,
    /// Everything else, for the connector, with variables replaced: holds secrets, never shown.
    pub settings: serde_json::Value,
    /// Where the connection's name stands in `duet.toml`.
    pub span: Range<usize>,
    /// Where each setting stands, by its path, such as `auth.client_id`.
    pub places: BTreeMap<String, Range<usize>>,
}

/// Without the settings.
impl fmt::Debug for ConnectionSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionSection")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The word of a kind for its collections.
pub(crate) fn kind_word(kind: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, word)| *word)
}

impl ConnectionSection {
    /// Reads one entry of `connections`.
    pub(crate) fn read(reading: &mut Reading<'_>, entry: &Entry) -> Option<ConnectionSection> {
        let fine = reading.name("a connection", &entry.key, &entry.key_span);
        let title = format!("the connection {}", clipped(&entry.key));
        let entries = reading.entries(&entry.node, &title)?;
        let find = |key: &str| entries.iter().find(|entry| entry.key == key);
        if find("kind").is_none() {
            let sentence = format!("{title} needs `kind`");
            reading.told(Code::MissingKey, &entry.key_span, sentence);
        }
        let kind = find("kind").and_then(|entry| kind(reading, entry));
        let label = find("label")
            .and_then(|entry| reading.text(&entry.node, "label").map(|(_, text)| text.to_owned()));
        let own = |entry: &&Entry| keys::CONNECTION.key(&entry.key).is_none();
        let settings: serde_json::Map<String, serde_json::Value> = entries
            .iter()
            .filter(own)
            .map(|entry| (entry.key.clone(), entry.node.json()))
            .collect();
        let mut places = BTreeMap::new();
        places_of(entries, "", &mut places);
        let kind = kind.filter(|_| fine)?;
        Some(ConnectionSection {
            name: ConnectionName::new(entry.key.clone()),
            kind,
            label: label.unwrap_or_else(|| entry.key.clone()),
            settings: settings.into(),
            span: entry.key_span.clone(),
            places,
        })
    }
}

fn kind(reading: &mut Reading<'_>, entry: &Entry) -> Option<String> {
    let node = &entry.node;
    let (written, text) = reading.text(node, "kind")?;
    if kind_word(text).is_some() {
        return Some(text.to_owned());
    }
    let names = || KINDS.iter().map(|(name, _)| *name);
    let help = match closest(written, names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("one of {}", list(names())),
    };
    if KINDS_LATER.contains(&text) {
        let sentence =
            format!("connections of kind \"{}\" are not supported yet", clipped(written));
        reading.told(Code::ValueNotSupportedYet, &node.span, sentence).help =
            format!("one of {}", list(names()));
    } else {
        let sentence = format!("there is no kind \"{}\"", clipped(written));
        reading.told(Code::UnknownValue, &node.span, sentence).help = help;
    }
    None
}

fn places_of(entries: &[Entry], above: &str, places: &mut BTreeMap<String, Range<usize>>) {
    for entry in entries {
        let path =
            if above.is_empty() { entry.key.clone() } else { format!("{above}.{}", entry.key) };
        if let Tree::Table(inner) = &entry.node.value {
            places_of(inner, &path, places);
        }
        places.insert(path, entry.key_span.clone());
    }
}
