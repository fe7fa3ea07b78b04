//! Dead letters as people meet them: listed with record and column, over by themselves when the
//! record is mended, read again on request, given up with a reason. No value is ever told.

use duet_tests::flows::CUSTOMERS;
use serde_json::{Value, json};

use crate::rig::Rig;

/// What must never be told, spoilt by a character that can't be stored.
const SPOILT: &str = "canary\u{0}";

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_and_ends_in_each_of_its_ways() {
    let rig = Rig::new().await;
    rig.prepare(&["customers"]);
    rig.done(&["sync", "--once"]);
    let record = rig.partner(&CUSTOMERS, "ALFKI").unwrap();
    let letter = spoil(&rig, &record).await;
    assert_shown(&rig, &letter, &record);
    mend(&rig, &record, "030-1").await;
    read_again(&rig, &record).await;
    give_up(&rig, &record).await;
    for stream in ["stdout", "stderr"] {
        assert!(!rig.project.printed_by_all(stream).contains("canary"), "{stream} tells a value");
    }
}

/// The only error of its kind. A look at a spoilt record may wait beside the letter about it.
fn only(rig: &Rig, kind: &str) -> Value {
    let list = rig.json(&["errors", "list"]);
    let items = list["items"].as_array().unwrap();
    let of_kind: Vec<&Value> = items.iter().filter(|one| one["kind"] == kind).collect();
    let [error] = of_kind.as_slice() else { panic!("one {kind}: {list}") };
    (*error).clone()
}

/// A text that can't be stored: a dead letter, and the pass is done in part.
async fn spoil(rig: &Rig, record: &str) -> Value {
    rig.salesforce.edit("Account", record, json!({ "Phone": SPOILT })).await.unwrap();
    let (pass, code) = rig.asked(&["sync", "--once"]);
    assert_eq!(code, Some(7), "{pass}");
    let first = only(rig, "letter");
    let (again, code) = rig.asked(&["sync", "--once"]);
    assert_eq!(code, Some(7), "it waits: {again}");
    let letter = only(rig, "letter");
    assert_eq!(letter["state"], "open");
    assert_eq!(letter["id"], first["id"], "another look at it is no other letter");
    letter
}

/// The record is mended, and the next pass ends as if nothing had been.
async fn mend(rig: &Rig, record: &str, phone: &str) {
    rig.salesforce.edit("Account", record, json!({ "Phone": phone })).await.unwrap();
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.done(&["errors", "list"]).out, "no errors\n");
    assert_eq!(rig.right(&CUSTOMERS, "ALFKI", "Phone").await, phone);
    assert_eq!(rig.json(&["status"])["dead_letters"], json!([]));
}

fn assert_shown(rig: &Rig, letter: &Value, record: &str) {
    let id = letter["id"].as_str().unwrap();
    assert_eq!(letter["record"], format!("customers/left:{record}"));
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("Phone") && reason.contains("NUL"), "{reason}");
    let listed = rig.done(&["errors", "list"]).out;
    assert!(listed.contains(id) && listed.contains("dead letter"), "{listed}");
    let shown = rig.done(&["errors", "show", id]).out;
    assert!(shown.contains(record) && shown.contains("duet errors retry"), "{shown}");
    assert!(rig.done(&["status"]).out.contains("duet errors list"));
    assert_eq!(rig.duet(&["errors", "show", "L999999"]).code, Some(1));
}

/// Asked for, its record is read again: spoilt still, that is a call which waits for its mending.
async fn read_again(rig: &Rig, record: &str) {
    let letter = spoil(rig, record).await;
    rig.done(&["errors", "retry", letter["id"].as_str().unwrap()]);
    assert_eq!(only(rig, "letter")["state"], "asked");
    assert_eq!(rig.duet(&["sync", "--once"]).code, Some(7));
    let call = only(rig, "call");
    assert_eq!(call["state"], "parked");
    assert_eq!(call["failure"]["code"], "TEXT_WITH_NUL");
    mend(rig, record, "030-2").await;
}

/// Given up with a reason that is kept, it counts no more.
async fn give_up(rig: &Rig, record: &str) {
    let letter = spoil(rig, record).await;
    let id = letter["id"].as_str().unwrap();
    let discard = |more: &[&str]| rig.duet(&[&["errors", "discard", id], more].concat());
    assert_eq!(discard(&["--yes"]).code, Some(64), "it asks for a reason");
    assert_eq!(discard(&["--reason", "a test"]).code, Some(64), "it asks for --yes");
    assert_eq!(only(rig, "letter")["state"], "open");
    let given_up = discard(&["--reason", "a test", "--by", "ann", "--yes"]);
    assert_eq!(given_up.code, Some(0), "{}", given_up.err);
    rig.done(&["sync", "--once"]);
    assert_eq!(rig.json(&["status"])["dead_letters"], json!([]), "given up is given up");
    let shown = rig.done(&["errors", "show", id]).out;
    assert!(shown.contains("by ann") && shown.contains("a test"), "{shown}");
    let over = rig.duet(&["errors", "retry", id]);
    assert_eq!(over.code, Some(1), "{}{}", over.out, over.err);
}
