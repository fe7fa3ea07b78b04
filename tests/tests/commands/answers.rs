//! What the commands answer on an installation that works: documents, words, exit codes.

use std::process::Stdio;
use std::time::Duration;

use duet_testkit::wait::wait_until;
use duet_tests::flows::CUSTOMERS;
use serde_json::json;

use crate::rig::Rig;

const STOPS_WITHIN: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(60);
/// What people see fits this many columns.
const WIDTH: usize = 80;

/// Commands that change nothing.
const READING: [&[&str]; 8] = [
    &["status"],
    &["check"],
    &["check", "--offline"],
    &["capture", "status"],
    &["adopt"],
    &["conflicts", "list"],
    &["errors", "list"],
    &["explain", "customers/ALFKI"],
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_answers_people_and_programs() {
    let rig = Rig::new().await;
    let migrate = rig.json(&["migrate"]);
    assert_eq!(migrate["schema"], "duet.migrate.v1");
    assert!(rig.done(&["migrate"]).out.contains("up to date"));
    assert_eq!(rig.json(&["capture", "install"])["schema"], "duet.capture.v1");
    assert!(rig.done(&["status"]).out.contains("new"), "flows are new before adopt");
    assert_eq!(rig.json(&["adopt", "--flow", "customers", "--yes"])["schema"], "duet.adopt.v1");
    assert_eq!(rig.json(&["sync", "--once"])["schema"], "duet.sync.v1");
    assert_eq!(rig.done(&["conflicts", "list"]).out, "no conflicts\n");
    assert_eq!(rig.done(&["errors", "list"]).out, "no errors\n");
    make_trouble(&rig).await;
    for arguments in READING {
        let text = rig.done(arguments).out;
        let wide = text.lines().find(|line| line.chars().count() > WIDTH);
        let lists = ["conflicts", "errors", "explain", "capture"];
        assert!(wide.is_none() || lists.contains(&arguments[0]), "{arguments:?}: {wide:?}");
        assert!(!text.contains('\u{1b}'), "{arguments:?}: no colour through a pipe");
        let name = if arguments == ["check", "--offline"] { "check" } else { arguments[0] };
        assert_eq!(rig.json(arguments)["schema"], format!("duet.{name}.v1"));
    }
    assert_times(&rig);
    one_flow_and_rows(&rig);
    watched(&rig).await;
    decide(&rig);
    hostile(&rig);
    empty_key(&rig).await;
    closed_pipes(&rig);
    one_at_a_time(&rig).await;
}

/// A pass of one flow, the rows of a list as lines, and what a probe is told.
fn one_flow_and_rows(rig: &Rig) {
    let (pass, code) = rig.asked(&["sync", "--once", "--flow", "customers"]);
    assert_eq!(code, Some(7), "what was refused needs mending still: {pass}");
    let flows: Vec<&String> = pass["flows"].as_object().unwrap().keys().collect();
    assert_eq!(flows, ["customers"]);
    let stranger = rig.duet(&["sync", "--once", "--flow", "customers", "--flow", "nobody"]);
    assert_eq!(stranger.code, Some(64));
    assert!(stranger.err.contains("nobody") && stranger.err.contains("products"));
    for list in ["conflicts", "errors"] {
        let whole = rig.json(&[list, "list"]);
        let lines = rig.done(&[list, "list", "-o", "jsonl"]).out;
        let rows: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), whole["items"].as_array().unwrap().len(), "{lines}");
        for row in &rows {
            assert_eq!(row["schema"], format!("duet.{list}.v1"));
            assert!(row["id"].is_string(), "{row}");
        }
    }
    assert_eq!(rig.asked(&["status", "--check"]).1, Some(7), "one write is refused");
}

/// It tells again and again, until it is asked to stop.
async fn watched(rig: &Rig) {
    let told = || rig.project.printed_by_all("stdout").matches("duet.status.v1").count();
    let before = told();
    let watching = rig.project.start(&["status", "--watch", "-o", "json"]).unwrap();
    wait_until(SOON, "it tells twice", || std::future::ready(told() >= before + 2)).await;
    assert_eq!(watching.stop(STOPS_WITHIN).unwrap().code(), Some(143));
}

/// Lag, queue, what waits for freshness and when both sides last agreed.
fn assert_times(rig: &Rig) {
    let text = rig.done(&["status"]).out;
    for head in ["READ LEFT", "TO RIGHT", "QUEUE", "FRESH", "AGREED"] {
        assert!(text.contains(head), "{head}: {text}");
    }
    let status = rig.json(&["status"]);
    let flows = status["flows"].as_array().unwrap();
    let customers = flows.iter().find(|flow| flow["flow"] == "customers").unwrap();
    let synced_at = customers["synced_at"].as_i64().unwrap();
    assert!(synced_at <= status["at"].as_i64().unwrap(), "{customers}");
    assert!(customers["synced"]["left"].is_i64(), "{customers}");
    let right = &customers["synced"]["right"];
    assert!(right.is_i64() || right.is_null(), "no row changed since the capture: {customers}");
    for side in ["left", "right"] {
        assert!(customers["waiting_since"][side].is_null(), "nothing is on its way: {customers}");
    }
    assert_eq!(customers["fresh"], 0);
}

