//! The JSON Schema of `duet.toml` and of files of flows, for editors; made from the tables of keys.
//!
//! Draft 4 without references: what every TOML editor reads. It is never stricter than the parser: a
//! text that holds a variable (`${…}`) may become anything. What only shows between several keys
//! (`truth` without `source_of_truth`) is left to `duet check`.

use crate::keys::{CONNECTION, PROJECT};
use duet_ports::keys::{Holds, Key, Table};
use serde_json::{Map, Value, json};

/// A text in which a variable stands.
const VARIABLE: &str = r"\$\{";
/// A name of the project's own.
const NAME: &str = "^[A-Za-z0-9_-]{1,63}$";
const DURATION: &str = r"^\s*\d+\s*(ms|s|m|h|d)\s*$";

/// A kind of connection, and what its connector reads.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As `kind` names it.
    pub name: &'static str,
    /// The keys beside those that every connection has.
    pub table: &'static Table,
}

/// The schema for these kinds of connections.
#[must_use]
pub fn json_schema(kinds: &[Kind]) -> Value {
    let mut schema = table(PROJECT, kinds);
    let fields = schema.as_object_mut().expect("a table's schema is an object");
    fields.remove("required");
    fields.insert("$schema".to_owned(), json!("http://json-schema.org/draft-04/schema#"));
    fields.insert("title".to_owned(), json!("duet.toml and files of flows"));
    let about = "Generated from the keys that duet knows; `duet check --schema` prints it.";
    fields.insert("description".to_owned(), json!(about));
    fields.insert("dependencies".to_owned(), Value::Object(dependencies()));
    schema
}

/// A file of flows holds nothing but flows; every other key means that this is `duet.toml`, which
/// needs more.
fn dependencies() -> Map<String, Value> {
    let project = PROJECT.usable().filter(|key| key.name != "flow");
    let needed = |own: &str| {
        let others = PROJECT.usable().filter(|key| key.needed && key.name != own);
        others.map(|key| Value::from(key.name)).collect::<Vec<_>>()
    };
    project.map(|key| (key.name.to_owned(), needed(key.name).into())).collect()
}

fn table(table: &Table, kinds: &[Kind]) -> Value {
    if std::ptr::eq(table.keys, CONNECTION.keys) {
        return connection(kinds);
    }
    object(table.usable().map(|key| (key, property(key, kinds))))
}

/// Which keys a connection has depends on its kind.
fn connection(kinds: &[Kind]) -> Value {
    let of = |kind: &Kind| {
        let common = CONNECTION.usable().map(|key| {
            let mut schema = property(key, kinds);
            if key.name == "kind" {
                schema["anyOf"][0] = json!({ "enum": [kind.name] });
            }
            (key, schema)
        });
        object(common.chain(kind.table.usable().map(|key| (key, property(key, kinds)))))
    };
    json!({ "anyOf": kinds.iter().map(of).collect::<Vec<_>>() })
}

fn object<'k>(properties: impl Iterator<Item = (&'k Key, Value)>) -> Value {
    let mut needed = Vec::new();
    let mut known = Map::new();
    for (key, schema) in properties {
        if key.needed {
            needed.push(key.name);
        }
        known.insert(key.name.to_owned(), schema);
    }
    let mut object =
        json!({ "type": "object", "properties": known, "additionalProperties": false });
    // Draft 4 knows no empty list here.
    if !needed.is_empty() {
        object["required"] = json!(needed);
    }
    object
}

