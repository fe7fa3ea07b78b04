//! Every piece of configuration that a page shows is accepted by `check --offline`: the pieces of a page
//! are put, one after another, into what `duet init` writes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use toml::{Table, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Pages that tell users what to write; decisions tell what was thought once.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    for folder in ["docs", "docs/how-to", "docs/reference"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found.sort();
    found
}

fn snippets(page: &str) -> Vec<&str> {
    let blocks = page.split("\n```toml\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

/// Tables of names are put together; what a name stands for is replaced as a whole.
fn put(into: &mut Table, from: Table, names: &[&str]) {
    for (key, value) in from {
        let open = names.first().is_some_and(|name| *name == key || *name == "*");
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if open => put(old, new, &names[1..]),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

fn put_all(project: &mut Table, snippet: &Table) {
    let Some(Value::Table(flows)) = snippet.get("flow") else {
        return put(project, snippet.clone(), &["connections"]);
    };
    for (name, flow) in flows {
        let one = |value: Value| Table::from_iter([(name.clone(), value)]);
        let whole = Table::from_iter([("flow".to_owned(), Value::Table(one(flow.clone())))]);
        put(project, whole, &["flow", "*", "fields"]);
    }
    let others = snippet.iter().filter(|(key, _)| *key != "flow");
    put(
        project,
        others.map(|(key, value)| (key.clone(), value.clone())).collect(),
        &["connections"],
    );
}

/// What `duet init` writes, as one table.
fn template() -> Table {
    let folder = TempDir::new().unwrap();
    let mut duet = Command::new(env!("CARGO_BIN_EXE_duet"));
    let done = duet.args(["init", "--no-input"]).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let mut project: Table = read("duet.toml").parse().unwrap();
    for flow in ["customers", "products", "orders"] {
        put_all(&mut project, &read(&format!("flows/{flow}.toml")).parse().unwrap());
    }
    project.remove("flows");
    project
}

/// What `check --offline` says about a project whose variables are all set.
fn refused(project: &Table) -> Option<String> {
    let folder = TempDir::new().unwrap();
    let text = toml::to_string(project).unwrap();
    fs::write(folder.path().join("duet.toml"), &text).unwrap();
    let mut duet = Command::new(env!("CARGO_BIN_EXE_duet"));
    duet.args(["check", "--offline"]).current_dir(folder.path()).env_clear();
    for name in text.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next()) {
        let value = match name {
            "DUET_AMQP_URL" => "amqp://localhost",
            name if name.contains("DATABASE") => "postgres://localhost/d",
            name if name.contains("LOGIN") => "https://login.salesforce.com",
            _ => "some",
        };
        duet.env(name, value);
    }
    let done = duet.output().unwrap();
    (!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn every_piece_of_configuration_in_a_page_is_accepted() {
    let (template, mut seen, mut told) = (template(), 0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let (name, mut project, mut whole) = (page.display(), template.clone(), false);
        let snippets = snippets(&text);
        for (at, snippet) in snippets.iter().enumerate() {
            seen += 1;
            match snippet.parse::<Table>() {
                // A project of the page's own, of which the others are parts.
                Ok(table) if table.contains_key("version") => (project, whole) = (table, true),
                Ok(table) => put_all(&mut project, &table),
                Err(error) => told.push(format!("{name}: {error}\n{snippet}")),
            }
            // Flows of other files than the snippet's aren't looked for.
            project.remove("flows");
            if !whole || at + 1 == snippets.len() {
                told.extend(refused(&project).map(|why| format!("{name}:\n{snippet}\n{why}")));
            }
        }
    }
    assert!(seen >= 15, "pieces are found: {seen}");
    assert!(told.is_empty(), "{}", told.join("\n\n"));
}

#[test]
fn a_piece_that_is_wrong_is_found() {
    let mut project = template();
    assert_eq!(refused(&project), None);
    let wrong =
        "[flow.customers.fields]\nphone = { left = \"P\", right = \"p\", stratgy = \"x\" }\n";
    put_all(&mut project, &wrong.parse().unwrap());
    assert!(refused(&project).unwrap().contains("stratgy"));
    assert_eq!(snippets("a\n```toml\nx = 1\n```\nb\n```text\nc\n```\n"), ["x = 1"]);
}
