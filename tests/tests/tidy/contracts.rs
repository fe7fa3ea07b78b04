//! Every implementation of a port runs the whole suite of its contract: no case is left out, neither
//! of the servers nor of what takes their place without any.

use std::collections::BTreeSet;

use super::tree;

const HUB: &str = "crates/testkit/src/hub_contract/";
const STORE: &str = "crates/testkit/src/store_contract/";
const CONNECTOR: &str = "crates/testkit/src/connector_contract/";

/// Where the cases are, the rig that they ask for, and the files that run them for one implementation.
const SUITES: [(&str, &str, &[&str]); 5] = [
    (HUB, "HubRig", &["crates/hub/src/embedded/contract.rs"]),
    (HUB, "HubRig", &["crates/hub/tests/rabbit/contract.rs"]),
    (
        HUB,
        "BrokerRig",
        &["crates/hub/tests/rabbit/contract.rs", "crates/hub/tests/rabbit/broker.rs"],
    ),
    (STORE, "StoreRig", &["crates/store/tests/contract.rs"]),
    (CONNECTOR, "ConnectorRig", &["crates/testkit/src/connector_contract/suite.rs"]),
];

/// What stands where a whole suite is run, and for what.
const RUN: [(&str, &[&str]); 3] = [
    (
        "crates/store/tests/contract.rs",
        &["suite! { crate::rig::PostgresRig;", "suite! { crate::rig::SqliteRig;"],
    ),
    (
        "crates/connectors/sql/tests/side/contract.rs",
        &["connector_contract_tests!", "Product::Postgres", "Product::Sqlite"],
    ),
    ("crates/connectors/salesforce/tests/side/contract.rs", &["connector_contract_tests!"]),
];

/// The cases in a folder that ask for a rig and nothing else.
fn cases(folder: &str, rig: &str) -> BTreeSet<String> {
    let asks = format!("(rig: &dyn {rig})");
    let files = tree::files().iter().filter(|path| path.starts_with(folder));
    let texts = files.map(|path| tree::read(path).unwrap());
    let mut found = BTreeSet::new();
    for text in texts {
        let heads = text.lines().filter_map(|line| line.strip_prefix("pub async fn "));
        let names = heads.filter_map(|head| head.split_once(&asks).map(|(name, _)| name));
        found.extend(names.map(str::to_owned));
    }
    found
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect()
}

#[test]
fn every_implementation_runs_every_case_of_its_contract() {
    for (folder, rig, files) in SUITES {
        let cases = cases(folder, rig);
        assert!(cases.len() > 5, "{folder}: the cases aren't found any more: {cases:?}");
        let texts: String = files.iter().map(|path| tree::read(path).unwrap()).collect();
        let run = words(&texts);
        let left_out: Vec<_> = cases.iter().filter(|case| !run.contains(case.as_str())).collect();
        assert!(left_out.is_empty(), "{files:?} leaves out {left_out:?}");
        assert!(!texts.contains("#[ignore"), "{files:?} skips a case");
    }
    for (path, parts) in RUN {
        let text = tree::read(path).unwrap();
        let missing: Vec<_> = parts.iter().filter(|part| !text.contains(**part)).collect();
        assert!(missing.is_empty(), "{path} lacks {missing:?}");
    }
}
