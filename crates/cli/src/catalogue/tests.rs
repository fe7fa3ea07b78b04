//! The schema for editors against the parser: whatever one accepts or refuses, the other does too, on
//! projects as they are shown and with every key of theirs removed, renamed and of another type.

use super::*;
use crate::{commands::init, pages, vet};
use duet_config::{Code, Mistake, Source, keys};
use duet_testkit::json_schema::Schema;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fs;
use toml::{Table, Value};

/// What a mistake may be about that the schema has to know: keys, types, words and forms. The rest
/// shows between several keys.
const SHOWN: [Code; 10] = [
    Code::UnknownKey,
    Code::WrongType,
    Code::UnknownValue,
    Code::NotSupportedYet,
    Code::ValueNotSupportedYet,
    Code::BadName,
    Code::BadDuration,
    Code::BadMissing,
    Code::UnknownType,
    Code::UnknownTransform,
];
/// The same in the words of connectors, which have one code for all.
const SHOWN_BY_CONNECTORS: [&str; 5] =
    ["is no setting", "is not supported yet", "must be a t", "must be a whole", "is missing"];
/// Keywords of draft 4; editors of TOML know no later ones.
const DRAFT_4: [&str; 17] = [
    "$schema",
    "additionalProperties",
    "anyOf",
    "default",
    "dependencies",
    "description",
    "enum",
    "items",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
];

fn table(text: &str) -> Table {
    text.parse().unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// One project in one text: flows may stand in duet.toml.
fn project(root: &str, flows: &[String]) -> Table {
    let mut whole = table(root);
    let mut all = Table::new();
    for (name, flow) in flows.iter().flat_map(|text| flow_of(&table(text))) {
        all.insert(name, flow);
    }
    whole.entry("flow").or_insert(Value::Table(all));
    whole
}

fn flow_of(file: &Table) -> Vec<(String, Value)> {
    let flows = file.get("flow").and_then(Value::as_table).cloned().unwrap_or_default();
    flows.into_iter().collect()
}

fn texts(folder: &str) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(pages::root().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).expect("a text")).collect()
}

/// Every project that there is to try.
fn projects() -> Vec<Table> {
    let northwind = fs::read_to_string(pages::root().join("tests/northwind/duet.toml"));
    let northwind = northwind.expect("the sample is there");
    let everything = include_str!("everything.toml");
    let owned = everything.replace(
        "strategy           = \"last_write_wins\"\ntie                = [\"user_over_automation\", \"left\"]",
        "strategy           = \"source_of_truth\"\ntruth              = \"right\"",
    );
    assert_ne!(owned, everything, "[defaults] has another strategy");
    let mut all = vec![
        project(&northwind, &texts("tests/northwind/flows")),
        project(&northwind, &texts("tests/northwind/policies")),
        table(everything),
        table(&owned),
    ];
    for files in init::every() {
        let (_, root) = files.iter().find(|(name, _)| *name == "duet.toml").expect("a project");
        let flows = files.iter().filter(|(name, _)| name.starts_with("flows/"));
        all.push(project(root, &flows.map(|(_, text)| text.clone()).collect::<Vec<_>>()));
    }
    all
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "DUET_AMQP_URL" => "amqp://localhost",
        "SF_LOGIN_URL" => "https://login.salesforce.com",
        name if name.ends_with("_URL") => "postgres://localhost/d",
        "TILL" => return None,
        _ => "some",
    };
    Some(value.to_owned())
}

/// What `duet check --offline` finds.
fn checked(project: &Table) -> Vec<Mistake> {
    let text = toml::to_string(project).expect("a table can be written");
    let source = Source { name: "duet.toml".to_owned(), text };
    match duet_config::parse(vec![source], &variable) {
        Ok(project) => vet::project(&project),
        Err(mistakes) => mistakes,
    }
}

/// As an editor hands it to the schema.
fn json(value: &Value) -> Json {
    match value {
        Value::String(text) => text.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Table(table) => of_table(table),
    }
}

fn of_table(table: &Table) -> Json {
    Json::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect())
}

/// Steps from the root to a value: keys, and places in lists.
type Path = Vec<String>;

fn paths(value: &Value, above: &Path, found: &mut Vec<Path>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(at, inner)| (at.to_string(), inner)).collect()
        }
        _ => return,
    };
    for (step, inner) in below {
        let path: Path = above.iter().cloned().chain([step]).collect();
        if value.is_table() {
            found.push(path.clone());
        }
        paths(inner, &path, found);
    }
}

