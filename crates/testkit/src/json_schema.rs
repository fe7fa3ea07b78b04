//! As much of JSON Schema as the files of `schema/` use. An unknown keyword fails, so that a schema
//! can't say what isn't checked.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A schema.
#[derive(Debug)]
pub struct Schema(pub Value);

type Checked = Result<(), String>;

/// Keywords that say nothing about a value.
const SILENT: [&str; 7] =
    ["$schema", "$id", "$defs", "title", "description", "examples", "default"];

impl Schema {
    /// Whether a value meets the whole schema; else why not.
    ///
    /// # Errors
    /// The keywords on the way to the one that isn't met, and the value there.
    pub fn check(&self, value: &Value) -> Checked {
        self.against(&self.0, value)
    }

    /// Whether a value meets rules of this schema; else why not.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Panics
    /// When the rules hold what this check doesn't know.
    pub fn against(&self, rules: &Value, value: &Value) -> Checked {
        if let Value::Bool(any) = rules {
            return insist(*any, value);
        }
        let rules = rules.as_object().expect("rules are an object");
        rules.iter().try_for_each(|(keyword, rule)| {
            self.keyword(rules, keyword, rule, value).map_err(|why| format!("{keyword}: {why}"))
        })
    }

    fn keyword(
        &self,
        all: &Map<String, Value>,
        name: &str,
        rule: &Value,
        value: &Value,
    ) -> Checked {
        let meets = |rules: &&Value| self.against(rules, value).is_ok();
        match name {
            silent if SILENT.contains(&silent) => Ok(()),
            "$ref" => {
                let path = text(rule).trim_start_matches('#');
                self.against(self.0.pointer(path).expect("the reference exists"), value)
            }
            "oneOf" => insist(list(rule).iter().filter(meets).count() == 1, value),
            "anyOf" => insist(list(rule).iter().any(|rules| meets(&rules)), value),
            "items" => value
                .as_array()
                .map_or(Ok(()), |items| items.iter().try_for_each(|item| self.against(rule, item))),
            "properties" => members(value).try_for_each(|(key, member)| {
                rule.get(key).map_or(Ok(()), |rules| self.against(rules, member))
            }),
            "patternProperties" => members(value).try_for_each(|(key, member)| {
                let fitting = members(rule).filter(|(pattern, _)| fits(pattern, key));
                fitting.map(|(_, rules)| rules).try_for_each(|rules| self.against(rules, member))
            }),
            "additionalProperties" => members(value)
                .filter(|(key, _)| !is_told(all, key))
                .try_for_each(|(key, member)| {
                    self.against(rule, member).map_err(|why| format!("{key}: {why}"))
                }),
            _ => insist(alone(name, rule, value), value),
        }
    }
}

/// Keywords that look at the value alone.
fn alone(name: &str, rule: &Value, value: &Value) -> bool {
    let has = |key: &Value| value.get(text(key)).is_some();
    let number = |value: &Value| value.as_f64();
    let length = |least: usize| rule.as_u64().is_some_and(|wanted| wanted <= least as u64);
    match name {
        "const" => rule == value,
        "enum" => list(rule).contains(value),
        "type" => is_of(rule, value),
        "pattern" => value.as_str().is_none_or(|text| fits(self::text(rule), text)),
        "minLength" => value.as_str().is_none_or(|text| length(text.chars().count())),
        "minItems" => value.as_array().is_none_or(|items| length(items.len())),
        "minimum" => number(value).is_none_or(|found| Some(found) >= number(rule)),
        "maximum" => number(value).is_none_or(|found| Some(found) <= number(rule)),
        "required" => value.as_object().is_none_or(|_| list(rule).iter().all(has)),
        "dependencies" => members(rule)
            .all(|(key, needed)| value.get(key).is_none() || list(needed).iter().all(has)),
        "maxProperties" => value
            .as_object()
            .is_none_or(|keys| keys.len() as u64 <= rule.as_u64().expect("a number")),
        unknown => panic!("the check doesn't know {unknown}"),
    }
}

/// Whether a key has rules of its own.
fn is_told(all: &Map<String, Value>, key: &str) -> bool {
    let named = all.get("properties").is_some_and(|known| known.get(key).is_some());
    let patterns = all.get("patternProperties").and_then(Value::as_object);
    named || patterns.is_some_and(|known| known.keys().any(|pattern| fits(pattern, key)))
}

fn fits(pattern: &str, text: &str) -> bool {
    // Making one takes a thousand times longer than using it.
    static MADE: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().expect("nobody panics while holding it");
    if let Some(known) = made.get(pattern) {
        return known.is_match(text);
    }
    let new = Regex::new(pattern).expect("a pattern is a regular expression");
    made.entry(pattern.to_owned()).or_insert(new).is_match(text)
}

fn list(rule: &Value) -> &Vec<Value> {
    rule.as_array().expect("a list")
}

fn text(rule: &Value) -> &str {
    rule.as_str().expect("text")
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn insist(holds: bool, value: &Value) -> Checked {
    if holds { Ok(()) } else { Err(value.to_string()) }
}

fn is_of(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Array(any) => any.iter().any(|rule| is_of(rule, value)),
        one => match one.as_str().expect("a type is text") {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            unknown => panic!("the check doesn't know the type {unknown}"),
        },
    }
}

#[cfg(test)]
mod tests {
    //! Shows that each keyword refuses something.

    use super::*;
    use serde_json::json;

    #[test]
    fn every_keyword_refuses_something() {
        let cases = [
            (json!({ "type": ["string", "null"] }), json!("a"), json!(1)),
            (json!({ "enum": ["a", true] }), json!(true), json!("b")),
            (json!({ "const": 1 }), json!(1), json!(2)),
            (json!({ "pattern": "^a+$" }), json!("aa"), json!("b")),
            (json!({ "minLength": 1 }), json!("a"), json!("")),
            (json!({ "minItems": 2 }), json!([1, 2]), json!([1])),
            (json!({ "minimum": 1, "maximum": 3 }), json!(3), json!(4)),
            (json!({ "minimum": 1, "maximum": 3 }), json!(1), json!(0)),
            (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({})),
            (json!({ "maxProperties": 0 }), json!({}), json!({ "a": 1 })),
            (json!({ "dependencies": { "a": ["b"] } }), json!({ "b": 1 }), json!({ "a": 1 })),
            (json!({ "items": { "type": "array" } }), json!([[]]), json!([1])),
            (json!({ "anyOf": [{ "type": "string" }, { "enum": [1] }] }), json!(1), json!(2)),
            (json!({ "oneOf": [{ "type": "integer" }, { "enum": [1] }] }), json!(2), json!(1)),
            (
                json!({ "properties": { "a": { "type": "null" } }, "additionalProperties": false }),
                json!({ "a": null }),
                json!({ "b": null }),
            ),
            (
                json!({ "patternProperties": { "^a": { "type": "null" } }, "additionalProperties": false }),
                json!({ "ab": null }),
                json!({ "ab": 1 }),
            ),
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "null" } } }),
                json!(null),
                json!(1),
            ),
        ];
        for (rules, good, bad) in cases {
            let schema = Schema(rules);
            assert_eq!(schema.check(&good), Ok(()), "{schema:?} {good}");
            assert!(schema.check(&bad).is_err(), "{schema:?} {bad}");
        }
    }
}
