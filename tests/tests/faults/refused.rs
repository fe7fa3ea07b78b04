//! Rows that Salesforce refuses: parked with advice while their neighbours pass, mended at the
//! source without a person, tried again or given up by one.

use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;
use serde_json::{Value, json};

use crate::calls::{assert_all_told, assert_explained};
use crate::rig::{LIMIT, Rig, SOON, STOPS_WITHIN};

/// Two kinds of refusal: a rule of the organization, and a required value that is missing.
const REFUSED: [(&str, &str); 2] =
    [("ALFKI", "FIELD_CUSTOM_VALIDATION_EXCEPTION"), ("ANTON", "REQUIRED_FIELD_MISSING")];

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_wait_with_advice_and_pass_when_mended() {
    let rig = Rig::new().await;
    rig.salesforce.keep().await.unwrap();
    let rule = json!({ "object": "Account", "field": "Phone", "value": "030-0074321",
        "message": "a rule of the organization" });
    rig.salesforce.fail(json!({ "refuse": [rule] })).await.unwrap();
    let long = "x".repeat(90);
    rig.sell("ALTER TABLE customers ALTER contact_name TYPE text").await;
    rig.sell(&format!("UPDATE customers SET contact_name = '{long}' WHERE customer_id = 'ANATR'"))
        .await;
    rig.sell("UPDATE customers SET company_name = '' WHERE customer_id = 'ANTON'").await;
    rig.prepare(&["customers"]);
    let (account, code) = rig.asked(&["sync", "--once"]);
    assert_eq!(code, Some(7), "partly done: {account}");
    assert_parked(&rig);
    assert_kept_back(&rig);
    mend_the_source(&rig).await;
    try_again(&rig).await;
    give_up(&rig).await;
    assert_all_told(&rig).await;
    for (key, _) in REFUSED {
        assert_explained(&rig, "customers", key).await;
    }
}

fn listed(rig: &Rig, kind: &str) -> Vec<Value> {
    let list = rig.json(&["errors", "list"]);
    list["items"].as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect()
}

fn errors(rig: &Rig) -> Vec<Value> {
    listed(rig, "call")
}

fn assert_parked(rig: &Rig) {
    let errors = errors(rig);
    let mut told: Vec<(&str, &str)> = errors
        .iter()
        .map(|error| {
            (error["record"].as_str().unwrap(), error["failure"]["code"].as_str().unwrap())
        })
        .collect();
    told.sort_unstable();
    let wanted = REFUSED.map(|(key, code)| (format!("customers/{key}"), code));
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(key, code)| (&**key, *code)).collect();
    assert_eq!(told, wanted);
    let org = rig.salesforce.org().unwrap();
    assert_eq!(org.of("Account").count(), 91 - REFUSED.len(), "the neighbours passed");
    for error in &errors {
        assert_eq!(error["state"], "parked");
        assert!(error["advice"].as_str().unwrap().len() > 10, "{error}");
        let detail = rig.json(&["errors", "show", error["id"].as_str().unwrap()]);
        let history = detail["history"].as_array().unwrap();
        assert_eq!(json!(history.len()), error["attempts"], "every call is told: {detail}");
        assert!(!history.is_empty());
    }
}

/// A value that doesn't fit is kept back; the record's other fields go on, and `explain` says so.
fn assert_kept_back(rig: &Rig) {
    assert!(rig.partner(&CUSTOMERS, "ANATR").is_some());
    assert_eq!(rig.left(&CUSTOMERS, "ANATR", "Contact_Name__c"), "");
    let told = rig.done(&["explain", "customers/ANATR", "--field", "contact"]).out;
    assert!(told.contains("F8"), "{told}");
    assert!(told.contains("kept   back"), "{told}");
    let values = listed(rig, "value");
    // The other one is the required value that is missing: its create is refused, too.
    assert_eq!(values.len(), 2, "{values:?}");
    let value = values.iter().find(|one| one["record"] == "customers/ANATR").unwrap();
    for (key, word) in [
        ("record", "customers/ANATR"),
        ("field", "contact"),
        ("code", "unmappable"),
        ("source", "right"),
        ("side", "left"),
        ("column", "Contact_Name__c"),
    ] {
        assert_eq!(value[key], word, "{value}");
    }
    assert!(!value.to_string().contains("xxxx"), "the value itself isn't told: {value}");
    let status = rig.json(&["status"]);
    assert_eq!(counted(&status["flows"], "customers"), json!([["unmappable", 2]]), "{status}");
    assert_pointed_at(rig, value["id"].as_str().unwrap());
}