fn property(key: &Key, kinds: &[Kind]) -> Value {
    let mut schema = value(&key.holds, kinds);
    let default = default(&key.holds, key.default);
    let told = match (&default, key.default) {
        (None, words) if !words.is_empty() => format!("{} Default: {words}.", key.meaning),
        (_, _) => key.meaning.to_owned(),
    };
    schema["description"] = told.into();
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

fn value(holds: &Holds, kinds: &[Kind]) -> Value {
    match holds {
        Holds::Text | Holds::Column => json!({ "type": "string", "minLength": 1 }),
        Holds::Name => form(NAME),
        Holds::Duration => form(DURATION),
        Holds::Form(_, pattern) => form(pattern),
        Holds::Address(schemes) => form(&format!("^({})://", schemes.join("|"))),
        Holds::Plain => json!({ "type": ["string", "number", "boolean"] }),
        Holds::Number => json!({ "type": "number" }),
        Holds::Whole(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Holds::Flag => json!({ "type": "boolean" }),
        Holds::True => json!({ "enum": [true] }),
        Holds::Words(words) => {
            json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": VARIABLE }] })
        }
        Holds::List(of, least) => {
            json!({ "type": "array", "items": value(of, kinds), "minItems": least })
        }
        Holds::ByName(of) => json!({
            "type": "object",
            "patternProperties": { NAME: value(of, kinds) },
            "additionalProperties": false,
        }),
        Holds::ByValue(of) => {
            json!({ "type": "object", "additionalProperties": value(of, kinds) })
        }
        Holds::Sides(of) => {
            let side = value(of, kinds);
            json!({
                "type": "object",
                "properties": { "left": side, "right": side },
                "additionalProperties": false,
            })
        }
        Holds::Table(of) => table(of, kinds),
        Holds::Any(several) => {
            let each: Vec<Value> = several.iter().map(|one| value(one, kinds)).collect();
            json!({ "anyOf": each })
        }
    }
}

fn form(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}") })
}

/// A default as a value, where its words are one.
fn default(holds: &Holds, words: &str) -> Option<Value> {
    match holds {
        Holds::Words(known) => known.contains(&words).then(|| words.into()),
        Holds::Duration => duet_ports::duration::parse(words).map(|_| words.into()),
        Holds::Flag | Holds::True | Holds::Number | Holds::Whole(..) | Holds::List(..) => {
            serde_json::from_str(words).ok()
        }
        Holds::Sides(of) => default(of, words).map(|one| json!({ "left": one, "right": one })),
        Holds::Any(several) => several.iter().find_map(|one| default(one, words)),
        Holds::Text
        | Holds::Column
        | Holds::Name
        | Holds::Form(..)
        | Holds::Address(_)
        | Holds::Plain
        | Holds::ByName(_)
        | Holds::ByValue(_)
        | Holds::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    //! Shows defaults, and which keys belong to which kind; what is accepted is shown by `cli`.

    use super::*;

    const KINDS: &[Kind] = &[
        Kind {
            name: "postgres",
            table: &Table { title: "a", keys: &[Key::needed("url", Holds::Text, "Where.")] },
        },
        Kind { name: "sqlite", table: &Table { title: "b", keys: &[] } },
    ];

    #[test]
    fn a_default_is_a_value_where_it_can_be() {
        let sides = Holds::Sides(&Holds::Words(&["flag", "skip"]));
        assert_eq!(default(&sides, "flag"), Some(json!({ "left": "flag", "right": "flag" })));
        assert_eq!(default(&Holds::Whole(1, 64), "4"), Some(json!(4)));
        assert_eq!(default(&Holds::Flag, "true"), Some(json!(true)));
        assert_eq!(default(&Holds::Duration, "`0s`, else `5s`"), None);
        assert_eq!(default(&Holds::Words(&["left"]), "unset"), None);
        let told = property(&Key::new("a", Holds::Text, "the name", "Its label."), KINDS);
        assert_eq!(told["description"], "Its label. Default: the name.");
    }

    #[test]
    fn each_kind_of_connection_has_its_own_keys() {
        let schema = json_schema(KINDS);
        let (name, of) = (NAME, &schema["properties"]["connections"]["patternProperties"]);
        let kinds = of[name]["anyOf"].as_array().expect("one for each kind");
        assert_eq!(kinds[0]["properties"]["kind"]["anyOf"][0], json!({ "enum": ["postgres"] }));
        assert_eq!(kinds[0]["required"], json!(["kind", "url"]));
        assert!(kinds[1]["properties"].get("url").is_none());
        assert_eq!(schema["dependencies"]["project"], json!(["version", "connections"]));
        assert!(schema["dependencies"].get("flow").is_none(), "a file of flows is nothing else");
    }
}