fn holder<'t>(project: &'t mut Value, path: &[String]) -> &'t mut Table {
    let mut value = project;
    for step in &path[..path.len() - 1] {
        value = match value {
            Value::Array(items) => &mut items[step.parse::<usize>().expect("a place")],
            other => other.as_table_mut().and_then(|table| table.get_mut(step)).expect("a key"),
        };
    }
    value.as_table_mut().expect("keys stand in tables")
}

/// The same project with one key otherwise.
fn with(project: &Table, path: &Path, change: impl FnOnce(&mut Table, &str)) -> Table {
    let mut value = Value::Table(project.clone());
    let key = path.last().expect("a path has a step");
    change(holder(&mut value, path), key);
    value.as_table().expect("it was one").clone()
}

fn schema() -> Schema {
    Schema(json_schema(&kinds()))
}

fn is_shown(mistake: &Mistake) -> bool {
    let by_connector = mistake.code == Code::BadSetting
        && SHOWN_BY_CONNECTORS.iter().any(|words| mistake.sentence.contains(words));
    by_connector || SHOWN.contains(&mistake.code)
}

/// Where schema and parser differ about a project, if they do.
fn differ(schema: &Schema, project: &Table) -> Option<String> {
    let refused = schema.check(&of_table(project)).err();
    let mistakes = checked(project);
    let shown = mistakes.iter().find(|mistake| is_shown(mistake));
    match (refused, shown) {
        (None, Some(mistake)) => Some(format!("only the parser refuses: {mistake}")),
        (Some(why), _) if mistakes.is_empty() => Some(format!("only the schema refuses: {why}")),
        (_, _) => None,
    }
}

#[test]
fn the_file_is_what_is_generated() {
    pages::kept("schema/duet.schema.json", &super::schema(), |text| {
        serde_json::from_str::<Json>(text).unwrap_or_default().to_string()
    });
}

#[test]
fn every_kind_of_connection_is_described() {
    let told: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
    let known = keys::CONNECTION.key("kind").expect("a connection has a kind").holds;
    assert_eq!(known.to_string(), format!("`{}`", told.join("`, `")));
}

#[test]
fn what_is_shown_is_accepted_by_both() {
    let schema = schema();
    for project in projects() {
        assert_eq!(schema.check(&of_table(&project)), Ok(()), "{project}");
        let mistakes: Vec<String> = checked(&project).iter().map(Mistake::to_string).collect();
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    }
}

#[test]
fn a_file_of_flows_is_accepted_and_nothing_beside_flows() {
    let schema = schema();
    let files = texts("tests/northwind/flows");
    for text in &files {
        assert_eq!(schema.check(&of_table(&table(text))), Ok(()), "{text}");
    }
    let stray = format!("project = \"x\"\n{}", files[0]);
    assert!(schema.check(&of_table(&table(&stray))).is_err(), "a project needs more");
}

/// The same project with one key otherwise, in every way that is tried, each with its name.
fn changes(project: &Table, path: &Path) -> Vec<(&'static str, Table)> {
    let set =
        |value: Value| with(project, path, |table, key| drop(table.insert(key.to_owned(), value)));
    let renamed = with(project, path, |table, key| {
        let value = table.remove(key).expect("it is there");
        table.insert(format!("zz{key}"), value);
    });
    vec![
        ("removed", with(project, path, |table, key| drop(table.remove(key)))),
        ("renamed", renamed),
        ("a text", set("zz".into())),
        ("a number", set(7.into())),
        ("true", set(true.into())),
        ("false", set(false.into())),
        ("a list of lists", set(Value::Array(vec![Value::Array(Vec::new())]))),
        ("a table", set(Value::Table(table("zz = {}")))),
    ]
}