fn counted(flows: &Value, name: &str) -> Value {
    let flow = flows.as_array().unwrap().iter().find(|flow| flow["flow"] == name);
    flow.unwrap()["field_errors"].clone()
}

/// It is shown with advice, can't be discarded, and another look without another cause keeps it.
fn assert_pointed_at(rig: &Rig, id: &str) {
    let shown = rig.done(&["errors", "show", &id[..8]]).out;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("kept back") && shown.contains("duet errors retry"), "{shown}");
    for arguments in [&["errors", "discard", id][..], &["errors", "discard", id, "--yes"]] {
        let refused = rig.duet(arguments);
        assert_eq!(refused.code, Some(64), "{}{}", refused.out, refused.err);
        assert!(refused.err.contains("nothing to discard"), "{}", refused.err);
    }
    rig.done(&["errors", "retry", &id[..13]]);
    let (pass, code) = rig.asked(&["sync", "--once"]);
    assert_eq!(code, Some(7), "{pass}");
    assert_eq!(pass["flows"]["customers"]["field_errors"], json!([["unmappable", 2]]), "{pass}");
    assert_eq!(listed(rig, "value").len(), 2, "nothing was mended");
}

/// They are mended in the shop and go through while `duet run` runs; nobody is asked.
async fn mend_the_source(rig: &Rig) {
    let running = rig.run();
    rig.sell(
        "UPDATE customers SET contact_name = 'Ana' WHERE customer_id = 'ANATR';
        UPDATE customers SET company_name = 'Anton' WHERE customer_id = 'ANTON'",
    )
    .await;
    wait_until(SOON, "the mended rows pass", || {
        let contact = rig.left(&CUSTOMERS, "ANATR", "Contact_Name__c");
        std::future::ready(contact == "Ana" && rig.partner(&CUSTOMERS, "ANTON").is_some())
    })
    .await;
    wait_until(SOON, "one error is left", || std::future::ready(errors(rig).len() == 1)).await;
    assert!(listed(rig, "value").is_empty(), "what was kept back went through");
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
}

/// The rule is lifted; the shop's row is as it was, so a person says when.
async fn try_again(rig: &Rig) {
    let id = errors(rig)[0]["id"].as_str().unwrap().to_owned();
    let (still, _) = rig.asked(&["sync", "--once"]);
    assert_eq!(still["writes"]["left"], 0, "a parked write isn't tried by itself");
    rig.salesforce.mend().await.unwrap();
    rig.salesforce.fail(json!({ "refuse": [] })).await.unwrap();
    rig.done(&["errors", "retry", &id[..13]]);
    rig.done(&["sync", "--once"]);
    assert!(rig.partner(&CUSTOMERS, "ALFKI").is_some());
    assert_eq!(rig.done(&["errors", "list"]).out.trim(), "no errors");
    let gone = rig.duet(&["errors", "retry", &id]);
    assert_eq!(gone.code, Some(1), "{}{}", gone.out, gone.err);
}

/// A refused update is discarded; it stays so until the row changes again.
async fn give_up(rig: &Rig) {
    let rule = json!({ "object": "Account", "field": "Phone", "value": "1", "message": "no" });
    rig.salesforce.fail(json!({ "refuse": [rule] })).await.unwrap();
    rig.sell("UPDATE customers SET phone = '1' WHERE customer_id = 'ALFKI'").await;
    assert_eq!(rig.duet(&["sync", "--once"]).code, Some(7));
    let id = errors(rig)[0]["id"].as_str().unwrap().to_owned();
    let asked = rig.duet(&["errors", "discard", &id]);
    assert_eq!(asked.code, Some(64), "it asks for --yes: {}", asked.err);
    rig.done(&["errors", "discard", &id, "--yes"]);
    rig.salesforce.mend().await.unwrap();
    rig.salesforce.fail(json!({ "refuse": [] })).await.unwrap();
    rig.done(&["sync", "--once"]);
    assert_ne!(rig.left(&CUSTOMERS, "ALFKI", "Phone"), "1", "discarded is discarded");
    rig.sell("UPDATE customers SET phone = '2' WHERE customer_id = 'ALFKI'").await;
    rig.done(&["sync", "--once"]);
    wait_until(LIMIT, "the next change passes", || {
        std::future::ready(rig.left(&CUSTOMERS, "ALFKI", "Phone") == "2")
    })
    .await;
}
