//! Reads one table of settings key by key and tells what is missing, wrong or unknown in it.

use super::Mistake;
use duet_ports::duration;
use duet_ports::keys::{Holds, Table};
use serde_json::{Map, Value};
use std::time::Duration;

/// What is left of a table; keys are taken out as they are read.
pub(super) struct Section {
    path: String,
    keys: &'static Table,
    left: Map<String, Value>,
}

impl Section {
    /// An optional table: empty when it isn't there.
    pub(super) fn open(
        path: &str,
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
        Section { path: path.to_owned(), keys, left }
    }

    /// A table that must be there.
    pub(super) fn required(
        path: &str,
        keys: &'static Table,
        value: Option<&Value>,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Section> {
        if value.is_none() {
            mistakes.push(Mistake { key: path.to_owned(), reason: "is missing".to_owned() });
            return None;
        }
        Some(Self::open(path, keys, value, mistakes))
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key)
    }

    pub(super) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.take(key);
        }
    }

    pub(super) fn text(&mut self, key: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
        let value = self.take(key);
        if value.is_none() {
            self.mistake(key, "is missing", mistakes);
        }
        self.as_text(key, value?, mistakes)
    }

    pub(super) fn optional_text(
        &mut self,
        key: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<String> {
        let value = self.take(key)?;
        self.as_text(key, value, mistakes)
    }

    fn as_text(&self, key: &str, value: Value, mistakes: &mut Vec<Mistake>) -> Option<String> {
        match value {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::String(_) => {
                self.mistake(key, "must not be empty", mistakes);
                None
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.mistake(key, "must be a text", mistakes);
                None
            }
        }
    }

    /// A whole number within the bounds that its key has, if it is there.
    pub(super) fn number(&mut self, key: &str, mistakes: &mut Vec<Mistake>) -> Option<usize> {
        let value = self.take(key)?;
        let Some(Holds::Whole(least, most)) = self.keys.key(key).map(|key| key.holds) else {
            unreachable!("{key} is described as a whole number");
        };
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| usize::try_from(number).ok());
        if number.is_none() {
            let reason = format!("must be a whole number from {least} to {most}");
            self.mistake(key, &reason, mistakes);
        }
        number
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        least_ms: u128,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Duration> {
        let value = self.take(key)?;
        let duration = value.as_str().and_then(duration::parse);
        let duration = duration.filter(|found| found.as_millis() >= least_ms);
        if duration.is_none() {
            let reason = format!("must be a time like \"15s\" or \"2m\", at least {least_ms}ms");
            self.mistake(key, &reason, mistakes);
        }
        duration
    }

    /// The same table with other keys: which there are may depend on what one of them says.
    pub(super) fn with(self, keys: &'static Table) -> Section {
        Section { keys, ..self }
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