/// One conflict and one error.
async fn make_trouble(rig: &Rig) {
    let rule = json!({ "object": "Account", "field": "Phone", "value": "66", "message": "no" });
    rig.salesforce.fail(json!({ "refuse": [rule] })).await.unwrap();
    let id = rig.partner(&CUSTOMERS, "ALFKI").unwrap();
    rig.salesforce.edit("Account", &id, json!({ "Phone": "canary-left" })).await.unwrap();
    rig.sell(
        "UPDATE customers SET phone = 'canary-right' WHERE customer_id = 'ALFKI';
        UPDATE customers SET phone = '66' WHERE customer_id = 'ANATR'",
    )
    .await;
    assert_eq!(rig.duet(&["sync", "--once"]).code, Some(7), "one write is refused");
    let again = rig.duet(&["sync", "--once", "--fail-on-conflict"]);
    assert_eq!(again.code, Some(7), "what is refused counts more");
}

/// The conflict, from the list to the decision.
fn decide(rig: &Rig) {
    let listed = rig.done(&["conflicts", "list"]).out;
    assert!(!listed.contains("canary"), "sensitive values are masked in lists: {listed}");
    assert!(rig.done(&["conflicts", "list", "--reveal"]).out.contains("canary-left"));
    let conflicts = rig.json(&["conflicts", "list"]);
    let id = conflicts["items"][0]["id"].as_str().unwrap();
    let shown = rig.done(&["conflicts", "show", id]).out;
    assert!(shown.contains("canary-left") && shown.contains("canary-right"), "{shown}");
    assert_eq!(rig.json(&["conflicts", "show", id])["schema"], "duet.conflict.v1");
    for bad in [&["--take", "left", "--null"][..], &[], &["--take", "middle"], &["--link", "x"]] {
        let arguments = [&["conflicts", "resolve", id][..], bad].concat();
        let refused = rig.duet(&arguments);
        assert_eq!(refused.code, Some(64), "{bad:?}: {}{}", refused.out, refused.err);
    }
    let stale = rig.duet(&["conflicts", "resolve", id, "--take", "left", "--seen", "0000"]);
    assert_eq!(stale.code, Some(1), "{}{}", stale.out, stale.err);
    only_what_fits(rig, id);
    first_wins(rig, id);
    let resolve = ["conflicts", "resolve", id, "--take", "right", "--by", "someone"];
    let again = rig.json(&resolve);
    assert_eq!((&again["schema"], &again["by"]), (&json!("duet.resolution.v1"), &json!("bob")));
    let error = rig.json(&["errors", "list"])["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(rig.json(&["errors", "show", &error])["schema"], "duet.error.v1");
    assert_eq!(rig.json(&["errors", "retry", &error])["schema"], "duet.errors-change.v1");
    rig.duet(&["sync", "--once"]);
    assert_eq!(rig.left(&CUSTOMERS, "ALFKI", "Phone"), "canary-right");
    assert_eq!(rig.done(&["conflicts", "list"]).out, "no conflicts\n");
    assert!(rig.done(&["conflicts", "list", "--all"]).out.contains("customers/ALFKI"));
    let late = rig.duet(&["conflicts", "resolve", id, "--take", "right"]);
    assert!(late.code == Some(1) && late.err.contains("closed"), "{}{}", late.out, late.err);
}

/// A value that one of the sides can't hold isn't stored: it could never be carried out.
fn only_what_fits(rig: &Rig, id: &str) {
    for (length, words) in [(41, &["left", "Phone", "40"][..]), (30, &["right", "phone", "24"])] {
        let long = "5".repeat(length);
        let refused = rig.duet(&["conflicts", "resolve", id, "--value", &long]);
        assert_eq!(refused.code, Some(64), "{length}: {}{}", refused.out, refused.err);
        for word in words {
            assert!(refused.err.contains(word), "{length}: {word}: {}", refused.err);
        }
        assert!(!refused.err.contains(&long), "no values: {}", refused.err);
    }
    assert_eq!(rig.json(&["conflicts", "show", id])["state"], "open", "nothing is stored");
}

/// Two people decide what they both saw: the first one wins, and the second one is told who, what
/// kind of thing and when. To overrule a decision is another thing, said as such.
fn first_wins(rig: &Rig, id: &str) {
    let seen = rig.json(&["conflicts", "show", id])["seen"].as_str().unwrap().to_owned();
    let decide = |take, by, more: &[&str]| {
        let decide = ["conflicts", "resolve", id, "--seen", &seen, "--take", take, "--by", by];
        rig.duet(&[&decide, more].concat())
    };
    let stands = || {
        let shown = rig.json(&["conflicts", "show", id]);
        (shown["resolution"].clone(), shown["rev"].to_string())
    };
    assert_eq!(decide("left", "ann", &[]).code, Some(0));
    let (anns, rev) = stands();
    let late = decide("right", "bob", &[]);
    assert_eq!(late.code, Some(1), "{}{}", late.out, late.err);
    assert!(late.err.contains("by ann at 2") && late.err.contains("left's value"), "{}", late.err);
    assert!(!late.err.contains("canary"), "no values: {}", late.err);
    let same = decide("left", "bob", &[]);
    assert!(same.code == Some(0) && same.out.contains("by ann"), "{}{}", same.out, same.err);
    let before = (rev.parse::<i64>().unwrap() - 1).to_string();
    let old = decide("right", "bob", &["--instead-of", &before]);
    assert_eq!(old.code, Some(1), "{}{}", old.out, old.err);
    assert_eq!(stands(), (anns.clone(), rev.clone()), "ann's decision is untouched");
    let listed = rig.done(&["conflicts", "list"]).out;
    assert!(listed.contains("STATE") && listed.contains("decided"), "{listed}");
    let shown = rig.done(&["conflicts", "show", id]).out;
    assert!(shown.contains(&format!("--instead-of {rev}")), "{shown}");
    assert_eq!(decide("right", "bob", &["--instead-of", &rev]).code, Some(0));
    let (bobs, _) = stands();
    assert_eq!((&bobs["by"], &bobs["earlier"]), (&json!("bob"), &json!([anns])), "both are kept");
}

/// Names that nobody meant well.
fn hostile(rig: &Rig) {
    let long = format!("customers/{}", "k".repeat(10_000));
    let names: [(&str, i32); 8] = [
        ("customers/'; DROP TABLE links; --", 1),
        ("customers/\u{202e}\u{1F600}\u{0301}", 1),
        (&long, 1),
        ("customers/%00", 1),
        ("customers/\n\u{1b}[31m", 1),
        ("nowhere/ALFKI", 64),
        ("customers", 64),
        ("", 64),
    ];
    for (name, code) in names {
        let done = rig.duet(&["explain", name]);
        assert_eq!(done.code, Some(code), "{name:.40}: {}", done.err);
        assert!(done.err.starts_with("error: "), "{}", done.err);
        assert!(!done.err.contains('\u{1b}'), "a key must not paint the terminal: {}", done.err);
        assert!(done.err.len() < 2_000, "{name:.40}: {} bytes", done.err.len());
    }
    for id in ["'; DROP TABLE links", "zz", "%", "\u{1F600}", &long, "", "-"] {
        for command in [["conflicts", "show"], ["errors", "show"]] {
            let done = rig.duet(&[command[0], command[1], id]);
            assert!(matches!(done.code, Some(1 | 64)), "{command:?} {id:.40}: {:?}", done);
            assert!(done.err.len() < 2_000, "{command:?} {id:.40}: {} bytes", done.err.len());
        }
    }
    let field = rig.duet(&["explain", "customers/ALFKI", "--field", "phnoe"]);
    assert_eq!(field.code, Some(64));
    assert!(field.err.contains("phone"), "it tells which there are: {}", field.err);
    assert_eq!(rig.duet(&["adopt", "--flow", "nobody"]).code, Some(64));
    assert_eq!(rig.duet(&["capture", "remove"]).code, Some(64), "it asks for --yes");
    rig.done(&["status"]);
}

/// A record whose key is the empty text can be named.
async fn empty_key(rig: &Rig) {
    assert_eq!(rig.duet(&["explain", "customers/"]).code, Some(1), "nobody has seen it");
    rig.sell("INSERT INTO customers (customer_id, company_name) VALUES ('', 'No key')").await;
    rig.duet(&["sync", "--once"]);
    for name in ["customers/", "customers/right:"] {
        assert_eq!(rig.json(&["explain", name])["record"]["right"], "", "{name}");
    }
}

/// A reader that goes away is no failure.
fn closed_pipes(rig: &Rig) {
    for arguments in [&["status"][..], &["status", "-o", "json"], &["--help"], &["adopt", "--help"]]
    {
        let mut child = rig.project.command(arguments);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// Two that would do the same at once: the later one is told to try later.
async fn one_at_a_time(rig: &Rig) {
    let running = rig.project.start(&["run"]).unwrap();
    for flow in ["customers", "products", "orders"] {
        wait_until(SOON, "it reads", || std::future::ready(rig.reads(flow))).await;
    }
    let beside = rig.duet(&["sync", "--once"]);
    assert_eq!(beside.code, Some(75), "sync beside run: {}{}", beside.out, beside.err);
    assert!(beside.err.starts_with("error: "), "{}", beside.err);
    // Adopting may run beside `duet run`.
    rig.done(&["adopt", "--flow", "products"]);
    rig.salesforce.fail(json!({ "latency_ms": 1500 })).await.unwrap();
    let first = rig.project.start(&["adopt", "--flow", "orders"]).unwrap();
    let mut codes = vec![rig.duet(&["adopt", "--flow", "orders"]).code];
    codes.push(first.wait(SOON).unwrap().code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(75)], "adopt twice at once");
    rig.salesforce.mend().await.unwrap();
    assert_eq!(running.stop(STOPS_WITHIN).unwrap().code(), Some(0));
}
