//! Neither `[hub]` nor `[state]`: one process, its hub in memory and its state in a file, behaves as
//! with servers; commands of other processes work beside it.

use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::desk;
use duet_tests::flows::{CUSTOMERS, PRODUCTS};
use serde_json::json;

use crate::ground::Way;
use crate::held::Holder;
use crate::rig::Rig;

const SOON: Duration = Duration::from_secs(60);
const SERVERS: &str =
    "[state]\nurl = \"${DUET_DATABASE_URL}\"\n\n[hub]\nurl = \"${DUET_AMQP_URL}\"\n";

/// The installation without its servers.
pub(crate) async fn alone() -> Rig {
    let rig = Rig::new().await;
    let file = rig.project.folder().join("duet.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(SERVERS), "{text}");
    std::fs::write(&file, text.replace(SERVERS, "")).unwrap();
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_keeps_its_state_in_a_file() {
    let rig = alone().await;
    let state = rig.project.folder().join(".duet/state.db");
    rig.done(&["check", "--offline"]);
    assert_eq!(rig.duet(&["check"]).code, Some(4), "counters need a capture");
    assert!(!state.exists(), "looking makes nothing");
    rig.done(&["capture", "install"]);
    rig.done(&["check"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    assert!(state.exists());
    let ignored = rig.project.folder().join(".duet/.gitignore");
    let kept_out = "*\n!/.gitignore\n!/duet.schema.json\n";
    assert_eq!(std::fs::read_to_string(ignored).unwrap(), kept_out, "a state is never committed");
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.salesforce.org().unwrap().of(CUSTOMERS.object).count(), 91);
    assert!(rig.done(&["status"]).out.contains("customers"));
    rig.salesforce.mark().await.unwrap();
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.salesforce.log().await.unwrap()["writing_calls"], 0, "a second pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_commands_work_beside_the_one_process() {
    let rig = alone().await;
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    let running = rig.run();
    wait_until(SOON, "the customers are there", || async {
        rig.salesforce.org().unwrap().of(CUSTOMERS.object).count() == 91
    })
    .await;
    rig.sell("UPDATE customers SET contact_name = 'Ann' WHERE customer_id = 'ALFKI'").await;
    wait_until(SOON, "an edit comes through", || async {
        rig.left(&CUSTOMERS, "ALFKI", "Contact_Name__c") == "Ann"
    })
    .await;
    assert_eq!(rig.duet(&["sync", "--once"]).code, Some(75), "its sources are taken");
    rig.done(&["explain", "customers/ALFKI", "--field", "contact"]);
    assert!(running.stop(SOON).unwrap().success());
    rig.done(&["sync", "--once"]);
}

/// Everything a person does beside it is carried out by it, soon and without being told.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_works_beside_the_one_process() {
    let rig = Rig::running(Way::Alone).await;
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    rig.done(&["sync", "--once"]);
    let id = rig.partner(&CUSTOMERS, "ALFKI").unwrap();
    rig.salesforce.edit("Account", &id, json!({ "Phone": "(0) 1" })).await.unwrap();
    rig.sell("UPDATE customers SET phone = '(0) 2' WHERE customer_id = 'ALFKI'").await;
    let running = rig.run();
    decides(&rig).await;
    no_second_one(&rig);
    retries(&rig).await;
    rig.done(&["adopt", "--yes", "--flow", "products"]);
    wait_until(SOON, "the products are there", || async {
        rig.salesforce.org().unwrap().of(PRODUCTS.object).count() == 77
    })
    .await;
    for arguments in [&["check"][..], &["status", "--check"], &["capture", "status"], &["migrate"]]
    {
        rig.done(arguments);
    }
    assert!(running.stop(SOON).unwrap().success());
    free_again(&rig).await;
}

/// A conflict is seen, and decided by another process.
async fn decides(rig: &Rig) {
    wait_until(SOON, "a conflict waits", || {
        std::future::ready(desk::conflicts(&rig.project, false).unwrap().len() == 1)
    })
    .await;
    let conflict = desk::conflicts(&rig.project, false).unwrap().remove(0);
    let told = rig.done(&["conflicts", "show", conflict["id"].as_str().unwrap()]).out;
    assert!(told.contains("(0) 1") && told.contains("(0) 2"), "{told}");
    desk::resolve(&rig.project, &conflict, &["--take", "right"]).unwrap();
    wait_until(SOON, "the decision is carried out", || async {
        let nothing = desk::conflicts(&rig.project, false).unwrap().is_empty();
        nothing && rig.left(&CUSTOMERS, "ALFKI", "Phone") == "(0) 2"
    })
    .await;
    let told = rig.done(&["explain", "customers/ALFKI", "--field", "phone", "--reveal"]).out;
    assert!(told.contains("(0) 2"), "{told}");
}

/// Its hub is in its memory: another one would not hear of its work.
fn no_second_one(rig: &Rig) {
    let refused = rig.duet(&["run"]);
    assert_eq!(refused.code, Some(75), "{}{}", refused.out, refused.err);
    for words in ["another `duet run` (process ", "state.db", "= help: ", "[hub]"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
    let status = rig.json(&["status"]);
    assert_eq!(status["processes"].as_array().unwrap().len(), 1, "{status}");
}

/// A refused call, tried again by another process.
async fn retries(rig: &Rig) {
    let rule = json!({ "object": "Account", "field": "Phone", "value": "66", "message": "no" });
    rig.salesforce.fail(json!({ "refuse": [rule] })).await.unwrap();
    rig.sell("UPDATE customers SET phone = '66' WHERE customer_id = 'ANATR'").await;
    let errors = || rig.json(&["errors", "list"])["items"].as_array().unwrap().clone();
    wait_until(SOON, "it is refused", || std::future::ready(errors().len() == 1)).await;
    rig.salesforce.fail(json!({ "refuse": [] })).await.unwrap();
    rig.done(&["errors", "retry", errors()[0]["id"].as_str().unwrap()]);
    wait_until(SOON, "it goes through", || async {
        errors().is_empty() && rig.left(&CUSTOMERS, "ANATR", "Phone") == "66"
    })
    .await;
}

/// The place of the one process is free when it has ended, however it did.
async fn free_again(rig: &Rig) {
    rig.run().kill();
    let running = rig.run();
    wait_until(SOON, "it reads", || std::future::ready(rig.reads("customers"))).await;
    assert!(running.stop(SOON).unwrap().success());
}

/// Who reads never waits for who writes; who writes waits for ten seconds, and then says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_another_program_holds_is_waited_for() {
    let rig = Rig::running(Way::Alone).await;
    rig.done(&["capture", "install"]);
    rig.done(&["adopt", "--yes", "--flow", "customers"]);
    let holder = Holder::take(rig.state.url()).await;
    for arguments in [&["status"][..], &["conflicts", "list"], &["errors", "list"]] {
        rig.done(arguments);
    }
    let late = rig.duet(&["sync", "--once"]);
    assert_eq!(late.code, Some(75), "{}{}", late.out, late.err);
    for words in ["state.db", "locked", "= help: try again"] {
        assert!(late.err.contains(words), "{words}: {}", late.err);
    }
    let passing = rig.project.start(&["sync", "--once"]).unwrap();
    holder.release().await;
    assert_eq!(passing.wait(SOON).unwrap().code(), Some(0), "its turn came");
    assert_eq!(rig.salesforce.org().unwrap().of(CUSTOMERS.object).count(), 91);
}
