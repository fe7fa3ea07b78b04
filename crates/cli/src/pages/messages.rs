//! `docs/reference/messages.md`: what travels on the hub, from `schema/envelope.v1.json`.

use super::{head, keep, row, stored};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a value is, in a few words.
fn kind(rules: &Value) -> String {
    if let Some(name) = text(&rules["$ref"]).strip_prefix("#/$defs/") {
        return format!("[{name}](#{name})");
    }
    if !rules["const"].is_null() {
        return format!("`{}`", rules["const"]);
    }
    if let Some(words) = rules["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", text(word))).collect();
        return words.join(", ");
    }
    if let Some(kinds) = rules["oneOf"].as_array() {
        return kinds.iter().map(form).collect::<Vec<_>>().join(", or ");
    }
    if let Some(kinds) = rules["type"].as_array() {
        return kinds.iter().map(text).collect::<Vec<_>>().join(" or ");
    }
    match text(&rules["type"]) {
        "array" => format!("list of {}", kind(&rules["items"])),
        "object" if rules["additionalProperties"].is_object() => {
            format!("object of {}", kind(&rules["additionalProperties"]))
        }
        "" => "any".to_owned(),
        other => other.to_owned(),
    }
}

/// One of several forms: an object with its members, and what it is for.
fn form(rules: &Value) -> String {
    let shape = match rules["properties"].as_object() {
        Some(members) => {
            let told = members.iter().map(|(name, member)| format!("`{name}`: {}", kind(member)));
            format!("{{ {} }}", told.collect::<Vec<_>>().join(", "))
        }
        None => kind(rules),
    };
    match text(&rules["description"]).trim_end_matches('.') {
        "" => shape,
        about => format!("{shape} ({about})"),
    }
}

/// The members of an object, those of objects inside it under their path.
fn members(rules: &Value, above: &str, rows: &mut String) {
    let needed = |name: &str| {
        let needed = rules["required"].as_array().into_iter().flatten();
        if needed.map(text).any(|one| one == name) { "yes" } else { "–" }
    };
    for (name, member) in rules["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let about = text(&member["description"]);
        rows.push_str(&row(&[&format!("`{path}`"), &kind(member), needed(name), about]));
        members(member, &format!("{path}."), rows);
    }
}

fn section(name: &str, rules: &Value) -> String {
    let about = match text(&rules["description"]) {
        "" => String::new(),
        about => format!("{about}\n\n"),
    };
    let mut rows = String::new();
    members(rules, "", &mut rows);
    let table = match rows.as_str() {
        "" => format!("{}.\n", kind(rules)),
        rows => format!("{}{rows}", head(&["Member", "Holds", "Needed", "Meaning"])),
    };
    format!("### {name}\n\n{about}{table}\n")
}

fn page(schema: &Value) -> String {
    let mut page = section("envelope", schema);
    let bodies = schema["$defs"]["body"]["oneOf"].as_array().expect("bodies are several");
    for body in bodies {
        let name = match body["required"].as_array() {
            Some(names) => text(&names[0]),
            None => text(&body["const"]),
        };
        page.push_str(&section(&format!("body: {name}"), body));
    }
    for (name, rules) in schema["$defs"].as_object().expect("there are definitions") {
        if name != "body" {
            page.push_str(&section(name, rules));
        }
    }
    page
}

#[test]
fn every_message_is_in_the_page() {
    let schema = serde_json::from_str(&stored("schema/envelope.v1.json")).expect("it is JSON");
    let mut page = page(&schema);
    assert!(page.contains("### body: wake_links") && page.contains("### change"), "{page}");
    // Bodies are the sections before.
    page = page.replace("[body](#body)", "one of the bodies below");
    keep("docs/reference/messages.md", &[("messages", page)]);
}
