//! Shows on small cases that nothing different is called equal, and nothing equal different.

use serde_json::{Map, json};

use super::*;
use crate::flows::{CUSTOMERS, LINES, ORDERS, PRICES, PRODUCTS};

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn row(key: &str, values: Value) -> Row {
    Row { key: key.to_owned(), values: fields(values) }
}

fn record(id: &str, object: &str, values: Value) -> Record {
    Record { id: id.to_owned(), object: object.to_owned(), deleted: false, fields: fields(values) }
}

fn org(records: impl IntoIterator<Item = Record>) -> Org {
    let mut org = Org::default();
    records.into_iter().for_each(|record| org.put(record));
    org
}

fn acme() -> Row {
    row(
        "ACMEX",
        json!({ "Name": "Acme", "Phone": "1", "Fax": null, "Contact_Roles__c": "Owner/Agent" }),
    )
}

fn its_account() -> Record {
    let values = json!({ "Ext__c": "ACMEX", "Name": "Acme", "Phone": "1", "Fax": "",
        "Contact_Roles__c": "Agent;Owner" });
    record("001A", "Account", values)
}

fn told(flow: &'static Flow, rows: &[Row], org: &Org, listed: &Listed) -> Vec<String> {
    compare(flow, rows, org, listed).iter().map(ToString::to_string).collect()
}

#[test]
fn equal_sides_have_no_difference() {
    assert_eq!(told(&CUSTOMERS, &[acme()], &org([its_account()]), &Listed::default()), [""; 0]);
}

#[test]
fn a_field_that_differs_is_named_with_both_values() {
    let mut account = its_account();
    account.fields["Phone"] = json!("2");
    let found = told(&CUSTOMERS, &[acme()], &org([account]), &Listed::default());
    assert_eq!(found, ["customers ACMEX: Phone is 2 in Salesforce and 1 in the shop"]);
}

#[test]
fn null_differs_from_a_value_in_both_directions() {
    let (mut full, mut bare) = (its_account(), acme());
    full.fields["Fax"] = json!("9");
    bare.values["Phone"] = Value::Null;
    let found = told(&CUSTOMERS, &[bare], &org([full]), &Listed::default());
    assert_eq!(
        found,
        [
            "customers ACMEX: Fax is 9 in Salesforce and (nothing) in the shop",
            "customers ACMEX: Phone is 1 in Salesforce and (nothing) in the shop",
        ]
    );
}

#[test]
fn an_open_conflict_is_no_difference_but_must_differ() {
    let mut listed = Listed::default();
    listed.open(&CUSTOMERS, "ACMEX", "Phone");
    let mut account = its_account();
    account.fields["Phone"] = json!("2");
    assert_eq!(told(&CUSTOMERS, &[acme()], &org([account]), &listed), [""; 0]);
    let found = told(&CUSTOMERS, &[acme()], &org([its_account()]), &listed);
    assert_eq!(found, ["customers ACMEX: Phone is listed but doesn't differ"]);
}

#[test]
fn a_missing_record_is_told_on_either_side() {
    let found = told(&CUSTOMERS, &[acme()], &org([]), &Listed::default());
    assert_eq!(found, ["customers ACMEX: is not in Salesforce"]);
    let found = told(&CUSTOMERS, &[], &org([its_account()]), &Listed::default());
    assert_eq!(found, ["customers 001A: is not in the shop"]);
}

#[test]
fn a_deleted_record_is_missing() {
    let gone = Record { deleted: true, ..its_account() };
    let found = told(&CUSTOMERS, &[acme()], &org([gone]), &Listed::default());
    assert_eq!(found, ["customers ACMEX: is not in Salesforce"]);
}

#[test]
fn records_left_alone_are_no_difference() {
    let mut listed = Listed::default();
    listed.right_alone(&CUSTOMERS, "ACMEX");
    listed.left_alone.insert("001B".to_owned());
    let stranger = record("001B", "Account", json!({ "Name": "Wheelworks" }));
    assert_eq!(told(&CUSTOMERS, &[acme()], &org([stranger.clone()]), &listed), [""; 0]);
    let found = told(&CUSTOMERS, &[acme()], &org([stranger, its_account()]), &listed);
    assert_eq!(found, ["customers ACMEX: the row is listed but doesn't differ"]);
}

