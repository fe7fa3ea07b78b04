//! Records as people name them: `FLOW/KEY`, with the key of either side.

use crate::Desk;
use crate::error::DeskError;
use duet_core::id::{FlowName, LinkId, RecordId};
use duet_core::side::Side;
use duet_core::spec::FlowSpec;
use std::sync::Arc;

/// A record as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The flow.
    pub flow: FlowName,
    /// The side, where `left:` or `right:` stands before the key.
    pub side: Option<Side>,
    /// The key.
    pub record: RecordId,
}

impl Name {
    /// Reads `FLOW/KEY`, `FLOW/left:KEY` or `FLOW/right:KEY`. A key may be the empty text.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Name, DeskError> {
        let wrong = || DeskError::NotARecord { text: text.to_owned() };
        let (flow, key) = text.split_once('/').ok_or_else(wrong)?;
        let (side, key) = match key.split_once(':') {
            Some(("left", key)) => (Some(Side::Left), key),
            Some(("right", key)) => (Some(Side::Right), key),
            Some(_) | None => (None, key),
        };
        if flow.is_empty() {
            return Err(wrong());
        }
        Ok(Name { flow: flow.into(), side, record: key.into() })
    }
}

impl Desk {
    /// A configured flow.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn flow(&self, flow: &FlowName) -> Result<&Arc<FlowSpec>, DeskError> {
        self.flows.get(flow).ok_or_else(|| {
            let known: Vec<&str> = self.flows.keys().map(FlowName::as_str).collect();
            DeskError::NoFlow { flow: flow.clone(), known: known.join(", ") }
        })
    }

    /// The link of a record.
    ///
    /// # Errors
    /// When there is no such flow or record.
    pub async fn link_of(&self, name: &Name) -> Result<LinkId, DeskError> {
        self.flow(&name.flow)?;
        self.store.find_link(&name.flow, name.side, &name.record).await?.ok_or_else(|| {
            DeskError::NoRecord { flow: name.flow.clone(), key: name.record.to_string() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let name = |text: &str| Name::parse(text).ok();
        let plain = name("customers/ALFKI").expect("a name");
        assert_eq!(
            (plain.flow.as_str(), plain.side, plain.record.as_str()),
            ("customers", None, "ALFKI")
        );
        let left = name("customers/left:001").expect("a name");
        assert_eq!((left.side, left.record.as_str()), (Some(Side::Left), "001"));
        let odd = name("lines/a:b/c").expect("a name");
        assert_eq!((odd.side, odd.record.as_str()), (None, "a:b/c"));
        let empty = |text| name(text).map(|name| (name.side, name.record.as_str().to_owned()));
        assert_eq!(empty("customers/"), Some((None, String::new())));
        assert_eq!(empty("customers/left:"), Some((Some(Side::Left), String::new())));
        for wrong in ["", "customers", "/", "/x"] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
    }
}
