//! Stored values: core types as JSON text, names of enum values, and the checks at this edge. No
//! record value ever gets into an error from here.

use duet_ports::store::StoreError;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The form of every JSON column this build writes; stored beside it.
pub(crate) const FORM: i16 = 2;
/// The forms it reads. Form 1 says everything of every agreed field.
const READS: std::ops::RangeInclusive<i16> = 1..=FORM;

/// How JSON spells the one character that PostgreSQL can't store.
const NUL_ESCAPE: &str = "\\u0000";

/// A core value as JSON text.
pub(crate) fn to_json<T: Serialize + ?Sized>(what: &str, value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|_| corrupt(what, "a value can't be written as JSON"))?;
    if !text.contains(NUL_ESCAPE) {
        return Ok(text);
    }
    // The search also hits a backslash followed by "u0000"; the parsed value tells them apart.
    let parsed = serde_json::from_str(&text).map_err(|_| corrupt(what, "unreadable JSON"))?;
    match path_of_nul(&parsed) {
        Some(path) => Err(corrupt(what, &format!("text with NUL in {path}"))),
        None => Ok(text),
    }
}

/// A core value from JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(
    what: &str,
    form: i16,
    text: &str,
) -> Result<T, StoreError> {
    if !READS.contains(&form) {
        return Err(corrupt(what, &format!("form {form}; this build reads forms up to {FORM}")));
    }
    serde_json::from_str(text)
        .map_err(|error| corrupt(what, &format!("not understood at byte {}", error.column())))
}

/// Text to be stored in a column of its own.
pub(crate) fn checked<'a>(what: &str, text: &'a str) -> Result<&'a str, StoreError> {
    match text.contains('\0') {
        true => Err(corrupt(what, "text with NUL")),
        false => Ok(text),
    }
}

/// The stored name of an enum value, such as `linked`.
pub(crate) fn name_of<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(name)) => name,
        Ok(_) | Err(_) => unreachable!("stored names belong to enums without content"),
    }
}

/// The enum value of a stored name.
pub(crate) fn from_name<'de, T: Deserialize<'de>>(
    what: &str,
    name: &'de str,
) -> Result<T, StoreError> {
    let names: StrDeserializer<'de, NameError> = name.into_deserializer();
    T::deserialize(names).map_err(|_| corrupt(what, &format!("no such name: {name}")))
}

/// Stored state that can't be what it is.
pub(crate) fn corrupt(what: &str, reason: &str) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), reason: reason.to_owned() }
}

fn path_of_nul(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => text.contains('\0').then(String::new),
        Json::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| path_of_nul(item).map(|rest| format!("[{at}]{rest}"))),
        Json::Object(entries) => entries.iter().find_map(|(name, item)| path_in(name, item)),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

fn path_in(name: &str, item: &Json) -> Option<String> {
    let shown = name.replace('\0', "\u{fffd}");
    if name.contains('\0') {
        return Some(format!(".{shown}"));
    }
    path_of_nul(item).map(|rest| format!(".{shown}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_core::link::Phase;
    use std::collections::BTreeMap;

    #[test]
    fn nul_is_refused_by_name_of_its_field() {
        let values = BTreeMap::from([("city", "a\0b"), ("name", "x")]);
        let error = to_json("observation", &values).unwrap_err();
        assert_eq!(
            error.to_string(),
            "observation: stored state can't be used: text with NUL in .city"
        );
    }

    #[test]
    fn a_backslash_before_u0000_is_no_nul() {
        let text = to_json("x", "a\\u0000b").unwrap();
        assert_eq!(from_json::<String>("x", FORM, &text).unwrap(), "a\\u0000b");
    }

    #[test]
    fn another_form_is_refused() {
        for form in [0, FORM + 1] {
            assert!(from_json::<String>("x", form, "\"a\"").is_err());
        }
        assert!(from_json::<String>("x", 1, "\"a\"").is_ok(), "the first one is read");
    }

    #[test]
    fn names_come_back() {
        for phase in [Phase::Linked, Phase::Joined, Phase::Matching] {
            assert_eq!(from_name::<Phase>("phase", &name_of(phase)).unwrap(), phase);
        }
        assert!(from_name::<Phase>("phase", "lost").is_err());
    }

    #[test]
    fn an_unreadable_value_is_not_shown() {
        let error = from_json::<i64>("agreed", FORM, "\"secret\"").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
