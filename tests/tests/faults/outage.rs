//! A side that is gone for a while: its connection rests, the other side is still read, few calls
//! are tried, and everything arrives afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use duet_testkit::servers::Fault;
use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::calls::{assert_all_told, assert_explained};
use crate::rig::{LIMIT, Rig, SOON, STOPS_WITHIN};

/// As long as the outage lasts.
const OUTAGE: Duration = Duration::from_secs(60);
/// So often somebody edits meanwhile.
const PACE: Duration = Duration::from_secs(2);
/// Looks at a side that is gone for a minute: the pauses after them are 1, 2, 4, 8, 16 and 30 s, so the
/// seventh would come after 61 s.
const LOOKS: usize = 6;
/// Whoever waits looks once: the sources of five flows, and what is due as one batch each: updates
/// and reads of customers.
const LOOKING: usize = 5 + 2;
/// Calls to that side: the looks, and the request that was under way as it went. That is the most;
/// as the first who fails pauses the connection for all it is often one call a look (7 were seen).
/// Pauses that don't double would be 60 looks.
const FEW: usize = LOOKS * LOOKING + 1;

/// Customers whose phone is changed in the shop meanwhile, and whose contact in Salesforce.
const SOLD_TO: [&str; 3] = ["ANATR", "BERGS", "WOLZA"];
const CALLED: [&str; 3] = ["ANTON", "BLONP", "VINET"];
/// The customer whose change is being written as Salesforce goes away.
const UNDER_WAY: &str = "ALFKI";
/// So long a request waits at Salesforce before it is carried out: longer than a look at it takes.
const HELD_MS: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn salesforce_away_for_a_minute_pauses_its_connection_only() {
    let rig = Rig::new().await;
    rig.salesforce.keep().await.unwrap();
    rig.prepare(&["customers"]);
    rig.done(&["sync", "--once"]);
    let running = rig.run();
    wait_until(SOON, "it reads", || std::future::ready(rig.reads("customers"))).await;
    write_under_way(&rig).await;
    let before = unanswered(&rig).await;
    let outage = u64::try_from(OUTAGE.as_millis()).unwrap();
    let began = Instant::now();
    rig.salesforce.fail(json!({ "outage_ms": outage, "latency_ms": 0 })).await.unwrap();
    let rounds = edit_meanwhile(&rig, began + OUTAGE).await;
    let everything = || async { missing(&rig, rounds).await.is_empty() && rig.is_quiet() };
    wait_until(LIMIT, "everything arrived", everything).await;
    wait_until(SOON, "nothing rests", || std::future::ready(resting(&rig).is_empty())).await;
    let tried = unanswered(&rig).await - before;
    assert!((1..=FEW).contains(&tried), "{tried} calls to a side that is gone");
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
    assert_eq!(missing(&rig, rounds).await, Vec::<String>::new());
    assert_eq!(rig.done(&["errors", "list"]).out.trim(), "no errors");
    assert_eq!(rig.done(&["conflicts", "list"]).out.trim(), "no conflicts");
    let told = assert_all_told(&rig).await;
    assert!(told.calls > 0, "{told:?}");
    assert_eq!(rig.left(&CUSTOMERS, UNDER_WAY, "Phone"), "under way");
    for key in SOLD_TO.iter().chain(&CALLED).chain(&[UNDER_WAY]) {
        assert_explained(&rig, "customers", key).await;
    }
}

/// Brings a write to the moment at which its first request (the read before it) is at Salesforce and
/// without an answer. Calls that lose their answer after they took effect are in the storm. Once the
/// outage has begun it is detection that finds the connection gone, and no write leaves any more.
async fn write_under_way(rig: &Rig) {
    rig.salesforce.fail(json!({ "latency_ms": HELD_MS })).await.unwrap();
    rig.sell(&format!(
        "UPDATE customers SET phone = 'under way' WHERE customer_id = '{UNDER_WAY}'"
    ))
    .await;
    wait_until(SOON, "the write is under way", || {
        let told = rig.json(&["explain", &format!("customers/right:{UNDER_WAY}")]);
        let fields = told["fields"].as_array().unwrap();
        let phone = fields.iter().find(|one| one["name"] == "phone").unwrap();
        std::future::ready(phone["written"]["left"]["state"] == "sent")
    })
    .await;
}

/// Edits on both sides until the outage is over; answers how many rounds there were. In each the
/// shop is read and its changes are settled, and no connection but Salesforce's rests.
async fn edit_meanwhile(rig: &Rig, end: Instant) -> usize {
    let ids = CALLED.map(|key| rig.partner(&CUSTOMERS, key).unwrap());
    let (mut rounds, mut rested) = (0, BTreeSet::new());
    // The last round must end before the outage does: then its changes can't have arrived.
    while Instant::now() + PACE < end {
        let (sold, called) = (SOLD_TO[rounds % 3], &ids[rounds % 3]);
        let phone = format!("away {rounds}");
        rig.sell(&format!("UPDATE customers SET phone = '{phone}' WHERE customer_id = '{sold}'"))
            .await;
        let edit = json!({ "Contact_Name__c": format!("Contact {rounds}") });
        rig.salesforce.edit("Account", called, edit).await.unwrap();
        wait_until(SOON, "the shop's change is recorded", || {
            std::future::ready(seen(rig, sold) == phone)
        })
        .await;
        wait_until(SOON, "the shop's changes are settled", || {
            std::future::ready(backlog(rig) == 0)
        })
        .await;
        let (left, rest) = (rig.left(&CUSTOMERS, sold, "Phone"), resting(rig));
        if Instant::now() < end {
            assert_ne!(left, phone, "still away");
            rested.extend(rest);
        }
        rounds += 1;
        tokio::time::sleep(PACE).await;
    }
    assert_eq!(Vec::from_iter(rested), ["crm"], "one connection rests, the other never");
    rounds
}

