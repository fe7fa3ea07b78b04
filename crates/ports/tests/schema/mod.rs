//! As much of JSON Schema as `schema/envelope.v1.json` uses. An unknown keyword fails, so that the
//! schema can't say what isn't checked.

use serde_json::{Map, Value};

pub(crate) struct Schema(pub(crate) Value);

type Checked = Result<(), String>;

impl Schema {
    pub(crate) fn check(&self, value: &Value) -> Checked {
        self.against(&self.0, value)
    }

    fn against(&self, rules: &Value, value: &Value) -> Checked {
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
        match name {
            "$schema" | "$id" | "$defs" | "title" | "description" | "examples" => Ok(()),
            "$ref" => {
                let path = text(rule).trim_start_matches('#');
                self.against(self.0.pointer(path).expect("the reference exists"), value)
            }
            "const" => insist(rule == value, value),
            "enum" => insist(list(rule).contains(value), value),
            "type" => insist(is_of(rule, value), value),
            "pattern" => insist(value.as_str().is_some_and(is_uuid), value),
            "required" => {
                insist(list(rule).iter().all(|key| value.get(text(key)).is_some()), value)
            }
            "maxProperties" => insist(
                value
                    .as_object()
                    .is_none_or(|keys| keys.len() as u64 <= rule.as_u64().expect("a number")),
                value,
            ),
            "oneOf" => {
                let meets = |rules: &&Value| self.against(rules, value).is_ok();
                insist(list(rule).iter().filter(meets).count() == 1, value)
            }
            "items" => value
                .as_array()
                .map_or(Ok(()), |items| items.iter().try_for_each(|item| self.against(rule, item))),
            "properties" => members(value).try_for_each(|(key, member)| {
                rule.get(key).map_or(Ok(()), |rules| self.against(rules, member))
            }),
            "additionalProperties" => members(value)
                .filter(|(key, _)| {
                    all.get("properties").is_none_or(|known| known.get(key).is_none())
                })
                .try_for_each(|(_, member)| self.against(rule, member)),
            unknown => panic!("the check doesn't know {unknown}"),
        }
    }
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
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            unknown => panic!("the check doesn't know the type {unknown}"),
        },
    }
}

/// The only pattern of the schema.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::parse_str(text).is_ok_and(|id| id.to_string() == text)
}
