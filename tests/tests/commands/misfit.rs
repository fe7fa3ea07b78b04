//! Flows that don't fit their sides: what shows only when both are described (the codes D07xx) is
//! told with its place by every command that binds the flows, which then ends with 4.

use std::fs;
use std::path::PathBuf;

use duet_tests::northwind::metadata;

use crate::rig::Rig;

/// A code, the flow whose file is changed, what is replaced in it, and what the line begins with that
/// is pointed at.
type Case = (&'static str, &'static str, (&'static str, &'static str), &'static str);

const CONTACT: &str = r#"right = "contact_name""#;

/// What the configuration alone does wrong.
const CASES: [Case; 9] = [
    ("D0701", "customers", (CONTACT, r#"right = "contact_nmae""#), "contact ="),
    (
        "D0703",
        "customers",
        (r#"left = "Contact_Name__c""#, r#"left = "AnnualRevenue""#),
        "contact =",
    ),
    (
        "D0704",
        "customers",
        (CONTACT, r#"right = "contact_name", transform = ["round(2)"]"#),
        "contact =",
    ),
    (
        "D0705",
        "products",
        (
            r#"right = "reorder_level", type = "integer""#,
            r#"right = "reorder_level", default_left = "many""#,
        ),
        "reorder_level =",
    ),
    (
        "D0706",
        "customers",
        (r#"left = "Ext__c", right"#, r#"left = ["Ext__c", "AccountNumber"], right"#),
        r#"{ by = "external_id""#,
    ),
    (
        "D0707",
        "products",
        (
            r#"right = "quantity_per_unit", "#,
            r#"right = "supplier_id", map = { 1 = "one", 01 = "two" }, "#,
        ),
        "packaging",
    ),
    ("D0709", "customers", (CONTACT, r#"right = "loud_name""#), "contact ="),
    ("D0712", "customers", (r#"left = "Ext__c""#, r#"left = "AccountSource""#), r#"{ by ="#),
    (
        "D0713",
        "customers",
        (r#"left = "Ext__c", right = "customer_id""#, r#"left = "Ext__c", right = "phone""#),
        r#"{ by = "external_id""#,
    ),
];

/// Codes that tell of something that may be as it is.
const WARNINGS: [Case; 2] = [
    ("D0708", "customers", ("", ""), "contact ="),
    (
        "D0711",
        "customers",
        (
            r#"name    = { left = "Name", right = "company_name", "#,
            "name = { left = \"Site\", right = \"company_name\", ",
        ),
        "left    =",
    ),
];

fn file(rig: &Rig, flow: &str) -> PathBuf {
    rig.project.folder().join(format!("flows/{flow}.toml"))
}

/// Changes the file of a flow, hands it over, and puts it back as it was.
fn with(rig: &Rig, case: &Case, look: impl Fn(&str)) {
    let (code, flow, (from, to), line) = *case;
    let path = file(rig, flow);
    let before = fs::read_to_string(&path).unwrap();
    let changed = before.replacen(from, to, 1);
    assert!(from.is_empty() || changed != before, "{code}: {from} isn't there");
    fs::write(&path, &changed).unwrap();
    let at = changed.lines().position(|one| one.trim_start().starts_with(line));
    let at = at.unwrap_or_else(|| panic!("{code}: no line begins with {line}")) + 1;
    look(&format!("flows/{flow}.toml:{at}:"));
    fs::write(&path, before).unwrap();
}

/// Whoever binds the flows tells it, with its place, and ends with 4.
fn is_refused(rig: &Rig, case: &Case) {
    let code = case.0;
    with(rig, case, |place| {
        for arguments in [&["check"][..], &["sync", "--once"], &["adopt"], &["run"]] {
            let done = rig.duet(arguments);
            assert_eq!(done.code, Some(4), "{code}: {arguments:?}\n{}\n{}", done.out, done.err);
            assert!(done.err.contains(&format!("error[{code}]")), "{code}: {}", done.err);
            assert!(done.err.contains(place), "{code} isn't at {place}: {}", done.err);
            assert!(!done.err.contains("panicked"), "{code}: {}", done.err);
        }
        let (document, exit) = rig.asked(&["check"]);
        let told = document["mistakes"].as_array().unwrap();
        assert!(told.iter().any(|one| one["code"] == code), "{document}");
        assert_eq!(exit, Some(4));
    });
}

/// It is told with its place, and only `--strict` minds.
fn is_warned_of(rig: &Rig, case: &Case) {
    let code = case.0;
    with(rig, case, |place| {
        for (arguments, exit) in [(&["check"][..], 0), (&["check", "--strict"], 2)] {
            let done = rig.duet(arguments);
            assert_eq!(done.code, Some(exit), "{code}: {}\n{}", done.out, done.err);
            assert!(done.err.contains(&format!("warning[{code}]")), "{code}: {}", done.err);
            assert!(done.err.contains(place), "{code} isn't at {place}: {}", done.err);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_that_do_not_fit_their_sides_are_refused_with_their_place() {
    let rig = Rig::new().await;
    rig.sell(
        "ALTER TABLE customers
            ADD loud_name text GENERATED ALWAYS AS (upper(contact_name)) STORED",
    )
    .await;
    rig.done(&["migrate"]);
    rig.done(&["capture", "install"]);
    for case in &CASES {
        is_refused(&rig, case);
    }
    for case in &WARNINGS {
        is_warned_of(&rig, case);
    }
    rig.done(&["check"]);
}

/// What the credentials may not do: a clerk of the shop, by table and by column.
#[tokio::test(flavor = "multi_thread")]
async fn rights_that_a_flow_lacks_are_named() {
    let mut rig = Rig::with_own_shop("flows").await;
    rig.done(&["migrate"]);
    rig.done(&["capture", "install"]);
    rig.sell(
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA duet TO clerk;
        GRANT ALL ON ALL TABLES IN SCHEMA duet, public TO clerk;
        GRANT ALL ON ALL SEQUENCES IN SCHEMA duet TO clerk",
    )
    .await;
    let clerk = rig.shop.url().replace("//postgres@", "//clerk@");
    rig.project.set("SHOP_DATABASE_URL", &clerk);
    rig.done(&["check"]);
    let as_it_is = ("", "");
    rig.sell("REVOKE UPDATE ON customers FROM clerk").await;
    is_refused(&rig, &("D0716", "customers", as_it_is, "right   ="));
    rig.sell(
        "GRANT UPDATE (company_name, contact_title, phone, fax, address, city, region, postal_code,
            country) ON customers TO clerk",
    )
    .await;
    is_refused(&rig, &("D0710", "customers", as_it_is, "contact ="));
    rig.sell("GRANT UPDATE ON customers TO clerk").await;
    rig.done(&["check"]);
}

/// A counter on an object that has no field for the marker.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_without_a_marker_is_refused() {
    let other = tempfile::tempdir().unwrap();
    let objects = other.path().join("objects");
    copy(&metadata().join("objects"), &objects);
    fs::remove_file(objects.join("Product2/fields/Duet_Write__c.field-meta.xml")).unwrap();
    let rig = Rig::with_metadata(other.path()).await;
    rig.done(&["migrate"]);
    rig.done(&["capture", "install"]);
    is_refused(&rig, &("D0714", "products", ("", ""), "in_stock"));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