#[test]
fn a_duplicate_is_told_with_both_ids() {
    let twin = Record { id: "001B".to_owned(), ..its_account() };
    let found = told(&CUSTOMERS, &[acme()], &org([its_account(), twin]), &Listed::default());
    assert_eq!(found, ["customers ACMEX: is there 2 times: 001A, 001B"]);
}

#[test]
fn numbers_compare_by_value_and_flags_know_no_null() {
    let shop = row(
        "1",
        json!({ "Name": "Chai", "Units_In_Stock__c": 39, "Discontinued__c": false, "IsActive": true }),
    );
    let values =
        json!({ "Ext__c": "1", "Name": "Chai", "Units_In_Stock__c": 39.0, "IsActive": true });
    let product = record("01tA", "Product2", values);
    let mut sold = product.clone();
    sold.fields["Units_In_Stock__c"] = json!(38);
    let rows = [shop];
    assert_eq!(told(&PRODUCTS, &rows, &org([product]), &Listed::default()), [""; 0]);
    let found = told(&PRODUCTS, &rows, &org([sold]), &Listed::default());
    assert_eq!(found, ["products 1: Units_In_Stock__c is 38 in Salesforce and 39 in the shop"]);
}

#[test]
fn prices_compare_to_the_cent() {
    let rows = [row("5", json!({ "Product2Id": "5", "UnitPrice": 21.35 }))];
    let product = record("01tA", "Product2", json!({ "Ext__c": "5" }));
    let entry = |price: f64| {
        let values = json!({ "Ext__c": "5", "Product2Id": "01tA", "UnitPrice": price });
        org([product.clone(), record("01uA", "PricebookEntry", values)])
    };
    assert_eq!(told(&PRICES, &rows, &entry(21.350_000_4), &Listed::default()), [""; 0]);
    let found = told(&PRICES, &rows, &entry(21.36), &Listed::default());
    assert_eq!(found, ["prices 5: UnitPrice is 21.36 in Salesforce and 21.35 in the shop"]);
}

#[test]
fn a_parent_counts_by_its_key_not_by_its_id() {
    let rows = [row("10248", json!({ "AccountId": "VINET" }))];
    let order = |parent: &str| {
        let values = json!({ "Ext__c": "10248", "AccountId": parent });
        org([
            record("001A", "Account", json!({ "Ext__c": "VINET" })),
            record("001B", "Account", json!({ "Ext__c": "TOMSP" })),
            record("801A", "Order", values),
        ])
    };
    assert_eq!(told(&ORDERS, &rows, &order("001A"), &Listed::default()), [""; 0]);
    let found = told(&ORDERS, &rows, &order("001B"), &Listed::default());
    assert_eq!(found, ["orders 10248: AccountId is TOMSP in Salesforce and VINET in the shop"]);
    let found = told(&ORDERS, &rows, &order("001C"), &Listed::default());
    assert_eq!(found, ["orders 10248: AccountId is (nothing) in Salesforce and VINET in the shop"]);
}

#[test]
fn lines_are_found_by_both_parts_of_their_key() {
    let values = json!({ "OrderId": "10248", "PricebookEntryId": "11", "Quantity": 12,
        "UnitPrice": 14.0, "Discount__c": 0 });
    let records = [
        record("801A", "Order", json!({ "Ext__c": "10248" })),
        record("01uA", "PricebookEntry", json!({ "Ext__c": "11" })),
        record(
            "802A",
            "OrderItem",
            json!({ "Ext__c": "10248-11", "OrderId": "801A", "PricebookEntryId": "01uA",
                "Quantity": 12.0, "UnitPrice": 14, "Discount__c": 0.0 }),
        ),
    ];
    assert_eq!(
        told(&LINES, &[row("10248-11", values)], &org(records), &Listed::default()),
        [""; 0]
    );
}
