//! Dependencies between the crates point inward, and none is declared without being used.

use super::budgets::is_begun_only;
use super::exceptions::UNNAMED_DEPENDENCIES;
use super::tree::{Source, files, read, sources};

/// Package folder: the crates it may name, and those only its tests may name.
const DIRECTION: [(&str, &[&str], &[&str]); 16] = [
    ("crates/core", &[], &[]),
    ("crates/ports", &["core"], &["testkit"]),
    ("crates/pipeline", &["core", "ports"], &["testkit", "hub", "store"]),
    ("crates/hub", &["core", "ports"], &["testkit"]),
    ("crates/store", &["core", "ports"], &["testkit"]),
    ("crates/connectors/salesforce", &["core", "ports"], &["testkit", "emulator"]),
    ("crates/connectors/sql", &["core", "ports"], &["testkit"]),
    ("crates/config", &["core", "ports"], &["testkit"]),
    ("crates/desk", &["core", "ports"], &["testkit"]),
    ("crates/emulator", &[], &["testkit"]),
    // Drives the stages as `cli` does, on sides of its own.
    ("crates/sim", &["core", "ports", "pipeline", "hub", "store"], &[]),
    ("crates/testkit", &["core", "ports"], &[]),
    (
        "crates/cli",
        &[
            "core",
            "ports",
            "pipeline",
            "hub",
            "store",
            "salesforce",
            "sql",
            "config",
            "desk",
            "emulator",
            "sim",
        ],
        &["testkit"],
    ),
    // The proof is independent: it names no crate of duet; its tests start servers.
    ("tests", &[], &["testkit", "emulator"]),
    // Drives the stages as `cli` does, and names no product's connector.
    ("tests/bench", &["core", "ports", "pipeline", "hub", "store", "testkit"], &[]),
    // What duet is compared with knows nothing of it.
    ("tests/bench/limit", &[], &[]),
];

fn manifests() -> Vec<(String, toml::Table)> {
    let members = files().iter().filter(|path| path.ends_with("/Cargo.toml"));
    let parsed = members.filter_map(|path| {
        let manifest: toml::Table = read(path)?.parse().unwrap();
        manifest.contains_key("package").then_some((path.clone(), manifest))
    });
    parsed.collect()
}

fn names(manifest: &toml::Table, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn own(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().filter_map(|name| name.strip_prefix("duet-"))
}

#[test]
fn dependencies_point_inward() {
    let mut found = Vec::new();
    for (path, manifest) in manifests() {
        let package = path.trim_end_matches("/Cargo.toml");
        let Some((_, allowed, in_tests)) = DIRECTION.iter().find(|row| row.0 == package) else {
            found.push(format!("{package}: give it a row in the table of directions"));
            continue;
        };
        for name in own(&names(&manifest, "dependencies")).filter(|name| !allowed.contains(name)) {
            found.push(format!("{package} must not know {name}"));
        }
        let in_its_tests = names(&manifest, "dev-dependencies");
        let unknown = |name: &&str| !allowed.contains(name) && !in_tests.contains(name);
        for name in own(&in_its_tests).filter(unknown) {
            found.push(format!("the tests of {package} must not know {name}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_core_has_no_runtime() {
    let (_, manifest) = manifests().into_iter().find(|found| found.0.contains("/core/")).unwrap();
    let names = names(&manifest, "dependencies");
    let runtime = ["tokio", "futures-util", "async-trait", "reqwest", "sqlx", "tracing", "lapin"];
    assert!(!names.iter().any(|name| runtime.contains(&name.as_str())), "{names:?}");
}

fn is_named(sources: &[&Source], dependency: &str) -> bool {
    let name = dependency.replace('-', "_");
    sources.iter().any(|source| {
        source.code().chain(source.tests()).any(|(_, line)| {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            words.any(|word| word == name)
        })
    })
}

#[test]
fn every_dependency_is_used() {
    let mut found = Vec::new();
    for (path, manifest) in manifests() {
        let package = path.trim_end_matches("/Cargo.toml");
        if package.starts_with("crates/") && is_begun_only(package) && package != "crates/testkit" {
            continue;
        }
        let its: Vec<&Source> = sources().iter().filter(|s| s.package() == package).collect();
        for section in ["dependencies", "dev-dependencies"] {
            for name in names(&manifest, section) {
                let excepted =
                    UNNAMED_DEPENDENCIES.iter().any(|(at, what, _)| *at == path && *what == name);
                if !excepted && !is_named(&its, &name) {
                    found.push(format!("{path}: {name} is never named"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_dependency_of_the_workspace_is_a_crate_s() {
    let whole: toml::Table = read("Cargo.toml").unwrap().parse().unwrap();
    let listed = whole["workspace"]["dependencies"].as_table().unwrap().keys();
    let manifests = manifests();
    let is_used = |name: &String| {
        let mut crates = manifests.iter().map(|(_, manifest)| manifest);
        crates.any(|manifest| {
            let sections = ["dependencies", "dev-dependencies"];
            sections.iter().any(|section| names(manifest, section).contains(name))
        })
    };
    let unused: Vec<&String> = listed.filter(|name| !is_used(name)).collect();
    assert!(unused.is_empty(), "no crate uses {unused:?}");
}

#[test]
fn exceptions_name_what_exists() {
    for (path, dependency, reason) in UNNAMED_DEPENDENCIES {
        let (_, manifest) = manifests().into_iter().find(|found| found.0 == *path).unwrap();
        let mut declared = names(&manifest, "dependencies");
        declared.extend(names(&manifest, "dev-dependencies"));
        assert!(declared.iter().any(|name| name == dependency), "{path} has no {dependency}");
        assert!(reason.len() > 20, "{path}: {dependency} needs a reason");
    }
}