/// Edits of the last rounds that aren't on both sides.
async fn missing(rig: &Rig, rounds: usize) -> Vec<String> {
    let mut missing = Vec::new();
    for round in rounds.saturating_sub(3)..rounds {
        let places = [
            (SOLD_TO[round % 3], "Phone", format!("away {round}")),
            (CALLED[round % 3], "Contact_Name__c", format!("Contact {round}")),
        ];
        for (key, field, wanted) in places {
            let left = rig.left(&CUSTOMERS, key, field);
            let right = rig.right(&CUSTOMERS, key, field).await;
            if left != wanted || right != wanted {
                missing.push(format!("{key} {field}: {wanted} became {left} | {right}"));
            }
        }
    }
    missing
}

/// The phone of a customer as it was last seen in the shop.
fn seen(rig: &Rig, key: &str) -> String {
    let name = format!("customers/right:{key}");
    let told = rig.json(&["explain", &name, "--field", "phone", "--reveal"]);
    let value = told["fields"][0]["values"]["right"].as_str().unwrap_or_default();
    value.trim_matches('"').to_owned()
}

/// Calls that Salesforce didn't answer.
async fn unanswered(rig: &Rig) -> usize {
    let log = rig.salesforce.log().await.unwrap();
    let last: &Vec<Value> = log["last"].as_array().unwrap();
    last.iter().filter(|call| call["status"] == 0).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_away_pauses_its_connection_only() {
    let mut rig = Rig::new().await;
    let between = rig.way_to_shop().await;
    rig.prepare(&["customers"]);
    rig.done(&["sync", "--once"]);
    let running = rig.run();
    wait_until(SOON, "it reads", || std::future::ready(rig.reads("customers"))).await;
    between.set(Fault::Refuse);
    between.drop_connections();
    let id = rig.partner(&CUSTOMERS, "ALFKI").unwrap();
    let edit = json!({ "Contact_Name__c": "Edited while away" });
    rig.salesforce.edit("Account", &id, edit).await.unwrap();
    wait_until(SOON, "the connection rests", || std::future::ready(resting(&rig) == ["shop"]))
        .await;
    rig.sell("UPDATE customers SET phone = 'meanwhile' WHERE customer_id = 'ANATR'").await;
    between.set(Fault::None);
    wait_until(SOON * 2, "everything arrived", || async {
        let right = rig.right(&CUSTOMERS, "ALFKI", "Contact_Name__c").await;
        let left = rig.left(&CUSTOMERS, "ANATR", "Phone");
        right == "Edited while away" && left == "meanwhile" && rig.is_quiet()
    })
    .await;
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
    assert_eq!(rig.done(&["errors", "list"]).out.trim(), "no errors");
    let log = rig.project.printed_by_all("stderr");
    let warnings = log.lines().filter(|line| line.contains(" WARN ")).count();
    assert!(warnings < 40, "{warnings} warnings for one outage:\n{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_leaves_nothing_half_done() {
    let rig = Rig::new().await;
    rig.prepare(&[]);
    rig.salesforce.fail(json!({ "latency_ms": 300 })).await.unwrap();
    let running = rig.run();
    wait_until(SOON, "some are created", || {
        std::future::ready(rig.salesforce.org().unwrap().of("Account").count() > 0)
    })
    .await;
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
    for flow in ["customers", "products", "prices", "orders", "lines"] {
        assert_eq!(rig.intents(flow, &["sent", "unknown"]), 0, "{flow}: left half done");
    }
    let org = rig.salesforce.org().unwrap();
    assert!(org.of("OrderItem").count() < 2_155, "it was stopped in the middle");
    rig.salesforce.mend().await.unwrap();
    rig.done(&["sync", "--once"]);
    let org = rig.salesforce.org().unwrap();
    let counts = ["Account", "Product2", "PricebookEntry", "Order", "OrderItem"];
    assert_eq!(counts.map(|object| org.of(object).count()), [91, 77, 77, 830, 2_155]);
}

fn resting(rig: &Rig) -> Vec<String> {
    let status = rig.json(&["status"]);
    let connections = status["connections"].as_array().unwrap().iter();
    connections.map(|one| one["connection"].as_str().unwrap().to_owned()).collect()
}

/// Changes of the customers that wait to be settled.
fn backlog(rig: &Rig) -> u64 {
    let capture = rig.json(&["capture", "status"]);
    let items = capture["items"].as_array().unwrap();
    items.iter().find(|one| one["flow"] == "customers").unwrap()["backlog"].as_u64().unwrap()
}
