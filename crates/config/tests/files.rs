//! Projects on disk: the sample, and files that nobody meant to write.

use duet_config::{Code, Mistake, Project, load};
use duet_core::bind::{BindKind, BindMistake, BindPlace, SharedWrite};
use duet_core::id::ConnectionName;
use duet_core::side::Side;
use duet_core::spec::{Direction, Mapping, MergeKind, OnNone, Strategy, Transform};
use duet_core::value::{Value, ValueType};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ROOT: &str = r#"
version = 1
project = "shop"
[state]
url = "postgres://localhost/duet"
[hub]
url = "amqp://localhost"
[connections.crm]
kind = "salesforce"
[connections.shop]
kind = "postgres"
"#;

const PEOPLE: &str = r#"
[flow.people]
left  = { connection = "crm", object = "Contact" }
right = { connection = "shop", table = "customers", key = "id" }
match = [{ by = "external_id", left = "Ext__c", right = "id" }]
[flow.people.fields]
name  = { left = "LastName", right = "name" }
"#;

fn northwind() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/northwind")
}

fn read(dir: &Path) -> Result<Project, Vec<Mistake>> {
    load(dir, &|name: &str| match name {
        "DUET_DATABASE_URL" => Some("postgres://duet:hunter2@localhost/duet".to_owned()),
        "DUET_AMQP_URL" => Some("amqp://localhost".to_owned()),
        "SF_PRICEBOOK_ID" => Some("01s000000000001AAA".to_owned()),
        other => Some(format!("value of {other}")),
    })
}

fn project(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
    dir
}

fn codes(files: &[(&str, &[u8])]) -> Vec<Code> {
    match read(project(files).path()) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(|mistake| mistake.code).collect(),
    }
}

#[test]
fn the_sample_loads() {
    let project = read(&northwind()).unwrap_or_else(|mistakes| {
        let blocks: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        panic!("{}", blocks.join("\n"));
    });
    assert_eq!(project.name, "northwind");
    assert_eq!(project.servers.as_ref().expect("both are set").hub.partitions, 4);
    let flows: Vec<&str> = project.flows.iter().map(|flow| flow.spec.name.as_str()).collect();
    assert_eq!(flows, ["customers", "lines", "orders", "prices", "products"]);
    let shop = project.connections.iter().find(|one| one.name.as_str() == "shop");
    let shop = shop.expect("the shop is there");
    assert_eq!(shop.settings["capture"], "outbox");
    assert_eq!(shop.settings["url"], "value of SHOP_DATABASE_URL");
    assert!(!format!("{project:?}").contains("hunter2"), "a secret is shown by Debug");
}

#[test]
fn the_sample_means_what_it_says() {
    let project = read(&northwind()).expect("the sample loads");
    let flow = |name: &str| &project.flow(&name.into()).expect("the flow is there").spec;
    let products = flow("products");
    assert_eq!(products.policy.on_none.right, OnNone::Create);
    assert_eq!(products.policy.create_grace_us, 0);
    let soft = products.ends.left.soft.clone();
    assert_eq!(soft, Some(("IsActive".into(), Value::Boolean(false))));
    let field = |name: &str| {
        products.fields.iter().find(|field| field.name.as_str() == name).expect("the field")
    };
    let Strategy::Merge { kind: MergeKind::Counter { min, max }, .. } = &field("in_stock").strategy
    else {
        panic!("in_stock is a counter");
    };
    assert_eq!((min, max), (&Some(Value::Integer(0)), &None));
    assert_eq!(field("on_order").direction, Direction::ToLeft);
    let Mapping::Values { transforms, .. } = &field("discontinued").mapping else {
        panic!("discontinued has values");
    };
    let map = Transform::Map(vec![
        (Value::Boolean(false), Value::text("0")),
        (Value::Boolean(true), Value::text("1")),
    ]);
    assert_eq!(transforms.left, [map]);
    assert_eq!(transforms.right, []);
    let lines = flow("lines");
    assert_eq!(lines.ends.right.key, vec!["order_id".into(), "product_id".into()]);
    assert_eq!(lines.fields[0].name.as_str(), "order_id");
    assert!(
        matches!(&lines.fields[0].mapping, Mapping::Parent { flow, .. } if *flow == "orders".into())
    );
    let prices = flow("prices");
    let filter = prices.ends.left.filter.as_deref();
    assert_eq!(filter, Some("Pricebook2Id = '01s000000000001AAA'"));
    let Mapping::Values { transforms, .. } = &prices.fields[1].mapping else { panic!("a price") };
    assert_eq!(transforms.right, [Transform::Cast(ValueType::Decimal), Transform::Round(2)]);
}

