//! Shows the shop, the seed and the comparison on the real data: Northwind in PostgreSQL and in
//! SQLite, against an organization made from it. duet isn't part of it; its own proof stands on these.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use duet_testkit::servers::postgres;
use duet_tests::compare::{Listed, compare};
use duet_tests::database;
use duet_tests::flows::{ALL, CUSTOMERS, Flow, Kind, POLICIES, PRODUCTS};
use duet_tests::northwind::{self, Row};
use duet_tests::org::{Org, Record};
use duet_tests::seed;
use serde_json::{Map, Value, json};

async fn shop() -> duet_testkit::servers::Database {
    let shop = postgres().await.unwrap();
    northwind::load(shop.url()).await.unwrap();
    shop
}

/// An organization that holds exactly what the shop holds.
async fn mirror(url: &str) -> (Org, BTreeMap<&'static str, Vec<Row>>) {
    let mut org = Org::default();
    let mut all = BTreeMap::new();
    for flow in ALL {
        let rows = northwind::rows(url, flow).await.unwrap();
        for row in &rows {
            org.put(record(flow, row));
        }
        all.insert(flow.name, rows);
    }
    (org, all)
}

fn record(flow: &Flow, row: &Row) -> Record {
    let mut fields = row.values.clone();
    for field in flow.fields.iter().filter(|field| field.kind == Kind::Parent) {
        let parent = match field.name {
            "AccountId" => "Account",
            "Product2Id" => "Product2",
            "OrderId" => "Order",
            _ => "PricebookEntry",
        };
        let key = fields[field.name].as_str().unwrap_or_default().to_owned();
        fields.insert(field.name.to_owned(), json!(format!("{parent}/{key}")));
    }
    fields.insert("Ext__c".to_owned(), json!(row.key));
    let id = format!("{}/{}", flow.object, row.key);
    Record { id, object: flow.object.to_owned(), deleted: false, fields }
}

fn differences(org: &Org, rows: &BTreeMap<&'static str, Vec<Row>>) -> Vec<String> {
    let listed = Listed::default();
    let found = ALL.into_iter().flat_map(|flow| compare(flow, &rows[flow.name], org, &listed));
    found.map(|difference| difference.to_string()).collect()
}

#[tokio::test]
async fn the_shop_has_the_records_that_the_proof_counts() {
    let shop = shop().await;
    let mut counts = Vec::new();
    for flow in ALL {
        let rows = northwind::rows(shop.url(), flow).await.unwrap();
        let named = |row: &Row| flow.fields.iter().all(|field| row.values.contains_key(field.name));
        assert!(rows.iter().all(named), "{}: the query lacks a field", flow.name);
        counts.push(rows.len());
    }
    assert_eq!(counts, [91, 77, 77, 830, 2155]);
}

/// Every table, every column; and what the comparison asks for.
#[tokio::test]
async fn a_file_holds_the_same_shop() {
    let shop = shop().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = database::file(&folder.path().join("shop.db"));
    northwind::load(&file).await.unwrap();
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = database::rows(shop.url(), tables).await.unwrap();
    assert_eq!(tables.len(), 14);
    for table in tables.iter().map(|row| row["table_name"].as_str().unwrap()) {
        let every = format!("SELECT * FROM {table}");
        let mut held = Vec::new();
        for url in [shop.url(), &file] {
            let rows = database::rows(url, &every).await.unwrap();
            held.push(rows.into_iter().map(alike).collect::<BTreeSet<_>>());
        }
        assert_eq!(held[0], held[1], "{table}");
    }
    for flow in ALL.into_iter().chain(POLICIES) {
        let rows = northwind::rows(shop.url(), flow).await.unwrap();
        assert_eq!(northwind::rows(&file, flow).await.unwrap(), rows, "{}", flow.name);
    }
    let dropped = northwind::execute(&file, "DELETE FROM customers WHERE customer_id = 'ALFKI'");
    assert!(dropped.await.is_err(), "there are orders: references came along");
}

/// A row as a text; whether a whole number is one of floating point can't be told of a file's.
fn alike(row: Map<String, Value>) -> String {
    let number = |value: Value| value.as_f64().map_or(value, |number| json!(number));
    row.into_iter().map(|(name, value)| format!("{name} {}\n", number(value))).collect()
}

