//! `duet init` through the binary: what it writes is accepted as it is, and stays when it runs again.
//! Completions and manual pages name every command.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn duet(folder: &Path, arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.args(arguments).current_dir(folder).env_clear().envs(variables).output().unwrap()
}

/// What `.env.example` sets.
fn example(folder: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder.join(".env.example")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Everything that can be said of a shop.
const CHOICES: [&[&str]; 4] =
    [&[], &["--servers"], &["--external", "sqlite"], &["--external", "sqlite", "--servers"]];

#[test]
fn what_init_writes_is_accepted_and_never_overwritten() {
    for choice in CHOICES {
        accepted_and_kept(choice);
    }
}

fn accepted_and_kept(choice: &[&str]) {
    let folder = TempDir::new().unwrap();
    let none = BTreeMap::new();
    let done = duet(folder.path(), &[&["init", "-o", "json"], choice].concat(), &none);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(document["schema"], "duet.init.v1");
    let named = document["written"].as_array().unwrap().iter();
    let mut named: Vec<PathBuf> =
        named.map(|name| folder.path().join(name.as_str().unwrap())).collect();
    named.sort();
    assert_eq!(named, files(folder.path()));
    let check = duet(folder.path(), &["check", "--offline", "--strict"], &example(folder.path()));
    let told = String::from_utf8_lossy(&check.stderr) + String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{choice:?}: {told}");
    let schema = duet(folder.path(), &["check", "--schema"], &none);
    let written = fs::read(folder.path().join(".duet/duet.schema.json")).unwrap();
    assert!(schema.stdout == written, "what init writes is what check prints");
    let before: Vec<String> = named.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let again = duet(folder.path(), &["init"], &none);
    assert_eq!((again.status.code(), again.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&again.stderr).contains("duet.toml"));
    let after: Vec<String> = named.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(before, after);
}

/// The state file must never be committed, and the schema should be.
#[test]
fn of_the_folder_with_the_state_git_sees_the_schema_alone() {
    let folder = TempDir::new().unwrap();
    let none = BTreeMap::new();
    assert!(duet(folder.path(), &["init", "--external", "sqlite"], &none).status.success());
    let status = duet(folder.path(), &["status"], &example(folder.path()));
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    assert!(folder.path().join(".duet/state.db").exists());
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    assert!(git(&["init", "--quiet"]).status.success());
    let seen = git(&["ls-files", "--others", "--exclude-standard", ".duet"]);
    let seen = String::from_utf8(seen.stdout).unwrap();
    assert_eq!(seen, ".duet/.gitignore\n.duet/duet.schema.json\n");
}

#[test]
fn completions_and_manuals_name_every_command() {
    let folder = TempDir::new().unwrap();
    let none = BTreeMap::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = duet(folder.path(), &["completions", shell], &none);
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains("conflicts"), "{shell}");
    }
    let page = duet(folder.path(), &["man"], &none);
    assert!(String::from_utf8(page.stdout).unwrap().starts_with(".ie"), "roff");
    let pages = duet(folder.path(), &["man", "--into", "man"], &none);
    assert!(pages.status.success());
    assert!(files(&folder.path().join("man")).contains(&folder.path().join("man/duet-adopt.1")));
}
