//! Licences, sources and banned crates of everything that is built, from `cargo tree`. Known
//! vulnerabilities need a database from outside, so no test looks them up (CONTRIBUTING.md).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::tree::{read, root};

/// Permissive licences. Anything else is a decision of the project, not of a dependency.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];
/// A second TLS provider makes the first handshake panic; `rsa` has an open advisory.
const BANNED: [(&str, &str); 6] = [
    ("openssl-sys", "TLS is rustls with aws-lc-rs"),
    ("openssl", "TLS is rustls with aws-lc-rs"),
    ("native-tls", "TLS is rustls with aws-lc-rs"),
    ("ring", "the one TLS provider is aws-lc-rs"),
    ("rsa", "RUSTSEC-2023-0071; require TLS instead"),
    ("serde_yaml", "unmaintained; configuration is TOML"),
];
/// Two versions of these would not work together.
const ONCE: [&str; 7] =
    ["aws-lc-rs", "aws-lc-sys", "rustls", "sqlx-core", "sea-query", "tokio", "serde_json"];

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
}

/// What is built with the features that are really on; `cargo metadata` would list more.
fn built() -> BTreeSet<Package> {
    let output = Command::new("cargo")
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--prefix",
            "none",
            "--edges",
            "normal,build,dev",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}\t{l}"])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter_map(package).collect()
}

/// `name v1.2.3 (proc-macro)`, a tab, the licence, and `(*)` where it was listed before.
fn package(line: &str) -> Option<Package> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.trim_start_matches('v'));
    let licence = licence.trim_end_matches("(*)").trim().to_owned();
    Some(Package { name, version: version.to_owned(), licence })
}

/// One way out is enough of `OR`; all are needed of `AND`. Parentheses hold one `OR` list.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let (mut depth, mut parts, mut start) = (0, Vec::new(), 0);
    for (at, letter) in expression.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[at..].starts_with(" AND ") => {
                parts.push(&expression[start..at]);
                start = at + " AND ".len();
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    if parts.len() > 1 && !expression.contains('(') && expression.contains(" OR ") {
        return expression.split(" OR ").any(is_allowed); // AND binds tighter
    }
    parts.iter().all(|part| {
        let bare = part.trim().trim_start_matches('(').trim_end_matches(')');
        bare.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim()))
    })
}

fn check(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn every_licence_is_allowed() {
    let found: Vec<String> = built()
        .iter()
        .filter(|package| !is_allowed(&package.licence))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    check("licences that are not on the list", &found);
}

#[test]
fn no_banned_crate_is_built() {
    let mut found = Vec::new();
    for package in built() {
        for (_, instead) in BANNED.iter().filter(|(name, _)| *name == package.name) {
            found.push(format!("{}: {instead}", package.name));
        }
    }
    check("banned crates", &found);
}

#[test]
fn everything_comes_from_one_registry() {
    let lock = read("Cargo.lock").unwrap();
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let found: Vec<String> = sources
        .filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        .map(str::to_owned)
        .collect();
    check("other sources", &found);
}

#[test]
fn what_must_be_one_is_one() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in built() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    for name in ONCE {
        let found = versions.get(name).map_or(0, BTreeSet::len);
        assert!(found <= 1, "{name} is built in several versions: {:?}", versions[name]);
    }
    assert!(versions.contains_key("aws-lc-rs"), "the TLS provider is gone");
}

#[test]
fn expressions_are_read() {
    assert!(is_allowed("MIT OR GPL-3.0"));
    assert!(is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(is_allowed("ISC AND (Apache-2.0 OR ISC) AND OpenSSL"));
    assert!(is_allowed("GPL-2.0 AND MIT OR ISC"));
    assert!(!is_allowed("(MIT OR Apache-2.0) AND GPL-3.0"));
    assert!(!is_allowed("MPL-2.0"));
    assert!(!is_allowed("GPL-2.0 AND MIT"));
}
