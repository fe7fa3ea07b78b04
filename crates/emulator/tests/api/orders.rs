//! Price books, orders and their items.

use duet_emulator::STANDARD_PRICE_BOOK_ID;
use serde_json::{Value, json};

use crate::client::{Client, start};

struct Shop {
    client: Client,
    account: String,
    product: String,
    entry: String,
}

async fn shop() -> Shop {
    let client = start().await;
    let account = client.create("Account", json!({ "Name": "a" })).await;
    let product = client.create("Product2", json!({ "Name": "p", "ProductCode": "P1" })).await;
    let entry = client.create("PricebookEntry", price(&product, STANDARD_PRICE_BOOK_ID)).await;
    Shop { client, account, product, entry }
}

fn price(product: &str, book: &str) -> Value {
    json!({ "Product2Id": product, "Pricebook2Id": book, "UnitPrice": 10, "IsActive": true })
}

impl Shop {
    fn draft(&self) -> Value {
        json!({
            "AccountId": self.account, "EffectiveDate": "2024-01-31", "Status": "Draft",
            "Pricebook2Id": STANDARD_PRICE_BOOK_ID,
        })
    }

    fn item(&self, order: &str) -> Value {
        json!({
            "OrderId": order, "PricebookEntryId": self.entry, "Quantity": 3, "UnitPrice": 9.5,
        })
    }

    async fn refused(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.client.call(method, path, body).await;
        assert_eq!(status, 400, "{body}");
        body[0]["errorCode"].clone()
    }

    async fn read(&self, object: &str, id: &str) -> Value {
        self.client.get(&format!("/sobjects/{object}/{id}")).await.1
    }
}

#[tokio::test]
async fn the_standard_price_comes_first_and_once() {
    let shop = shop().await;
    let book = shop.client.create("Pricebook2", json!({ "Name": "b", "IsActive": true })).await;
    let other = shop.client.create("Product2", json!({ "Name": "q" })).await;
    let path = "/sobjects/PricebookEntry";
    assert_eq!(
        shop.refused("POST", path, price(&other, &book)).await,
        "STANDARD_PRICE_NOT_DEFINED"
    );
    assert_eq!(
        shop.refused("POST", path, price(&shop.product, STANDARD_PRICE_BOOK_ID)).await,
        "DUPLICATE_VALUE"
    );
    let mut follows = price(&shop.product, &book);
    follows["UseStandardPrice"] = json!(true);
    follows["UnitPrice"] = json!(1);
    let custom = shop.client.create("PricebookEntry", follows).await;
    let row = shop.read("PricebookEntry", &custom).await;
    assert_eq!((&row["UnitPrice"], &row["ProductCode"]), (&json!(10.0), &json!("P1")));
    let standard = format!("{path}/{}", shop.entry);
    assert_eq!(shop.refused("DELETE", &standard, Value::Null).await, "DELETE_FAILED");
    let moved = json!({ "Pricebook2Id": book });
    assert_eq!(shop.refused("PATCH", &standard, moved).await, "INVALID_FIELD_FOR_INSERT_UPDATE");
    let renamed = json!({ "Name": "renamed" });
    shop.client.call("PATCH", &format!("/sobjects/Product2/{}", shop.product), renamed).await;
    assert_eq!(shop.read("PricebookEntry", &custom).await["Name"], "renamed");
    shop.client.call("DELETE", &format!("/sobjects/Product2/{}", shop.product), Value::Null).await;
    assert_eq!(shop.client.get(&format!("{path}/{custom}")).await.0, 404);
}

