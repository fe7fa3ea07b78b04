//! A shop in a SQLite file, through the binary from the first look to the last; and what such a
//! file may turn out to be, or become behind duet's back. Each is told with its place or handled,
//! and nothing is lost in silence.

use duet_tests::database;
use duet_tests::flows::CUSTOMERS;
use duet_tests::northwind;
use serde_json::json;

use crate::ground::Way;
use crate::held::Holder;
use crate::rig::Rig;

/// The flow whose tables are odd.
const ODD: &str = r#"
[flow.odd]
left    = { connection = "crm", object = "Product2" }
right   = { connection = "shop", table = "odd", key = "code" }
match   = [{ by = "external_id", left = "Ext__c", right = "code" }]
on_none = { left = "skip", right = "create" }

[flow.odd.fields]
name  = { left = "Name", right = "name" }
stock = { left = "Units_In_Stock__c", right = "stock", type = "integer" }
"#;
/// The flow whose table is its own index.
const INDEXED: &str = r#"
[flow.indexed]
left    = { connection = "crm", object = "Supplier__c" }
right   = { connection = "shop", table = "indexed" }
match   = [{ by = "external_id", left = "Ext__c", right = "code" }]
on_none = { left = "skip", right = "create" }

[flow.indexed.fields]
name  = { left = "Name", right = "name" }
phone = { left = "Phone__c", right = "phone" }
"#;
/// Keys and values that other databases would not have let in.
const TABLES: &str = "
CREATE TABLE keyless (code text, name text, phone text);
CREATE TABLE indexed (
    code varchar(20) PRIMARY KEY, name varchar(80), phone varchar(40)) WITHOUT ROWID;
INSERT INTO indexed VALUES ('W1', 'One', '1');
CREATE TABLE odd (code text PRIMARY KEY, name varchar(80), stock integer);
INSERT INTO odd VALUES ('fine', 'Fine', 1), ('text', 'Many', 'many'), (NULL, 'No key', 3),
    (CAST(x'41fc42' AS text), 'Bad key', 4), (x'00ff', 'Bytes', 5)";

/// The customers of both sides, linked and equal.
async fn linked() -> Rig {
    let rig = Rig::running(Way::Alone).await;
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    rig.done(&["sync", "--once"]);
    rig
}

async fn renames(rig: &Rig, key: &str, name: &str) {
    rig.sell(&format!("UPDATE customers SET company_name = '{name}' WHERE customer_id = '{key}'"))
        .await;
}