#[test]
fn whatever_is_changed_both_say_the_same() {
    let schema = schema();
    let (mut told, mut tried, mut refused) = (Vec::new(), 0, 0);
    // Templates say much alike: what one of them showed need not be shown again.
    let mut known = BTreeSet::new();
    for project in projects() {
        let mut all = Vec::new();
        paths(&Value::Table(project.clone()), &Vec::new(), &mut all);
        for path in &all {
            let mut whole = Value::Table(project.clone());
            let key = path.last().expect("a path has a step");
            let held = holder(&mut whole, path).get(key).map(ToString::to_string);
            if !known.insert((path.clone(), held)) {
                continue;
            }
            for (how, changed) in changes(&project, path) {
                tried += 1;
                refused += usize::from(schema.check(&of_table(&changed)).is_err());
                let difference = differ(&schema, &changed);
                told.extend(difference.map(|why| format!("{} {how}: {why}", path.join("."))));
            }
        }
    }
    assert!(tried > 2_000 && refused > tried / 3, "{refused} of {tried} are refused");
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told.join("\n"));
}

/// No value is a list of lists: a key that accepts one is read by nobody.
#[test]
fn every_key_is_read() {
    let schema = schema();
    for project in projects() {
        let mut all = Vec::new();
        paths(&Value::Table(project.clone()), &Vec::new(), &mut all);
        for path in all {
            let nested = Value::Array(vec![Value::Array(Vec::new())]);
            let changed =
                with(&project, &path, |table, key| drop(table.insert(key.to_owned(), nested)));
            let name = path.join(".");
            assert!(schema.check(&of_table(&changed)).is_err(), "the schema takes any {name}");
            assert!(!checked(&changed).is_empty(), "nobody reads {name}");
        }
    }
}

/// Properties of the schema that a value has, as pointers into the schema.
fn met(schema: &Schema, rules: &Json, at: &str, value: &Json, found: &mut BTreeSet<String>) {
    if let Some(items) = value.as_array() {
        for item in items {
            met(schema, &rules["items"], &format!("{at}/items"), item, found);
        }
    }
    for (index, branch) in rules["anyOf"].as_array().into_iter().flatten().enumerate() {
        if schema.against(branch, value).is_ok() {
            met(schema, branch, &format!("{at}/anyOf/{index}"), value, found);
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        if let Some(rules) = rules["properties"].get(key) {
            let at = format!("{at}/properties/{key}");
            found.insert(at.clone());
            met(schema, rules, &at, inner, found);
        }
        for (pattern, rules) in rules["patternProperties"].as_object().into_iter().flatten() {
            met(schema, rules, &format!("{at}/patternProperties/{pattern}"), inner, found);
        }
        if rules["additionalProperties"].is_object() {
            let at = format!("{at}/additionalProperties");
            met(schema, &rules["additionalProperties"], &at, inner, found);
        }
    }
}

fn properties(rules: &Json, at: &str, found: &mut BTreeSet<String>) {
    match rules {
        Json::Object(fields) => {
            for (name, inner) in fields {
                if at.ends_with("/properties") {
                    found.insert(format!("{at}/{name}"));
                }
                properties(inner, &format!("{at}/{name}"), found);
            }
        }
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                properties(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_schema_is_in_a_project_that_is_accepted() {
    let schema = schema();
    let (mut wanted, mut found) = (BTreeSet::new(), BTreeSet::new());
    properties(&schema.0, "", &mut wanted);
    for project in projects() {
        met(&schema, &schema.0, "", &of_table(&project), &mut found);
    }
    let missing: Vec<&String> = wanted.difference(&found).collect();
    assert!(missing.is_empty() && wanted.len() > 100, "in no project: {missing:#?}");
}

fn keywords(rules: &Json, found: &mut BTreeSet<String>) {
    for (keyword, rule) in rules.as_object().into_iter().flatten() {
        found.insert(keyword.clone());
        match keyword.as_str() {
            "properties" | "patternProperties" => {
                rule.as_object().into_iter().flatten().for_each(|(_, rule)| keywords(rule, found));
            }
            "items" | "additionalProperties" => keywords(rule, found),
            "anyOf" => rule.as_array().into_iter().flatten().for_each(|rule| keywords(rule, found)),
            _ => {}
        }
    }
}

#[test]
fn the_schema_keeps_to_draft_4() {
    let schema = json_schema(&kinds());
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-04/schema#");
    let mut found = BTreeSet::new();
    keywords(&schema, &mut found);
    let known = |word: &String| DRAFT_4.contains(&word.as_str()) || word == "type";
    assert!(found.iter().all(known), "{found:?}");
    assert!(!schema.to_string().contains("\"required\":[]"), "draft 4 wants one at least");
    assert!(schema["properties"]["hub"]["properties"]["partitions"]["default"] == json!(4));
}
