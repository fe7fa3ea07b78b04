//! Reads one table of settings key by key and tells what is missing, wrong or unknown in it.

use super::Mistake;
use duet_ports::duration;
use duet_ports::keys::{Holds, Table};
use serde_json::{Map, Value};
use std::time::Duration;

/// What is left of a table; keys are taken out as they are read.
pub(super) struct Section {
    path: &'static str,
    keys: &'static Table,
    left: Map<String, Value>,
}

impl Section {
    /// A table: empty when it isn't there.
    pub(super) fn open(
        path: &'static str,
        keys: &'static Table,
        value: Option<&Value>,
        mistakes: &mut Vec<Mistake>,
    ) -> Section {
        let left = match value {
            None => Map::new(),
            Some(Value::Object(map)) => map.clone(),
            Some(_) => {
                mistakes.push(Mistake { key: path.to_owned(), reason: "must be a table".into() });
                Map::new()
            }
        };
        Section { path, keys, left }
    }

    /// What a key holds, unread.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.left.remove(key)
    }

    /// A text, if it is there.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<String> {
        let value = self.take(key)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.mistake(key, "must be a text", mistakes);
        }
        text
    }

    /// A whole number within the bounds that its key has, if it is there.
    pub(super) fn number(&mut self, key: &'static str, mistakes: &mut Vec<Mistake>) -> Option<u32> {
        let value = self.take(key)?;
        let Some(Holds::Whole(least, most)) = self.keys.key(key).map(|key| key.holds) else {
            unreachable!("{key} is described as a whole number");
        };
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            let reason = format!("must be a whole number from {least} to {most}");
            self.mistake(key, &reason, mistakes);
        }
        number
    }

    /// A length of time above zero, if it is there.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = value.as_str().and_then(duration::parse).filter(|found| !found.is_zero());
        if duration.is_none() {
            let reason = "must be a length of time such as \"500ms\", \"5s\" or \"1m\"";
            self.mistake(key, reason, mistakes);
        }
        duration
    }

    pub(super) fn mistake(&self, key: &str, reason: &str, mistakes: &mut Vec<Mistake>) {
        let dot = if self.path.is_empty() { "" } else { "." };
        let key = format!("{}{dot}{key}", self.path);
        mistakes.push(Mistake { key, reason: reason.to_owned() });
    }

    /// Reports what nobody took.
    pub(super) fn close(self, mistakes: &mut Vec<Mistake>) {
        let known: Vec<&str> = self.keys.usable().map(|key| key.name).collect();
        let unknown = format!("is no setting here; there are `{}`", known.join("`, `"));
        for key in self.left.keys() {
            let later = self.keys.key(key).is_some_and(|key| key.later);
            let reason = if later { "is not supported yet" } else { &unknown };
            self.mistake(key, reason, mistakes);
        }
    }
}
