//! Wrong configurations through the binary, one per code: located on stderr, as a document for
//! programs, exit code 4, and no panic. What each says is shown by the crate `config`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A password that the environment holds and that nothing may show.
const SECRET: &str = "hunter2";

/// A configuration that is right, up to the network.
const RIGHT: &str = r#"version = 1
project = "shop"
flows = ["flows/*.toml"]
[state]
url = "postgres://localhost/duet"
[hub]
url = "amqp://localhost"
[connections.crm]
kind = "salesforce"
auth = { flow = "password", login = "https://login.salesforce.com", client_id = "a", client_secret = "b", user = "c", password = "d" }
[connections.shop]
kind = "postgres"
url = "${SHOP_URL}"
"#;
const FLOW: &str = r#"[flow.people]
left = { connection = "crm", object = "Contact" }
right = { connection = "shop", table = "customers", key = "id" }
match = [{ by = "external_id", left = "Ext__c", right = "id" }]
[flow.people.fields]
name = { left = "LastName", right = "name" }
"#;

/// A code, what is replaced in the right configuration, and the files of flows.
type Case<'a> = (&'a str, (&'a str, &'a str), &'a [&'a [u8]]);

fn duet(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duet"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("SHOP_URL", format!("postgres://duet:{SECRET}@localhost/shop"));
    command.env("KEY_FILE", format!("/{SECRET}")).env("RUST_BACKTRACE", "1");
    command.output().unwrap()
}

/// What a wrong configuration must give, in both forms; answers the codes.
fn refused(folder: &Path, arguments: &[&str]) -> BTreeSet<String> {
    let text = duet(folder, arguments);
    let told = String::from_utf8(text.stderr).unwrap();
    assert_eq!(text.status.code(), Some(4), "{told}");
    assert_eq!(text.stdout, b"", "messages are not results");
    assert!(!told.contains(SECRET) && !told.contains("panicked"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour through a pipe: {told}");
    let document = duet(folder, &[arguments, &["-o", "json"]].concat());
    assert_eq!(document.status.code(), Some(4));
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(document["schema"], "duet.mistakes.v1");
    assert!(!document.to_string().contains(SECRET), "{document}");
    let mut codes = BTreeSet::new();
    for item in document["items"].as_array().unwrap() {
        let (code, message) = (item["code"].as_str().unwrap(), item["message"].as_str().unwrap());
        assert!(told.contains(&format!("[{code}]: {message}")), "{code} {message}\n{told}");
        if let Some(line) = item["line"].as_u64() {
            let place = format!("{}:{line}:{}", item["file"].as_str().unwrap(), item["column"]);
            assert!(told.contains(&place), "{place}\n{told}");
        }
        codes.insert(code.to_owned());
    }
    codes
}

fn project(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("flows")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/mistakes");
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_mistake_of_the_text_ends_with_4_and_its_place() {
    let mut codes = BTreeSet::new();
    for file in fixtures() {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().next().unwrap().trim_start_matches("# ").to_owned();
        let folder = project(&[("duet.toml", text.as_bytes())]);
        let given = refused(folder.path(), &["check", "--offline"]);
        assert!(given.contains(&code), "{}: {code} isn't among {given:?}", file.display());
        codes.extend(given);
    }
    assert!(codes.len() >= 40, "{} codes: {codes:?}", codes.len());
}

#[test]
fn what_takes_several_files_or_a_connector_is_told_alike() {
    let flow = FLOW.as_bytes();
    let other = FLOW.replace("flow.people", "flow.others");
    let big = "#".repeat(2 << 20);
    let cases: [Case<'_>; 9] = [
        ("D0002", ("", ""), &[big.as_bytes()]),
        ("D0003", ("", ""), &[b"\xff\xfe"]),
        ("D0004", ("", ""), &[b"# \0"]),
        ("D0008", ("flows/*.toml", "../*.toml"), &[flow]),
        ("D0009", ("", ""), &[]),
        ("D0402", ("", ""), &[flow, flow]),
        ("D0408", ("", ""), &[flow, other.as_bytes()]),
        ("D0409", ("https://login", "ftp://login"), &[flow]),
        ("D0409", ("${SHOP_URL}", "http://localhost"), &[flow]),
    ];
    for (code, (from, to), flows) in cases {
        let text = RIGHT.replacen(from, to, 1);
        let folder = project(&[("duet.toml", text.as_bytes())]);
        for (number, flow) in flows.iter().enumerate() {
            fs::write(folder.path().join(format!("flows/{number}.toml")), flow).unwrap();
        }
        let given = refused(folder.path(), &["check", "--offline"]);
        assert!(given.contains(code), "{code} isn't among {given:?}");
    }
}

#[test]
fn every_command_refuses_a_wrong_configuration() {
    let folder = project(&[("duet.toml", b"version = 2\n")]);
    for arguments in [
        &["check"][..],
        &["migrate"],
        &["capture", "install"],
        &["capture", "status"],
        &["adopt"],
        &["run"],
        &["sync", "--once"],
        &["status"],
        &["explain", "people/1"],
        &["conflicts", "list"],
        &["conflicts", "show", "1"],
        &["errors", "list"],
        &["errors", "retry", "--all"],
    ] {
        refused(folder.path(), arguments);
    }
}

#[test]
fn a_folder_without_a_project_is_told() {
    let folder = TempDir::new().unwrap();
    let codes = refused(folder.path(), &["status"]);
    assert_eq!(codes.len(), 1, "{codes:?}");
    let nowhere = duet(folder.path(), &["-C", "nowhere", "status"]);
    let told = String::from_utf8(nowhere.stderr).unwrap();
    assert_eq!(nowhere.status.code(), Some(4));
    assert!(told.contains("--> nowhere/duet.toml:1:1"), "{told}");
    assert!(told.contains("there is no project here") && told.contains("-C DIR"), "{told}");
}

#[test]
fn a_right_one_passes_without_a_network() {
    let folder = project(&[("duet.toml", RIGHT.as_bytes()), ("flows/a.toml", FLOW.as_bytes())]);
    let done = duet(folder.path(), &["check", "--offline"]);
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!((done.status.code(), told.as_str()), (Some(0), ""));
}