#[test]
fn files_that_nobody_meant_to_write() {
    assert_eq!(codes(&[]), [Code::Unreadable]);
    assert_eq!(codes(&[("duet.toml", b"a = \"\xff\xfe\"")]), [Code::NotUtf8]);
    assert_eq!(codes(&[("duet.toml", b"a = 1\0")]), [Code::HoldsNul]);
    assert_eq!(codes(&[("duet.toml", b"a = \"\\u0000\"")])[0], Code::UnknownKey);
    let huge = vec![b'#'; 2 * 1024 * 1024];
    assert_eq!(codes(&[("duet.toml", &huge)]), [Code::TooLarge]);
    let deep = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(codes(&[("duet.toml", deep.as_bytes())]).contains(&Code::TooDeep));
    let tables = format!("a{} = 1", ".b".repeat(50_000));
    assert!(!codes(&[("duet.toml", tables.as_bytes())]).is_empty());
    let marked = format!("\u{feff}{ROOT}{PEOPLE}");
    assert_eq!(codes(&[("duet.toml", marked.as_bytes())]), []);
    let dos = format!("{ROOT}{PEOPLE}").replace('\n', "\r\n");
    assert_eq!(codes(&[("duet.toml", dos.as_bytes())]), []);
    let long = "x".repeat(100_000);
    let keys = format!("{ROOT}\n[flow.{long}]\n{long} = \"{long}\"\n");
    let mistakes = read(project(&[("duet.toml", keys.as_bytes())]).path()).expect_err("wrong");
    assert!(mistakes.iter().all(|mistake| mistake.to_string().len() < 2_000));
}

#[test]
fn flows_stand_in_files_of_their_own() {
    let root = ROOT.as_bytes();
    let people = PEOPLE.as_bytes();
    assert_eq!(codes(&[("duet.toml", root), ("flows/people.toml", people)]), []);
    let twice = [("duet.toml", root), ("flows/a.toml", people), ("flows/b.toml", people)];
    assert_eq!(codes(&twice), [Code::DuplicateFlow]);
    let with = |pattern: &str| format!("flows = [\"{pattern}\"]\n{ROOT}").into_bytes();
    let at = |pattern: &str| codes(&[("duet.toml", &with(pattern)), ("more/people.toml", people)]);
    assert_eq!(at("more/p*.toml"), []);
    assert_eq!(at("gone/*.toml"), [Code::NoFlowFiles]);
    for outside in ["../*.toml", "/etc/*.toml", "*/people.toml"] {
        assert_eq!(at(outside), [Code::BadPattern], "{outside}");
    }
    let wrong = [("duet.toml", root), ("flows/a.toml", b"project = \"x\"".as_slice())];
    assert_eq!(codes(&wrong), [Code::NoFlows, Code::UnknownKey]);
}

#[test]
fn what_is_found_later_has_its_place_too() {
    let project = read(&northwind()).expect("the sample loads");
    let found = BindMistake {
        flow: "customers".into(),
        kind: BindKind::UnknownColumn,
        place: BindPlace::Field("phone".into()),
        side: Some(Side::Right),
        column: Some("phone".into()),
        sentence: "shop customers has no column phone".to_owned(),
        help: None,
    };
    let mistake = project.locate(&found);
    assert_eq!(mistake.code, Code::BindUnknownColumn);
    assert_eq!(mistake.file, "flows/customers.toml");
    let marked = mistake.source_line.chars().skip(mistake.column - 1).collect::<String>();
    assert!(marked.starts_with("\"phone\", strategy"), "{marked}");
    let shared = project.locate_shared(&SharedWrite {
        connection: "shop".into(),
        collection: "products".into(),
        column: "unit_price".into(),
        flows: ("prices".into(), "products".into()),
        field: "name".into(),
    });
    assert_eq!((shared.code, shared.file.as_str()), (Code::SharedWrite, "flows/products.toml"));
    let crm = ConnectionName::new("crm");
    let setting = project.locate_setting(&crm, "auth.password", Code::MissingKey, "no".to_owned());
    assert!(setting.source_line.starts_with("auth   ="), "{}", setting.source_line);
    let absent = project.locate_setting(&crm, "timeouts.x", Code::MissingKey, "no".to_owned());
    assert_eq!(absent.source_line, "[connections.crm]");
}

/// The project's own file: where it was looked for stands in the message, not only its name.
#[test]
fn a_folder_without_a_project_is_told_with_its_path() {
    let empty = project(&[]);
    let told = |dir: &Path| read(dir).expect_err("no project").remove(0);
    let absent = told(empty.path());
    let wanted = empty.path().join("duet.toml").to_string_lossy().into_owned();
    assert_eq!((absent.code, absent.file), (Code::Unreadable, wanted));
    assert!(absent.sentence.contains("no project"), "{}", absent.sentence);
    assert!(absent.help.contains("-C DIR"), "{}", absent.help);
    let strange = told(&empty.path().join("a\u{1b}[31m\nb"));
    assert!(!strange.to_string().contains('\u{1b}'), "a path paints nothing");
    let folder = project(&[("duet.toml/x", b"")]);
    let refused = told(folder.path());
    assert_eq!(refused.sentence, "this isn't a file");
    assert!(refused.help.contains("permissions"), "{}", refused.help);
}

/// A pipe that nobody writes to would be waited for.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = project(&[]);
    let pipe = folder.path().join("duet.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
    assert!(made.success());
    let told = read(folder.path()).expect_err("a pipe is no project");
    assert_eq!(told[0].sentence, "this isn't a file");
}