/// Both ways to run have the same configuration, but for the servers.
#[test]
fn what_runs_alone_is_configured_alike() {
    let read = |name: &str| -> toml::Table {
        let text = std::fs::read_to_string(northwind::folder().join(name)).unwrap();
        text.parse().unwrap()
    };
    let (mut servers, mut alone) = (read("duet.toml"), read("alone.toml"));
    assert!(servers.remove("state").is_some() && servers.remove("hub").is_some());
    for project in [&mut servers, &mut alone] {
        let shop = project["connections"]["shop"].as_table_mut().unwrap();
        assert!(shop.remove("kind").is_some());
        assert!(shop.remove("url").or(shop.remove("path")).is_some());
    }
    assert_eq!(servers, alone);
}

#[tokio::test]
async fn a_mirror_of_the_shop_is_equal_and_any_change_is_told() {
    let shop = shop().await;
    let (org, rows) = mirror(shop.url()).await;
    assert_eq!(differences(&org, &rows), [""; 0]);
    let edits = "UPDATE customers SET phone = '0' WHERE customer_id = 'ALFKI';
        UPDATE products SET units_in_stock = units_in_stock + 1 WHERE product_id = 1;
        UPDATE products SET unit_price = 18.01 WHERE product_id = 1;
        UPDATE orders SET ship_via = 1 WHERE order_id = 10248;
        DELETE FROM order_details WHERE order_id = 10248 AND product_id = 11";
    northwind::execute(shop.url(), edits).await.unwrap();
    let (_, edited) = mirror(shop.url()).await;
    assert_eq!(
        differences(&org, &edited),
        [
            "customers ALFKI: Phone is 030-0074321 in Salesforce and 0 in the shop",
            "products 1: Units_In_Stock__c is 39 in Salesforce and 40 in the shop",
            "prices 1: UnitPrice is 18.00 in Salesforce and 18.01 in the shop",
            "orders 10248: Ship_Via__c is Federal Shipping in Salesforce and Speedy Express in the shop",
            "lines OrderItem/10248-11: is not in the shop",
        ]
    );
}

#[tokio::test]
async fn the_seed_differs_from_the_shop_where_it_says_so() {
    let shop = shop().await;
    for (flow, plan) in [
        (&CUSTOMERS, seed::customers as fn(&[Row]) -> Vec<seed::Seed>),
        (&PRODUCTS, seed::products),
    ] {
        let rows = northwind::rows(shop.url(), flow).await.unwrap();
        for seed in plan(&rows) {
            let row = rows.iter().find(|row| row.key == seed.key).unwrap();
            let other: Vec<&str> = flow
                .fields
                .iter()
                .map(|field| field.name)
                .filter(|name| row.values.get(*name) != seed.fields.get(*name))
                .collect();
            assert_eq!(other, Vec::from_iter(seed.differs), "{} {}", flow.name, seed.key);
        }
    }
}

/// Every field that the comparison reads is a standard field or one of the metadata folder.
#[test]
fn every_custom_field_is_in_the_metadata() {
    for flow in ALL.into_iter().chain(POLICIES) {
        let folder = northwind::folder().join("metadata/objects").join(flow.object).join("fields");
        let custom =
            flow.fields.iter().map(|field| field.name).filter(|name| name.ends_with("__c"));
        for name in custom.chain(["Duet_Write__c"]) {
            let file = folder.join(format!("{name}.field-meta.xml"));
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(text.contains(&format!("<fullName>{name}</fullName>")), "{}", file.display());
        }
    }
}

/// The flows' files say the same as the comparison: objects, and every field on the left.
#[test]
fn the_comparison_covers_every_field_of_the_flows() {
    let flows = ALL.map(|flow| (flow, "flows")).into_iter();
    for (flow, folder) in flows.chain(POLICIES.map(|flow| (flow, "policies"))) {
        let path = northwind::folder().join(format!("{folder}/{}.toml", flow.name));
        let file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let spec = &file["flow"][flow.name];
        assert_eq!(spec["left"]["object"].as_str(), Some(flow.object));
        let fields = spec["fields"].as_table().unwrap().values().map(|field| &field["left"]);
        let parents = spec.get("parents").and_then(toml::Value::as_array).into_iter().flatten();
        let mut named = Vec::new();
        for left in fields.chain(parents.map(|parent| &parent["left"])) {
            match left {
                toml::Value::Array(group) => {
                    named.extend(group.iter().filter_map(toml::Value::as_str))
                }
                one => named.extend(one.as_str()),
            }
        }
        let compared: Vec<&str> = flow.fields.iter().map(|field| field.name).collect();
        let missing: Vec<&&str> = named.iter().filter(|name| !compared.contains(name)).collect();
        assert!(missing.is_empty(), "{}: not compared: {missing:?}", flow.name);
    }
}