#[tokio::test]
async fn an_order_goes_from_draft_to_activated() {
    let shop = shop().await;
    let mut active = shop.draft();
    active["Status"] = json!("Activated");
    assert_eq!(shop.refused("POST", "/sobjects/Order", active).await, "FAILED_ACTIVATION");
    let mut unknown = shop.draft();
    unknown["Status"] = json!("Shipped");
    let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
    assert_eq!(shop.refused("POST", "/sobjects/Order", unknown).await, code);
    let order = shop.client.create("Order", shop.draft()).await;
    let path = format!("/sobjects/Order/{order}");
    let activate = json!({ "Status": "Activated" });
    assert_eq!(shop.refused("PATCH", &path, activate.clone()).await, "FAILED_ACTIVATION");
    let item = shop.client.create("OrderItem", shop.item(&order)).await;
    let row = shop.read("OrderItem", &item).await;
    assert_eq!((&row["Product2Id"], &row["TotalPrice"]), (&json!(shop.product), &json!(28.5)));
    assert_eq!((&row["ListPrice"], &row["OrderItemNumber"]), (&json!(10.0), &json!("00000001")));
    let row = shop.read("Order", &order).await;
    assert_eq!((&row["TotalAmount"], &row["OrderNumber"]), (&json!(28.5), &json!("00000001")));

    assert_eq!(shop.client.call("PATCH", &path, activate).await.0, 204);
    assert_eq!(shop.read("Order", &order).await["StatusCode"], "Activated");
    let code = "FIELD_INTEGRITY_EXCEPTION";
    let item_path = format!("/sobjects/OrderItem/{item}");
    assert_eq!(shop.refused("POST", "/sobjects/OrderItem", shop.item(&order)).await, code);
    assert_eq!(shop.refused("DELETE", &item_path, Value::Null).await, code);
    assert_eq!(shop.refused("DELETE", &path, Value::Null).await, code);
    let draft = json!({ "Status": "Draft" });
    assert_eq!(shop.client.call("PATCH", &path, draft).await.0, 204);
    assert_eq!(shop.client.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(shop.client.get(&item_path).await.0, 404);
}

#[tokio::test]
async fn an_item_fits_its_order() {
    let shop = shop().await;
    let mut bookless = shop.draft();
    bookless.as_object_mut().unwrap().remove("Pricebook2Id");
    let bookless = shop.client.create("Order", bookless).await;
    let code = "FIELD_INTEGRITY_EXCEPTION";
    let path = "/sobjects/OrderItem";
    assert_eq!(shop.refused("POST", path, shop.item(&bookless)).await, code);
    let order = shop.client.create("Order", shop.draft()).await;
    let other = shop.client.create("Product2", json!({ "Name": "q" })).await;
    let mut wrong = shop.item(&order);
    wrong["Product2Id"] = json!(other);
    assert_eq!(shop.refused("POST", path, wrong).await, code);
    let mut missing = shop.item(&order);
    missing["Quantity"] = Value::Null;
    assert_eq!(shop.refused("POST", path, missing).await, "REQUIRED_FIELD_MISSING");
    let entry = format!("/sobjects/PricebookEntry/{}", shop.entry);
    shop.client.call("PATCH", &entry, json!({ "IsActive": false })).await;
    assert_eq!(shop.refused("POST", path, shop.item(&order)).await, code);
    shop.client.call("PATCH", &entry, json!({ "IsActive": true })).await;
    shop.client.create("OrderItem", shop.item(&order)).await;

    let book = shop.client.create("Pricebook2", json!({ "Name": "b" })).await;
    let moved = json!({ "Pricebook2Id": book });
    assert_eq!(shop.refused("PATCH", &format!("/sobjects/Order/{order}"), moved).await, code);
    for path in [
        format!("/sobjects/Account/{}", shop.account),
        format!("/sobjects/Product2/{}", shop.product),
        entry,
        format!("/sobjects/Pricebook2/{STANDARD_PRICE_BOOK_ID}"),
    ] {
        assert_eq!(shop.refused("DELETE", &path, Value::Null).await, "DELETE_FAILED", "{path}");
    }
}

#[tokio::test]
async fn what_is_fixed_stays_fixed_however_it_is_named() {
    let shop = shop().await;
    let book = json!({ "Name": "b", "IsActive": true, "Ext__c": "other book" });
    let book = shop.client.create("Pricebook2", book).await;
    let price = shop.client.create("PricebookEntry", price(&shop.product, &book)).await;
    let path = format!("/sobjects/PricebookEntry/{price}");
    for body in [
        json!({ "Pricebook2Id": STANDARD_PRICE_BOOK_ID }),
        json!({ "Pricebook2": { "Ext__c": "other book" } }),
        json!({ "Product2": { "Id": shop.product } }),
        json!({ "Name": "x" }),
    ] {
        let code = shop.refused("PATCH", &path, body.clone()).await;
        assert_eq!(code, "INVALID_FIELD_FOR_INSERT_UPDATE", "{body}");
    }
    let row = shop.read("PricebookEntry", &price).await;
    assert_eq!((&row["Pricebook2Id"], &row["Name"]), (&json!(book), &json!("p")));
}

#[tokio::test]
async fn an_order_that_somebody_edits_takes_no_items_meanwhile() {
    let shop = shop().await;
    let order = shop.client.create("Order", shop.draft()).await;
    let item = shop.client.create("OrderItem", shop.item(&order)).await;
    let edit = json!({ "operation": "update", "object": "Order", "id": order,
        "record": { "Description": "not to be seen yet" }, "visible_after_ms": 600_000 });
    shop.client.edit(edit).await;
    let path = format!("/sobjects/OrderItem/{item}");
    for (method, path, body) in [
        ("POST", "/sobjects/OrderItem", shop.item(&order)),
        ("PATCH", path.as_str(), json!({ "Quantity": 5 })),
        ("DELETE", path.as_str(), Value::Null),
    ] {
        assert_eq!(shop.refused(method, path, body).await, "UNABLE_TO_LOCK_ROW", "{method}");
    }
    let row = shop.read("Order", &order).await;
    assert_eq!((&row["Description"], &row["TotalAmount"]), (&Value::Null, &json!(28.5)));
    assert_eq!(shop.read("OrderItem", &item).await["Quantity"], json!(3.0));
}

#[tokio::test]
async fn every_step_that_an_order_forbids_has_its_code() {
    let shop = shop().await;
    let other = shop.client.create("Account", json!({ "Name": "other" })).await;
    let order = shop.client.create("Order", shop.draft()).await;
    let path = format!("/sobjects/Order/{order}");
    let activate = json!({ "Status": "Activated" });
    let mut active = shop.draft();
    active["Status"] = json!("Activated");
    assert_eq!(shop.refused("POST", "/sobjects/Order", active).await, "FAILED_ACTIVATION");
    assert_eq!(shop.refused("PATCH", &path, activate.clone()).await, "FAILED_ACTIVATION");
    assert_eq!(shop.client.call("PATCH", &path, json!({ "AccountId": other })).await.0, 204);
    let item = shop.client.create("OrderItem", shop.item(&order)).await;
    let no_book = json!({ "Pricebook2Id": null });
    assert_eq!(shop.refused("PATCH", &path, no_book).await, "FIELD_INTEGRITY_EXCEPTION");
    assert_eq!(shop.client.call("PATCH", &path, activate).await.0, 204);
    let line = format!("/sobjects/OrderItem/{item}");
    for (method, path, body) in [
        ("POST", "/sobjects/OrderItem", shop.item(&order)),
        ("DELETE", line.as_str(), Value::Null),
        ("DELETE", path.as_str(), Value::Null),
        ("PATCH", path.as_str(), json!({ "AccountId": shop.account })),
    ] {
        let code = shop.refused(method, path, body).await;
        assert_eq!(code, "FIELD_INTEGRITY_EXCEPTION", "{method} {path}");
    }
    let entry = format!("/sobjects/PricebookEntry/{}", shop.entry);
    assert_eq!(shop.refused("DELETE", &entry, Value::Null).await, "DELETE_FAILED");
    let account = format!("/sobjects/Account/{other}");
    assert_eq!(shop.refused("DELETE", &account, Value::Null).await, "DELETE_FAILED");
    assert_eq!(shop.client.call("PATCH", &path, json!({ "Status": "Draft" })).await.0, 204);
    assert_eq!(shop.client.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(shop.client.get(&line).await.1[0]["errorCode"], "ENTITY_IS_DELETED");
}
