//! From two systems that never met to agreement: check, adopt, the first pass, the ambiguous.

use std::collections::{BTreeMap, BTreeSet};

use duet_tests::seed::Found;
use serde_json::Value;

use crate::ground::{Way, both_ways};
use crate::rig::{Rig, flow_of};

/// Matched, differing, ambiguous left and right, only left, only right.
type Numbers = [usize; 6];

fn numbers(report: &Value) -> BTreeMap<String, Numbers> {
    let count = |value: &Value| value.as_array().unwrap().len();
    let of = |flow: &Value| {
        let matched = flow["matched"].as_array().unwrap();
        let differing = matched.iter().filter(|pair| count(&pair["differing"]) > 0).count();
        let (ambiguous, only) = (&flow["ambiguous"], &flow["only"]);
        let sides = [&ambiguous["left"], &ambiguous["right"], &only["left"], &only["right"]];
        let [left, right, only_left, only_right] = sides.map(count);
        [matched.len(), differing, left, right, only_left, only_right]
    };
    let flows = report["items"].as_array().unwrap().iter();
    flows.map(|flow| (flow["flow"].as_str().unwrap().to_owned(), of(flow))).collect()
}

fn flow<'a>(document: &'a Value, name: &str) -> &'a Value {
    let flows = &document["flows"];
    match flows.as_array() {
        Some(list) => list.iter().find(|flow| flow["flow"] == name).unwrap(),
        None => &flows[name],
    }
}

const EXPECTED: [(&str, Numbers); 5] = [
    ("customers", [27, 9, 4, 2, 4, 62]),
    ("products", [17, 7, 4, 2, 1, 58]),
    ("prices", [0, 0, 0, 0, 0, 77]),
    ("orders", [0, 0, 0, 0, 0, 830]),
    ("lines", [0, 0, 0, 0, 0, 2155]),
];

/// A report writes nothing: neither to the sides nor to what duet knows of the flows.
async fn report_only(rig: &Rig) {
    let unprepared = rig.duet(&["check"]);
    assert_ne!(unprepared.code, Some(0), "{}", unprepared.err);
    rig.json(&["migrate"]);
    rig.json(&["capture", "install"]);
    rig.json(&["check"]);
    let before = rig.fingerprint().await;
    rig.org.mark().await.unwrap();
    let report = rig.json(&["adopt"]);
    let expected = EXPECTED.map(|(flow, numbers)| (flow.to_owned(), numbers));
    assert_eq!(numbers(&report), BTreeMap::from(expected));
    assert_eq!(rig.org.log().await.unwrap()["records_written"], 0);
    assert!(rig.fingerprint().await == before, "the report wrote");
    let status = rig.json(&["status"]);
    for (name, _) in EXPECTED {
        assert_eq!(flow(&status, name)["state"], "new");
    }
}

/// Exactly what a person must decide: those found twice, and pairs whose values differ where no
/// strategy may choose.
fn first_conflicts(rig: &Rig) {
    let mut expected = Vec::new();
    for (seed, _) in &rig.planted.seeds {
        let field = match (seed.found, seed.differs) {
            (Found::Never, _) => continue,
            (Found::Twice, _) => Some(("ambiguous_match", String::new())),
            (_, Some("Phone")) => Some(("first_link_differs", "phone".into())),
            (_, Some("Fax")) => Some(("first_link_differs", "fax".into())),
            (_, Some("BillingStreet")) => Some(("first_link_differs", "address".into())),
            (_, Some("Units_In_Stock__c")) => Some(("first_link_differs", "in_stock".into())),
            (_, Some("Quantity_Per_Unit__c")) => Some(("first_link_differs", "packaging".into())),
            _ => None,
        };
        if let Some((kind, field)) = field {
            expected.push((
                format!("{}/{}", flow_of(seed.object), seed.key),
                kind.to_owned(),
                field,
            ));
        }
    }
    expected.sort();
    expected.dedup();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = rig
        .conflicts(false)
        .iter()
        .map(|one| (text(&one["record"]), text(&one["kind"]), text(&one["field"])))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

both_ways!(northwind_and_the_organization_come_to_agree);

async fn northwind_and_the_organization_come_to_agree(way: Way) {
    let mut rig = Rig::new(way).await;
    report_only(&rig).await;
    rig.json(&["adopt", "--yes"]);
    let first = rig.sync();
    first_conflicts(&rig);
    assert!(flow(&first, "orders")["awaiting_parent"].as_u64() > Some(0), "{first}");
    assert!(flow(&first, "lines")["awaiting_parent"].as_u64() > Some(0), "{first}");

    assert_eq!(rig.link_ambiguous(), 4);
    rig.decide();
    rig.sync();
    // Linking shows what the pairs differ in, and that their twins have no partner any more.
    let kinds: BTreeSet<String> =
        rig.conflicts(false).iter().map(|one| one["kind"].to_string()).collect();
    assert_eq!(Vec::from_iter(kinds), ["\"duplicate\"", "\"first_link_differs\""]);
    rig.decide();
    let second = rig.sync();
    assert_eq!(rig.conflicts(false), [Value::Null; 0]);
    for (name, count) in
        [("customers", 91), ("products", 77), ("prices", 77), ("orders", 830), ("lines", 2155)]
    {
        let phases = flow(&second, name)["phases"].as_array().unwrap();
        let linked = phases.iter().find(|phase| phase[0] == "linked").unwrap();
        assert_eq!(linked[1], count, "{name}: {phases:?}");
    }
    assert_eq!(rig.differences().await, [""; 0]);
    rig.nothing_to_write().await;
}