/// What stands in the file of duet's.
async fn of_duet(rig: &Rig, kind: &str) -> Vec<String> {
    let asked =
        format!("SELECT name FROM sqlite_master WHERE type LIKE '{kind}' AND name LIKE 'duet%'");
    let rows = database::rows(rig.shop.url(), &asked).await.unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_in_a_file_from_the_first_look_to_the_last() {
    let rig = Rig::running(Way::Alone).await;
    let found = northwind::rows(rig.shop.url(), &CUSTOMERS).await.unwrap();
    let first = rig.duet(&["check"]);
    assert_eq!(first.code, Some(4), "{}", first.out);
    assert!(first.out.contains("run `duet capture install`"), "{}", first.out);
    rig.done(&["capture", "install"]);
    rig.done(&["check"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    rig.done(&["sync", "--once"]);
    let id = rig.partner(&CUSTOMERS, "ALFKI").unwrap();
    let contact = json!({ "Contact_Name__c": "Ann" });
    rig.salesforce.edit("Account", &id, contact).await.unwrap();
    renames(&rig, "ALFKI", "Alfreds").await;
    rig.done(&["sync", "--once"]);
    for (field, value) in [("Contact_Name__c", "Ann"), ("Name", "Alfreds")] {
        assert_eq!(rig.left(&CUSTOMERS, "ALFKI", field), value);
        assert_eq!(rig.right(&CUSTOMERS, "ALFKI", field).await, value);
    }
    let told = rig.done(&["explain", "customers/ALFKI", "--field", "contact"]).out;
    assert!(told.contains("only left moved") && told.contains("wrote  right"), "{told}");
    // What a pass writes last comes back in the next one.
    rig.done(&["sync", "--once"]);
    let status = rig.json(&["capture", "status"]);
    let items = status["items"].as_array().unwrap();
    assert!(items.iter().all(|one| one["installed"] == true), "{status}");
    let customers = items.iter().find(|one| one["flow"] == "customers").unwrap();
    assert_eq!(customers["backlog"], 0, "{status}");
    assert!(!of_duet(&rig, "%").await.is_empty());
    rig.done(&["capture", "remove", "--yes"]);
    assert_eq!(of_duet(&rig, "%").await, [""; 0], "nothing of duet is left in the shop");
    let left = northwind::rows(rig.shop.url(), &CUSTOMERS).await.unwrap();
    assert_eq!(left.iter().zip(&found).filter(|(now, before)| now != before).count(), 1);
}

/// Commands that need the shop end with 5, name the file and say what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_leads_to_no_shop_is_told() {
    let rig = Rig::running(Way::Alone).await;
    let configuration = rig.project.folder().join("duet.toml");
    let good = std::fs::read_to_string(&configuration).unwrap();
    rig.done(&["capture", "install"]);
    // The version of the format that a writer must know: of a later one, SQLite only reads.
    let mut bytes = std::fs::read(rig.project.folder().join("shop.db")).unwrap();
    bytes[18] = 9;
    std::fs::write(rig.project.folder().join("later.db"), bytes).unwrap();
    let cases = [
        ("nowhere.db", "there is no such file"),
        ("no/shop.db", "there is no such file"),
        (".", "it is a folder"),
        ("duet.toml", "file is not a database"),
        ("later.db", "can't be written"),
    ];
    for (path, words) in cases {
        std::fs::write(&configuration, good.replace("shop.db", path)).unwrap();
        for arguments in [&["check"][..], &["adopt"], &["sync", "--once"]] {
            let done = rig.duet(arguments);
            let told = format!("{arguments:?} {path}\n{}\n{}", done.out, done.err);
            // What may not be written doesn't fit a flow that writes, either.
            let codes = if path == "later.db" { 4..=5 } else { 5..=5 };
            assert!(done.code.is_some_and(|code| codes.contains(&code)), "{told}");
            assert!(told.contains(words), "{told}");
            assert!(!told.contains("panicked"), "{told}");
            let named = told.contains(&format!("{path}: ")) || path == "later.db";
            assert!(named, "it names the file: {told}");
        }
    }
    assert!(!rig.project.folder().join("nowhere.db").exists(), "a mistyped path makes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_tables_are_refused_with_their_place_or_handled_row_by_row() {
    let rig = Rig::running(Way::Alone).await;
    let flows = rig.project.folder().join("flows");
    std::fs::remove_dir_all(&flows).unwrap();
    std::fs::create_dir(&flows).unwrap();
    rig.sell(TABLES).await;
    let keyless = INDEXED.replace("\"indexed\"", "\"keyless\"");
    std::fs::write(flows.join("indexed.toml"), keyless).unwrap();
    let refused = rig.duet(&["check"]);
    let told = format!("{}{}", refused.out, refused.err);
    assert_eq!(refused.code, Some(4), "{told}");
    for words in ["error[D0702]", "flows/indexed.toml:4:", "table keyless has no primary key"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    std::fs::write(flows.join("indexed.toml"), INDEXED).unwrap();
    std::fs::write(flows.join("odd.toml"), ODD).unwrap();
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes"]);
    let pass = rig.duet(&["sync", "--once"]);
    assert_eq!(pass.code, Some(7), "what doesn't fit needs mending: {}", pass.out);
    let names = |object: &str| {
        let org = rig.salesforce.org().unwrap();
        let names = org.of(object).map(|one| one.text("Name").unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    };
    assert_eq!(names("Product2"), ["Bytes", "Fine", "Many"]);
    assert_eq!(names("Supplier__c"), ["One"]);
    told_row_by_row(&rig);
    rig.sell(
        "UPDATE odd SET code = 'good' WHERE name = 'Bad key';
        UPDATE odd SET stock = 2 WHERE code = 'text';
        UPDATE odd SET code = 'had none' WHERE code IS NULL",
    )
    .await;
    edit_the_only_one(&rig).await;
    rig.duet(&["sync", "--once"]);
    assert_eq!(names("Product2"), ["Bad key", "Bytes", "Fine", "Many", "No key"]);
    let indexed = database::rows(rig.shop.url(), "SELECT phone FROM indexed").await.unwrap();
    assert_eq!(json!(indexed), json!([{ "phone": "2" }]), "a table without row ids is written");
    let errors = rig.json(&["errors", "list"]);
    let kept = errors["items"].as_array().unwrap().iter().filter(|one| one["kind"] == "value");
    assert_eq!(kept.count(), 0, "{errors}");
}

/// The number that is a text and the key that is none, each with its record.
fn told_row_by_row(rig: &Rig) {
    let errors = rig.json(&["errors", "list"]);
    let items = errors["items"].as_array().unwrap();
    let value = items.iter().find(|one| one["kind"] == "value").unwrap();
    assert!(value.to_string().contains("odd/text"), "{errors}");
    let letter = rig.done(&["errors", "show", "L1"]).out;
    assert!(letter.contains("no text"), "{letter}");
    assert_eq!(items.len(), 2, "{errors}");
}

async fn edit_the_only_one(rig: &Rig) {
    let org = rig.salesforce.org().unwrap();
    let id = org.of("Supplier__c").next().unwrap().id.clone();
    rig.salesforce.edit("Supplier__c", &id, json!({ "Phone__c": "2" })).await.unwrap();
}

/// A name that the shop gives comes through.
async fn comes_through(rig: &Rig, name: &str) {
    renames(rig, "ALFKI", name).await;
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.left(&CUSTOMERS, "ALFKI", "Name"), name);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_the_file_is_noticed_and_mended() {
    let rig = linked().await;
    rig.sell("VACUUM").await;
    comes_through(&rig, "vacuumed").await;
    triggers_gone(&rig).await;
    table_gone(&rig).await;
    older_copy(&rig).await;
    held_by_another(&rig).await;
}

/// The command says what to do, and a later one finds what was missed.
fn mended(rig: &Rig, missed: &str) {
    for arguments in [&["check"][..], &["sync", "--once"]] {
        let done = rig.duet(arguments);
        let told = format!("{}{}", done.out, done.err);
        assert!(matches!(done.code, Some(4 | 5)), "{:?}: {told}", done.code);
        assert!(told.contains("run `duet capture install`"), "{told}");
    }
    rig.done(&["capture", "install"]);
    rig.done(&["check"]);
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.left(&CUSTOMERS, "ALFKI", "Name"), missed);
}

async fn triggers_gone(rig: &Rig) {
    for trigger in of_duet(rig, "trigger").await {
        rig.sell(&format!("DROP TRIGGER {trigger}")).await;
    }
    renames(rig, "ALFKI", "untold").await;
    mended(rig, "untold");
    comes_through(rig, "told again").await;
}

async fn table_gone(rig: &Rig) {
    rig.sell("DROP TABLE duet_row").await;
    let refused = northwind::execute(rig.shop.url(), "UPDATE customers SET fax = 'x'").await;
    assert!(refused.is_err(), "the triggers miss it");
    mended(rig, "told again");
    comes_through(rig, "whole again").await;
}

/// What was undone by putting an older copy back is a change of the shop's, though none is told.
async fn older_copy(rig: &Rig) {
    let copy = rig.project.folder().join("copy.db");
    rig.sell(&format!("VACUUM INTO '{}'", copy.display())).await;
    comes_through(rig, "undone").await;
    std::fs::rename(copy, rig.project.folder().join("shop.db")).unwrap();
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.right(&CUSTOMERS, "ALFKI", "Name").await, "whole again");
    assert_eq!(
        rig.left(&CUSTOMERS, "ALFKI", "Name"),
        "whole again",
        "the shop's name is the truth"
    );
    comes_through(rig, "goes on").await;
}

async fn held_by_another(rig: &Rig) {
    renames(rig, "ALFKI", "waited").await;
    let holder = Holder::take(rig.shop.url()).await;
    let late = rig.duet(&["sync", "--once"]);
    assert_eq!(late.code, Some(5), "{}{}", late.out, late.err);
    assert!(late.err.contains("another program holds the file"), "{}", late.err);
    holder.release().await;
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.left(&CUSTOMERS, "ALFKI", "Name"), "waited");
}
