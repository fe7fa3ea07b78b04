//! Shows the client, the seed, the metadata and the reader of the data file on a running emulator:
//! all of Northwind is put into it over its API and must compare as equal. duet isn't part of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use duet_emulator::{Emulator, Options, Running, STANDARD_PRICE_BOOK_ID};
use duet_testkit::servers::postgres;
use duet_tests::client::{ClientError, Fields, Session};
use duet_tests::compare::{Listed, compare};
use duet_tests::flows::{ALL, CUSTOMERS, Flow, Kind, LINES, ORDERS, PRICES, PRODUCTS};
use duet_tests::northwind::{self, Row};
use duet_tests::org::Org;
use duet_tests::seed::{self, Found};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Organization {
    folder: TempDir,
    session: Session,
    _emulator: Running,
}

impl Organization {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let options = Options {
            data: Some(folder.path().join("org.jsonl")),
            metadata: Some(northwind::folder().join("metadata")),
            ..Options::default()
        };
        let emulator = Emulator::start(options).await.unwrap();
        let session = Session::sign_in(&emulator.base_url()).await.unwrap();
        Self { folder, session, _emulator: emulator }
    }

    fn read(&self) -> Org {
        Org::read(&self.folder.path().join("org.jsonl")).unwrap()
    }
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

/// Ids of created records by the key of the shop.
type Ids = BTreeMap<String, String>;

/// Creates a record for every row, with parents found by key.
async fn copy(
    session: &Session,
    flow: &Flow,
    rows: &[Row],
    constants: Value,
    parents: &Ids,
) -> Ids {
    let record = |row: &Row| {
        let mut body = row.values.clone();
        for field in flow.fields.iter().filter(|field| field.kind == Kind::Parent) {
            let key = body[field.name].as_str().unwrap();
            let id = parents[&format!("{}/{key}", field.name)].clone();
            body.insert(field.name.to_owned(), json!(id));
        }
        for field in flow.fields.iter().filter(|field| field.kind == Kind::Set) {
            let parts = body[field.name].as_str().unwrap_or_default().replace('/', ";");
            body.insert(field.name.to_owned(), json!(parts));
        }
        body.insert("Ext__c".to_owned(), json!(row.key));
        body.extend(fields(constants.clone()));
        (flow.object, body)
    };
    let records: Vec<(&str, Fields)> = rows.iter().map(record).collect();
    let ids = session.create(&records).await.unwrap();
    rows.iter().map(|row| row.key.clone()).zip(ids).collect()
}

fn under(field: &str, ids: &Ids) -> Ids {
    ids.iter().map(|(key, id)| (format!("{field}/{key}"), id.clone())).collect()
}

#[tokio::test]
async fn all_of_northwind_fits_into_the_organization() {
    let shop = postgres().await.unwrap();
    northwind::load(shop.url()).await.unwrap();
    let organization = Organization::start().await;
    let session = &organization.session;
    let mut rows = BTreeMap::new();
    for flow in ALL {
        rows.insert(flow.name, northwind::rows(shop.url(), flow).await.unwrap());
    }
    let of = |flow: &Flow| &rows[flow.name];
    let customers = copy(session, &CUSTOMERS, of(&CUSTOMERS), json!({}), &Ids::new()).await;
    let products = copy(session, &PRODUCTS, of(&PRODUCTS), json!({}), &Ids::new()).await;
    let book = json!({ "Pricebook2Id": STANDARD_PRICE_BOOK_ID, "IsActive": true });
    let prices = copy(session, &PRICES, of(&PRICES), book, &under("Product2Id", &products)).await;
    let draft = json!({ "Pricebook2Id": STANDARD_PRICE_BOOK_ID, "Status": "Draft" });
    let orders = copy(session, &ORDERS, of(&ORDERS), draft, &under("AccountId", &customers)).await;
    let mut parents = under("OrderId", &orders);
    parents.extend(under("PricebookEntryId", &prices));
    let lines = copy(session, &LINES, of(&LINES), json!({}), &parents).await;
    assert_eq!(lines.len(), 2_155);

    let org = organization.read();
    let listed = Listed::default();
    let found = ALL.into_iter().flat_map(|flow| compare(flow, of(flow), &org, &listed));
    let found: Vec<String> = found.map(|difference| difference.to_string()).collect();
    assert_eq!(found, [""; 0]);
    let paged = session.query("SELECT Id, Quantity FROM OrderItem").await.unwrap();
    assert_eq!(paged.len(), 2_155);
}

#[tokio::test]
async fn the_seed_is_planted_and_found_in_the_data_file() {
    let shop = postgres().await.unwrap();
    northwind::load(shop.url()).await.unwrap();
    let organization = Organization::start().await;
    let customers = northwind::rows(shop.url(), &CUSTOMERS).await.unwrap();
    let products = northwind::rows(shop.url(), &PRODUCTS).await.unwrap();
    let planted = seed::plant(&organization.session, &customers, &products).await.unwrap();

    let org = organization.read();
    assert_eq!(org.of("Account").count(), 3 + seed::CUSTOMERS + 2);
    assert_eq!(org.of("Product2").count(), seed::PRODUCTS + 2);
    assert_eq!(planted.lone().len(), 3 + 2);
    assert!(planted.strangers.iter().all(|id| org.get(id).unwrap().text("Ext__c").is_none()));
    for (seed, id) in &planted.seeds {
        assert!(planted.stands_for(seed.object, &seed.key));
        let record = org.get(id).unwrap();
        let number = if seed.object == "Account" { "AccountNumber" } else { "ProductCode" };
        let keys = (record.text("Ext__c"), record.text(number));
        let key = Some(seed.key.as_str());
        let expected = match seed.found {
            Found::ExternalId => (key, None),
            Found::Number | Found::Twice => (None, key),
            Found::Never => (None, None),
        };
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn edits_and_deletions_are_in_the_data_file_when_they_are_answered() {
    let organization = Organization::start().await;
    let session = &organization.session;
    let account = ("Account", fields(json!({ "Name": "Acme", "Phone": "1" })));
    let ids = session.create(&[account.clone(), account]).await.unwrap();
    session.update("Account", &ids[0], fields(json!({ "Phone": "2" }))).await.unwrap();
    session.delete("Account", &ids[1]).await.unwrap();
    let org = organization.read();
    assert_eq!(org.get(&ids[0]).unwrap().text("Phone"), Some("2"));
    assert!(org.get(&ids[1]).unwrap().deleted);
}

#[tokio::test]
async fn a_refusal_tells_its_status_and_reason() {
    let organization = Organization::start().await;
    let session = &organization.session;
    let nameless = session.create(&[("Account", Fields::new())]).await.unwrap_err();
    assert!(nameless.to_string().contains("REQUIRED_FIELD_MISSING"), "{nameless}");
    let body = fields(json!({ "Name": "x" }));
    match session.update("Account", "001000000000000AAA", body).await.unwrap_err() {
        ClientError::Refused { status, .. } => assert_eq!(status, 404),
        ClientError::Unreachable { source, .. } => panic!("{source}"),
    }
    let gone = Session::sign_in("http://127.0.0.1:9").await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }));
}
