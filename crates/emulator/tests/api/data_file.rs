//! The data file, read as an outsider would: complete after every answer, whatever happens next.

use std::{collections::BTreeMap, fs, path::Path};

use duet_emulator::{Emulator, EmulatorError, Options};
use serde_json::{Value, json};

use crate::client::{Client, start_with};

/// As the documentation says: the last line of an id wins, a line without end doesn't count.
fn records(path: &Path) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(path).unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    let lines = whole.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|record| (record["Id"].as_str().unwrap().to_owned(), record)).collect()
}

fn options(path: &Path) -> Options {
    Options { data: Some(path.to_owned()), seed: 3, ..Options::default() }
}

async fn start(path: &Path) -> Client {
    start_with(options(path)).await
}

#[tokio::test]
async fn every_answered_write_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("org.jsonl");
    let client = start(&path).await;
    let book = duet_emulator::STANDARD_PRICE_BOOK_ID;
    assert_eq!(records(&path)[book]["IsStandard"], true);
    let id = client.create("Account", json!({ "Name": "ä", "Phone": "1" })).await;
    let record = records(&path)[&id].clone();
    assert_eq!(record["attributes"]["type"], "Account");
    assert_eq!((&record["Name"], &record["IsDeleted"]), (&json!("ä"), &json!(false)));
    client.call("PATCH", &format!("/sobjects/Account/{id}"), json!({ "Phone": null })).await;
    assert_eq!(records(&path)[&id].get("Phone"), None);
    client.call("DELETE", &format!("/sobjects/Account/{id}"), Value::Null).await;
    assert_eq!(records(&path)[&id]["IsDeleted"], true);
    let before = records(&path);
    let bad = json!({ "allOrNone": true, "records": [
        { "attributes": { "type": "Account" }, "Name": "a" },
        { "attributes": { "type": "Account" } },
    ] });
    client.call("POST", "/composite/sobjects", bad).await;
    assert_eq!(records(&path), before, "what was taken back is not in the file");
}

#[tokio::test]
async fn a_new_process_goes_on_where_the_last_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("org.jsonl");
    let client = start(&path).await;
    client.create_accounts("kept", 300).await;
    let (_, first) = client.query("SELECT FIELDS(ALL) FROM Account ORDER BY Id LIMIT 200").await;
    client.running.stop().await;
    // What a kill in the middle of a line leaves behind.
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"attributes\":{\"type\":\"Account\"},\"Id\":\"001");
    fs::write(&path, text).unwrap();
    let client = start(&path).await;
    let (_, again) = client.query("SELECT FIELDS(ALL) FROM Account ORDER BY Id LIMIT 200").await;
    assert_eq!(first, again);
    let id = client.create("Account", json!({ "Name": "new" })).await;
    let (_, count) = client.query("SELECT COUNT() FROM Account").await;
    assert_eq!((count["totalSize"].clone(), records(&path).contains_key(&id)), (json!(301), true));
    let duplicate = json!({ "Name": "x", "Ext__c": "kept-7" });
    assert_eq!(client.call("POST", "/sobjects/Account", duplicate).await.0, 400);
}

#[tokio::test]
async fn one_emulator_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("org.jsonl");
    let client = start(&path).await;
    let error = Emulator::start(options(&path)).await.unwrap_err();
    assert!(matches!(error, EmulatorError::InUse { .. }), "{error}");
    client.running.stop().await;
    start(&path).await;
}

#[tokio::test]
async fn ids_come_from_the_seed() {
    let mut ids = Vec::new();
    for seed in [1, 1, 2] {
        let client = start_with(Options { seed, ..Options::default() }).await;
        ids.push(client.create("Account", json!({ "Name": "a" })).await);
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_foreign_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let header = "{\"format\":\"duet-emulator\",\"version\":1}\n";
    let no_object = format!("{header}{{\"attributes\":{{\"type\":\"Nope\"}}}}\n");
    let no_field = format!("{header}{{\"attributes\":{{\"type\":\"Account\"}},\"Nope\":1}}\n");
    let bad_type = format!("{header}{{\"attributes\":{{\"type\":\"Account\"}},\"Name\":1}}\n");
    for (text, line) in [
        ("buy milk\n".to_owned(), 1),
        ("buy milk".to_owned(), 1),
        (format!("\n{header}"), 1),
        (format!("{header}milk\n"), 2),
        (no_object, 2),
        (no_field, 2),
        (bad_type, 2),
        (format!("{header}{{\"attributes\":{{\"type\":\"Account\"}}}}\n"), 2),
    ] {
        fs::write(&path, &text).unwrap();
        let error = Emulator::start(options(&path)).await.unwrap_err();
        assert!(matches!(error, EmulatorError::Data { line: at, .. } if at == line), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let nowhere = folder.path().join("no/such/folder/org.jsonl");
    let error = Emulator::start(options(&nowhere)).await.unwrap_err();
    assert!(matches!(error, EmulatorError::File { .. }), "{error}");
}
